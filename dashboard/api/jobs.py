"""Jobs, their queue, and pipelines: jobs that were launched together."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import ConfigDict, Field, StrictBool

from dashboard.actions import jobs as actions
from dashboard.actions.action import KeyHeader, once_by_header
from dashboard.api import base
from dashboard.api.base import (
    ApiAnswer,
    Asked,
    JobId,
    Json,
    Operations,
    Refused,
    Time,
    about,
    conflict,
    read,
)
from dashboard.api.waiting import WaitAsked, answer_when, of_any_job, of_job
from dashboard.pages.jobs import probe_card
from dashboard.pages.shared.addresses import or_404
from dashboard.server.json_errors import gone, removal
from dashboard.text.formatting import joined
from dashboard.text.messages import message, stalled_text, view_of
from dashboard.text.queue_words import priority_for, priority_name, starts, waits
from jobs.base.errors import DamagedLog
from jobs.base.numbers import result_number
from jobs.kinds import KINDS
from jobs.launch import launch
from jobs.logstore import store
from jobs.models import Deployment, Host, Job
from jobs.queries.hosts import queue_position, queue_positions, queued_jobs
from jobs.queries.jobs import jobs as queries
from jobs.queries.jobs.job_page import ChainProgress, chain_of
from jobs.queries.jobs.progress import standings
from jobs.schedule.queue import STEPS
from jobs.tools.greedy_probe.commands import KIND

_JOB = "jobs/{int:job_id}"
jobs, job = Operations("Jobs"), Operations("Jobs", _JOB)
queue, queued = Operations("Queue"), Operations("Queue", _JOB)
pipelines = Operations("Pipelines", "pipelines/{uuid:pipeline_id}")
_QUEUE = 200  # jobs of a host's queue that are returned


# Answers


def _log_bytes(row: Job | Deployment) -> int:
    """Return the stored size of its log; the row may be a second behind."""
    try:
        return max(row.log_bytes, store().size(row.log_key))
    except DamagedLog:
        return row.log_bytes


class WithLog(base.Created):
    """A job or a server, which has a log."""

    failure: str | None = read(
        lambda row: known.id if (known := view_of(row)) else None,
        "id of the known failure that ended it",
    )
    log_bytes: int = read(_log_bytes)
    removed: base.Removal | None = read(removal)


class Progress(ApiAnswer):
    """Work done so far, as the log counts it."""

    done: base.Number = read(lambda known: known["done"])
    total: base.Number | None = read(lambda known: known.get("total"))
    unit: str = read(lambda known: str(known.get("unit", "")))
    since: Time | None = read(
        lambda known: datetime.fromtimestamp(known["since"], UTC) if "since" in known else None,
        "when the numbers last changed",
    )


def progress_of(row: Job | Deployment) -> Json | None:
    return Progress.of(row.progress) if "done" in (row.progress or {}) else None


class Ask(ApiAnswer):
    """Warning of a check: the job starts only after it is confirmed."""

    model_config = ConfigDict(extra="allow")

    check: str
    message_id: str
    message_args: dict[str, Any]
    message: str


def _asks(row: Job) -> list[Json]:
    return [
        {**item, "message": message(item["message_id"], item["message_args"])}
        for item in row.open_confirmations
    ]


class JobAnswer(WithLog):
    """A job as lists have it."""

    id: int
    kind: str
    title: str
    host: str = read("host.name")
    state: base.JobState
    message: str = read(
        lambda row: joined(message(row.message_id, row.message_args), stalled_text(row)),
        "state as text",
    )
    message_id: str
    needs_confirmation: list[Ask] = read(_asks)
    pipeline: str | None = read("chain", "id of its pipeline")
    retry_of: int | None = read("repeats_id", "id of the job that this job retries")
    resumed: bool = about("it takes over the answers of the job that it retries")
    priority: str = read("priority", then=priority_name)
    exclusive: bool
    started_at: Time | None
    finished_at: Time | None
    duration_s: float | None
    pinned: bool = read(lambda row: row.pinned_at is not None)


class Wait(ApiAnswer):
    """Queue reason of a job, and its possible start time."""

    # Of (reason, forecast).
    message: str = read(lambda wait: message(wait[0].id, wait[0].args))
    message_id: str = read(lambda wait: wait[0].id)
    starts_in_s: int | None = read(
        lambda wait: None if wait[1].starts_in_s is None else round(wait[1].starts_in_s),
        "null if unknown",
    )
    starts: str = read(lambda wait: starts(wait[1]))


class PlacedWait(Wait):
    """A queued job with the number of jobs ahead in its host's queue."""

    ahead: int | None


class QueuedJob(JobAnswer):
    """A job in the queue of its host."""

    waits: PlacedWait


class Queue(ApiAnswer):
    """Queue of a host, in order."""

    jobs: list[QueuedJob]
    total: int


class StepAnswer(ApiAnswer):
    """A step of a job, and where its log begins and ends, in bytes."""

    name: str
    started_at: Time | None
    duration_s: float | None
    exit_code: int | None
    log_from: int | None
    log_to: int | None


class Output(ApiAnswer):
    """An output file of a job."""

    id: int
    address: str = read(
        lambda row: reverse("api-job-output", args=[row.job_id, row.pk]),
        "path to download it, below the dashboard's own address",
    )
    name: str
    path: str
    bytes: int
    sha256: str


class SetStanding(ApiAnswer):
    """Progress of an evaluation on a data set; ``share`` is accuracy of the scored, from 0 to 1."""

    set: str = read("name")
    answered: int
    total: int | None = read(lambda one: one.total or None)
    scored: int
    correct: base.Number = read("right")
    share: float | None = read("accuracy.value")
    # Of all sets only when each has begun: before, they are no sample of the whole.
    interval: list[float] | None = read(
        lambda one: (
            [one.accuracy.low, one.accuracy.high] if one.accuracy and not one.is_partial else None
        ),
        "95 % confidence interval of the accuracy: low, high",
    )
    partial: bool = read("is_partial", "all data sets together, while one has not started")
    cut: int
    errors: int
    questions_per_minute: float | None = read("per_minute")
    left_s: int | None = read("left_s", then=round)


class Accuracy(SetStanding):
    """Progress of an evaluation: all sets together, and each set."""

    sets: list[SetStanding]


def _accuracy(row: Job) -> Json | None:
    scores = standings(row)
    sets = [SetStanding.of(one) for one in scores.sets] if scores else []
    return Accuracy.of(scores.whole, sets=sets) if scores else None


def _place_in_queue(row: Job) -> Json | None:
    if row.state != Job.State.QUEUED:
        return None
    (wait,) = waits([row]).values()
    return PlacedWait.of(wait, ahead=queue_position(row))


class _Whole(JobAnswer):
    after: list[int] = read(lambda row: sorted(one.pk for one in row.after.all()))
    result: base.ResultNumber | None = read("result.pk", then=result_number)
    deployment: int | None = read("deployment.pk")


class WholeJob(_Whole):
    """A job with plan, steps and outputs."""

    params: dict[str, Any]
    confirmed: list[dict[str, Any]]
    plan: dict[str, Any]
    plan_sha256: str
    values: dict[str, Any]
    log_sha256: str
    progress: Progress | None = read(progress_of, "null: none is known")
    steps: list[StepAnswer] = read(lambda row: [StepAnswer.of(one) for one in row.steps.all()])
    outputs: list[Output] = read(lambda row: [Output.of(one) for one in row.outputs.all()])
    waits: PlacedWait | None = read(_place_in_queue)
    accuracy: Accuracy | None = read(_accuracy)


class PipelineJob(_Whole):
    """A job of a pipeline: of several attempts the last."""

    waits: Wait | None
    earlier: list[int] = about("earlier attempts")


def _chain_state(chain: ChainProgress) -> str:
    """Return "running" while a job is open, else the state of the first that did not succeed."""
    ended = chain.failed.state if chain.failed else Job.State.SUCCEEDED
    return Job.State.RUNNING if chain.is_open else ended


def _chain_jobs(chain: ChainProgress) -> list[Json]:
    reasons = waits([row for row in chain.jobs if row.state == Job.State.QUEUED])
    return [
        PipelineJob.of(
            row,
            waits=Wait.of(reasons[row.pk]) if row.pk in reasons else None,
            earlier=[one.pk for one in chain.earlier.get(row.pk, ())],
        )
        for row in chain.jobs
    ]


class PipelineAnswer(ApiAnswer):
    """Jobs that were launched together."""

    id: str
    model: str = read("model_id")
    state: base.JobState = read(_chain_state)
    done: int
    jobs: list[PipelineJob] = read(_chain_jobs)


class CancelledPipeline(PipelineAnswer):
    """A pipeline, and the jobs that this request cancelled."""

    cancelled: list[int]


class StartedPipeline(PipelineAnswer):
    """A pipeline, and the jobs that this request started."""

    started: list[int]


class Preview(ApiAnswer):
    """Preview of a launch."""

    plan: dict[str, Any] = read(lambda shown: shown.plan.to_json())
    plan_sha256: str = read(lambda shown: shown.plan.sha256())
    script: str
    values: dict[str, Any]
    open_slots: dict[str, str]
    will_add: list[str]


Jobs = base.listing("Jobs", "A page of jobs.", "jobs", JobAnswer)


def job_answer(job_id: int) -> Json:
    return JobAnswer.of(Job.objects.select_related("host", "created_by").get(pk=job_id))


def _whole_job(job_id: int) -> Json:
    rows = Job.objects.select_related("host", "created_by", "result", "deployment")
    return WholeJob.of(get_object_or_404(rows.prefetch_related("steps", "outputs"), pk=job_id))


# Jobs


class JobsAsked(base.Page):
    """Query of the list of jobs."""

    state: base.choice(  # type: ignore[valid-type]
        *Job.State.values, *queries.GROUPS, queries.NEEDS_CONFIRMATION
    ) = ""
    kind: base.choice(*KINDS) = ""  # type: ignore[valid-type]
    host: base.HostName = ""
    person: str = ""
    text: str = ""
    pinned: base.Flag = about("only jobs whose files are kept", False)


class Planned(Asked):
    """A job to preview or launch. ``params`` are those of its kind: ``GET job-types/KIND``."""

    kind: str
    host: str
    params: dict[str, Any] = Field(default_factory=dict)


class LaunchAsked(Planned):
    """A job to launch."""

    priority: base.Priority = "normal"
    confirm: base.Confirm = None


class ConfirmAsked(Asked):
    """Confirmation of warnings: of the given checks; without any, of all."""

    checks: list[str] | None = None


class PinAsked(Asked):
    """Keep a job's log, files and points, or apply retention again."""

    pinned: StrictBool


@jobs.on("GET jobs", "job.view", "api-jobs", Jobs)
def list_jobs(request: HttpRequest, query: Query[JobsAsked]) -> Json:
    """List jobs. Newest first."""
    filters = queries.JobFilters(**query.model_dump(exclude={"before", "limit"}))
    rows, older = queries.page(queries.matching(filters), after=query.cursor(), limit=query.limit)
    return base.page(request, "jobs", [JobAnswer.of(row) for row in rows], older)


@jobs.on("POST jobs", "job.launch", "api-jobs", JobAnswer, 201, 409, 413, 422)
def launch_job(request: HttpRequest, asked: LaunchAsked, key: KeyHeader = "") -> Json:
    """Launch a job. ``"confirm": ["shm"]`` confirms the warnings of the checks of these names;
    "all": of all."""
    user: Any = request.user

    def run() -> int:
        host, priority = base.host_of(asked.host), priority_for(user, asked.priority)
        job = actions.launch(
            user, asked.kind, asked.params, host, priority=priority, confirm=asked.confirm or []
        )
        return job.pk

    return job_answer(once_by_header(request, key, run))


@jobs.on("POST jobs/preview", "job.launch", "api-preview", Preview, 413, 422)
def preview_job(request: HttpRequest, asked: Planned) -> Json:
    """Preview a job. The plan and the script that a launch would run. It runs nothing."""
    user: Any = request.user
    shown = launch.preview(asked.kind, asked.params, base.host_of(asked.host), user=user)
    if shown.plan is None:
        raise launch.InvalidParams(shown.errors)
    return Preview.of(shown)


@job.on("GET ", "job.view", "api-job", WholeJob)
def read_job(request: HttpRequest, job_id: int, query: Query[WaitAsked]) -> Json | HttpResponseBase:
    """Read a job. State, params, plan, steps, outputs, and the objects that the job created. With
    ``wait`` it answers when the job has ended."""
    return answer_when(
        request, query.wait, "job.view", lambda: _whole_job(job_id), _has_ended, of_job(job_id)
    )


def _has_ended(answer: Json) -> bool:
    return answer["state"] not in Job.OPEN_STATES


@job.on("POST /cancel", "job.cancel", "api-job-cancel", JobAnswer, 409)
def cancel_job(request: HttpRequest, job_id: int) -> Json:
    """Cancel a job. Own jobs; administrators: any."""
    if not actions.cancel(request.user, get_object_or_404(Job, pk=job_id)):
        raise conflict("finished", _("This job has already ended."))
    return job_answer(job_id)


@job.on("POST /confirm", "job.confirm", "api-job-confirm", JobAnswer, 409, 413)
def confirm_job(request: HttpRequest, job_id: int, asked: ConfirmAsked | None = None) -> Json:
    """Confirm the warnings of a job. Start a job in spite of warnings: of all, or of those of the
    given ``checks``."""
    row = get_object_or_404(Job, pk=job_id)
    if not actions.confirm(request.user, row, asked.checks if asked else None):
        raise conflict("nothing_asked", _("This job needs no such confirmation now."))
    return job_answer(job_id)


@job.on("POST /retry", "job.repeat", "api-job-retry", JobAnswer, 201, 409, 422)
def retry_job(request: HttpRequest, job_id: int, key: KeyHeader = "") -> Json:
    """Retry a job. A new job with the same plan."""
    return _launched(request, job_id, key, actions.retry)


@job.on("POST /resume", "job.repeat", "api-job-resume", JobAnswer, 201, 409, 422)
def resume_job(request: HttpRequest, job_id: int, key: KeyHeader = "") -> Json:
    """Continue a stopped evaluation. A new job that asks only the questions without an answer."""
    return _launched(request, job_id, key, actions.resume)


def _launched(
    request: HttpRequest, job_id: int, key: str, start: Callable[[Any, int], Job]
) -> Json:
    get_object_or_404(Job, pk=job_id)
    return job_answer(once_by_header(request, key, lambda: start(request.user, job_id).pk))


@job.on("POST /pin", "job.pin", "api-job-pin", JobAnswer, 410, 413)
def pin_job(request: HttpRequest, job_id: int, asked: PinAsked) -> Json:
    """Keep the log and files of a job, or stop keeping them. Keep the log, files and points of a
    job, or apply retention again."""
    job = get_object_or_404(Job, pk=job_id)
    if not actions.keep_files(request.user, job, keep=asked.pinned) and asked.pinned:
        job.refresh_from_db()
        raise Refused(gone(job))
    return job_answer(job_id)


# The queue of a host


class MoveAsked(Asked):
    """New position of a queued job: one of the three."""

    to: Annotated[str, base.one_of(STEPS)] | None = None
    before: JobId | None = about("place before the job with this id", None)
    after: JobId | None = about("place after the job with this id", None)


class PriorityAsked(Asked):
    """New priority of a queued job."""

    priority: base.Priority = "normal"


class ExclusiveAsked(Asked):
    """Require the host exclusively for a queued job, or not."""

    exclusive: StrictBool = False


@queue.on("GET hosts/{slug:name}/queue", "host.view", "api-host-queue", Queue)
def read_queue(request: HttpRequest, name: str) -> Json:
    """Read the queue of a host. Return queued jobs in order: at most the first 200, and their
    total."""
    rows: Sequence[Job]
    rows, total = queued_jobs(get_object_or_404(Host, name=name), start=0, count=_QUEUE)
    reasons, ahead = waits(rows), queue_positions(rows)
    placed = {row.pk: PlacedWait.of(reasons[row.pk], ahead=ahead[row.pk]) for row in rows}
    return {"jobs": [QueuedJob.of(row, waits=placed[row.pk]) for row in rows], "total": total}


@queued.on("POST /move", "job.order", "api-job-move", WholeJob, 409, 413)
def move_job(request: HttpRequest, job_id: int, asked: MoveAsked | None = None) -> Json:
    """Move a queued job. By one position, to an end, or before or after another job."""
    job = get_object_or_404(Job, pk=job_id)
    actions.move(request.user, job, asked.model_dump() if asked else {})
    return _whole_job(job_id)


@queued.on("POST /priority", "job.order", "api-job-priority", WholeJob, 409, 413, 422)
def set_priority(request: HttpRequest, job_id: int, asked: PriorityAsked | None = None) -> Json:
    """Change the priority of a queued job. Own jobs; only administrators may pass jobs of
    others."""
    job = get_object_or_404(Job, pk=job_id)
    actions.set_priority(request.user, job, asked.priority if asked else "")
    return _whole_job(job_id)


@queued.on("POST /exclusive", "job.order", "api-job-exclusive", WholeJob, 409, 413)
def set_exclusive(request: HttpRequest, job_id: int, asked: ExclusiveAsked | None = None) -> Json:
    """Set whether a job needs the host exclusively. An exclusive job starts only when nothing else
    runs on its host."""
    job = get_object_or_404(Job, pk=job_id)
    actions.set_exclusive(request.user, job, exclusive=asked.exclusive if asked else False)
    return _whole_job(job_id)


# Pipelines


@pipelines.on("GET ", "job.view", "api-pipeline", PipelineAnswer)
def read_pipeline(
    request: HttpRequest, pipeline_id: UUID, query: Query[WaitAsked]
) -> Json | HttpResponseBase:
    """Read a pipeline. Return the jobs of a pipeline in order, each with its dependencies and queue
    reason. With ``wait`` it answers when all have ended."""

    def read() -> Json:
        return PipelineAnswer.of(or_404(chain_of, pipeline_id))

    return answer_when(request, query.wait, "job.view", read, _has_ended, of_any_job)


@pipelines.on("POST /cancel", "job.cancel", "api-pipeline-cancel", CancelledPipeline, 409)
def cancel_pipeline(request: HttpRequest, pipeline_id: UUID) -> Json:
    """Cancel a pipeline. Cancel every open job of it: ``cancelled`` has their ids. All must be the
    caller's."""
    cancelled = actions.cancel_pipeline(
        request.user, or_404(chain_of, pipeline_id).to_cancel, pipeline_id
    )
    if not cancelled:
        text = _("No job to cancel: all have ended, or are being cancelled.")
        raise conflict("finished", text)
    numbers = sorted(job.pk for job in cancelled)
    return CancelledPipeline.of(or_404(chain_of, pipeline_id), cancelled=numbers)


@pipelines.on("POST /retry", "job.repeat", "api-pipeline-retry", StartedPipeline, 201, 409, 422)
def retry_pipeline(request: HttpRequest, pipeline_id: UUID, key: KeyHeader = "") -> Json:
    """Retry a pipeline. Start again what failed or was cancelled: ``started`` has the ids of the
    new jobs."""
    or_404(chain_of, pipeline_id)

    def run() -> list[int]:
        return sorted(job.pk for job in actions.retry_pipeline(request.user, pipeline_id))

    started = once_by_header(request, key, run)
    return StartedPipeline.of(or_404(chain_of, pipeline_id), started=started)


probes = Operations("Jobs")
PAGE = 50  # prompts


class ProbeAsked(Asked):
    """Prompts to return, a page of them."""

    show: Literal["different", "equal", "failed", "all"] = Field(
        "different", description="state of the prompts"
    )
    after: base.Offset = about("“next” of the page before", None)


class ProbeShare(ApiAnswer):
    """Share from 0 to 1, with its 95 % interval (Wilson)."""

    count: int
    total: int
    value: float
    low: float
    high: float


class ProbeEngine(ApiAnswer):
    """One of the two engines."""

    side: str = about("deployment or reference")
    name: str = about("empty: its record is gone")
    repeated: ProbeShare | None = about("second answers equal to the first; null: none was asked")


class ProbeGaps(ApiAnswer):
    """Absolute differences of both engines' log-probabilities, over equal tokens."""

    median: float
    p90: float
    tokens: int


class ProbeSide(ApiAnswer):
    """Answer of one engine to one prompt."""

    answer: str = about("reasoning and text")
    error: str = about("why there is no answer, or empty")
    finish: str
    repeated: bool | None = about("null: not asked twice")
    margin: float | None = about(
        "log-probability by which it preferred its own first different token"
    )


class ProbePrompt(ApiAnswer):
    """One prompt with both answers."""

    number: int = about("from 1")
    prompt: str
    state: Annotated[str, base.one_of(["different", "equal", "failed"])]
    first_different_token: int | None = about("from 1; null: equal, or no tokens")
    first_different_character: int | None = about("from 1; null: not different")
    logprob_gap_median: float | None
    deployment: ProbeSide
    reference: ProbeSide


class ProbeAnswer(ApiAnswer):
    """Comparison of two engines at temperature 0."""

    job: int
    text: str = about("verdict as text")
    remarks: list[str]
    prompts: int
    compared: int = about("prompts that both engines answered")
    equal: ProbeShare | None = about("null: nothing was compared")
    engines: list[ProbeEngine]
    first_different_token_median: float | None
    logprob_gap: ProbeGaps | None
    pairs: list[ProbePrompt]
    next: int | None = about("“after” of the next page; null: this is the last")


@probes.on("GET jobs/{int:job_id}/probe", "job.view", "api-job-probe", ProbeAnswer, 410, 503)
def read_probe(request: HttpRequest, job_id: int, query: Query[ProbeAsked]) -> Json:
    """Read a greedy probe. Shares of equal answers, and prompts in one state with both answers, 50
    a page."""
    job = get_object_or_404(Job.objects.select_related("host"), pk=job_id, kind=KIND)
    if job.removed_at is not None:
        raise Refused(gone(job))
    return or_404(probe_card.read, job, probe_card.JSON, query.show, query.after or 0, PAGE)
