"""Typed messages of hosts: heartbeats, facts, claims, events, points, findings.

A host is not trusted: each text has a greatest length, each number a range, each list and mapping
a greatest size. :func:`load` and :func:`read` are the way in.
"""

import json
import logging
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

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
    field_validator,
    model_validator,
)

from jobs.base import bounds
from jobs.base.bounds import COUNT_MAX, DEPTH, DIES_MAX, ERROR_CHARS, SECONDS_MAX, WORDS_CHARS
from jobs.base.engine_addresses import PORT_MAX, ip_from, port_from
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


def load(data: bytes, where: str = "") -> Any:
    """JSON as a database can store it: see ``sanitize.sanitize``. Raises BadMessage: no JSON, or
    nested deeper than 16; its ``field`` is ``where``."""
    try:
        value = json.loads(data)
    except RecursionError:
        raise BadMessage(where, f"nested deeper than {DEPTH}") from None
    except ValueError as error:
        raise BadMessage(where, f"not JSON: {error}"[:ERROR_CHARS]) from None
    level = [value]
    for _ in range(DEPTH + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    if level:
        raise BadMessage(where, f"nested deeper than {DEPTH}")
    return sanitize(value)


def read(model: type[Model], value: Any, where: str = "") -> Model:
    """Raises BadMessage: ``value`` is no ``model``; ``field`` begins with ``where``."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        path = [*([where] if where else []), *map(str, first["loc"])]
        field = ".".join(path)[:ERROR_CHARS]
        raise BadMessage(field, str(first["msg"])[:ERROR_CHARS]) from None


# Types


def _port(sent: Any) -> int:
    """Digits count too; no spaces, signs and underscores, unlike pydantic."""
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
Seconds = Annotated[float, Field(strict=True, ge=0, le=SECONDS_MAX)]  # since the epoch, or passed
Port = Annotated[int, BeforeValidator(_port)]
ExitCode = Annotated[int, Field(strict=True, ge=-(2**31), lt=2**31)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
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


# Facts: what a host's probe found, see ``jobs.host.probe``

RootName = Literal["environments", "spool", "serve", "weights", "artifacts", "datasets"]
# Its ValueError says what is wrong.
Ip = Annotated[Text64, AfterValidator(lambda text: str(ip_from(text)))]
# Docker may have more images than the bound, and no page needs all.
Images = Annotated[
    list[Text1000],
    BeforeValidator(lambda sent: sent[: bounds.IMAGES_MAX] if isinstance(sent, list) else sent),
]


class _Cpu(HostModel):
    model: Text255
    cores: Annotated[int, Field(strict=True, ge=0, le=65536)]  # that the agent may use
    avx512: StrictBool


class _Disk(HostModel):
    total_bytes: Count
    free_bytes: Count


class _Python(HostModel):
    path: Text1000
    version: Text64


class _Tool(HostModel):
    name: Text64
    version: Text255  # "": unknown
    path: Text1000


class _Die(HostModel):
    id: Annotated[int, Field(strict=True, ge=0, le=65535)]


class Facts(HostModel):
    """All facts. Fields without a default are needed to plan a job."""

    address: Ip | None = None
    arch: Text64 = ""
    cpu: _Cpu | None = None
    disk: _Disk | None = None
    kernel: Text255 = ""
    memory_bytes: Count | None = None
    os: Text255 = ""
    python: _Python | None = None
    roots: dict[RootName, Text1000]
    tools: list[_Tool] = Field(default_factory=list, max_length=bounds.TOOLS_MAX)
    wheels_dir: Text1000 | None = None
    # A VACC host:
    dies: list[_Die] = Field(default_factory=list, max_length=DIES_MAX)
    driver: Text255 = ""
    iommu: StrictBool | None = None
    compiler: Text255 = ""
    workspace: Text1000 = ""
    mount: Text1000 | None = None
    registry: Text1000 | None = None
    modification_dir: Text1000 = ""
    conda: Text1000 = ""
    images: Images = Field(default_factory=list)
    stacks: Annotated[list[Text64], Field(max_length=16)] | None = None


# Heartbeats


class _DieReading(HostModel):
    temp_c: Number | None = None
    power_w: Number | None = None


class _FolderSize(HostModel):
    bytes: Count
    at: Seconds


class Load(HostModel):
    """Load of the host. Bytes may be missing where the system does not say."""

    load_1m: Number | None = None
    memory_free_bytes: Count | None = None
    disk_free_bytes: Count | None = None
    disk_reserve_bytes: Count | None = None
    spool_bytes: Count | None = None
    aside_bytes: Count | None = None
    disk_usage: dict[Text64, _FolderSize] = Field(default_factory=dict, max_length=16)
    dies: dict[Text64, _DieReading] = Field(default_factory=dict, max_length=DIES_MAX)
    # Output that the agent could not read, by command.
    unread: dict[Text64, Words] = Field(default_factory=dict, max_length=16)


class JobRun(HostModel):
    """A job that the host has. ``broken``: why its files can never be delivered completely."""

    id: Id
    token: Text64
    state: Literal["running", "ended"]
    broken: Words | None = None


class ServerRun(JobRun):
    """A server that the host has, and its health."""

    run: Id
    health: Literal["loading", "ready", "unhealthy"] = "loading"
    port: Port | None = None


class Heartbeat(HostModel):
    """Load, runs, and now and then the facts. Times are seconds since the epoch by the host's
    clock."""

    boot_id: Text64
    agent_started_at: Seconds
    now: Seconds
    load: Load
    jobs: list[JobRun] = Field(max_length=bounds.RUNS_MAX)
    serves: list[ServerRun] = Field(max_length=bounds.RUNS_MAX)
    facts: Facts | None = None


class ClaimJob(HostModel):
    """``claim_id``: the host's own nonce; the same one claims the same job again."""

    claim_id: Text64 = ""


class ClaimRun(HostModel):
    """A restart of a server: the number of its run."""

    run: Id


class Finding(WithMessage):
    """Result of a check of a preflight."""

    name: Text64
    level: Literal["ok", "warn", "failed", "unknown"]


class Findings(HostModel):
    """One for each check of a plan, in its order."""

    findings: list[Finding] = Field(max_length=bounds.FINDINGS_MAX)


# Events of a job or a server, one JSON object a line

Values = Annotated[dict[Text64, Text1000 | int], Field(max_length=bounds.VALUES_MAX)]


class Event(HostModel):
    """Fields of every event. ``at``: seconds since the epoch by the host's clock."""

    type: str
    at: Seconds


class Started(Event):
    """The launcher runs, with these values in the plan's slots."""

    type: Literal["started"]
    values: Values = Field(default_factory=dict)
    run: Id = 1

    @field_validator("values")
    @classmethod
    def _with_port(cls, values: dict[str, Any]) -> dict[str, Any]:
        return {**values, "port": str(_port(values["port"]))} if values.get("port") else values


class StepEvent(Event):
    """A step of the plan, by its index, at this offset of the log (bytes)."""

    index: Annotated[int, Field(strict=True, ge=0, le=32767)]
    log_offset: Count


class StepStarted(StepEvent):
    """The step began."""

    type: Literal["step_started"]


class StepEnded(StepEvent):
    """The step ended; negative exit code: killed by that signal."""

    type: Literal["step_ended"]
    duration_s: Seconds
    exit_code: ExitCode


class ServeStarted(Event):
    """The server of a deploy job has its own launcher."""

    type: Literal["serve_started"]
    run: Id


class OutputSize(HostModel):
    """A file that the job left, by its path below the work folder."""

    name: Annotated[str, Field(max_length=bounds.NAME_CHARS)]
    path: Annotated[str, Field(min_length=1, max_length=bounds.PATH_CHARS)]
    bytes: Count
    sha256: Sha256


class EndedEvent(Event, WithMessage):
    """The end, with what must have arrived by then. A server's log has no checksum ("")."""

    type: Literal["ended"]
    verdict: Literal["succeeded", "failed", "cancelled", "lost"]
    exit_code: ExitCode | None = None
    duration_s: Seconds | None = None
    log_bytes: Count
    log_sha256: Sha256 | Literal[""]
    points_bytes: Count = 0
    outputs: list[OutputSize] = Field(default_factory=list, max_length=bounds.OUTPUTS_MAX)
    run: Id = 1


def parse_events(lines: Sequence[bytes]) -> list[Event | None]:
    """The event of each line; None for a line that says nothing to a dashboard: torn by a power
    cut, or of a type that this version does not know. Raises BadMessage: an event breaks the
    protocol; ``field`` is like ``events[2].message_args``. Or there are more lines, or more torn
    ones, than :mod:`jobs.base.bounds` allows."""
    _check_count(lines, "events")
    kinds: dict[str, type[Event]] = {
        **{"started": Started, "step_started": StepStarted, "step_ended": StepEnded},
        **{"serve_started": ServeStarted, "ended": EndedEvent},
    }
    events: list[Event | None] = []
    sent = [_sent(line) for line in lines]
    _note_torn([line for line, one in zip(lines, sent, strict=True) if one is None], "events")
    for index, one in enumerate(sent):
        model = kinds.get(one["type"]) if one else None
        events.append(read(model, one, f"events[{index}]") if model else None)
    return events


def _sent(line: bytes) -> dict[str, Any] | None:
    try:
        sent = load(line)
    except BadMessage:
        return None
    return sent if isinstance(sent, dict) and isinstance(sent.get("type"), str) else None


# Points: values that a job or a server was scraped for, one JSON object a line

# watch -> [[seconds since the epoch by the host's clock, {metric: value}], …]
Rows: TypeAlias = list[list[Any]]


class ScrapedPoint(HostModel):
    """One scrape: watch, time, value of each metric."""

    w: Annotated[str, Field(min_length=1, max_length=64)]
    t: Seconds
    v: Annotated[dict[Text64, Number], Field(max_length=bounds.VALUES_MAX)]


def parse_points(data: bytes) -> dict[str, Rows]:
    """Rows of whole lines by watch. Lines that are no JSON were torn: left out. Raises BadMessage:
    a point breaks the protocol; ``field`` is like ``points[7].v.waiting``. Or as
    :func:`parse_events`."""
    rows: dict[str, Rows] = {}
    lines = data.splitlines()
    _check_count(lines, "points")
    torn = []
    for index, line in enumerate(lines):
        where = f"points[{index}]"
        try:
            sent = load(line, where)
        except BadMessage:
            torn.append(line)
            continue
        point = read(ScrapedPoint, sent, where)
        rows.setdefault(point.w, []).append([point.t, point.v])
    _note_torn(torn, "points")
    return rows


def _check_count(lines: Sequence[bytes], where: str) -> None:
    if len(lines) > bounds.LINES:
        raise BadMessage(where, f"more than {bounds.LINES} lines")


def _note_torn(torn: Sequence[bytes], where: str) -> None:
    """Log lines that were left out, once for all. Raises BadMessage for more than a power cut
    tears."""
    if len(torn) > bounds.TORN_LINES:
        raise BadMessage(where, f"more than {bounds.TORN_LINES} lines are no JSON object")
    if torn:
        text = "%s: %s lines are no JSON object, left out: %.200r"
        logger.error(text, where, len(torn), torn[0])
