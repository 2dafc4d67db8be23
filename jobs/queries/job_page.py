"""All that the page of one job reads, in a bounded number of queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from django.db.models import Q

from jobs.models import Deployment, Host, Job, JobStep, OutputFile, Result
from jobs.queries.hosts import is_away

_CHAIN_LIMIT = 60
_DURATIONS = 12  # earlier runs that an estimate looks at


@dataclass(frozen=True, slots=True)
class StepState:
    """A step as it went. ``look`` is ok, run, failed, cancelled, lost, queued or skip."""

    step: JobStep
    look: str


@dataclass(frozen=True, slots=True)
class Durations:
    """How long earlier runs took, seconds. ``same``: they worked on the very same thing."""

    count: int
    typical_s: float
    shortest_s: float
    longest_s: float
    same: bool


@dataclass(frozen=True, slots=True)
class JobPage:
    """One job and what stands around it. ``chain`` holds the jobs created with it, oldest first."""

    job: Job
    steps: tuple[StepState, ...]
    outputs: tuple[OutputFile, ...]
    chain: tuple[Job, ...]
    after: tuple[Job, ...]
    before: tuple[Job, ...]
    result: Result | None
    deployment: Deployment | None
    uses: Deployment | None
    earlier: Durations | None
    host_away: bool

    @property
    def waits(self) -> bool:
        """True while the job has not been taken by its host."""
        return self.job.state == Job.State.QUEUED

    @property
    def failed_step(self) -> JobStep | None:
        """The step that ended badly."""
        return next((state.step for state in self.steps if state.look == "failed"), None)


def job_page(job_id: int) -> JobPage:
    """The page of job ``job_id``.

    Raises:
        Job.DoesNotExist: no such job.
    """
    job = Job.objects.select_related(
        "host", "created_by", "cancelled_by", "repeats", "result", "deployment"
    ).get(pk=job_id)
    steps = list(job.steps.all())
    result = getattr(job, "result", None)
    after, before = tuple(job.after.order_by("id")), tuple(job.before.order_by("id"))
    return JobPage(
        job=job,
        steps=tuple(StepState(step, _look(step, job)) for step in steps),
        outputs=tuple(job.outputs.all()),
        chain=_chain(job, after, before),
        after=after,
        before=before,
        result=result,
        deployment=getattr(job, "deployment", None),
        uses=_deployment_used(job),
        earlier=durations(job.kind, job.host, job.title, but=job.pk) if job.is_open else None,
        host_away=is_away(job.host),
    )


def durations(kind: str, host: Host, title: str, *, but: int | None = None) -> Durations | None:
    """How long such jobs took on ``host``: those of the same title, else of the same kind."""
    done = Job.objects.filter(
        kind=kind, host=host, state=Job.State.SUCCEEDED, duration_s__isnull=False
    ).exclude(pk=but)
    found = list(done.order_by("-created_at", "-id").values_list("title", "duration_s")[:50])
    same = [seconds for name, seconds in found if name == title]
    seconds = (same or [seconds for _, seconds in found])[:_DURATIONS]
    if not seconds:
        return None
    return Durations(len(seconds), median(seconds), min(seconds), max(seconds), bool(same))


def _chain(job: Job, after: tuple[Job, ...], before: tuple[Job, ...]) -> tuple[Job, ...]:
    if job.chain is None:
        return tuple(sorted({*after, job, *before}, key=lambda item: item.pk))
    jobs = Job.objects.filter(chain=job.chain).order_by("id")
    return tuple(jobs[:_CHAIN_LIMIT])


def _deployment_used(job: Job) -> Deployment | None:
    """The deployment that the job works on, known or still promised by another job."""
    ref: Mapping[str, Any] = job.inputs.get("deployment") or {}
    if not ref:
        return None
    wanted = Q(pk=ref["id"]) if ref.get("id") else Q(job_id=ref.get("job"))
    return Deployment.objects.filter(wanted).first()


def _look(step: JobStep, job: Job) -> str:
    if step.exit_code is not None:
        if step.exit_code == 0:
            return "ok"
        return "cancelled" if job.state == Job.State.CANCELLED else "failed"
    if step.started_at is not None:
        if job.is_open:
            return "run"
        return {"cancelled": "cancelled", "lost": "lost", "succeeded": "ok"}.get(
            job.state, "failed"
        )
    return "queued" if job.is_open else "skip"
