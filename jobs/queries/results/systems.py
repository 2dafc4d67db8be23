"""Systems: what stands for each model, workload, engine and place: output rates, also per user."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from jobs.base import grouped
from jobs.catalog import MODELS
from jobs.catalog.schema import PublishedSpeed
from jobs.metrics import Unit, rate_in
from jobs.models import Result
from jobs.queries.results.listing import ResultFilters, matching
from jobs.queries.results.provenance import counts, per_user, with_rates
from jobs.queries.results.repeats import first_of, read_points
from jobs.queries.results.tradeoff import frontier

MOST = 60
# Each import is a system of its own.
PARTS = ("model_id", "what", "label", "stack", "parallelism", "host", "endpoint", "imported")


class SystemPoint(NamedTuple):
    """Tokens/s of a user, and output rate in a unit. ``concurrency`` 0: published without one."""

    concurrency: int
    per_user: float
    rate: float


class System(NamedTuple):
    """``result`` that stands for it, or what was ``published``. ``best``: its points on the
    frontier of its model and workload; a result with limits has none, nor has a system alone."""

    model_id: str
    result: Result | None
    published: PublishedSpeed | None
    points: Sequence[SystemPoint]
    best: Sequence[SystemPoint] = ()

    @property
    def work(self) -> tuple[str, str]:
        """Model and workload: only systems of one work are compared."""
        return self.model_id, self.result.what if self.result else ""

    @property
    def densest(self) -> SystemPoint:
        return max(self.points, key=lambda point: point.rate)

    @property
    def fastest(self) -> SystemPoint:
        return max(self.points, key=lambda point: point.per_user)


class Systems(NamedTuple):
    """Systems, those on the frontier first, then by their rate, then published ones;
    ``models`` to choose from. ``left_out`` lack a rate in the unit or TPOT, or are older than
    the latest ``MOST``. ``unit`` of the rates; ``default``: the one that shows most."""

    rows: Sequence[System]
    models: Sequence[str]
    left_out: int
    without_rate: int
    without_tpot: int
    unit: Unit
    default: Unit


def systems(filters: ResultFilters, unit: Unit | None = None) -> Systems:
    """Return systems with their output rate in a unit. None: per card, which engines of others
    have too; the total if no engine has cards. Published ones count cards."""
    rows = matching(filters.without("type")).filter(type=Result.Type.BENCHMARK)
    chosen = filters.facets.get("model")
    every = matching(filters.without("type").without("model")).filter(type=Result.Type.BENCHMARK)
    models = set(every.order_by().values_list("model_id", flat=True).distinct())
    named = Result.objects.filter(pk__in=first_of(rows, PARTS)).order_by("-created_at", "-pk")
    found = list(named.select_related("host", "endpoint", "imported", "deployment"))
    points = read_points(row.pk for row in found[:MOST])
    rated = [(row, _rated(row, points.get(row.pk, ()))) for row in found[:MOST]]
    has_cards = any(rate_in("card") in rates for _row, known in rated for *_at, rates in known)
    default: Unit = "card" if has_cards else "total"
    unit = unit or default
    rate = rate_in(unit)
    measured = [
        [SystemPoint(at, user, rates[rate]) for at, user, rates in known if rates.get(rate)]
        for _row, known in rated
    ]
    shown = [
        System(row.model_id, row, None, own)
        for (row, _known), own in zip(rated, measured, strict=True)
        if own
    ]
    published = [
        System(model.id, None, one, [SystemPoint(0, one.per_user, one.per_card)])
        for model in MODELS.values()
        for one in model.published_speeds
        if unit == "card" and (not chosen or model.id in chosen)
    ]
    models |= {model.id for model in MODELS.values() if model.published_speeds}
    without_tpot = sum(not known for _row, known in rated)
    missing = len(found) - len(shown), len(rated) - len(shown) - without_tpot, without_tpot
    return Systems([*_with_best(shown), *published], sorted(models), *missing, unit, default)


def _rated(
    result: Result, points: Iterable[tuple[int, Mapping[str, Any]]]
) -> list[tuple[int, float, Mapping[str, Any]]]:
    """Return concurrency, tokens/s of a user and metrics of the points that know the second."""
    known = counts(result)
    rows = ((at, per_user(own), with_rates(own, known)) for at, own in points)
    return [(at, user, rates) for at, user, rates in rows if user]


def _with_best(found: Sequence[System]) -> list[System]:
    sound = [one for one in found if one.result is not None and not one.result.limits]
    best: dict[int, list[SystemPoint]] = {}
    for rivals in grouped((one.work, one) for one in sound).values():
        points = [(id(one), point) for one in rivals for point in one.points]
        front = frontier([point[1:] for _one, point in points]) if len(rivals) > 1 else ()
        best |= grouped(points[index] for index in front)
    marked = [one._replace(best=best.get(id(one), ())) for one in found]
    return sorted(marked, key=lambda one: (not one.best, -one.densest.rate))
