"""Reading of a file to import, refusal of one, and the base of readers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, ParamSpec, TypeVar

from jobs.base.errors import JobsError
from jobs.base.messages import Message
from jobs.base.patterns import pattern
from jobs.metrics import METRICS
from jobs.metrics.measured import Measurement
from jobs.tools.importing.bundle import Bundle
from jobs.tools.outputs.figures import HIGHEST
from jobs.tools.outputs.files import UNEXPECTED

MOST_CONCURRENCY = 1_000_000
MOST_ANSWERS = 200_000
SHARE_SLACK = 1e-6
SHARE = pattern(r"acc|pass@|exact_match", ignore_case=True)  # metrics of a set in per cent
_REASON = 500


@dataclass(frozen=True, slots=True)
class Reading:
    """Result in files of another team.

    ``version`` of the tool and ``model`` are as in the files, "" if they name none. ``sources``
    have the figures; ``companions`` are other files that were read. ``part`` tells apart several
    results in the same files. ``asked``: requested lengths, as in ``Result.asked``. ``missing``:
    data sets without a score. ``at``: start of the measurement; without a time zone it is local
    time of the machine that measured; None: not in the files.
    """

    tool: str
    version: str
    model: str
    measured: Measurement
    sources: tuple[str, ...]
    companions: tuple[str, ...] = ()
    part: str = ""
    asked: Mapping[str, int] = field(default_factory=dict)
    missing: int = 0
    at: datetime | None = None

    @property
    def files(self) -> tuple[str, ...]:
        """Return all files of the result."""
        return tuple(dict.fromkeys((*self.sources, *self.companions)))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Files without an importable result, and the reason."""

    files: tuple[str, ...]
    reason: Message


class Refused(JobsError):
    """Files of a known tool without a result. ``reason`` is for people."""

    id = "import:refused"

    def __init__(self, reason: Message) -> None:
        super().__init__(reason.id)
        self.reason = reason


class Reader(ABC):
    """Reader of one tool's files. ``tool`` is its name on pages."""

    tool: ClassVar[str]
    # Logs and other files that count only when a folder has no result of its own.
    is_fallback: ClassVar[bool] = False

    @abstractmethod
    def claims(self, bundle: Bundle, path: str) -> bool:
        """Return True for a file of this tool, by its content."""

    @abstractmethod
    def read(self, bundle: Bundle, own: Sequence[str]) -> Iterable[Reading | Refusal]:
        """Return the results in the claimed files ``own``, and the reasons for those without."""


Read = TypeVar("Read")
Given = ParamSpec("Given")


def attempt(
    files: Sequence[str], read: Callable[Given, Read], *args: Given.args, **more: Given.kwargs
) -> Read | Refusal:
    """Return the result of ``read``, or why ``files`` have none."""
    try:
        return read(*args, **more)
    except Refused as error:
        return Refusal(tuple(files), error.reason)
    except UNEXPECTED as error:
        reason = str(error) if isinstance(error, JobsError) else f"{files[0]}: {error!r}"
        return Refusal(tuple(files), Message("import:damaged", {"reason": reason[:_REASON]}))


def checked(reading: Reading) -> Reading | Refusal:
    """Return the reading, or a refusal of figures that no measurement can give."""
    problem = _problem(reading)
    return Refusal(reading.sources, problem) if problem else reading


def _problem(reading: Reading) -> Message | None:
    measured, file = reading.measured, reading.sources[0]
    for one in measured.sets:  # first: the file has these, and no means
        most = 100 if SHARE.search(one.metric) else HIGHEST
        if one.value is not None and not (math.isfinite(one.value) and 0 <= one.value <= most):
            args = {"file": file, "metric": one.dataset[:100], "value": f"{one.value:g}"}
            return Message("import:implausible", args)
    for concurrency, metrics in (*measured.points, (0, measured.metrics)):
        if not 0 <= concurrency <= MOST_CONCURRENCY:
            args = {"file": file, "metric": "concurrency", "value": str(concurrency)[:40]}
            return Message("import:implausible", args)
        for name, value in metrics.items():
            most = 1 + SHARE_SLACK if METRICS[name].unit == "%" else HIGHEST
            if not (math.isfinite(value) and 0 <= value <= most):
                args = {"file": file, "metric": name, "value": f"{value:g}"}
                return Message("import:implausible", args)
    if len(measured.answers) > MOST_ANSWERS:
        return Message("import:many_answers", {"file": file, "most": MOST_ANSWERS})
    return None
