"""Fleet: what stands for each model and precision on each stack, as speed and as accuracy.
:mod:`jobs.queries.results.repeats` has the rule. Devices of others have no stack, so external and
imported results are not here."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from django.db.models import Count, Model, Q
from django.utils.timezone import now

from jobs.models import Artifact, Deployment, Environment, Host, Job, Result
from jobs.queries.comparison.history import HistoryVerdict, verdicts
from jobs.queries.results.repeats import best_concurrencies, first_of, headline
from jobs.queries.results.results import accuracy
from jobs.statistics import Interval

STALE_DAYS = 30
MOST_DAYS = 3650
Why = Literal["age", "driver", "environment", "image"]


class Stale(NamedTuple):
    """Cause of a stale value. ``was`` and ``now`` are drivers; else ``was`` is a name."""

    why: Why
    was: str = ""
    now: str = ""


class FleetValue(NamedTuple):
    """Main metric of a result, at ``concurrency``; ``interval`` is that of an accuracy."""

    result: Result
    metric: str
    value: float | None
    concurrency: int | None
    interval: Interval | None
    verdict: HistoryVerdict | None
    stale: Sequence[Stale]


class FleetCell(NamedTuple):
    """``deployment`` runs now; ``is_known``: something says that the stack serves the model."""

    stack: str
    speed: FleetValue | None
    accuracy: FleetValue | None
    deployment: Deployment | None
    artifact: Artifact | None
    is_known: bool


class FleetRow(NamedTuple):
    """Model and precision with a cell for each stack."""

    model_id: str
    label: str
    cells: Sequence[FleetCell]


class Fleet(NamedTuple):
    """``stacks`` are the columns. ``missing`` and ``stale`` count values of known cells."""

    stacks: Sequence[str]
    rows: Sequence[FleetRow]
    days: int
    missing: int
    stale: int
    regressed: int


Place = tuple[str, str, str]  # model, precision, stack


def fleet(days: int = STALE_DAYS) -> Fleet:
    """Return the fleet; results older than ``days`` are stale."""
    shown = _standing()
    served, compiled = _served(), _compiled()
    judged = verdicts(shown.values())
    best = best_concurrencies(shown.values())
    reasons = _reasons(shown.values(), now() - timedelta(days=days))
    values = {}
    for whole_place, result in shown.items():
        metric, pk = headline(result.type, result.metrics), result.pk
        values[whole_place] = FleetValue(
            *(result, metric, result.metrics.get(metric), best.get(pk), accuracy(result)),
            *(judged.get(pk), reasons[pk]),
        )
    places: set[Place] = {place[:3] for place in values} | served.keys() | compiled.keys()
    stacks = sorted({stack for _model, _label, stack in places})
    names = sorted({place[:2] for place in places})

    def cell(place: Place) -> FleetCell:
        speed = values.get((*place, Result.Type.BENCHMARK))
        accurate = values.get((*place, Result.Type.EVALUATION))
        known = place in places
        return FleetCell(place[2], speed, accurate, served.get(place), compiled.get(place), known)

    rows = [
        FleetRow(model, label, [cell((model, label, stack)) for stack in stacks])
        for model, label in names
    ]
    states = [value.verdict.state for value in values.values() if value.verdict is not None]
    return Fleet(
        *(stacks, rows, days),
        missing=2 * len(places) - len(values),
        stale=sum(bool(value.stale) for value in values.values()),
        regressed=states.count("worse"),
    )


def left_out() -> tuple[int, ...]:
    """Return how many results no row has: imported, external, others without a known stack."""
    imported, external = Q(imported__isnull=False), Q(endpoint__isnull=False)
    unknown = ~imported & ~external & (Q(stack="") | Q(model_id=""))
    each = {f"n{i}": Count("pk", filter=one) for i, one in enumerate((imported, external, unknown))}
    return tuple(Result.objects.aggregate(**each).values())


def whole_days(days: int | None) -> int:
    return days if days is not None and 1 <= days <= MOST_DAYS else STALE_DAYS


def _standing() -> dict[tuple[str, str, str, str], Result]:
    rows = Result.objects.filter(imported=None).exclude(stack="").exclude(model_id="")
    found = Result.objects.in_bulk(first_of(rows, ("model_id", "label", "stack", "type"))).values()
    _attach_jobs(list(found))
    return {(row.model_id, row.label, row.stack, row.type): row for row in found}


def _attach_jobs(rows: Sequence[Result]) -> None:
    """Attach jobs, deployments and hosts with what the page reads of them: a prefetch names each id
    in its condition, and a join reads the facts of a host once a row."""
    deployments = Deployment.objects.only("job").in_bulk(_ids(rows, "deployment"))
    _attach(rows, "deployment", deployments)
    wanted = _ids(rows, "job") | _ids(deployments.values(), "job")
    jobs = Job.objects.only("kind", "host").in_bulk(wanted)
    for users in (rows, deployments.values()):
        _attach(users, "job", jobs)
    hosts = Host.objects.in_bulk(_ids(rows, "host") | _ids(jobs.values(), "host"))
    for placed in (rows, jobs.values()):
        _attach(placed, "host", hosts)


def _ids(rows: Iterable[Model], field: str) -> set[int]:
    return {getattr(row, f"{field}_id") for row in rows} - {None}


def _attach(rows: Iterable[Model], field: str, found: Mapping[int, Model]) -> None:
    for row in rows:
        setattr(row, field, found.get(getattr(row, f"{field}_id")))


def _served() -> dict[Place, Deployment]:
    rows = Deployment.objects.filter(state=Deployment.State.READY)
    found: dict[Place, Deployment] = {}
    for row in rows.select_related("artifact").prefetch_related("host").order_by("pk"):
        artifact: Artifact | None = row.artifact
        label = artifact.label if artifact else str(row.details.get("label") or "")
        stack = row.details.get("stack") or (artifact.toolchain if artifact else "")
        if isinstance(stack, str) and stack and row.model_id:
            found[row.model_id, label, stack] = row
    return found


def _compiled() -> dict[Place, Artifact]:
    """Return the latest artifact of each model and precision, by the stack that compiled it."""
    found: dict[Place, Artifact] = {}
    artifacts = Artifact.objects.filter(deleted_at=None).prefetch_related("host")
    for row in artifacts.only("host", "model_id", "label", "toolchain", "details").order_by("pk"):
        stack = row.details.get("stack") or row.toolchain
        if isinstance(stack, str) and stack and row.model_id:
            found[row.model_id, row.label, stack] = row
    return found


def _reasons(results: Iterable[Result], oldest: datetime) -> dict[int, list[Stale]]:
    """Return why each result is stale, by id; an empty list: it is not."""
    rows = list(results)
    hosts = {row.host_id for row in rows}
    current: dict[tuple[int | None, str], set[str]] = defaultdict(set)
    made = Environment.objects.filter(host__in=hosts)
    for host, name, fingerprint in made.values_list("host_id", "name", "fingerprint"):
        current[host, name].add(fingerprint)
    # Ids of images that the newest results of each host ran in, by name.
    images: dict[tuple[int | None, str], str] = {}
    for row in sorted(rows, key=lambda row: (row.created_at, row.pk)):
        for name, number in (row.run_context.get("images") or {}).items():
            images[row.host_id, name] = number
    return {row.pk: list(_stale(row, oldest, current, images)) for row in rows}


def _stale(
    row: Result,
    oldest: datetime,
    current: Mapping[tuple[int | None, str], set[str]],
    images: Mapping[tuple[int | None, str], str],
) -> Iterable[Stale]:
    if row.created_at < oldest:
        yield Stale("age")
    context = row.run_context
    was, today = _driver(context.get("host")), _driver(row.host.facts if row.host else None)
    if row.type == Result.Type.BENCHMARK and was and today and was != today:
        yield Stale("driver", was, today)
    for made in context.get("environments") or ():
        found = current.get((row.host_id, str(made["name"])))
        if found and made["fingerprint"] not in found:
            yield Stale("environment", str(made["name"]))
    for name, number in (context.get("images") or {}).items():
        if images.get((row.host_id, name), number) != number:
            yield Stale("image", name)


def _driver(facts: Any) -> str:
    driver = facts.get("driver") if isinstance(facts, dict) else None
    return driver if isinstance(driver, str) else ""
