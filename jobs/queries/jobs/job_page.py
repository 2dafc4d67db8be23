"""Reads of a job's page, in a bounded number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import linear_regression, median
from typing import Any

from django.db.models import Q
from django.db.models.fields.json import KeyTransform
from django.utils.timezone import now

from jobs.kinds import KINDS, work_done, work_of
from jobs.kinds.lib.defaults import EXACT
from jobs.kinds.lib.work import did_all
from jobs.models import Deployment, Endpoint, Host, Job, JobStep, OutputFile, Result
from jobs.queries.hosts.hosts import is_away
from jobs.queries.jobs.chains import dependents
from jobs.queries.jobs.running_accuracy import whole_standing

_CHAIN_LIMIT = 60
_BY_SERVER = ("work:server_ended", "work:server_killed")
_FEW_FILES = 6  # max outputs listed unfolded
_DURATIONS = 12  # earlier runs used for an estimate
_ALIKE = 0.02  # relative difference below which amounts of work are equal
PACE_TELLS = 0.1  # progress share above which the job's own pace is the better estimate


@dataclass(frozen=True, slots=True)
class StepState:
    """State of a step: succeeded, running, failed, cancelled, lost, queued or skipped.

    ``exit_code``: the one to show; None: none, or a meaningless one.
    """

    step: JobStep
    state: str
    exit_code: int | None = None


@dataclass(frozen=True, slots=True)
class Past:
    """An earlier job for estimates. ``work``: amount done, see ``Kind.work``; ``asked``: requested
    amount, if different; ``exact``: guide verbatim; ``paced_s``: the part of ``seconds`` that grows
    with the work, None if unknown.
    """

    title: str
    model: str
    seconds: float
    work: float | None = None
    asked: float | None = None
    exact: bool = False
    paced_s: float | None = None


@dataclass(frozen=True, slots=True)
class Durations:
    """Durations of earlier runs, seconds. ``same``: identical work.

    ``scaled``: durations are scaled to this amount of work.
    """

    count: int
    typical_s: float
    shortest_s: float
    longest_s: float
    same: bool
    scaled: bool = False


@dataclass(frozen=True, slots=True)
class Folder:
    """Outputs of one folder ("" is the job's own), with names. A long list is folded."""

    path: str
    files: tuple[tuple[str, OutputFile], ...]
    is_open: bool

    @property
    def bytes(self) -> int:
        """Total size."""
        return sum(output.bytes for _name, output in self.files)


@dataclass(frozen=True, slots=True)
class JobPage:
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
        """True until the job is sent to its host."""
        return self.job.state == Job.State.QUEUED

    @property
    def failed_step(self) -> StepState | None:
        """The failed step."""
        return next((item for item in self.steps if item.state == "failed"), None)

    @property
    def ended_in(self) -> JobStep | None:
        """The step that failed or ended with its job."""
        ended = ("failed", "errored", "lost", "cancelled")
        return next((item.step for item in self.steps if item.state in ended), None)

    @property
    def now_step(self) -> JobStep | None:
        """The running step."""
        return self._first_step("running")

    @property
    def progress(self) -> Mapping[str, Any]:
        """See :func:`progress_of`."""
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
        """Duration so far; seconds."""
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
        """Queue time; seconds."""
        if self.job.started_at is None:
            return None
        return max(0.0, (self.job.started_at - self.job.created_at).total_seconds())

    @property
    def cancelled_too(self) -> list[Job]:
        """Return the jobs that a cancel of this one cancels."""
        return dependents([self.job.pk])

    @property
    def folders(self) -> tuple[Folder, ...]:
        """Outputs by folder, top level first, where tools put reports."""
        by_path: dict[str, list[tuple[str, OutputFile]]] = {}
        for output in self.outputs:
            path, _slash, name = output.path.rpartition("/")
            by_path.setdefault(path, []).append((name, output))
        paths = sorted(by_path, key=lambda path: (path != "", path.count("/"), path))
        few = len(self.outputs) <= _FEW_FILES
        return tuple(
            Folder(
                path,
                tuple(by_path[path]),
                is_open=few or (path == paths[0] and len(by_path[path]) <= _FEW_FILES),
            )
            for path in paths
        )

    @property
    def folds_outputs(self) -> bool:
        """True if some outputs are folded."""
        return not all(folder.is_open for folder in self.folders)

    @property
    def made(self) -> tuple[tuple[str, Any], ...]:
        """Fields of the product; empty for other jobs."""
        made = self.job.made or {}
        return tuple((name, value) for name, value in made.items() if isinstance(value, str | int))

    def _first_step(self, state: str) -> JobStep | None:
        return next((item.step for item in self.steps if item.state == state), None)


def job_page(job_id: int) -> JobPage:
    """Return the page of job ``job_id``.

    Raises:
        Job.DoesNotExist: no such job.
    """
    job = Job.objects.select_related(
        "host", "created_by", "cancelled_by", "pinned_by", "repeats", "result", "deployment", "cell"
    ).get(pk=job_id)
    steps = list(job.steps.all())
    result = getattr(job, "result", None)
    after, before = tuple(job.after.order_by("id")), tuple(job.before.order_by("id"))
    return JobPage(
        job=job,
        steps=step_states(steps, job),
        outputs=tuple(job.outputs.all()),
        chain=_chain(job, after, before),
        after=tuple(each for each in after if not each.is_released),
        before=before,
        result=result,
        deployment=getattr(job, "deployment", None),
        uses=_deployment_used(job),
        endpoint=_endpoint_used(job),
        earlier=_earlier(job) if job.is_open else None,
        host_away=is_away(job.host),
    )


def _earlier(job: Job) -> Durations | None:
    return durations(job, job.host)


def durations(job: Job, host: Host) -> Durations | None:
    """Return durations of jobs like ``job`` (or a draft) on ``host``: see :func:`typical`."""
    done = Job.objects.filter(
        kind=job.kind, host=host, state=Job.State.SUCCEEDED, duration_s__isnull=False
    ).exclude(Q(pk=job.pk or 0) | Q(resumed=True) | Q(result__incomplete=True))
    rows = done.order_by("-created_at", "-id").values_list(*PAST_COLUMNS)[:50]
    amount = work_of(job.kind, job.params)
    exact = _is_exact(job.params)
    own = only_same(job.kind)
    return typical(pasts(rows), job.title, job.model_id, amount, exact=exact, only_same=own)


def only_same(kind: str) -> bool:
    """Return True for installations: those of other things do not tell their durations."""
    return kind in KINDS and KINDS[kind].brings


# Columns of a job for :func:`pasts`; the last one has the counts of all data sets together.
PAST_COLUMNS = (
    *("kind", "title", "model_id", "duration_s", "params", "result__metrics"),
    KeyTransform("", "scores"),
)


def pasts(rows: Iterable[tuple[Any, ...]]) -> list[Past]:
    """Return earlier jobs from columns, without those that did not complete their work."""
    past_jobs = []
    for kind, title, model, seconds, params, metrics, counts in rows:
        measured = metrics or {}
        if did_all(params, measured):
            amounts = work_done(kind, params, measured), work_of(kind, params)
            exact = _is_exact(params)
            paced_s = _paced_s(seconds or 0.0, measured, params, counts or {})
            past = Past(title, model, seconds or 0.0, *amounts, exact=exact, paced_s=paced_s)
            past_jobs.append(past)
    return past_jobs


def _paced_s(
    seconds: float,
    metrics: Mapping[str, Any],
    params: Mapping[str, Any],
    counts: Mapping[str, Any],
) -> float | None:
    """Return how long requests took: of an evaluation by its counts, of a benchmark by its tool."""
    asked = counts.get("answered", 0) + counts.get("errors", 0)
    grown = asked - counts.get("base", 0)
    span = counts.get("at", 0.0) - counts.get("since", 0.0)
    if grown > 0 and span > 0:
        return float(min(seconds, span * asked / grown))
    duration = metrics.get("duration_s")
    if duration and len(params.get("concurrency") or ()) == 1:
        return float(min(seconds, duration))
    return None


def _is_exact(params: Mapping[str, Any]) -> bool:
    return params.get(EXACT) is True


def typical(
    rows: Sequence[Past],
    title: str,
    model: str,
    amount: float | None = None,
    *,
    exact: bool = False,
    only_same: bool = False,
) -> Durations | None:
    """Return durations of jobs of one kind, latest first: same title, else same model, else all.
    Verbatim and corrected runs (``exact``) differ. Jobs with the same ``amount`` take precedence;
    other durations are scaled. ``only_same``: the title alone tells, and runs that found their
    content there are left out: they took less than half of the longest.
    """
    same = [row for row in rows if row.title == title and row.exact == exact]
    if only_same:
        alike, rest = [], []
        longest = max((row.seconds for row in same), default=0.0)
        same = [row for row in same if row.seconds >= longest / 2]
    else:
        alike, rest = [row for row in rows if model and row.model == model], list(rows)
    chosen = same or alike or rest
    equal = [row for row in chosen if _is_as_much(row.work, amount) or _repeats(row, title, amount)]
    # Rows of an older version lack amounts: their durations are used as they are.
    scaled = _scaled(chosen, amount) if amount is not None and not equal else []
    seconds = (scaled or [row.seconds for row in equal or chosen])[:_DURATIONS]
    if not seconds:
        return None
    return Durations(
        *(len(seconds), median(seconds), min(seconds), max(seconds)),
        same=bool(same) and bool(equal),
        scaled=bool(scaled),
    )


def _scaled(rows: Sequence[Past], amount: float) -> list[float]:
    """Scale the durations of ``rows`` to another amount of work.

    Fixed time (start, warm-up) is what the requests did not take. Where that is unknown, it comes
    from a least-squares line through several amounts; with one amount, all time is scaled.
    """
    known = [(row.work, row.seconds) for row in rows if row.work]
    rests = [row.seconds - row.paced_s for row in rows if row.work and row.paced_s is not None]
    fixed = 0.0
    if rests:
        fixed = min(median(rests), *(seconds for _did, seconds in known))
    elif len({did for did, _seconds in known}) > 1:
        line = linear_regression(*zip(*known, strict=True))
        fixed = min(max(0.0, line.intercept), *(seconds for _did, seconds in known))
    squares = sum(did * did for did, _seconds in known)
    pace = sum(did * (seconds - fixed) for did, seconds in known) / squares if known else 0.0
    if not pace:  # no slope: more work cannot be estimated
        fixed, pace = 0.0, 1.0
    # Keep each run's deviation from the line.
    return [seconds * (fixed + pace * amount) / (fixed + pace * did) for did, seconds in known]


def _repeats(row: Past, title: str, amount: float | None) -> bool:
    """Return True if the request is identical, so the work repeats."""
    return row.asked is not None and row.title == title and _is_as_much(row.asked, amount)


def _is_as_much(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= _ALIKE * other


def progress_of(job: Job) -> Mapping[str, Any]:
    """Return the progress of a job: ``{"done", "total", "unit"}``, {} if unknown.

    A generating evaluation counts questions, as in its table; all others, and downloading or
    scoring ones, use the log.
    """
    whole = whole_standing(job)
    if whole and whole.asked < whole.total:
        return {"done": whole.asked, "total": whole.total, "unit": "questions"}
    return job.progress or {}


def left_s(job: Job, ran_s: float | None, earlier: Durations | None) -> float | None:
    """Return remaining seconds: from the pace once a tenth is done, else from earlier runs.

    For a generating evaluation: from its table, once that has a pace.
    """
    if ran_s is None:
        return None
    whole = whole_standing(job)
    is_asking = whole is not None and whole.asked < whole.total
    if whole and is_asking and whole.left_s is not None:
        return whole.left_s
    done, total = (progress_of(job).get(name) for name in ("done", "total"))
    if not is_asking and done and total and done / total >= PACE_TELLS and _tells_all(job):
        return float(max(0.0, ran_s * (total - done) / done))
    if earlier is None or earlier.typical_s <= ran_s:
        return None
    return earlier.typical_s - ran_s


def _tells_all(job: Job) -> bool:
    """Return False if progress covers one concurrency of several, which take different times."""
    kind = KINDS.get(job.kind)
    return kind is None or kind.progress_is_whole or len(job.params.get("concurrency") or ()) < 2


def _chain(job: Job, after: tuple[Job, ...], before: tuple[Job, ...]) -> tuple[Job, ...]:
    if job.chain is None:
        return tuple(sorted({*after, job, *before}, key=lambda item: item.pk))
    jobs = Job.objects.filter(chain=job.chain).order_by("id")
    return tuple(jobs[:_CHAIN_LIMIT])


def _deployment_used(job: Job) -> Deployment | None:
    """Return the job's deployment, existing or promised by another job."""
    ref: Mapping[str, Any] = job.inputs.get("deployment") or {}
    if not ref:
        return None
    wanted = Q(pk=ref["id"]) if ref.get("id") else Q(job_id=ref.get("job"))
    return Deployment.objects.filter(wanted).first()


def _endpoint_used(job: Job) -> Endpoint | None:
    """Return the endpoint that the job calls."""
    number = (job.inputs.get("deployment") or {}).get("endpoint")
    return Endpoint.objects.filter(pk=number).first() if number else None


def step_states(steps: Sequence[JobStep], job: Job) -> tuple[StepState, ...]:
    """Return the states of the steps of ``job``.

    If all commands exited with 0 and the job failed for lack of work, the last executed step
    counts as failed.
    """
    if job.state == Job.State.FAILED and job.message_id in _BY_SERVER:
        server = (job.message_args or {}).get("step")
        if any(step.name == server for step in steps):
            return tuple(_beside_server(step, job) for step in steps)
    states = [_step_state(step, job) for step in steps]
    if job.state == Job.State.FAILED and "failed" not in states and "succeeded" in states:
        last = max(i for i, state in enumerate(states) if state == "succeeded")
        states[last] = "failed"
    codes = [step.exit_code for step in steps]
    return tuple(map(StepState, steps, states, codes))


def _beside_server(step: JobStep, job: Job) -> StepState:
    """Return the state of a step of a job whose server exited: the serving step failed, whatever
    its start returned.

    The waiting step was stopped by the launcher: its signal is meaningless.
    """
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
