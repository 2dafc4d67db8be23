"""Page of a pipeline: progress of its jobs up to results and chat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.actions import jobs as job_actions
from dashboard.actions.once import once
from dashboard.pages.jobs.pipeline_stages import (
    is_to_be_put_right,
    preview_address,
    would_fail_again,
)
from dashboard.security.permissions import allowed, check, requires
from dashboard.text import queue_words as queue
from dashboard.text.labels import kind_title
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.catalog import MODELS
from jobs.models import Job, Result
from jobs.queries.jobs.chains import ChainProgress, chain_of, waiting_outside
from jobs.queries.overview import Running, running_of
from jobs.queries.results.headline import headline


@dataclass(frozen=True, slots=True)
class PipelineRow:
    """One job of the pipeline. ``why`` and ``starts``: texts for a queued job, else ""."""

    job: Job
    number: int
    earlier: tuple[Job, ...]
    running: Running | None = None
    why: str = ""
    starts: str = ""


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """A result of the pipeline, with its headline number."""

    result: Result
    metric: str
    value: float | None


@require_GET
@requires("job.view")
def pipeline(request: HttpRequest, chain_id: UUID) -> HttpResponse:
    """Show each job with state, next step and results. The page updates itself."""
    chain = _chain_or_404(chain_id)
    return render(request, "pipelines/detail.html", _context(request, chain))


@require_POST
@requires("job.repeat")
def pipeline_retry(request: HttpRequest, chain_id: UUID) -> HttpResponse:
    """Retry failed jobs, and those cancelled because of them."""
    _chain_or_404(chain_id)
    try:
        once(request, lambda: len(job_actions.retry_pipeline(request.user, chain_id)))
    except LaunchError as error:
        messages.error(request, str(error))
    return redirect("pipeline", chain_id)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("job.cancel")
def pipeline_cancel(request: HttpRequest, chain_id: UUID) -> HttpResponse:
    """Confirm (GET), then cancel (POST) every active job. The confirmation names what is lost."""
    chain = _chain_or_404(chain_id)
    for job in chain.to_cancel:
        check(request.user, "job.cancel", job)
    if request.method != "POST":
        return render(request, "pipelines/cancel.html", _cancel_context(chain))
    if not job_actions.cancel_pipeline(request.user, chain.to_cancel, chain_id):
        messages.info(request, _("No job to cancel: all jobs have ended or are being cancelled."))
    return redirect("pipeline", chain_id)


def _cancel_context(chain: ChainProgress) -> dict[str, Any]:
    jobs = chain.to_cancel
    label = ngettext("Cancel %(n)s job", "Cancel %(n)s jobs", len(jobs)) % {"n": len(jobs)}
    return {
        "chain": chain,
        "title": title_of(chain),
        "open": jobs,
        "running": [job for job in jobs if job.state in Job.ON_HOST_STATES],
        "outside": waiting_outside(chain),
        "label": label,
    }


def _may_retry(request: HttpRequest, chain: ChainProgress) -> bool:
    """Return True if a job failed and no ending job would cancel the new ones."""
    is_over = bool(chain.broken) and chain.ending is None
    return is_over and allowed(request.user, "job.repeat")


def _may_cancel(request: HttpRequest, chain: ChainProgress) -> bool:
    """Return True if active jobs exist and the person may cancel all of them."""
    jobs = chain.to_cancel
    return bool(jobs) and all(allowed(request.user, "job.cancel", job) for job in jobs)


def _chain_or_404(chain_id: UUID) -> ChainProgress:
    chain = chain_of(chain_id)
    if chain is None:
        raise Http404(f"there is no pipeline {chain_id}")
    return chain


def _context(request: HttpRequest, chain: ChainProgress) -> dict[str, Any]:
    rows = _rows(chain)
    results = [job.result for job in chain.jobs if hasattr(job, "result")]
    return {
        "chain": chain,
        "title": title_of(chain),
        "host": chain.jobs[0].host,
        "made_by": chain.jobs[0].created_by,
        "rows": rows,
        "summary": _summary(rows, chain),
        "outcomes": [_outcome(result) for result in results],
        "may_retry": _may_retry(request, chain),
        "retry_words": _retry_words(chain),
        **_preview(chain),
        "may_cancel": _may_cancel(request, chain),
    }


def title_of(chain: ChainProgress) -> str:
    """Return the pipeline's title: "DeepSeek-R1: pipeline of 8 jobs"."""
    count = len(chain.jobs)
    jobs = ngettext("pipeline of %(n)s job", "pipeline of %(n)s jobs", count) % {"n": count}
    model = MODELS.get(chain.model_id)
    name = model.name if model else chain.model_id
    return _("%(model)s: %(jobs)s") % {"model": name, "jobs": jobs} if name else jobs


def _rows(chain: ChainProgress) -> list[PipelineRow]:
    waits = queue.waits([job for job in chain.jobs if job.state == Job.State.QUEUED])
    entries = []
    for number, job in enumerate(chain.jobs, 1):
        earlier = chain.earlier.get(job.pk, ())
        if job.state in Job.ON_HOST_STATES:
            entries.append(PipelineRow(job, number, earlier, running=running_of(job)))
        elif job.pk in waits:
            why, starts = waits[job.pk]
            reason = message(why.id, why.args)
            entries.append(
                PipelineRow(job, number, earlier, why=reason, starts=queue.starts_in(starts))
            )
        else:
            entries.append(PipelineRow(job, number, earlier))
    return entries


def _summary(rows: list[PipelineRow], chain: ChainProgress) -> str:
    """Return the pipeline's progress and next job."""
    if chain.succeeded:
        return _("All jobs succeeded.")
    now = [row.job for row in rows if row.running]
    queued = next((row.job for row in rows if row.job.state == Job.State.QUEUED), None)
    parts = []
    if chain.failed is not None:
        failed = [job for job in chain.broken if job.state != Job.State.CANCELLED]
        names = _named(failed or [chain.failed])
        parts.append(_("Did not succeed: %(jobs)s.") % {"jobs": names})
    if now:
        parts.append(_("Running: %(jobs)s.") % {"jobs": _named(now)})
    if queued is not None:
        text = _("Next: #%(job)s %(kind)s.")
        parts.append(text % {"job": queued.pk, "kind": kind_title(queued.kind)})
    return " ".join(parts)


def _named(jobs: Sequence[Job]) -> str:
    return _(", ").join(f"#{job.pk} {kind_title(job.kind)}" for job in jobs)


def _retry_words(chain: ChainProgress) -> str:
    if chain.failed is None:
        return ""
    count = len(chain.to_repeat)
    text = ngettext(
        "Retry from #%(job)s %(kind)s (%(n)s job)",
        "Retry from #%(job)s %(kind)s (%(n)s jobs)",
        count,
    )
    return text % {"job": chain.failed.pk, "kind": kind_title(chain.failed.kind), "n": count}


def _preview(chain: ChainProgress) -> dict[str, str]:
    """Return the preview's address if the same commands would fail again, else ""."""
    address = preview_address(chain) if would_fail_again(chain) else ""
    right = is_to_be_put_right(chain)
    label = _("Preview corrected pipeline") if right else _("Preview with other options")
    return {"preview_address": address, "preview_words": label}


def _outcome(result: Result) -> PipelineResult:
    metric = headline(result.type, result.metrics)
    return PipelineResult(result, metric, result.metrics.get(metric))


urlpatterns: list[URLPattern] = [
    path("<uuid:chain_id>/", pipeline, name="pipeline"),
    path("<uuid:chain_id>/retry/", pipeline_retry, name="pipeline-retry"),
    path("<uuid:chain_id>/cancel/", pipeline_cancel, name="pipeline-cancel"),
]
