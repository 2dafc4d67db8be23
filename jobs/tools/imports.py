"""Parts of imports that several tools share: files, values, dates, readers, points over HTTP."""

import codecs
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any, ClassVar, TypeVar

from jobs.base.errors import JobsError
from jobs.base.messages import Message
from jobs.base.numbers import finite
from jobs.base.patterns import pattern
from jobs.metrics import METRICS
from jobs.metrics.measured import Measurement
from jobs.tools.outputs import over_http_reading
from jobs.tools.outputs.figures import HIGHEST, MeasuredPoint
from jobs.tools.outputs.files import UNEXPECTED, number_or_none

Read = TypeVar("Read")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LARGEST_COUNT = 10**12
_MOST_NAMES, _LONGEST_TITLE = 10, 200  # names, characters
_STAMP = pattern(r"(?:^|\D)(20\d{6})[-_](\d{6})(?:\D|$)")
_DATED_LINE = pattern(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d")
_HEAD = 4096
_MOST_CONCURRENCY = 1_000_000
_MOST_ANSWERS = 200_000
_CLOCKS = timedelta(days=1)  # time zones, and clocks that differ
_SHARE = pattern(r"acc|pass@|exact_match", ignore_case=True)  # metrics of a set in per cent


class Bundle:
    """Files to import: content by path, with lazy JSON. Text with a byte order mark (Windows) is
    read as UTF-8 without it."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = {path: _plain(content) for path, content in files.items()}
        self._objects: dict[str, dict[str, Any]] = {}

    def object(self, path: str) -> dict[str, Any]:
        if path not in self._objects:
            content = self.files[path]
            try:
                data = json.loads(content) if content.lstrip()[:1] == b"{" else None
            except (ValueError, RecursionError):
                data = None
            self._objects[path] = data if isinstance(data, dict) else {}
        return self._objects[path]

    def has_keys(self, path: str, keys: Iterable[str], least: int = 1) -> bool:
        """Return True for an object with ``least`` of ``keys``, also when its end is missing."""
        content = self.files[path]
        if content.lstrip()[:1] != b"{":
            return False
        return sum(f'"{key}"'.encode() in content for key in keys) >= least

    def beside(self, path: str, *marks: bytes) -> list[str]:
        """Return the other files in the same folder, with all ``marks`` at their beginning."""
        folder = PurePosixPath(path).parent
        return [
            one
            for one, content in self.files.items()
            if PurePosixPath(one).parent == folder
            and one != path
            and all(mark in content[:65536] for mark in marks)
        ]


def _plain(content: bytes) -> bytes:
    if content.startswith(_UTF16):
        return content.decode("utf-16", errors="replace").encode("utf-8", errors="replace")
    return content.removeprefix(codecs.BOM_UTF8)


# Values of foreign JSON: typed, bounded, never an error.


def inside(data: Any, *keys: str | int) -> dict[str, Any]:
    """Return the object at a path of keys and indexes; an empty one for anything else."""
    try:
        for key in keys:
            data = data[key]
    except (LookupError, TypeError):
        return {}
    return data if isinstance(data, dict) else {}


def text_at(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def count_at(data: Mapping[str, Any], key: str) -> int:
    """Return a count; 0 for anything else."""
    value = number_or_none(data, key)
    return int(value) if value is not None and 0 < value < _LARGEST_COUNT else 0


def lengths_asked(input_tokens: int, output_tokens: int) -> dict[str, int]:
    """Return the requested lengths as ``Result.asked`` has them; 0 is unknown."""
    asked = {"input_tokens": input_tokens, "output_tokens": output_tokens}
    return {name: value for name, value in asked.items() if value}


def synthetic(asked: Mapping[str, int]) -> str:
    return f"synthetic {' → '.join(map(str, asked.values()))} tok" if len(asked) == 2 else ""


def title_of(names: Iterable[str], joint: str = ", ") -> str:
    """Return names as a title that fits its column: as many whole ones as fit, "+ 48 more"."""
    listed = list(names)
    for shown in range(min(len(listed), _MOST_NAMES), 0, -1):
        rest = len(listed) - shown
        title = joint.join(listed[:shown]) + (f" + {rest} more" if rest else "")
        if len(title) <= _LONGEST_TITLE:
            return title
    return "".join(listed[:1])


# Dates of a measurement: epochs, texts, names of folders.


def time_of_epoch(value: Any) -> datetime | None:
    seconds = finite(value)
    try:
        return None if seconds is None else _plausible(datetime.fromtimestamp(seconds, UTC))
    except (ValueError, OverflowError, OSError):
        return None


def time_of_text(text: Any) -> datetime | None:
    """Return a time in ISO form, or as "20261124-141114" in a name; naive without a zone."""
    if not isinstance(text, str):
        return None
    try:
        stamp, at = "", 0
        # The sign after a stamp is the one before the next.
        while found := _STAMP.search(text[-_HEAD:], at):
            stamp, at = found[1] + found[2], found.end(2)
        if stamp:
            return _plausible(datetime.strptime(stamp, "%Y%m%d%H%M%S"))
        return _plausible(datetime.fromisoformat(text[:40]))
    except ValueError:
        return None


def time_of_log(content: bytes) -> datetime | None:
    match = _DATED_LINE.search(content[:_HEAD].decode("utf-8", errors="replace"))
    return time_of_text(match[0]) if match else None


def earliest(times: Iterable[datetime | None]) -> datetime | None:
    """Return the earliest time; a missing time zone does not count."""
    known = [time for time in times if time is not None]
    return min(known, key=lambda time: time.replace(tzinfo=None), default=None)


def _plausible(time: datetime) -> datetime | None:
    return time if 2000 <= time.year < 2100 else None


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
        return tuple(dict.fromkeys((*self.sources, *self.companions)))


@dataclass(frozen=True, slots=True)
class ImportRefusal:
    """Files without an importable result, and the reason."""

    files: tuple[str, ...]
    reason: Message


class ImportRefused(JobsError):
    """Files of a known tool without a result. ``reason`` is for people."""

    id = "import:refused"

    def __init__(self, reason: Message) -> None:
        super().__init__(reason.id)
        self.reason = reason


class Reader:
    """Reader of one tool's files. ``tool`` is its name on pages."""

    tool: ClassVar[str] = ""
    # An object with ``least`` of these keys is a file of the tool.
    keys: ClassVar[tuple[str, ...]] = ()
    least: ClassVar[int] = 1
    # Logs and other files that count only when a folder has no result of its own.
    is_fallback: ClassVar[bool] = False

    def claims(self, bundle: Bundle, path: str) -> bool:
        """Return True for a file of this tool, by its content."""
        return bundle.has_keys(path, self.keys, self.least)

    def read(self, bundle: Bundle, own: Sequence[str]) -> Sequence[Reading | ImportRefusal]:
        """Return the results in the claimed files ``own``, and the reasons for those without."""
        return [attempt([path], self.read_file, bundle, path) for path in own]

    def read_file(self, bundle: Bundle, path: str) -> Reading:
        """Return the result in one file, for tools that write one file a result."""
        raise NotImplementedError


def attempt(files: Sequence[str], read: Callable[..., Read], *args: Any) -> Read | ImportRefusal:
    """Return the result of ``read``, or why ``files`` have none."""
    try:
        return read(*args)
    except ImportRefused as error:
        return ImportRefusal(tuple(files), error.reason)
    except UNEXPECTED as error:
        reason = str(error) if isinstance(error, JobsError) else f"{files[0]}: {error!r}"
        return ImportRefusal(tuple(files), Message("import:damaged", {"reason": reason[:500]}))


def curves(
    own: Sequence[str],
    part: Callable[[str], Read],
    fits: Callable[[Read, Read], bool],
    curve: Callable[[Sequence[Read]], Reading],
) -> list[Reading | ImportRefusal]:
    """Return a result of each series of files: each joins the first whose parts it all ``fits``."""
    refused: list[Reading | ImportRefusal] = []
    series: list[dict[str, Read]] = []
    for path in own:
        one = attempt([path], part, path)
        if isinstance(one, ImportRefusal):
            refused.append(one)
            continue
        found = (each for each in series if all(fits(one, other) for other in each.values()))
        if (joined := next(found, None)) is None:
            series.append(joined := {})
        joined[path] = one
    return [*refused, *(attempt([*each], curve, [*each.values()]) for each in series)]


def checked(reading: Reading | ImportRefusal) -> Reading | ImportRefusal:
    """Return the reading, or a refusal of figures that no measurement can give. A date that is yet
    to come is left out: lists are in the order of these dates."""
    if isinstance(reading, ImportRefusal):
        return reading
    if reading.at is not None and reading.at > datetime.now(reading.at.tzinfo) + _CLOCKS:
        remark = Message("import:future", {"date": f"{reading.at:%Y-%m-%d}"})
        measured = replace(reading.measured, remarks=(*reading.measured.remarks, remark))
        reading = replace(reading, at=None, measured=measured)
    measured, file = reading.measured, reading.sources[0]
    for name, value, most in _bounded(measured):
        if not 0 <= value <= most:  # or no number
            shown = str(value)[:40] if isinstance(value, int) else f"{value:g}"
            args = {"file": file, "metric": name, "value": shown}
            return ImportRefusal(reading.sources, Message("import:implausible", args))
    if len(measured.answers) > _MOST_ANSWERS:
        most_answers = {"file": file, "most": _MOST_ANSWERS}
        return ImportRefusal(reading.sources, Message("import:many_answers", most_answers))
    return reading


def _bounded(measured: Measurement) -> Iterable[tuple[str, float, float]]:
    for one in measured.sets:  # first: the file has these, and no means
        if one.value is not None:
            yield one.dataset[:100], one.value, 100 if _SHARE.search(one.metric) else HIGHEST
    for concurrency, metrics in (*measured.points, (0, measured.metrics)):
        yield "concurrency", concurrency, _MOST_CONCURRENCY
        for name, value in metrics.items():
            yield name, value, 1 + 1e-6 if METRICS[name].unit == "%" else HIGHEST


def over_http(
    tool: str,
    version: str,
    runs: Sequence[MeasuredPoint],
    *,
    what: str,
    model: str,
    sources: tuple[str, ...],
    remarks: Sequence[Message] = (),
    **more: Any,
) -> Reading:
    """Return the reading of a benchmark over HTTP; ``more`` are other fields of it. An empty
    ``what`` is the number of requests.

    Raises:
        Refused: half or more of the requests failed, or none had a token.
    """
    runs = sorted(runs, key=lambda run: run.concurrency or 0)
    sent = [run.completed + run.failed for run in runs]
    failed, total, least = sum(run.failed for run in runs), sum(sent), min(sent)
    if failed < total <= 2 * failed:
        raise ImportRefused(Message("import:mostly_failed", {"failed": failed, "total": total}))
    number = f"{least}" if least == max(sent) else f"{least}–{max(sent)}"
    outcome = over_http_reading.outcome(
        runs,
        what=what or f"{number} requests",
        tool=f"{tool} {version}".strip(),
        remarks=[
            *remarks,
            *over_http_reading.failed_remarks(runs),
            *over_http_reading.few_remark(least),
        ],
        keeps_failed=False,
        may_have_no_tokens=any(run.left_out for run in runs),
    )
    if outcome.failure is not None or outcome.measured is None:
        raise ImportRefused(outcome.failure or Message("benchmark:no_token"))
    return Reading(tool, version, model, outcome.measured, sources, **more)
