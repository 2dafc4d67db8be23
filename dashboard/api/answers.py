"""Pydantic models of the API's responses; the OpenAPI document is made from them.

:mod:`dashboard.api.serializers` fills them. Times are ISO 8601 in UTC; names carry the unit.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.json_schema import models_json_schema

from dashboard.pages.shared.addresses import SCHEMA
from jobs.models import Deployment, Job, Secret

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
JobState = Annotated[str, WithJsonSchema({"type": "string", "enum": list(Job.State.values)})]
# The number of a result, as pages and addresses have it.
ResultNumber = Annotated[str, WithJsonSchema(SCHEMA)]
ServerState = Annotated[
    str, WithJsonSchema({"type": "string", "enum": list(Deployment.State.values)})
]
# A whole number stays one in JSON.
Number = int | float
Purpose = Annotated[str, WithJsonSchema({"type": "string", "enum": ["", *Secret.Purpose.values]})]


class Answer(BaseModel):
    """Base of all responses; a validator is built only where it is used."""

    model_config = ConfigDict(defer_build=True)


class Problem(Answer):
    """Every error."""

    error: str = Field(description="a code for programs, such as missing or forbidden")
    message: str = Field(description="error and action as text")
    fields: dict[str, str] = Field(description="field → its error")


class Removal(Answer):
    """Time, reason and size of a removed log."""

    removed_at: Time
    why: str
    bytes: int
    log_bytes: int
    log_sha256: str


class Removed(Problem, Removal):
    """The error for what was removed."""


class Ask(Answer):
    """Warning of a check: the job starts only after it is confirmed."""

    model_config = ConfigDict(extra="allow")

    check: str
    message_id: str
    message_args: dict[str, Any]
    message: str


class JobAnswer(Answer):
    """A job as lists have it."""

    id: int
    kind: str
    title: str
    host: str
    state: JobState
    message: str = Field(description="state as text")
    message_id: str
    needs_confirmation: list[Ask]
    failure: str | None = Field(description="id of the known failure that ended the job")
    chain: str | None = Field(description="id of the pipeline")
    repeats: int | None = Field(description="id of the job that this job retries")
    resumed: bool = Field(description="it takes over the answers of the job that it retries")
    priority: str
    exclusive: bool
    created_by: str | None
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    duration_s: float | None
    log_bytes: int
    pinned: bool
    removed: Removal | None


class Wait(Answer):
    """Queue reason of a job, and its possible start time."""

    message: str
    message_id: str
    starts_in_s: int | None = Field(description="null if unknown")
    starts: str


class PlacedWait(Wait):
    """A queued job with the number of jobs ahead in its host's queue."""

    ahead: int | None


class QueuedJob(JobAnswer):
    """A job in the queue of its host."""

    waits: PlacedWait


class SecretAnswer(Answer):
    """A secret without its value."""

    name: str
    purpose: Purpose = Field(description="empty if unknown: stored by an earlier version")
    endpoints: list[str] = Field(description="URL prefixes to which it may be sent")
    hosts: list[str] | None = Field(description="null: all hosts")
    people: list[str] | None = Field(description="null: everyone")
    complete: bool = Field(description="false: no new job can use it")
    set_at: Time


class Secrets(Answer):
    """All secrets, by name."""

    secrets: list[SecretAnswer]
    next: str | None


class Queue(Answer):
    """Queue of a host, in order."""

    jobs: list[QueuedJob]
    total: int


class StepAnswer(Answer):
    """A step of a job, and where its log begins and ends, in bytes."""

    name: str
    started_at: Time | None
    duration_s: float | None
    exit_code: int | None
    log_from: int | None
    log_to: int | None


class Output(Answer):
    """An output file of a job."""

    name: str
    path: str
    bytes: int
    sha256: str


class SetStanding(Answer):
    """Progress of an evaluation on a data set; ``share`` is accuracy of the scored, from 0 to 1."""

    set: str
    answered: int
    total: int | None
    scored: int
    correct: Number
    share: float | None
    interval: list[float] | None = Field(
        description="95 % confidence interval of the accuracy: low, high"
    )
    partial: bool = Field(description="all data sets together, while one has not started")
    cut: int
    errors: int
    questions_per_minute: float | None
    left_s: int | None


class Accuracy(SetStanding):
    """Progress of an evaluation: all sets together, and each set."""

    sets: list[SetStanding]


class WholeJob(JobAnswer):
    """A job with plan, steps and outputs."""

    params: dict[str, Any]
    confirmed: list[dict[str, Any]]
    plan: dict[str, Any]
    plan_sha256: str
    values: dict[str, Any]
    after: list[int]
    log_sha256: str
    steps: list[StepAnswer]
    outputs: list[Output]
    result: ResultNumber | None
    deployment: int | None
    waits: PlacedWait | None
    accuracy: Accuracy | None


class Jobs(Answer):
    """A page of jobs."""

    jobs: list[JobAnswer]
    next: str | None = Field(description="address of older rows; null at the end")


class Preview(Answer):
    """Preview of a launch."""

    plan: dict[str, Any]
    plan_sha256: str
    script: str
    values: dict[str, Any]
    open_slots: dict[str, str]
    will_add: list[str]


class PipelineJob(JobAnswer):
    """A job of a pipeline: of several attempts the last."""

    after: list[int]
    waits: Wait | None
    earlier: list[int] = Field(description="earlier attempts")
    result: ResultNumber | None
    deployment: int | None


class PipelineAnswer(Answer):
    """Jobs that were launched together."""

    id: str
    model: str
    state: JobState
    done: int
    jobs: list[PipelineJob]


class CancelledPipeline(PipelineAnswer):
    """A pipeline, and the jobs that this request cancelled."""

    cancelled: list[int]


class StartedPipeline(PipelineAnswer):
    """A pipeline, and the jobs that this request started."""

    started: list[int]


class DeploymentAnswer(Answer):
    """A deployment: a server of a model."""

    id: int
    name: str
    host: str
    job: int
    model: str
    label: str
    state: ServerState
    message: str
    failure: str | None
    progress: Any
    run: int
    url: str = Field(description="server address as the host reaches it")
    created_by: str | None
    created_at: Time
    ready_at: Time | None
    stopped_at: Time | None
    log_bytes: int
    removed: Removal | None


class Deployments(Answer):
    """A page of deployments."""

    deployments: list[DeploymentAnswer]
    next: str | None


class ResultAnswer(Answer):
    """A result as lists have it."""

    id: ResultNumber
    job: int | None = Field(description="null for an imported result")
    imported: bool = Field(description="measured by others: an import")
    type: str
    host: str | None = Field(description="null for an imported result")
    deployment: int | None
    endpoint: int | None = Field(description="external: measured on this endpoint")
    device: str = Field(description="of an external or imported result, in words; else empty")
    declared: dict[str, Any] | None = Field(
        description="what a person declared of an import, with `by` and `at`; null: nothing"
    )
    measured_at: Time | None = Field(description="of an import by its files; null: not in them")
    model: str
    label: str
    what: str
    tool: str
    metrics: dict[str, Any] = Field(
        description="metrics at the concurrency with the highest output rate; names end in the unit"
    )
    totals: dict[str, Any] = Field(description="metrics over all concurrencies")
    asked: dict[str, Any] = Field(description="requested tokens per request; {} if none")
    measured: dict[str, Any] = Field(description="actual tokens per request, means")
    collected: Any = Field(description="folder, host and job of an import from a host, or null")
    concurrent_load: Any = Field(description="other load on the host; null if not recorded")
    remarks: list[str]
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
    created_by: str | None
    created_at: Time


class Results(Answer):
    """A page of results."""

    results: list[ResultAnswer]
    next: str | None


class Point(Answer):
    """A result at one concurrency."""

    concurrency: int
    metrics: dict[str, Any]
    measured: dict[str, Any]


class ScoreInterval(Answer):
    """Bounds of a score, in per cent."""

    low: float
    high: float


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
    interval: ScoreInterval | None


class WholeResult(ResultAnswer):
    """A result with its points and answers, its identity, repeats and provenance."""

    identity: dict[str, Any]
    repeats: list[ResultNumber]
    disturbed_repeats: list[ResultNumber]
    incomplete_repeats: list[ResultNumber]
    loaded_repeats: list[ResultNumber]
    provenance: dict[str, Any]
    points: list[Point]
    sets: list[SetScore]
    answers: list[dict[str, Any]]


class HostAnswer(Answer):
    """A host, as it reports itself."""

    name: str
    type: str
    slots: int
    draining: bool
    launchers: list[str] | None = Field(description="who may launch besides admins; null: all")
    away: bool
    heartbeat_at: Time | None
    facts: dict[str, Any]
    load: dict[str, Any]


class Hosts(Answer):
    """All hosts."""

    hosts: list[HostAnswer]
    next: str | None


class LogMatches(Answer):
    """Matches of a text in a log: ``found`` is ``[line, offset, matches]`` of some of the lines;
    ``spread`` a ``[line, whether it breaks]`` of each part of the log that has one.
    """

    total: int
    lines: int
    before: int
    found: list[list[int]]
    spread: list[list[int | bool]]


class LogIndex(Answer):
    """Newlines before each block of a log, from block ``known`` on."""

    size: int
    newlines: int
    block: int
    known: int
    counts: list[int]
    ends_line: bool


class LogFolds(Answer):
    """Rows that replace more than one line: ``[first, line, texts]``."""

    series: str
    known: int
    to: int
    lines: int
    done: bool
    full: bool
    folds: list[list[Any]]
    open: list[list[Any]]


class LogPolls(Answer):
    """Lines that are the dashboard's own requests to a server: ``[first, last]``."""

    to: int
    ranges: list[list[int]]
    done: bool
    lines: int


class LogStep(Answer):
    """A step and its lines; ``look`` is the class and the shape of its state."""

    name: str
    title: str
    state: str
    look: list[str]
    exit_code: int | None
    duration_s: float | None
    line_from: int | None
    line_to: int | None


class LogSteps(Answer):
    """The steps of a job; none for a deployment."""

    steps: list[LogStep]


class AuditEntryAnswer(Answer):
    """Entry of the audit log: person, action, object, time and address."""

    id: int
    at: Time
    person: str | None = Field(description="null: no account, such as a command")
    action: str
    label: str = Field(description="action as text")
    subject: str = Field(description="such as job 17")
    detail: dict[str, Any]
    origin: str = Field(description="address, manage.py for a command, or empty if unknown")
    digest: str = Field(description="SHA-256 of the entry and of the digest before it")


class AuditEntries(Answer):
    """Entries of the audit log, newest first."""

    entries: list[AuditEntryAnswer]
    next: str | None


_REF = "#/components/schemas/{model}"
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_AS_BYTES = {"content": {"text/plain": _BYTES, "application/octet-stream": _BYTES}}
# Errors that each operation may end in.
_COMMON = (400, 401, 403, 404, 429)
_answered: set[type[BaseModel]] = {Problem, Removed}


def answers(model: type[BaseModel] | None, *refusals: int, status: int = 200) -> dict[str, Any]:
    """Arguments of an operation: what it answers, ``None`` for bytes, and its own errors.

    They are written into the document only. Answers are sent as :mod:`dashboard.api.serializers`
    has them, and to build a validator of each would lengthen every start (docs/decisions).
    """
    shown = {status: _as_json(model, status) if model else _AS_BYTES}
    for code in (*_COMMON, *refusals):
        shown[code] = _as_json(Removed if code == HTTPStatus.GONE else Problem, code)
    return {"response": {status: None}, "openapi_extra": {"responses": shown}}


def _as_json(model: type[BaseModel], code: int) -> dict[str, Any]:
    _answered.add(model)
    schema = {"$ref": _REF.format(model=model.__name__)}
    content = {"application/json": {"schema": schema}}
    return {"description": HTTPStatus(code).phrase, "content": content}


def schemas() -> dict[str, Any]:
    """Schemas of all that is answered, by name, for the document."""
    models = sorted(_answered, key=lambda model: model.__name__)
    _refs, definitions = models_json_schema(
        [(model, "serialization") for model in models], ref_template=_REF
    )
    return dict(definitions["$defs"])
