"""Search of a limit: its loads in the order in which they were measured, and where it ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast, get_args

from jobs.base import grouped
from jobs.models import LimitRun, Result
from jobs.queries.results.curve import CurvePoint, Requests
from jobs.queries.results.levels import METRICS, Level, LevelPoint, Verdict, against

By = Literal["rate", "concurrency"]
# Why a search ended, as find_limit.py writes it; "": it did not say.
Stop = Literal["resolution", "highest", "lowest", "points", "unknown", "swept", ""]


class Measured(NamedTuple):
    """A load with all its runs. ``against``: the level; None without one, and where too many
    requests failed, which misses it. ``half_width``: of the mean output rate, as a share of it."""

    load: float
    point: CurvePoint
    against: LevelPoint | None
    verdict: Verdict | None
    half_width: float | None

    @property
    def is_certain(self) -> bool:
        return self.against is None or self.against.is_certain


@dataclass(frozen=True, slots=True)
class Search:
    """``level``: None of a sweep. ``loads``: as they were asked. ``target``: half of the interval
    that each load was repeated for, as a share; 0 for one run each."""

    by: By
    level: Level | None
    loads: Sequence[Measured]
    lowest: float
    highest: float
    step: float
    target: float
    stopped: Stop

    @property
    def met(self) -> Measured | None:
        """Return the highest load that met the level."""
        return max(self._of("met"), key=lambda one: one.load, default=None)

    @property
    def missed(self) -> Measured | None:
        """Return the lowest load that missed the level."""
        return min(self._of("missed"), key=lambda one: one.load, default=None)

    def _of(self, verdict: Verdict) -> list[Measured]:
        return [one for one in self.loads if one.verdict == verdict]


def search_of(result: Result) -> Search | None:
    """Return the search of a result; None for other benchmarks."""
    stored: Mapping[str, Any] = result.run_context.get("search") or {}
    if not stored:
        return None
    limits = {name: float(stored["limits"][name]) for name in METRICS if name in stored["limits"]}
    level = Level(str(stored["level"]), limits, stored.get("goodput")) if limits else None
    asked = {float(one["load"]): one for one in stored["asked"]}
    points = _points(result)
    stopped = stored.get("stopped", "")
    return Search(
        by=cast("By", stored["by"]),
        level=level,
        loads=[
            _measured(load, points[load], level, asked[load]) for load in asked if load in points
        ],
        lowest=float(stored["lowest"]),
        highest=float(stored["highest"]),
        step=float(stored["step"]),
        target=float(stored["half_width"]),
        stopped=cast("Stop", stopped if stopped in get_args(Stop) else ""),
    )


def _points(result: Result) -> dict[float, CurvePoint]:
    runs = grouped((run.load, run) for run in LimitRun.objects.filter(result=result))
    return {
        load: CurvePoint(
            0, [run.metrics for run in own], Requests.of(row for run in own for row in run.requests)
        )
        for load, own in runs.items()
    }


def _measured(
    load: float, point: CurvePoint, level: Level | None, stored: Mapping[str, Any]
) -> Measured:
    found = against(level, point) if level and point.is_usable else None
    verdict: Verdict | None = None
    if level is not None:
        verdict = found.verdict if found else "missed"
    return Measured(load, point, found, verdict, stored.get("half_width"))
