"""Models of the catalogue, and launch of their pipelines."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Annotated, Any, NamedTuple, get_args
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _
from pydantic import Field, StrictBool

from dashboard.actions import jobs as job_actions
from dashboard.actions import models as model_actions
from dashboard.actions.action import KeyHeader, once_by_header
from dashboard.api import base
from dashboard.api.base import (
    ApiAnswer,
    Asked,
    Json,
    Number,
    Operations,
    ResultNumber,
    Time,
    about,
    conflict,
    one_of,
    read,
)
from dashboard.api.jobs import PipelineAnswer, Preview
from dashboard.pages import models as model_pages
from dashboard.pages.launch.pipeline import forecasts
from dashboard.pages.shared.addresses import or_404
from dashboard.security.request import person
from dashboard.text.queue_words import starts
from jobs.base.errors import LaunchError
from jobs.base.numbers import result_number
from jobs.catalog import MODELS, SHIPPED, ZooModel
from jobs.catalog.library import SUFFIX, ModelChanged, version_of
from jobs.kinds.lib.vacc import stack_choices
from jobs.launch.launch import InvalidParams, confirmed_by_name
from jobs.launch.pipelines import (
    CALIBRATIONS,
    EVALUATION_IDS,
    PIPELINES,
    PRECISIONS,
    WORKLOAD_IDS,
    Draft,
    Options,
    Pipeline,
    drafts,
    pipelines_of,
    read_options,
)
from jobs.models import Host, Result
from jobs.plans import Plan, Step
from jobs.queries.catalogue import (
    ModelRow,
    ModelStep,
    Ours,
    PublishedComparison,
    Why,
    model_page,
    model_rows,
    published_comparisons,
)
from jobs.queries.hosts import dies
from jobs.queries.jobs.job_page import chain_of
from jobs.queries.results.repeats import best_concurrencies
from jobs.queries.results.results import accuracy
from jobs.schedule import launch_rights
from jobs.schedule.preflights import confirmable
from jobs.schedule.targets import target_of
from jobs.statistics import Interval

models = Operations("Models", "models")
_LONGEST_ID = 100
_MOST_JOBS = 200  # open ones of a model that are returned
_YAML = {
    "description": "The file",
    "content": {"application/yaml": {"schema": {"type": "object"}}},
}


# Models


class ModelPathAnswer(ApiAnswer):
    """A way to serve a model."""

    name: str = about("build_in, vllm or llama_cpp")
    precisions: list[str]
    tp: list[int] = about("tensor parallel sizes that are offered")
    default_tp: int


def _paths(row: ModelRow) -> list[Json]:
    return [ModelPathAnswer.of(path, name=name) for name, path in row.model.paths.items()]


class ModelPipelineAnswer(ApiAnswer):
    """A pipeline of a model: for ``POST pipelines``."""

    id: str
    title: str = read(lambda pipeline: _(pipeline.title))
    good_for: str = read(lambda pipeline: _(pipeline.good_for))
    needs_dies: bool = about("false: it runs on hosts without cards")
    options: list[str] = about("its options in the body")


def _pipelines(row: ModelRow) -> list[Json]:
    offered: list[Pipeline] = pipelines_of(row.model)
    return [ModelPipelineAnswer.of(one) for one in offered]


class ModelSpeed(ApiAnswer):
    """Result of ours that stands for the speed of a model."""

    result: ResultNumber = read("pk", then=result_number)
    output_tokens_per_s: Number | None = read(lambda row: row.metrics.get("output_tokens_per_s"))
    concurrency: int | None = about("at which it was measured; null: not recorded")


def _bounds(interval: Interval) -> list[float]:
    return [interval.low, interval.high]


class ModelAccuracy(ApiAnswer):
    """Result of ours that stands for the accuracy of a model; shares are from 0 to 1."""

    result: ResultNumber = read("pk", then=result_number)
    accuracy: Number | None = read(lambda row: row.metrics.get("accuracy"))
    interval: list[float] | None = read(
        lambda row: _bounds(share) if (share := accuracy(row)) else None,
        "95 % confidence interval: low, high",
    )


class ModelLine(ApiAnswer):
    """A model of the catalogue as the list has it."""

    id: str = read("model.id")
    name: str = read("model.name")
    family: str = read("model.family")
    base_model: str = read("model.base_model", "model that it was made from, or empty")
    summary: str = read(lambda row: _(row.model.summary))
    hub_id: str = read("model.hub_id", "owner/name on Hugging Face and ModelScope")
    licence: str = read("model.licence")
    languages: list[str] = read("model.languages")
    parameters: int = read("model.parameters")
    active_parameters: int | None = read("model.active_parameters", "per token; null: all")
    context_tokens: int = read("model.context_tokens", "trained context length")
    precision: str = read("model.source.precision", "of the published weights")
    weights_bytes: int = read("model.source.bytes", "of the published weights")
    reasoning: bool = read("model.reasoning")
    added: bool = read(
        lambda row: MODELS.is_added(row.model.id), "by the team, who can change and delete it"
    )
    paths: list[ModelPathAnswer] = read(_paths)
    pipelines: list[ModelPipelineAnswer] = read(_pipelines)
    weights: list[str] = read(
        lambda row: [place.host.name for place in row.hosts if place.weights],
        "hosts that have its weights",
    )
    artifacts: list[str] = about("precisions that are compiled on some host")
    deployments: list[int] = read(lambda row: [one.pk for one in row.deployments])
    speed: ModelSpeed | None = about("not simulated; null: none")
    answers: ModelAccuracy | None = read(
        "answers", "not simulated; null: none", then=ModelAccuracy.of
    )
    page: str = read(
        lambda row: reverse("model-detail", args=[row.model.id]),
        "path of its page, below the dashboard's own address",
    )


class ModelProblemAnswer(ApiAnswer):
    """A file of the team's models that is no valid model."""

    file: str
    reason: str


class ModelsAnswer(ApiAnswer):
    """All models, the smallest first, and files that are none."""

    models: list[ModelLine]
    problems: list[ModelProblemAnswer]
    next: str | None


class WeightsAnswer(ApiAnswer):
    """Weights of a model on a host."""

    id: int
    precision: str
    path: str
    bytes: int
    sha256: str
    job: int | None = read("job_id", "job that prepared them")
    created_at: Time


class ArtifactAnswer(ApiAnswer):
    """A compiled model on a host."""

    id: int
    label: str = about("precision with its source")
    precision: str
    toolchain: str
    path: str
    bytes: int
    sha256: str
    job: int | None = read("job_id", "job that compiled it")
    created_at: Time


class ModelDeployment(ApiAnswer):
    """A deployment of a model that is or will be up."""

    id: int
    name: str
    state: base.ServerState


class ModelHostAnswer(ApiAnswer):
    """Weights, artifacts and deployments of a model on one host."""

    host: str = read("host.name")
    simulated: bool = read("host.is_simulated")
    weights: list[WeightsAnswer] = read(
        lambda place: [WeightsAnswer.of(one) for one in place.weights]
    )
    artifacts: list[ArtifactAnswer] = read(
        lambda place: [ArtifactAnswer.of(one) for one in place.artifacts]
    )
    deployments: list[ModelDeployment] = read(
        lambda place: [ModelDeployment.of(one) for one in place.deployments]
    )


class OurScore(ApiAnswer):
    """Accuracy of ours on a data set; shares are from 0 to 1."""

    result: ResultNumber = read("result.pk", then=result_number)
    share: float = read("share.value")
    interval: list[float] = read("share", "95 % confidence interval: low, high", then=_bounds)
    questions: int
    samples: int = about("answers to each question")
    simulated: bool = read("result.simulated")


def _ours(ours: Ours) -> Json:
    return OurScore.of(ours)


class PublishedScore(ApiAnswer):
    """A published score, with ours on the same data set."""

    data_set: str = read("published.dataset")
    metric: str = read("published.metric")
    value: Number = read("published.value")
    unit: str = read("published.unit")
    device: str = read("published.device", "of the measurement; paper: by the model's authors")
    questions: int | None = read("published.samples", "null: not published")
    source: str = read("published.source")
    ours: OurScore | None = read("latest", "what stands for us; null: not measured", then=_ours)
    best: OurScore | None = read("best", "null: ours is the best, or simulated", then=_ours)
    not_comparable: list[Annotated[str, one_of(get_args(Why))]] = read("why", "reasons", then=list)
    within: bool | None = about("value is inside our interval; null: not comparable")


def _speeds(rows: Sequence[ModelRow]) -> list[Json | None]:
    found = best_concurrencies(row.speed for row in rows if row.speed)
    return [
        ModelSpeed.of(row.speed, concurrency=found.get(row.speed.pk)) if row.speed else None
        for row in rows
    ]


def _published(model: ZooModel) -> list[Json]:
    found: list[PublishedComparison] = published_comparisons(model)
    return [PublishedScore.of(one) for one in found]


class DieMemory(ApiAnswer):
    """Memory of one die at a precision and tensor parallel size."""

    precision: str
    tp: int
    weights_bytes: int
    kv_bytes: int = about("of the KV cache")
    free_bytes: int = about("negative: it does not fit")
    fits: bool


class NextModelJob(ApiAnswer):
    """Job that comes next for a model, as ``POST jobs`` takes it."""

    kind: str
    host: str | None = about("null: choose one")
    params: dict[str, str]


def _next_step(step: ModelStep) -> Json:
    params = dict(step.filled)
    return {"kind": step.kind, "host": params.pop("host", None), "params": params}


class ModelAnswer(ModelLine):
    """A model of the catalogue: its facts, what hosts have of it, and its results."""

    facts: dict[str, Any] = read(
        lambda row: row.model.model_dump(mode="json", exclude={"published"}),
        "all fields of its YAML, except published",
    )
    version: str | None = about("SHA-256 of its YAML, which a change sends; null: included")
    published: list[PublishedScore]
    memory: list[DieMemory] = about("of one die; empty: it uses no dies")
    memory_tokens: int = about("tokens in the KV cache of memory")
    hosts: list[ModelHostAnswer] = read(
        lambda row: [ModelHostAnswer.of(place) for place in row.hosts]
    )
    latest_results: list[ResultNumber] = about("more: GET results?model=ID")
    open_jobs: list[int] = about("that work on it, at most 200")
    next_step: NextModelJob | None = about("null: measured, or a server starts")


def model_answer(model_id: str) -> Json:
    """Return one model. Raises ``Refused``: the catalogue has none of this id."""
    if model_id not in MODELS:
        raise base.missing()
    page = model_page(model_id)
    model, step = page.row.model, page.row.next_step()
    results: list[Result] = [*page.results]
    text = MODELS.text_of(f"{model_id}{SUFFIX}") if MODELS.is_added(model_id) else None
    return ModelAnswer.of(
        page.row,
        speed=_speeds([page.row])[0],
        version=None if text is None else version_of(text.encode()),
        published=_published(model),
        memory=[DieMemory.of(fit) for fit in model_pages.memory_fits(model)],
        memory_tokens=model_pages.FIT_TOKENS,
        latest_results=[result_number(row.pk) for row in results],
        open_jobs=[*page.jobs[1].values_list("pk", flat=True)[:_MOST_JOBS]],
        next_step=_next_step(step) if step else None,
    )


@models.on("GET ", "model.view", "api-models", ModelsAnswer)
def list_models(request: HttpRequest) -> Json:
    """List models. All of the catalogue, the smallest first; `problems` has files that are no valid
    model."""
    problems = [ModelProblemAnswer.of(one) for one in MODELS.problems]
    rows = model_rows()
    lines = [ModelLine.of(row, speed=speed) for row, speed in zip(rows, _speeds(rows), strict=True)]
    return {"models": lines, "problems": problems, "next": None}


@models.on("GET /{str:model_id}", "model.view", "api-model", ModelAnswer)
def read_model(request: HttpRequest, model_id: str) -> Json:
    """Read a model. Facts, published scores beside ours, what each host has of it, and results."""
    return model_answer(model_id)


@models.on(
    "GET /{str:model_id}/model.yaml", "model.view", "api-model-yaml", answer=None, shown=_YAML
)
def download_model(request: HttpRequest, model_id: str) -> HttpResponseBase:
    """Download a model as YAML. The file of the catalogue, to add or change a model."""
    return model_pages.yaml_file(model_id)


# Models of the team

drafts_ = Operations("Models", "model-drafts")
files = Operations("Models", "model-files")


class ModelAsked(Asked):
    """A model as YAML: ``GET models/ID/model.yaml`` has examples."""

    yaml: str


class ModelChange(ModelAsked):
    """A model of the team as YAML, with the same id."""

    version: str | None = about("of the model that was read; null: replace any", None)


class ModelDraftAsked(Asked):
    """Source of a new model: its config.json, or another model."""

    hub_id: str = about("owner/name as on the hub", "")
    config: str = about("text of its config.json", "")
    like: str = about("in place of both: id of a model of the hub", "")


class ModelDraft(ApiAnswer):
    """YAML of a new model, to fill in. It is not stored."""

    yaml: str
    errors: list[str] = about("what is missing, by line")


class ModelFileAnswer(ModelProblemAnswer):
    """A file that is no valid model, with its text."""

    yaml: str


@contextmanager
def _written(field: str) -> Iterator[None]:
    """Turn errors of a change of a file into errors of the API, at ``field``."""
    try:
        yield
    except ModelChanged:
        raise conflict("changed", model_pages.changed_text()) from None
    except model_pages.Invalid as error:
        raise LaunchError("\n".join(error.args), field) from None
    except OSError as error:  # its text has the folder of the server
        raise LaunchError(error.strerror or type(error).__name__, field) from None
    except ValueError as error:
        raise LaunchError(str(error), field) from None


def _known(model_id: str) -> str:
    """Return the id of a model that may be there. Raises ``Refused``: too long for a file."""
    if len(model_id) > _LONGEST_ID:
        raise base.missing()
    return model_id


@models.on("POST ", "model.change", "api-models", ModelAnswer, 201, 413, 422)
def add_model(request: HttpRequest, asked: ModelAsked) -> Json:
    """Add a model. A new model of the team; jobs may use it from now on."""
    with _written("yaml"):
        model = model_pages.keep(request.user, asked.yaml, None)
    return model_answer(model.id)


@models.on("PUT /{str:model_id}", "model.change", "api-model", ModelAnswer, 409, 413, 422)
def change_model(request: HttpRequest, model_id: str, asked: ModelChange) -> Json:
    """Change a model of the team. Replaces its YAML; 409 when the model has another ``version``
    now."""
    model_pages.text_of(model_id)
    with _written("yaml"):
        model_pages.keep(request.user, asked.yaml, asked.version, model_id=model_id)
    return model_answer(model_id)


@models.on("DELETE /{str:model_id}", "model.change", "api-model", ModelAnswer, 422)
def delete_model(request: HttpRequest, model_id: str) -> Json:
    """Delete a model of the team. Its results and files on hosts stay; it can be restored."""
    model_pages.text_of(model_id)
    shown = model_answer(model_id)
    with _written(""):
        if not model_actions.delete(request.user, model_id):
            raise base.missing()
    return shown


@models.on("POST /{str:model_id}/undo", "model.change", "api-model-undo", ModelAnswer, 409, 422)
def undo_model(request: HttpRequest, model_id: str) -> Json:
    """Undo the last change of a model of the team. A deleted model is restored."""
    with _written(""):
        if _known(model_id) in SHIPPED or not model_actions.undo(request.user, model_id):
            raise base.missing()
    if model_id not in MODELS:
        text = _("Restored a file that is not a valid model. Correct or delete this file.")
        raise conflict("invalid_file", text)
    return model_answer(model_id)


@drafts_.on("POST ", "model.change", "api-model-drafts", ModelDraft, 413, 422)
def draft_model(request: HttpRequest, asked: ModelDraftAsked) -> Json:
    """Draft a model. YAML from a config.json or from another model, to complete and add."""
    errors: dict[str, str] = {}
    if asked.like:
        like = MODELS.get(asked.like)
        if like is None or like.package is not None:
            raise InvalidParams({"like": _("Unknown model. Choose one from the catalogue.")})
        text = model_pages.draft_like(like)
    else:
        text = model_pages.draft(asked.hub_id.strip(), asked.config, errors)
    if errors:
        raise InvalidParams(errors)
    return {"yaml": text, "errors": model_pages.errors_in(text)}


@files.on("GET /{str:file}", "model.change", "api-model-file", ModelFileAnswer)
def read_model_file(request: HttpRequest, file: str) -> Json:
    """Read a file that is no valid model. ``problems`` of the list of models names these files."""
    return _broken(file)


@files.on("DELETE /{str:file}", "model.change", "api-model-file", ModelFileAnswer, 422)
def delete_model_file(request: HttpRequest, file: str) -> Json:
    """Delete a file that is no valid model. It cannot be restored."""
    shown = _broken(file)
    with _written(""):
        if not model_actions.discard(request.user, file):
            raise base.missing()
    return shown


def _broken(file: str) -> Json:
    problem = or_404(lambda: next((one for one in MODELS.problems if one.file == file), None))
    return ModelFileAnswer.of(problem, yaml=MODELS.text_of(file) or "")


# Pipelines

pipelines = Operations("Pipelines", "pipelines")


class PipelineAsked(Asked):
    """A pipeline of a model to preview. ``GET models/ID`` has the options of each pipeline."""

    model: str = about("id of a model")
    pipeline: Annotated[str, one_of(PIPELINES)]
    host: str
    stack: str = about("id of a stack; empty: the first of the host", "")
    as_in_guide: StrictBool = about("option: commands verbatim from the guide", False)
    precision: Annotated[
        str, one_of(["", *PRECISIONS]), about(f"option; empty: {PRECISIONS[0]}")
    ] = ""
    calibration: Annotated[
        str, one_of(["", *CALIBRATIONS]), about("option: data set for int8; empty: the first")
    ] = ""
    concurrency: list[int] = Field(
        default_factory=list, description="option; empty: default of each job type"
    )
    workload: Annotated[
        str, one_of(WORKLOAD_IDS), about("option: a preset; empty: the benchmark's defaults")
    ] = ""
    evaluation: Annotated[
        str, one_of(EVALUATION_IDS), about("option: a preset; empty: the evaluation's defaults")
    ] = ""
    port: int = about("option: of the server; 0: a free one at launch", 0)
    bind: str = about("option: IPv4 address on which the server listens", "")


class PipelineLaunchAsked(PipelineAsked):
    """A pipeline of a model to launch."""

    confirm: base.Confirm = None


class PlannedJob(ApiAnswer):
    """A job of a pipeline before the launch."""

    number: int = about("from 1")
    kind: str = read("stage.job.kind")
    title: str = about("empty: no job needed")
    existing: str | None = read(
        "stage.there.label", "what the host has already, so that it needs no job"
    )
    after: list[int] = about("numbers of the jobs that it waits for")
    preview: Preview | None = read("preview", "null: no job needed", then=Preview.of)
    starts_in_s: int | None = about("if it had no jobs to wait for; null: unknown or no job")
    starts: str = about("start as text; empty: no job")


class PipelinePreview(ApiAnswer):
    """Jobs that a launch would queue."""

    model: str
    pipeline: str
    host: str
    stack: str
    confirmable: list[str] = about("checks whose warnings the launch may confirm")
    jobs: list[PlannedJob]


class _Planned(NamedTuple):
    """A pipeline without errors, and its draft on a host."""

    model: ZooModel
    pipeline: Pipeline
    host: Host
    stack: str
    options: Options
    drafts: list[Draft]

    @property
    def checks(self) -> Plan:
        """Return a plan with the checks of all jobs."""
        plans = [one.preview.plan for one in self.drafts if one.preview and one.preview.plan]
        checks = dict.fromkeys(check for plan in plans for check in plan.checks)
        return Plan(self.pipeline.id, (Step("check", ("true",)),), checks=tuple(checks))


def _plan(request: HttpRequest, asked: PipelineAsked) -> _Planned:
    """Plan a pipeline. Raises ``LaunchError``: with the errors at the fields of the body, those of
    a job at its kind and field."""
    user, host = person(request), base.host_of(asked.host)
    model, pipeline = MODELS.get(asked.model), PIPELINES.get(asked.pipeline)
    if model is None:
        raise InvalidParams({"model": _("Unknown model. Choose one from the catalogue.")})
    if pipeline is None or not pipeline.suits(model):
        raise InvalidParams({"pipeline": _("This model has no such pipeline.")})
    launch_rights.check(host, user)
    offered = [choice.value for choice in stack_choices(target_of(host))]
    if bool(dies(host)) != pipeline.needs_dies or not offered:
        text = _("This host does not support this pipeline. Choose another host.")
        raise InvalidParams({"host": text})
    if asked.stack and asked.stack not in offered:
        expected = {"expected": ", ".join(offered)}
        raise InvalidParams({"stack": _("Choose one of %(expected)s.") % expected})
    stack, options = asked.stack or offered[0], _options(pipeline, asked)
    planned = drafts(pipeline, model, host, stack, options, user=user)
    if errors := _errors(planned):
        raise InvalidParams(errors)
    return _Planned(model, pipeline, host, stack, options, planned)


def _options(pipeline: Pipeline, asked: PipelineAsked) -> Options:
    given = asked.model_dump(include={one.name for one in fields(Options)}, exclude_defaults=True)
    if unknown := [name for name in given if name not in pipeline.options]:
        text = _("This pipeline does not have this option. Leave it out.")
        raise InvalidParams(dict.fromkeys(unknown, text))
    given["concurrency"] = ", ".join(map(str, asked.concurrency))
    given["as_in_guide"] = "1" if asked.as_in_guide else ""
    options, errors = read_options(given, pipeline.options)
    if errors:
        raise InvalidParams(errors)
    return options


def _errors(planned: Sequence[Draft]) -> dict[str, str]:
    """Return errors of the jobs: at the body's field of that name, else at kind and field."""
    found: dict[str, str] = {}
    for draft in planned:
        errors: Mapping[str, str] = draft.preview.errors if draft.preview else {}
        for name, text in errors.items():
            own = f"{draft.stage.job.kind}.{name}".removesuffix(".")
            found.setdefault(name if name in PipelineAsked.model_fields else own, text)
    return found


@pipelines.on("POST /preview", "job.launch", "api-pipeline-preview", PipelinePreview, 413, 422)
def preview_pipeline(request: HttpRequest, asked: PipelineAsked) -> Json:
    """Preview a pipeline of a model. The jobs that a launch would queue, with plan and script. It
    runs nothing."""
    planned = _plan(request, asked)
    found = forecasts(planned.drafts, planned.host, person(request))
    jobs = []
    for draft in planned.drafts:
        known = found.get(draft.number)
        seconds = None if known is None else known.starts_in_s
        jobs.append(
            PlannedJob.of(
                draft,
                starts_in_s=None if seconds is None else round(seconds),
                starts="" if known is None else starts(known),
            )
        )
    return {
        "model": planned.model.id,
        "pipeline": planned.pipeline.id,
        "host": planned.host.name,
        "stack": planned.stack,
        "confirmable": confirmable(planned.checks),
        "jobs": jobs,
    }


@pipelines.on("POST ", "job.launch", "api-pipelines", PipelineAnswer, 201, 409, 413, 422)
def launch_pipeline(request: HttpRequest, asked: PipelineLaunchAsked, key: KeyHeader = "") -> Json:
    """Launch a pipeline of a model. Queue all its jobs, or none. ``"confirm": ["shm"]`` confirms
    the warnings of the checks of these names; "all": of all."""

    def run() -> str:
        planned = _plan(request, asked)
        confirmed = confirmed_by_name(planned.checks, asked.confirm or [], person(request))
        jobs = job_actions.launch_pipeline(
            request.user,
            planned.pipeline.id,
            planned.model.id,
            host=planned.host,
            stack=planned.stack,
            options=planned.options,
            confirmed=confirmed,
        )
        if not jobs:
            text = _("Nothing to launch: the host has everything that this pipeline makes.")
            raise conflict("nothing_to_launch", text)
        return str(jobs[0].chain)

    return PipelineAnswer.of(or_404(chain_of, UUID(once_by_header(request, key, run))))
