"""Results: lists, one result, questions of an evaluation, and the fleet."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import BaseModel, BeforeValidator, Field

from dashboard.actions import question_sets
from dashboard.api.base import (
    Answer,
    Created,
    Json,
    Operations,
    Page,
    ResultNumber,
    Time,
    filtered_page,
    listing,
    page,
    read,
)
from dashboard.api.questions import DataSetAnswer, team_answer
from dashboard.pages.answers import Export, export
from dashboard.pages.results.fleet import stale_text
from dashboard.pages.shared.addresses import ResultId
from dashboard.pages.shared.marks import all_flags, as_data, marks_of, organised_fields
from dashboard.text.labels import result_name
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.base.numbers import number_from, result_number
from jobs.catalog.questions import jsonl
from jobs.kinds.lib.load import measured_lengths
from jobs.models import Import, Result
from jobs.queries.fleet import FleetValue, fleet, whole_days
from jobs.queries.results.listing import MARKS
from jobs.queries.results.provenance import provenance
from jobs.queries.results.repeats import repeats_of
from jobs.queries.results.results import answer_rows, set_groups
from jobs.services.imports import about_row

operations = Operations("Results")
_NEEDED = ("host", "created_by", "imported__declared_by")
_OF_ALL = "_all"  # how the names of metrics over all concurrencies end


def _declared(row: Import) -> Json | None:
    if row.declared_at is None:
        return None
    by = row.declared_by.get_username() if row.declared_by else None
    return {**asdict(about_row(row)), "by": by, "at": row.declared_at}


def _metrics(row: Result, *, of_all: bool) -> Json:
    return {
        name.removesuffix(_OF_ALL): value
        for name, value in row.metrics.items()
        if name.endswith(_OF_ALL) == of_all
    }


class ResultAnswer(Created):
    """A result as lists have it."""

    id: ResultNumber = read("pk", then=result_number)
    job: int | None = read("job_id", "null for an imported result")
    imported: bool = read(lambda row: row.imported_id is not None, "measured by others: an import")
    type: str
    host: str | None = read("host.name", "null for an imported result")
    deployment: int | None = read("deployment_id")
    endpoint: int | None = read("endpoint_id", "external: measured on this endpoint")
    device: str = Field(description="of an external or imported result, in words; else empty")
    declared: dict[str, Any] | None = read(
        "imported",
        "what a person declared of an import, with `by` and `at`; null: nothing",
        then=_declared,
    )
    measured_at: Time | None = Field(description="of an import by its files; null: not in them")
    model: str = read("model_id")
    label: str
    what: str
    tool: str
    metrics: dict[str, Any] = read(
        lambda row: _metrics(row, of_all=False),
        "metrics at the concurrency with the highest output rate; names end in the unit",
    )
    totals: dict[str, Any] = read(
        lambda row: _metrics(row, of_all=True), "metrics over all concurrencies"
    )
    asked: dict[str, Any] = Field(description="requested tokens per request; {} if none")
    measured: dict[str, Any] = read(
        "metrics", "actual tokens per request, means", then=measured_lengths
    )
    collected: Any = read(
        lambda row: row.run_context.get("collected"),
        "folder, host and job of an import from a host, or null",
    )
    concurrent_load: Any = read(
        lambda row: row.run_context.get("concurrent_load"),
        "other load on the host; null if not recorded",
    )
    remarks: list[str] = read(
        lambda row: [message(remark["id"], remark["args"]) for remark in row.remarks]
    )
    disturbed: bool
    incomplete: bool
    loaded: bool
    simulated: bool
    stack: str = Field(description="id of a stack, or the toolchain; empty: not recorded")
    parallelism: str
    tags: list[str]
    released: list[str] = Field(description="purposes of valid sign-offs")
    notes_count: int
    is_baseline: bool
    vs_baseline: dict[str, Any] | None = Field(description="verdict; null without a baseline")


class Point(Answer):
    """A result at one concurrency."""

    concurrency: int
    metrics: dict[str, Any]
    measured: dict[str, Any] = read("metrics", then=measured_lengths)


class ScoreInterval(Answer):
    """Bounds of a score, in per cent."""

    low: float = read(lambda interval: 100 * interval.low)
    high: float = read(lambda interval: 100 * interval.high)


class SetScore(Answer):
    """A score and its 95 % interval, in per cent."""

    group: str
    question_set: str = Field(description="of this dashboard that it is a part of; empty: none")
    dataset: str
    version: str
    metric: str
    mode: str
    value: float | None
    questions: int | None
    interval: ScoreInterval | None = read("interval", then=ScoreInterval.of)


def _sets(row: Result) -> list[Json]:
    return [SetScore.of(one, group=group.name) for group in set_groups(row) for one in group.rows]


def _provenance(row: Result) -> Json:
    known = provenance(row)
    return {**known.parts, "missing": list(known.missing)}


class WholeResult(ResultAnswer):
    """A result with its points and answers, its identity, repeats and provenance."""

    identity: dict[str, Any] = read(lambda row: {"fingerprint": row.fingerprint, **row.identity})
    repeats: list[ResultNumber]
    disturbed_repeats: list[ResultNumber]
    incomplete_repeats: list[ResultNumber]
    loaded_repeats: list[ResultNumber]
    provenance: dict[str, Any] = read(_provenance)
    points: list[Point] = read(lambda row: [Point.of(one) for one in row.points.all()])
    sets: list[SetScore] = read(_sets)
    answers: list[dict[str, Any]] = read(answer_rows)


Results = listing("Results", "A page of results.", "results", ResultAnswer)


class ResultsAsked(Page):
    """Query of the list of results."""

    type: str = ""
    model: str = ""
    host: str = ""
    deployment: str = ""
    endpoint: str = ""
    job: str = ""
    pinned: str = ""
    stack: str = ""
    parallelism: str = Field("", description="such as tp8 × pp4")
    tag: str = ""
    released: str = Field("", description="any value: only results with a valid sign-off")


_COLUMNS = {
    **{name: name for name in ("type", "stack", "parallelism")},
    **{name: f"{name}_id" for name in ("model", "deployment", "endpoint", "job")},
    **{"host": "host__name", "tag": "tags__name"},
}


@operations.on("GET results", "result.view", Results, name="api-results")
def list_results(request: HttpRequest, query: Query[ResultsAsked]) -> Json:
    """List results. Newest first."""
    rows = Result.objects.select_related(*_NEEDED).prefetch_related("points")
    if query.pinned:
        rows = rows.filter(job__pinned_at__isnull=False)
    if query.released:
        rows = rows.filter(pk__in=MARKS["released"]())
    listed, older = filtered_page(query, rows, _COLUMNS)
    marks = marks_of(listed)
    shown = [ResultAnswer.of(row, **organised_fields(row, marks[row.pk])) for row in listed]
    return page(request, "results", shown, older)


@operations.on(
    "GET results/{typed_result:result_id}", "result.view", WholeResult, name="api-result"
)
def read_result(request: HttpRequest, result_id: ResultId) -> Json:
    """Read a result. With its points and answers, its identity, repeats and provenance."""
    row = get_object_or_404(Result.objects.select_related(*_NEEDED), pk=result_id)
    uncounted = [run for run in repeats_of(row, uncounted=True) if not run.counts]
    return WholeResult.of(
        row,
        **organised_fields(row, marks_of([row])[row.pk]),
        repeats=_numbers(repeats_of(row)),
        disturbed_repeats=_numbers([run for run in uncounted if run.disturbed]),
        incomplete_repeats=_numbers([run for run in uncounted if run.incomplete]),
        loaded_repeats=_numbers([run for run in uncounted if run.loaded]),
    )


def _numbers(rows: Iterable[Result]) -> list[str]:
    return [result_number(row.pk) for row in rows]


# Questions of an evaluation


class ListedAsked(BaseModel):
    """Filters as in the address of the reader; empty: all answers."""

    show: str = Field("", max_length=200, description="such as changed or incorrect,cut")
    base: Annotated[ResultId | None, BeforeValidator(lambda text: text or None)] = Field(
        None, description="result against which answers changed: res-15"
    )
    set: str = Field("", max_length=200)
    category: str = Field("", max_length=200)
    q: str = Field("", max_length=200, description="text in question, reasoning or answer")


class SetAsked(ListedAsked):
    """A new question set of the listed questions."""

    id: str = Field(max_length=100, description="of the new set: lower-case letters, digits, -")
    name: str = Field("", max_length=200)
    note: str = Field("", max_length=1000)


@operations.on(
    "GET results/{typed_result:result_id}/questions",
    "result.view",
    None,
    422,
    name="api-result-questions",
)
def read_result_questions(
    request: HttpRequest, result_id: ResultId, query: Query[ListedAsked]
) -> HttpResponse:
    """Download questions of an evaluation. JSON lines in the form that an upload accepts. Questions
    of a set of this dashboard only."""
    own = _listed(result_id, query).own
    questions = own.questions if own else ()
    return HttpResponse(jsonl(questions), content_type="text/plain; charset=utf-8")


@operations.on(
    "POST results/{typed_result:result_id}/questions",
    "questions.change",
    DataSetAnswer,
    413,
    422,
    name="api-result-questions",
    status=201,
)
def save_result_questions(request: HttpRequest, result_id: ResultId, asked: SetAsked) -> Json:
    """Save questions of an evaluation as a set. A new set of the team, such as of the changed
    answers; it can be launched by its key."""
    found = _listed(result_id, asked)
    meta = {"id": asked.id, "name": asked.name, "note": asked.note or found.proposed["note"]}
    questions = found.own.questions if found.own else ()
    return team_answer(question_sets.save(request.user, meta, questions, onto=None))


def _listed(result_id: int, asked: ListedAsked) -> Export:
    result = get_object_or_404(Result.objects.select_related("job"), pk=result_id)
    if result.type != Result.Type.EVALUATION:
        raise LaunchError(
            _("%(name)s is a benchmark. Choose an evaluation.") % {"name": result_name(result)}
        )
    query = QueryDict(mutable=True)
    query.setlist("show", [name.strip() for name in asked.show.split(",") if name.strip()])
    if asked.base is not None:
        query["base"] = result_number(asked.base)
    for name in ("set", "category", "q"):
        if value := getattr(asked, name):
            query[name] = value
    found = export(query, result)
    if found.own is None:
        raise LaunchError(found.problem)
    return found


# Fleet: what stands for each model and precision on each stack


class FleetMetric(Answer):
    """Main metric of the result that stands for a model."""

    result: ResultNumber = read("result.pk", then=result_number)
    metric: str
    value: float | None
    concurrency: int | None
    low: float | None = read("interval.low")
    high: float | None = read("interval.high")
    simulated: bool = read("result.simulated")
    flags: list[str] = read(lambda value: [flag.word for flag in all_flags(value.result)])
    stale: list[str]
    vs_baseline: dict[str, Any] | None = read("verdict", then=as_data)
    created_at: Time = read("result.created_at")


class FleetPlace(Answer):
    """A model and precision on a stack; null: missing."""

    model: str
    precision: str
    stack: str
    speed: FleetMetric | None
    accuracy: FleetMetric | None


class FleetAnswer(Answer):
    """All combinations with a result, a ready deployment or an artifact."""

    days: int
    fleet: list[FleetPlace]
    next: str | None


class FleetAsked(BaseModel):
    """Query of the fleet."""

    days: str = Field("", description="results older than this are stale; default 30")


@operations.on("GET fleet", "result.view", FleetAnswer, name="api-fleet")
def read_fleet(request: HttpRequest, query: Query[FleetAsked]) -> Json:
    """Read the fleet. Each value is of the newest sign-off or baseline, else of the largest sample
    that counts, else of the newest result; ``flags`` says what limits it."""
    days = whole_days(number_from(query.days))

    def metric(value: FleetValue | None) -> Json | None:
        if value is None:
            return None
        return FleetMetric.of(value, stale=[stale_text(one, days) for one in value.stale])

    places = [
        FleetPlace.of(
            cell,
            model=row.model_id,
            precision=row.label,
            speed=metric(cell.speed),
            accuracy=metric(cell.accuracy),
        )
        for row in fleet(days).rows
        for cell in row.cells
        if cell.is_known
    ]
    return {"days": days, "fleet": places, "next": None}
