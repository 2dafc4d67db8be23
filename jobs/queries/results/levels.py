"""Service levels: those to choose from, and which points of a curve hold one."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from jobs.metrics.measured import RequestTimes
from jobs.models import ServiceLevel
from jobs.queries.results.curve import PERCENTILES, CurvePoint
from jobs.statistics import Interval, least_samples, wilson

# Metric of a limit -> field of a request. A mean has no limit here: it hides the slow ones.
STATISTICS = tuple(f"p{percentile}" for percentile in PERCENTILES)
FAMILIES = {"ttft": "ms", "tpot": "ms", "latency": "s"}
METRICS = tuple(f"{f}_{s}_{unit}" for f, unit in FAMILIES.items() for s in STATISTICS)

Verdict = Literal["met", "missed", "unknown"]


class Level(NamedTuple):
    """Limits of a service: metric of :data:`METRICS` -> highest value. ``goodput``: least share of
    the sent requests that are within all limits at once; None: any."""

    name: str
    limits: Mapping[str, float]
    goodput: float | None = None


class LevelCheck(NamedTuple):
    """A limit at one point. ``least``: requests that an interval of this percentile needs, where
    the point has fewer; 0 where it has enough."""

    metric: str
    limit: float
    value: float | None
    interval: Interval | None = None
    least: int = 0

    @property
    def verdict(self) -> Verdict:
        if self.value is None:
            return "unknown"
        return "met" if self.value <= self.limit else "missed"

    @property
    def is_certain(self) -> bool:
        """Return False where the interval includes the limit, or is unknown."""
        found = self.interval
        return found is not None and not found.low <= self.limit <= found.high


class LevelPoint(NamedTuple):
    """A point against a level. ``goodput``: share of requests within all limits, if known."""

    point: CurvePoint
    checks: Sequence[LevelCheck]
    goodput: Interval | None
    verdict: Verdict

    @property
    def missed(self) -> list[LevelCheck]:
        return [check for check in self.checks if check.verdict == "missed"]

    @property
    def few(self) -> int:
        """Requests that the level's percentiles need; 0 where there are enough."""
        return max((check.least for check in self.checks), default=0)

    @property
    def is_certain(self) -> bool:
        return all(check.is_certain for check in self.checks)


class LevelFinding(NamedTuple):
    """A level against all usable points. ``best``: the fastest point that holds it, if any."""

    level: Level
    points: Sequence[LevelPoint]
    best: LevelPoint | None

    @property
    def is_known(self) -> bool:
        """Return False when no point has all percentiles of the level."""
        return any(one.verdict != "unknown" for one in self.points)

    @property
    def unknown(self) -> list[LevelPoint]:
        return [one for one in self.points if one.verdict == "unknown"]

    @property
    def is_binding(self) -> bool:
        return any(one.verdict == "missed" for one in self.points)


def hold(level: Level, usable: Sequence[CurvePoint]) -> LevelFinding:
    points = [against(level, point) for point in usable]
    met = [one for one in points if one.verdict == "met"]
    return LevelFinding(level, points, max(met, key=lambda one: one.point.rate, default=None))


def against(level: Level, point: CurvePoint) -> LevelPoint:
    checks = []
    for name, limit in level.limits.items():
        least = least_samples(int(name.split("_")[1].removeprefix("p")) / 100)
        few = least if 0 < point.completed < least else 0
        checks.append(LevelCheck(name, limit, point.mean(name), point.interval(name), few))
    goodput = goodput_of(level, point)
    verdicts = {check.verdict for check in checks}
    if level.goodput is not None and goodput is None:
        verdicts.add("unknown")
    elif level.goodput is not None and goodput is not None:
        verdicts.add("met" if goodput.value >= level.goodput else "missed")
    verdict: Verdict = next((v for v in ("missed", "unknown") if v in verdicts), "met")
    return LevelPoint(point, checks, goodput, verdict)


def goodput_of(level: Level, point: CurvePoint) -> Interval | None:
    """Return the share of sent requests within all limits at once; None if times are unknown."""
    rows = zip(*point.requests.columns, strict=True)
    within = [_is_within(level, RequestTimes._make(row)) for row in rows]
    if not within or None in within:
        return None
    return wilson(sum(map(bool, within)), len(within) + point.failed)


def _is_within(level: Level, request: RequestTimes) -> bool | None:
    for metric, limit in level.limits.items():
        family = metric.partition("_")[0]
        value: float | None = getattr(request, f"{family}_{FAMILIES[family]}")
        if value is None:
            return None
        if value > limit:
            return False
    return True


class IncludedLevel(NamedTuple):
    """Level that comes with the dashboard. ``source``: where its limits are published."""

    key: str
    name: str | Promise
    limits: Mapping[str, float]
    source: str


# Limits of MLPerf Inference, the only published ones that several vendors accept: 99th percentiles
# of the scenarios Server and Interactive. Source: "MLPerf Inference Rules", inference_rules.adoc of
# github.com/mlcommons/inference_policies at ac93e89 (2026-07-23), table of the datacenter suite.
# Added there by 5b9b5a8 (2024-01-04, v4.0: Llama 2 70B Server, today the category Conversational),
# d56a219 (2025-01-08, v5.0: its Interactive), dff5f51 (2025-06-18, v5.1: DeepSeek-R1 Server) and
# b1b375d (2026-02-02, v6.0: DeepSeek-R1 Interactive).
_INCLUDED = (
    ("chat", _("MLPerf chat"), 2000.0, 200.0, "4.0, Llama 2 70B, Server"),
    ("interactive", _("MLPerf interactive chat"), 450.0, 40.0, "5.0, Llama 2 70B, Interactive"),
    ("reasoning-server", _("MLPerf reasoning"), 2000.0, 80.0, "5.1, DeepSeek-R1, Server"),
    ("reasoning", _("MLPerf interactive reasoning"), 1500.0, 15.0, "6.0, DeepSeek-R1, Interactive"),
)
INCLUDED: Mapping[str, IncludedLevel] = {
    f"mlperf-{key}": IncludedLevel(
        *(f"mlperf-{key}", name),
        {"ttft_p99_ms": ttft_ms, "tpot_p99_ms": tpot_ms},
        f"MLPerf Inference {source}",
    )
    for key, name, ttft_ms, tpot_ms, source in _INCLUDED
}


class TeamLevels(NamedTuple):
    """All levels. ``hidden``: keys of hidden included ones."""

    own: list[ServiceLevel]
    hidden: frozenset[str]

    def options(self) -> list[tuple[str, Level]]:
        included = [
            (key, Level(str(one.name), one.limits))
            for key, one in INCLUDED.items()
            if key not in self.hidden
        ]
        return [*included, *((str(row.pk), level_of(row)) for row in self.own)]


def team_levels() -> TeamLevels:
    rows = list(ServiceLevel.objects.select_related("created_by"))
    hidden = frozenset(row.key for row in rows if row.key and row.removed_at)
    return TeamLevels([row for row in rows if not row.key and not row.removed_at], hidden)


def own_level(level_id: int) -> ServiceLevel | None:
    """Return a level of the team, also a removed one; None: unknown."""
    return ServiceLevel.objects.filter(pk=level_id, key="").first()


def level_of(row: ServiceLevel) -> Level:
    """Return a stored level; limits of metrics that are no longer known are left out."""
    limits = {name: float(row.limits[name]) for name in METRICS if name in row.limits}
    return Level(row.name, limits, row.goodput)
