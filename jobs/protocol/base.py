"""Types that messages of hosts share, and the way from bytes to a message.

A host is not trusted: each text has a greatest length, each number a range, each list and mapping
a greatest size. :func:`parse` is the one way in.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictStr,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from jobs.base import bounds
from jobs.base.bounds import COUNT_MAX, DEPTH, ERROR_CHARS, SECONDS_MAX, WORDS_CHARS
from jobs.base.engine_addresses import PORT_MAX, port_from
from jobs.base.errors import JobsError
from jobs.base.messages import OF_HOSTS, UNKNOWN
from jobs.base.sanitize import sanitize

logger = logging.getLogger(__name__)


class BadMessage(JobsError):
    """A message of a host that breaks the protocol. ``field``: path of the wrong part."""

    id = "intake:message"

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field = field
        self.problem = problem


class HostModel(BaseModel):
    """Part of a message. Fields of newer hosts are left out; nothing is converted silently."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=HostModel)


def _port(sent: Any) -> int:
    """Return a port, also of its digits; no spaces, signs and underscores, unlike pydantic."""
    number = port_from(sent)
    if number is None:
        raise ValueError(f"port is no number from 1 to {PORT_MAX}")
    return number


ID_CHARS = 64
Text64 = Annotated[str, Field(max_length=ID_CHARS)]
Text255 = Annotated[str, Field(max_length=255)]
Text1000 = Annotated[str, Field(max_length=1000)]
Count = Annotated[int, Field(strict=True, ge=0, le=COUNT_MAX)]
Id = Annotated[int, Field(strict=True, ge=1, le=COUNT_MAX)]
Number = Annotated[float, Field(strict=True, ge=-1e18, le=1e18)]
Moment = Annotated[float, Field(strict=True, ge=0, le=SECONDS_MAX)]
Duration = Annotated[float, Field(strict=True, ge=0, le=SECONDS_MAX)]
Port = Annotated[int, BeforeValidator(_port)]
ExitCode = Annotated[int, Field(strict=True, ge=-(2**31), lt=2**31)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Token = Annotated[str, Field(max_length=64)]

# Text for people is shortened: an error's own words may be long, and are no reason to lose a job.
Words = Annotated[StrictStr, AfterValidator(lambda text: text[:WORDS_CHARS])]
_Whole = Annotated[int, Field(strict=True, ge=-COUNT_MAX, le=COUNT_MAX)]
Scalar = StrictBool | _Whole | Number | Words | None
_Few = Annotated[list[Scalar], Field(max_length=256)]
_Flat = Annotated[dict[Text64, Scalar], Field(max_length=64)]
# What the dashboard adds to the arguments of a message, and no host may.
_OWN_ARGS = frozenset({"failure", "telling"})


def _of_host(args: dict[str, Any]) -> dict[str, Any]:
    own = sorted(_OWN_ARGS.intersection(args))
    if own:
        raise ValueError(f"reserved name {own[0]!r}")
    return args


MessageArgs = Annotated[
    dict[Text64, Scalar | _Few | _Flat], Field(max_length=64), AfterValidator(_of_host)
]


_ARGS = TypeAdapter(MessageArgs)


class WithMessage(HostModel):
    """Part with a message for people. Another than :data:`jobs.base.messages.OF_HOSTS` is
    replaced, and keeps its arguments if they are of our form."""

    message_id: Text64
    message_args: MessageArgs = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _no_words_of_others(cls, sent: Any) -> Any:
        name = sent.get("message_id") if isinstance(sent, dict) else None
        is_foreign = isinstance(name, str) and 0 < len(name) <= ID_CHARS and name not in OF_HOSTS
        if not is_foreign:
            return sent
        args = sent.get("message_args")
        args = {**args, "id": name} if isinstance(args, dict) else {"id": name}
        try:
            _ARGS.validate_python(args)
        except ValidationError:
            args = {"id": name}
        return {**sent, "message_id": UNKNOWN, "message_args": args}


def parse(model: type[Model], data: bytes, where: str = "") -> Model:
    """Return the message in ``data``, JSON.

    Raises:
        BadMessage: no JSON, or not a ``model``; ``field`` begins with ``where``.
    """
    return read(model, load(data, where), where)


def load(data: bytes, where: str = "") -> Any:
    """Return JSON as a database can store it: see ``sanitize.sanitize``.

    Raises:
        BadMessage: no JSON, or nested deeper than 16.
    """
    try:
        value = json.loads(data)
    except RecursionError:
        value, deep = None, True
    except ValueError as error:
        raise BadMessage(where, f"not JSON: {error}"[:ERROR_CHARS]) from None
    else:
        deep = _is_deep(value)
    if deep:
        raise BadMessage(where, f"nested deeper than {DEPTH}")
    return sanitize(value)


def check_lines(lines: Sequence[bytes], where: str) -> None:
    """Raise :class:`BadMessage` for more lines than a chunk may have."""
    if len(lines) > bounds.LINES:
        raise BadMessage(where, f"more than {bounds.LINES} lines")


def note_torn(torn: Sequence[bytes], where: str) -> None:
    """Log lines that were left out, once for all.

    Raises:
        BadMessage: they are more than a power cut tears.
    """
    if len(torn) > bounds.TORN_LINES:
        raise BadMessage(where, f"more than {bounds.TORN_LINES} lines are no JSON object")
    if torn:
        text = "%s: %s lines are no JSON object, left out: %.200r"
        logger.error(text, where, len(torn), torn[0])


def read(model: type[Model], value: Any, where: str = "") -> Model:
    """Return ``value`` as a ``model``. Raises :class:`BadMessage`."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        path = [*([where] if where else []), *map(str, first["loc"])]
        field = ".".join(path)[:ERROR_CHARS]
        raise BadMessage(field, str(first["msg"])[:ERROR_CHARS]) from None


def _is_deep(value: Any) -> bool:
    """Return True if lists and mappings are nested deeper than ``DEPTH``."""
    level = [value]
    for _ in range(DEPTH + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)
