"""Systems: what stands for each model, workload, engine and place: output rates, also per user."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from jobs.base.grouping import grouped
from jobs.catalog import MODELS
from jobs.catalog.schema import PublishedSpeed
from jobs.metrics import rate_in
from jobs.models import Result
from jobs.queries.results.listing import Filters, matching
from jobs.queries.results.provenance import counts, per_user, with_rates
from jobs.queries.results.repeats import first_of, read_points
from jobs.queries.results.tradeoff import frontier

MOST = 60
# Each import is a system of its own.
PARTS = ("model_id", "what", "label", "stack", "parallelism", "host", "endpoint", "imported")


class Point(NamedTuple):
    """Tokens/s of a user, and output rate in a unit. ``concurrency`` 0: published without one."""

    concurrency: int
    per_user: float
    rate: float


class System(NamedTuple):
    """``result`` that stands for it, or what was ``published``. ``best``: its points on the
    frontier of its model and workload, which only results without a flag have. A system alone has
    no frontier."""

    model_id: str
    result: Result | None
    published: PublishedSpeed | None
    points: Sequence[Point]
    best: Sequence[Point] = ()

    @property
    def work(self) -> tuple[str, str]:
        """Model and workload: only systems of one work are compared."""
        return self.model_id, self.result.what if self.result else ""

    @property
    def densest(self) -> Point:
        return max(self.points, key=lambda point: point.rate)

    @property
    def fastest(self) -> Point:
        return max(self.points, key=lambda point: point.per_user)


class Systems(NamedTuple):
    """Systems, those on the frontier first, then by their rate, then published ones;
    ``models`` to choose from. ``left_out`` lack the number of devices or TPOT, or are older than
    the latest ``MOST``."""

    rows: Sequence[System]
    models: Sequence[str]
    left_out: int


def systems(filters: Filters, rate: str) -> Systems:
    """Return systems with their output rate, of all or in a unit. Published ones count cards."""
    rows = matching(filters.without("type")).filter(type=Result.Type.BENCHMARK)
    chosen = filters.facets.get("model")
    every = matching(filters.without("type").without("model")).filter(type=Result.Type.BENCHMARK)
    models = set(every.order_by().values_list("model_id", flat=True).distinct())
    named = Result.objects.filter(pk__in=first_of(rows, PARTS)).order_by("-created_at", "-pk")
    found = list(named.select_related("host", "endpoint", "imported", "deployment"))
    points = read_points(row.pk for row in found[:MOST])
    measured = [
        System(row.model_id, row, None, _points(row, points.get(row.pk, ()), rate))
        for row in found[:MOST]
    ]
    shown = [one for one in measured if one.points]
    published = [
        System(model.id, None, one, [Point(0, one.per_user, one.per_card)])
        for model in MODELS.values()
        for one in model.published_speeds
        if rate == rate_in("card") and (not chosen or model.id in chosen)
    ]
    models |= {model.id for model in MODELS.values() if model.published_speeds}
    return Systems([*_with_best(shown), *published], sorted(models), len(found) - len(shown))


def _points(
    result: Result, points: Iterable[tuple[int, Mapping[str, Any]]], rate: str
) -> list[Point]:
    known = counts(result)
    rows = ((at, per_user(own), with_rates(own, known).get(rate)) for at, own in points)
    return [Point(at, user, value) for at, user, value in rows if user and value]


def _with_best(found: Sequence[System]) -> list[System]:
    sound = [one for one in found if one.result is not None and not one.result.limits]
    best: dict[int, list[Point]] = {}
    for rivals in grouped((one.work, one) for one in sound).values():
        points = [(id(one), point) for one in rivals for point in one.points]
        front = frontier([point[1:] for _one, point in points]) if len(rivals) > 1 else ()
        best |= grouped(points[index] for index in front)
    marked = [one._replace(best=best.get(id(one), ())) for one in found]
    return sorted(marked, key=lambda one: (not one.best, -one.densest.rate))
