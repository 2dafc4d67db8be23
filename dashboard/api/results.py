"""Results: lists, one result, questions of an evaluation, and the fleet."""

from collections.abc import Iterable
from dataclasses import asdict, fields, replace
from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import BeforeValidator, Field

from dashboard.actions import imports as actions
from dashboard.actions import question_sets
from dashboard.api import base
from dashboard.api.base import (
    ApiAnswer,
    Asked,
    Created,
    Json,
    Operations,
    ResultNumber,
    Time,
    about,
    read,
)
from dashboard.api.sets import DataSetAnswer, team_answer
from dashboard.pages.answers import Export, export
from dashboard.pages.results.fleet import stale_text
from dashboard.pages.results.limit import limit_text
from dashboard.pages.shared.addresses import ResultId
from dashboard.pages.shared.marks import all_flags, as_data, marks_of, organised_fields
from dashboard.security.request import member
from dashboard.text.labels import result_name
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.base.numbers import result_number
from jobs.catalog.questions import jsonl
from jobs.kinds.lib.load import measured_lengths
from jobs.models import Import, Result
from jobs.queries.fleet import MOST_DAYS, STALE_DAYS, FleetValue, fleet
from jobs.queries.results.listing import MARKS, STAMPS
from jobs.queries.results.provenance import counts, provenance, with_rates
from jobs.queries.results.repeats import repeats_of
from jobs.queries.results.results import answer_rows, set_groups
from jobs.services import imports
from jobs.services.imports import ABOUT_FIELDS, About, about_row

results = Operations("Results")
questions = Operations("Results", "results/{typed_result:result_id}/questions")
_NEEDED = ("host", "created_by", "imported__declared_by")
_OF_ALL = "_all"  # how the names of metrics over all concurrencies end


def _declared(row: Import) -> Json | None:
    if row.declared_at is None:
        return None
    by = row.declared_by.get_username() if row.declared_by else None
    return {**asdict(about_row(row)), "by": by, "at": row.declared_at}


def _metrics(row: Result, *, of_all: bool) -> Json:
    metrics = row.metrics if of_all else with_rates(row.metrics, counts(row))
    return {
        name.removesuffix(_OF_ALL): value
        for name, value in metrics.items()
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
    device: str = about("of an external or imported result, in words; else empty")
    declared: dict[str, Any] | None = read(
        "imported",
        "what a person declared of an import, with `by` and `at`; null: nothing",
        then=_declared,
    )
    measured_at: Time | None = about("of an import by its files; null: not in them")
    created_at: Time = read("stored_at", "of an import when it was imported")
    model: str = read("model_id")
    label: str
    what: str
    tool: str
    metrics: dict[str, Any] = read(
        lambda row: _metrics(row, of_all=False),
        "metrics at the concurrency with the highest output rate, and that rate per die, card, "
        "server and watt where known; names end in the unit",
    )
    totals: dict[str, Any] = read(
        lambda row: _metrics(row, of_all=True), "metrics over all concurrencies"
    )
    asked: dict[str, Any] = about("requested tokens per request; {} if none")
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
    stack: str = about("id of a stack, or the toolchain; empty: not recorded")
    parallelism: str
    tags: list[str]
    released: list[str] = about("purposes of valid sign-offs")
    notes_count: int
    is_baseline: bool
    vs_baseline: dict[str, Any] | None = about("verdict; null without a baseline")


class Point(ApiAnswer):
    """A result at one concurrency."""

    concurrency: int
    metrics: dict[str, Any]
    measured: dict[str, Any] = read("metrics", then=measured_lengths)


class LimitRun(ApiAnswer):
    """A run of a search of a limit, at a rate (requests per second) or a concurrency."""

    load: float
    metrics: dict[str, Any]


class LimitSearch(ApiAnswer):
    """Rule of a search of a limit, and the reason of its end."""

    search: dict[str, Any] = read(lambda row: row.run_context["search"])
    text: str = read(limit_text)
    runs: list[LimitRun] = read(lambda row: [LimitRun.of(one) for one in row.limit_runs.all()])


class ScoreInterval(ApiAnswer):
    """Bounds of a score, in per cent."""

    low: float = read(lambda interval: 100 * interval.low)
    high: float = read(lambda interval: 100 * interval.high)


class SetScore(ApiAnswer):
    """A score and its 95 % interval, in per cent."""

    group: str
    question_set: str = about("of this dashboard that it is a part of; empty: none")
    dataset: str
    version: str
    metric: str
    mode: str
    value: float | None
    questions: int | None
    interval: ScoreInterval | None = read("interval", then=ScoreInterval.of)


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
    limit: LimitSearch | None = read(
        lambda row: LimitSearch.of(row) if row.run_context.get("search") else None
    )
    sets: list[SetScore] = read(
        lambda row: [SetScore.of(one) for group in set_groups(row) for one in group.rows]
    )
    answers: list[dict[str, Any]] = read(lambda row: [*answer_rows(row)])


Results = base.listing("Results", "A page of results.", "results", ResultAnswer)


class ResultsAsked(base.Page):
    """Query of the list of results."""

    type: base.choice(*Result.Type.values) = ""  # type: ignore[valid-type]
    model: str = ""
    host: base.HostName = ""
    deployment: base.Offset = None
    endpoint: base.Offset = None
    job: base.Offset = None
    pinned: base.Flag = False
    stack: str = ""
    parallelism: str = about("such as tp8 × pp4", "")
    tag: str = ""
    flag: base.choice(*STAMPS) = ""  # type: ignore[valid-type]
    released: base.Flag = about("only results with a valid sign-off", False)


_COLUMNS = {
    **{name: name for name in ("type", "stack", "parallelism")},
    **{name: f"{name}_id" for name in ("model", "deployment", "endpoint", "job")},
    **{"host": "host__name", "tag": "tags__name"},
}


@results.on("GET results", "result.view", "api-results", Results)
def list_results(request: HttpRequest, query: Query[ResultsAsked]) -> Json:
    """List results. Latest measurement first."""
    rows = Result.objects.select_related(*_NEEDED).prefetch_related("points")
    if query.pinned:
        rows = rows.filter(job__pinned_at__isnull=False)
    if query.flag:
        rows = rows.filter(STAMPS[query.flag])
    if query.released:
        rows = rows.filter(pk__in=MARKS["released"]())
    listed, older = base.filtered_page(query, rows, _COLUMNS)
    marks = marks_of(listed)
    shown = [ResultAnswer.of(row, **organised_fields(row, marks[row.pk])) for row in listed]
    return base.page(request, "results", shown, older)


@results.on("GET results/{typed_result:result_id}", "result.view", "api-result", WholeResult)
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


class ListedAsked(Asked):
    """Filters as in the address of the reader; empty: all answers."""

    show: str = Field("", max_length=200, description="such as changed or incorrect,cut")
    base: Annotated[ResultId | None, BeforeValidator(lambda text: text or None)] = about(
        "result against which answers changed: res-15", None
    )
    set: str = Field("", max_length=200)
    category: str = Field("", max_length=200)
    q: str = Field("", max_length=200, description="text in question, reasoning or answer")


class SetAsked(ListedAsked):
    """A new question set of the listed questions."""

    id: str = Field(max_length=100, description="of the new set: lower-case letters, digits, -")
    name: str = Field("", max_length=200)
    note: str = Field("", max_length=1000)


@questions.on("GET ", "result.view", "api-result-questions", None, 422)
def read_result_questions(
    request: HttpRequest, result_id: ResultId, query: Query[ListedAsked]
) -> HttpResponse:
    """Download questions of an evaluation. JSON lines in the form that an upload accepts. Questions
    of a set of this dashboard only."""
    own = _listed(request, result_id, query).own
    questions = own.questions if own else ()
    return HttpResponse(jsonl(questions), content_type="text/plain; charset=utf-8")


@questions.on("POST ", "questions.change", "api-result-questions", DataSetAnswer, 201, 413, 422)
def save_result_questions(request: HttpRequest, result_id: ResultId, asked: SetAsked) -> Json:
    """Save questions of an evaluation as a set. A new set of the team, such as of the changed
    answers; it can be launched by its key."""
    found = _listed(request, result_id, asked)
    meta = {"id": asked.id, "name": asked.name, "note": asked.note or found.proposed["note"]}
    questions = found.own.questions if found.own else ()
    return team_answer(question_sets.save(request.user, meta, questions, onto=None))


def _listed(request: HttpRequest, result_id: int, asked: ListedAsked) -> Export:
    result = get_object_or_404(Result.objects.select_related("job"), pk=result_id)
    if result.type != Result.Type.EVALUATION:
        raise LaunchError(
            _("%(name)s is a benchmark. Choose an evaluation.") % {"name": result_name(result)}
        )
    found = export(request, address_of(asked), result)
    if found.own is None:
        raise LaunchError(found.problem)
    return found


def address_of(asked: ListedAsked) -> QueryDict:
    """Return filters as an address of the reader has them."""
    query = QueryDict(mutable=True)
    query.setlist("show", [name.strip() for name in asked.show.split(",") if name.strip()])
    if asked.base is not None:
        query["base"] = result_number(asked.base)
    for name in ("set", "category", "q"):
        if value := getattr(asked, name):
            query[name] = value
    return query


# Fleet: what stands for each model and precision on each stack


class FleetMetric(ApiAnswer):
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
    created_at: Time = read("result.stored_at", "of an import when it was imported")


class FleetPlace(ApiAnswer):
    """A model and precision on a stack; null: missing."""

    model: str
    precision: str
    stack: str
    speed: FleetMetric | None
    accuracy: FleetMetric | None


class FleetAnswer(ApiAnswer):
    """All combinations with a result, a ready deployment or an artifact."""

    days: int
    fleet: list[FleetPlace]
    next: str | None


class FleetAsked(Asked):
    """Query of the fleet."""

    days: Annotated[int, BeforeValidator(lambda days: days or STALE_DAYS)] = Field(
        STALE_DAYS, ge=1, le=MOST_DAYS, description="results older than this are stale"
    )


@results.on("GET fleet", "result.view", "api-fleet", FleetAnswer)
def read_fleet(request: HttpRequest, query: Query[FleetAsked]) -> Json:
    """Read the fleet. Each value is of the newest sign-off or baseline, else of the largest sample
    that counts, else of the newest result; ``flags`` says what limits it."""
    days = query.days

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


imports_ = Operations("Results", "imports")
one_import = Operations("Results", "imports/{typed_result:import_result_id}")


class ImportDeclared(Asked):
    """Declared parts of an import."""

    device: str = about(ABOUT_FIELDS["device"], "")
    model: str = about(ABOUT_FIELDS["model"], "")
    devices: int | None = about(ABOUT_FIELDS["devices"], None)
    precision: str = about(ABOUT_FIELDS["precision"], "")
    engine: str = about(ABOUT_FIELDS["engine"], "")
    tp: int | None = about(ABOUT_FIELDS["tp"], None)
    pp: int | None = about(ABOUT_FIELDS["pp"], None)
    ep: int | None = about(ABOUT_FIELDS["ep"], None)
    workload: str = about(ABOUT_FIELDS["workload"], "")


class ImportAsked(ImportDeclared):
    """Additions to imported files."""

    name: str = Field("body", max_length=300, description="file name, such as result.json")
    dry_run: bool = about("only show what would be imported", False)
    job: base.JobId | None = about("job that collected the files; without a body", None)


class ImportedMetric(ApiAnswer):
    """A metric in the files."""

    name: str
    value: float
    unit: str


class ImportedPoint(ApiAnswer):
    """A benchmark at one concurrency."""

    concurrency: int
    metrics: list[ImportedMetric]


class ImportedResult(ApiAnswer):
    """A recognised result."""

    tool: str
    version: str | None = about("null: not in the files")
    type: str
    model: str = about("as named in the files")
    workload: str
    measured_at: str | None = about("start; null: not in the files")
    files: list[str]
    completed: int | None = about("requests or questions; null: not in the files")
    failed: int
    metrics: list[ImportedMetric]
    points: list[ImportedPoint]
    sets: list[dict[str, Any]]
    questions: list[dict[str, Any]]
    remarks: list[str]
    result: ResultNumber | None = about("null: not imported (dry run)")


class RefusedFiles(ApiAnswer):
    """Files without a result."""

    files: list[str]
    reason: str


class ImportAnswer(ApiAnswer):
    """Content of the files."""

    results: list[ImportedResult]
    refused: list[RefusedFiles]
    unused: list[str]


class DeclaredImport(ApiAnswer):
    """Declared parts of an import; empty or null: unknown."""

    id: ResultNumber = read("result.pk", then=result_number)
    device: str
    devices: int | None
    model: str = about("empty: as named in the files")
    precision: str
    engine: str
    tp: int | None
    pp: int | None
    ep: int | None
    workload: str
    measured_at: Time | None = about("null: unknown")
    declared_by: str | None = read("declared_by.username")
    declared_at: Time | None


class RemovedImport(ApiAnswer):
    """A removed import."""

    id: ResultNumber


_FILE = {"schema": {"type": "string", "format": "binary"}}
_BODY = {"requestBody": {"content": {"application/octet-stream": _FILE}}}


@imports_.on("POST ", "result.import", "api-imports", ImportAnswer, 413, 422, document=_BODY)
def import_results(request: HttpRequest, query: Query[ImportAsked]) -> Json:
    """Import results. The body is one file, or a .zip or .tar.gz; or ``job`` names a job that
    collected files of a host. The same files twice change nothing."""
    about = imports.checked(About(**{one.name: getattr(query, one.name) for one in fields(About)}))
    body = request.read(settings.IMPORT_LIMIT_BYTES + 1)
    if body and query.job is not None:
        raise LaunchError(_("Send a file or name a job, not both."), "job")
    files = [] if query.job is not None else [(query.name, body)]
    sent = actions.Sent(files, job=query.job)
    return actions.import_files(member(request.user), sent, about, query.dry_run)


@one_import.on("PATCH /declared", "result.declare", "api-import-declared", DeclaredImport, 422)
def declare_import(request: HttpRequest, import_result_id: ResultId, asked: ImportDeclared) -> Json:
    """Declare an import. Replace what is declared of an import. Fields that are not sent stay."""
    rows = Import.objects.select_related("result", "declared_by")
    row = get_object_or_404(rows, result=import_result_id)
    sent = asked.model_dump(exclude_unset=True)
    about = replace(imports.about_row(row), **sent)
    if "device" in sent and "devices" not in sent:
        about = replace(about, devices=None)
    actions.declare(request.user, row, about)
    row = rows.get(pk=row.pk)
    return DeclaredImport.of(row, **asdict(imports.about_row(row)))


@one_import.on("DELETE ", "result.remove", "api-import", RemovedImport, 409)
def remove_import(request: HttpRequest, import_result_id: ResultId) -> Json:
    """Remove an import. Its result and original files go. Only who imported it, or an
    administrator, may do this."""
    rows = Import.objects.select_related("result")
    try:
        actions.remove(request.user, get_object_or_404(rows, result=import_result_id))
    except imports.Released as refused:
        raise base.conflict("released", message(refused.id)) from None
    return {"id": result_number(import_result_id)}
