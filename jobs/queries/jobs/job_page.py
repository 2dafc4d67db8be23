"""Reads of a job's page, its chain, and the engines that it names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Q
from django.utils.timezone import now

from jobs.base import grouped
from jobs.kinds import KINDS
from jobs.models import Deployment, Endpoint, Job, JobStep, Matrix, OutputFile, Result
from jobs.plans import ENGINES
from jobs.queries.hosts import is_away
from jobs.queries.jobs.durations import Durations, durations
from jobs.queries.jobs.progress import whole_standing

_CHAINS, _CHAIN_JOBS = 3, 60  # how far back to look for a recent chain
TOUR_KINDS = frozenset({"prepare", "compile", "deploy", "benchmark", "evaluate"})


@dataclass(frozen=True, slots=True)
class ChainProgress:
    """Jobs of a chain, and their deployments. ``jobs``: current attempts in order. ``earlier``:
    previous ones, latest first, by id of the current."""

    id: UUID
    jobs: tuple[Job, ...]
    deployments: tuple[Deployment, ...] = ()
    earlier: dict[int, tuple[Job, ...]] = field(default_factory=dict)

    @property
    def deployment(self) -> Deployment | None:
        return next(iter(self.deployments), None)

    @property
    def playground(self) -> Deployment | None:
        ready = (item for item in self.deployments if item.state == Deployment.State.READY)
        return next(ready, None)

    @property
    def is_tour(self) -> bool:
        return {job.kind for job in self.jobs} >= TOUR_KINDS

    @property
    def model_id(self) -> str:
        return next((job.model_id for job in self.jobs if job.model_id), "")

    @property
    def done(self) -> int:
        return sum(job.state == Job.State.SUCCEEDED for job in self.jobs)

    @property
    def is_open(self) -> bool:
        return any(job.is_open for job in self.jobs)

    @property
    def is_running(self) -> bool:
        return any(job.state in Job.ON_HOST_STATES for job in self.jobs)

    @property
    def succeeded(self) -> bool:
        return self.done == len(self.jobs)

    @property
    def broken(self) -> tuple[Job, ...]:
        """Unsuccessful jobs: failed ones, and dependents cancelled with them."""
        return tuple(job for job in self.jobs if job.state in Job.UNSUCCESSFUL_STATES)

    @property
    def to_repeat(self) -> tuple[Job, ...]:
        """Unsuccessful jobs, and deploy jobs of stopped servers that they use."""
        broken = self.broken
        used = [job.inputs.get("deployment", {}) for job in broken]
        makers, numbers = ({ref.get(name) for ref in used} for name in ("job", "id"))
        gone = [item for item in self.deployments if item.state in Deployment.ENDED_STATES]
        down = {one.job_id for one in gone if one.job_id in makers or one.pk in numbers}
        return tuple(job for job in self.jobs if job in broken or job.pk in down)

    @property
    def to_cancel(self) -> tuple[Job, ...]:
        return tuple(job for job in self.jobs if job.is_open and job.cancel_asked_at is None)

    @property
    def ending(self) -> Job | None:
        """The first job still being cancelled: jobs after it would be cancelled too."""
        return next((job for job in self.jobs if job.is_open and job.cancel_asked_at), None)

    @property
    def failed(self) -> Job | None:
        """The first job that failed itself or was cancelled by a person."""
        ended = sorted(self.broken, key=lambda job: (job.state == Job.State.CANCELLED, job.pk))
        return next(iter(ended), None)

    @property
    def ended_at(self) -> datetime:
        """End time of the last ended job; a past time for none."""
        ended = [job.finished_at for job in self.jobs if job.finished_at]
        return max(ended, default=self.jobs[0].created_at)

    @property
    def took_s(self) -> float | None:
        """Seconds from the first start to the last end; None while active."""
        started = [job.started_at for job in self.jobs if job.started_at]
        if self.is_open or not started:
            return None
        return (self.ended_at - min(started)).total_seconds()


def chain_of(chain_id: UUID) -> ChainProgress | None:
    """None: unknown, or a matrix, whose page differs."""
    if Matrix.objects.filter(chain=chain_id).exists():
        return None
    jobs = list(
        Job.objects.filter(chain=chain_id)
        .select_related("host", "deployment__host", "created_by", "result")
        .prefetch_related("steps", "after")
        .order_by("id")
    )
    if not jobs:
        return None
    attempts: dict[int, list[Job]] = {}  # the first attempt -> all of them, oldest first
    first: dict[int, int] = {}
    for job in jobs:
        begun = first[job.pk] = first.get(job.repeats_id or 0, job.pk)
        attempts.setdefault(begun, []).append(job)
    latest = tuple(each[-1] for each in attempts.values())
    deployments = tuple(job.deployment for job in latest if hasattr(job, "deployment"))
    earlier = {each[-1].pk: tuple(reversed(each[:-1])) for each in attempts.values()}
    return ChainProgress(chain_id, latest, deployments, earlier)


def waiting_outside(chain: ChainProgress) -> list[Job]:
    return [job for job in dependents([one.pk for one in chain.to_cancel]) if job.chain != chain.id]


def dependents(ids: Iterable[int]) -> list[Job]:
    """Queued jobs that need a product of these, or of one another, and are cancelled with them."""
    found: dict[int, Job] = {}
    wanted = set(ids)
    while wanted:
        makers = Job.objects.filter(pk__in=wanted).exclude(product__isnull=True)
        waiting = Job.objects.filter(after__in=makers, state=Job.State.QUEUED)
        rest = waiting.exclude(pk__in=found).distinct()
        wanted = {job.pk for job in rest}
        found |= {job.pk: job for job in rest}
    return [found[pk] for pk in sorted(found)]


def newest_chain(user: AbstractBaseUser | None, since: datetime) -> ChainProgress | None:
    """Return the newest pipeline, of ``user`` if given, if it ended after ``since`` and no job of
    it failed. A successful pair of a job and its requirement does not count."""
    jobs = Job.objects.exclude(chain=None).exclude(chain__in=Matrix.objects.values("chain"))
    if user is not None:
        jobs = jobs.filter(created_by_id=user.pk)
    newest = jobs.order_by("-id").values_list("chain", flat=True)
    for chain_id in list(dict.fromkeys(newest[:_CHAIN_JOBS]))[:_CHAINS]:
        chain = chain_of(chain_id) if chain_id else None
        if chain and not (chain.succeeded and len(chain.jobs) <= 2):
            is_over = not chain.is_open and chain.ended_at >= since
            has_broken = any(job.state in Job.BROKEN_STATES for job in chain.jobs)
            return chain if is_over and not has_broken else None
    return None


_FEW_FILES = 6  # max outputs listed unfolded


class StepState(NamedTuple):
    """State of a step: succeeded, running, failed, cancelled, lost, queued or skipped.
    ``exit_code``: None also for a meaningless one."""

    step: JobStep
    state: str
    exit_code: int | None = None


class Folder(NamedTuple):
    """Outputs of one folder ("" is the job's own), with names. A long list is folded."""

    path: str
    files: tuple[tuple[str, OutputFile], ...]
    is_open: bool

    @property
    def bytes(self) -> int:
        return sum(output.bytes for _name, output in self.files)


class JobPage(NamedTuple):
    """A job and its context. ``chain``: jobs created with it, oldest first."""

    job: Job
    steps: tuple[StepState, ...]
    outputs: tuple[OutputFile, ...]
    chain: tuple[Job, ...]
    after: tuple[Job, ...]
    before: tuple[Job, ...]
    result: Result | None
    deployment: Deployment | None
    uses: Deployment | None
    endpoint: Endpoint | None
    earlier: Durations | None
    host_away: bool

    @property
    def waits(self) -> bool:
        return self.job.state == Job.State.QUEUED

    @property
    def failed_step(self) -> StepState | None:
        return next((item for item in self.steps if item.state == "failed"), None)

    @property
    def ended_in(self) -> JobStep | None:
        """The step that failed or ended with its job."""
        ended = ("failed", "errored", "lost", "cancelled")
        return next((item.step for item in self.steps if item.state in ended), None)

    @property
    def now_step(self) -> JobStep | None:
        return next((item.step for item in self.steps if item.state == "running"), None)

    @property
    def progress(self) -> Mapping[str, Any]:
        return progress_of(self.job)

    @property
    def share(self) -> float | None:
        """Progress of the running step, 0 to 1; None if unknown."""
        done, total = (self.progress.get(name) for name in ("done", "total"))
        if self.now_step is None or done is None or not total:
            return None
        return float(min(1.0, max(0.0, done / total)))

    @property
    def ran_s(self) -> float | None:
        if self.job.duration_s is not None or self.job.started_at is None:
            return self.job.duration_s
        return ((self.job.finished_at or now()) - self.job.started_at).total_seconds()

    @property
    def ends_at(self) -> datetime | None:
        """Estimated end, see :func:`left_s`; None if unknown."""
        left = left_s(self.job, self.ran_s, self.earlier)
        return None if left is None else now() + timedelta(seconds=left)

    @property
    def waited_s(self) -> float | None:
        if self.job.started_at is None:
            return None
        return max(0.0, (self.job.started_at - self.job.created_at).total_seconds())

    @property
    def cancelled_too(self) -> list[Job]:
        return dependents([self.job.pk])

    @property
    def folders(self) -> tuple[Folder, ...]:
        """Outputs by folder, top level first, where tools put reports."""
        parts = ((output.path.rpartition("/"), output) for output in self.outputs)
        by_path = grouped((path, (name, output)) for (path, _slash, name), output in parts)
        paths = sorted(by_path, key=lambda path: (path != "", path.count("/"), path))
        few = len(self.outputs) <= _FEW_FILES
        first = paths[0] if paths and len(by_path[paths[0]]) <= _FEW_FILES else None
        return tuple(
            Folder(path, tuple(by_path[path]), is_open=few or path == first) for path in paths
        )

    @property
    def folds_outputs(self) -> bool:
        return not all(folder.is_open for folder in self.folders)

    @property
    def made(self) -> tuple[tuple[str, Any], ...]:
        """Fields of the product; empty for other jobs."""
        made = self.job.made or {}
        return tuple((name, value) for name, value in made.items() if isinstance(value, str | int))


def job_page(job_id: int) -> JobPage:
    """Raises ``Job.DoesNotExist``."""
    job = Job.objects.select_related(
        *("host", "created_by", "cancelled_by", "pinned_by", "repeats", "result", "cell"),
        "deployment__host",
    ).get(pk=job_id)
    after, before = tuple(job.after.order_by("id")), tuple(job.before.order_by("id"))
    chain = tuple(sorted({*after, job, *before}, key=lambda item: item.pk))
    if job.chain is not None and not Matrix.objects.filter(chain=job.chain).exists():
        chain = tuple(Job.objects.filter(chain=job.chain).order_by("id")[:60])
    uses, endpoint = _used(job, "deployment")
    return JobPage(
        job=job,
        steps=step_states(list(job.steps.all()), job),
        outputs=tuple(job.outputs.all()),
        chain=chain,
        after=tuple(each for each in after if not each.is_released),
        before=before,
        result=getattr(job, "result", None),
        deployment=getattr(job, "deployment", None),
        uses=uses,
        endpoint=endpoint,
        earlier=durations(job, job.host) if job.is_open else None,
        host_away=is_away(job.host),
    )


def progress_of(job: Job) -> Mapping[str, Any]:
    """Return the progress of a job: ``{"done", "total", "unit"}``, {} if unknown. A generating
    evaluation counts questions, as in its table; others use the log."""
    whole = whole_standing(job)
    if whole and whole.asked < whole.total:
        return {"done": whole.asked, "total": whole.total, "unit": "questions"}
    return job.progress or {}


def left_s(job: Job, ran_s: float | None, earlier: Durations | None) -> float | None:
    """Return remaining seconds: from the pace once a tenth is done, else from earlier runs; of a
    generating evaluation from its table, once that has a pace. None while its host is offline."""
    if ran_s is None or is_away(job.host):
        return None
    whole = whole_standing(job)
    is_asking = whole is not None and whole.asked < whole.total
    if whole and is_asking and whole.left_s is not None:
        return whole.left_s
    done, total = (progress_of(job).get(name) for name in ("done", "total"))
    kind = KINDS.get(job.kind)
    # One concurrency of several tells nothing: they take different times.
    is_one = len(job.params.get("concurrency") or ()) < 2
    is_telling = kind is None or kind.progress_is_whole or is_one
    if not is_asking and done and total and done / total >= 0.1 and is_telling:
        return float(max(0.0, ran_s * (total - done) / done))
    if earlier is None or earlier.typical_s <= ran_s:
        return None
    return earlier.typical_s - ran_s


def _used(job: Job, name: str) -> tuple[Deployment | None, Endpoint | None]:
    """Return the deployment, existing or promised by another job, or the endpoint of an input."""
    ref: Mapping[str, Any] = job.inputs.get(name) or {}
    if ref.get("endpoint"):
        return None, Endpoint.objects.filter(pk=ref["endpoint"]).first()
    if not (ref.get("id") or ref.get("job")):
        return None, None
    wanted = Q(pk=ref["id"]) if ref.get("id") else Q(job_id=ref["job"])
    return Deployment.objects.filter(wanted).first(), None


def step_states(steps: Sequence[JobStep], job: Job) -> tuple[StepState, ...]:
    """Return the states of the steps of ``job``. If all commands exited with 0 and the job failed
    for lack of work, the last executed step counts as failed."""
    by_server = ("work:server_ended", "work:server_killed")
    if job.state == Job.State.FAILED and job.message_id in by_server:
        server = (job.message_args or {}).get("step")
        if any(step.name == server for step in steps):
            return tuple(_beside_server(step, job) for step in steps)
    states = [_step_state(step, job) for step in steps]
    if job.state == Job.State.FAILED and "failed" not in states and "succeeded" in states:
        states[max(i for i, state in enumerate(states) if state == "succeeded")] = "failed"
    return tuple(map(StepState, steps, states, (step.exit_code for step in steps)))


def _beside_server(step: JobStep, job: Job) -> StepState:
    """Return the state of a step of a job whose server exited: the serving step failed, and the
    launcher stopped the waiting one, whose signal is meaningless."""
    args = job.message_args
    if step.name == args.get("step"):
        code = args.get("exit_code")
        return StepState(step, "failed", code if isinstance(code, int) else None)
    if step.exit_code is not None and step.exit_code < 0:
        return StepState(step, "cancelled")
    return StepState(step, _step_state(step, job), step.exit_code)


def _step_state(step: JobStep, job: Job) -> str:
    if step.exit_code == 0:
        return "succeeded"
    if step.exit_code is not None:
        return "cancelled" if job.state == Job.State.CANCELLED else "failed"
    if step.started_at is None:
        return "queued" if job.is_open else "skipped"
    # Started without a reported end: running, or ended with its job.
    return "running" if job.is_open else str(job.state)


class ProbedEngine(NamedTuple):
    """Engine of a probe: "deployment" or "reference". Both records None: removed."""

    name: str
    deployment: Deployment | None = None
    endpoint: Endpoint | None = None

    @property
    def title(self) -> str:
        record = self.deployment or self.endpoint
        return record.name if record else ""


def sides_of(job: Job) -> tuple[ProbedEngine, ...]:
    return tuple(ProbedEngine(name, *_used(job, name)) for name in ENGINES)
