"""Page of a pipeline: progress of its jobs up to results and chat; address of its preview."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.actions import jobs as job_actions
from dashboard.pages.launch.parts import launched
from dashboard.pages.shared.failures import ends_the_same, failed_as_printed
from dashboard.security.permissions import allowed, check, requires
from dashboard.text import queue_words
from dashboard.text.labels import kind_title
from dashboard.text.messages import message
from jobs.catalog import MODELS, STACKS
from jobs.kinds import KINDS
from jobs.kinds.lib.base import EXACT
from jobs.launch.pipelines import BOTH, PRECISIONS, Options, Pipeline, pipelines_of
from jobs.models import Job
from jobs.queries.hosts import dies
from jobs.queries.jobs.job_page import ChainProgress, chain_of, waiting_outside
from jobs.queries.overview import running_of
from jobs.queries.results.repeats import headline


@requires("job.view", "GET")
def pipeline(request: HttpRequest, chain_id: UUID) -> HttpResponse:
    chain = _chain_or_404(chain_id)
    user = request.user
    results = [job.result for job in chain.jobs if hasattr(job, "result")]
    names = [(result, headline(result.type, result.metrics)) for result in results]
    # A retry is possible once no ending job would cancel the new jobs.
    is_over = bool(chain.broken) and chain.ending is None
    right = any(map(failed_as_printed, chain.broken))
    jobs = chain.to_cancel
    context = {
        "chain": chain,
        "title": title_of(chain),
        "host": chain.jobs[0].host,
        "made_by": chain.jobs[0].created_by,
        "rows": _rows(chain),
        "summary": _summary(chain),
        "outcomes": [
            {"result": result, "metric": name, "value": result.metrics.get(name)}
            for result, name in names
        ],
        "may_retry": is_over and allowed(user, "job.repeat"),
        "retry_words": _retry_words(chain),
        # Only where the same commands would fail again.
        "preview_address": _preview_address(chain) if any(map(ends_the_same, chain.broken)) else "",
        "preview_words": _("Preview corrected pipeline")
        if right
        else _("Preview with other options"),
        "may_cancel": bool(jobs) and all(allowed(user, "job.cancel", job) for job in jobs),
    }
    return render(request, "pipelines/detail.html", context)


@requires("job.repeat", "POST")
def pipeline_retry(request: HttpRequest, chain_id: UUID) -> HttpResponse:
    """Retry failed jobs, and those cancelled because of them."""
    _chain_or_404(chain_id)
    launched(request, lambda: len(job_actions.retry_pipeline(request.user, chain_id)))
    return redirect("pipeline", chain_id)


@requires("job.cancel", "GET", "HEAD", "POST")
def pipeline_cancel(request: HttpRequest, chain_id: UUID) -> HttpResponse:
    """Confirm (GET), then cancel (POST) every active job. The confirmation names what is lost."""
    chain = _chain_or_404(chain_id)
    jobs = chain.to_cancel
    for job in jobs:
        check(request.user, "job.cancel", job)
    if request.method != "POST":
        label = ngettext("Cancel %(n)s job", "Cancel %(n)s jobs", len(jobs))
        context = {
            "chain": chain,
            "title": title_of(chain),
            "open": jobs,
            "running": [job for job in jobs if job.state in Job.ON_HOST_STATES],
            "outside": waiting_outside(chain),
            "label": label % {"n": len(jobs)},
        }
        return render(request, "pipelines/cancel.html", context)
    if not job_actions.cancel_pipeline(request.user, jobs, chain_id):
        messages.info(request, _("No job to cancel: all jobs have ended or are being cancelled."))
    return redirect("pipeline", chain_id)


def _chain_or_404(chain_id: UUID) -> ChainProgress:
    chain = chain_of(chain_id)
    if chain is None:
        raise Http404(f"there is no pipeline {chain_id}")
    return chain


def title_of(chain: ChainProgress) -> str:
    """Return the pipeline's title: "DeepSeek-R1: pipeline of 8 jobs"."""
    count = len(chain.jobs)
    jobs = ngettext("pipeline of %(n)s job", "pipeline of %(n)s jobs", count) % {"n": count}
    model = MODELS.get(chain.model_id)
    name = model.name if model else chain.model_id
    return _("%(model)s: %(jobs)s") % {"model": name, "jobs": jobs} if name else jobs


def _rows(chain: ChainProgress) -> list[dict[str, Any]]:
    """Return the jobs. ``why`` and ``starts``: texts for a queued one, else ""."""
    waits = queue_words.waits([job for job in chain.jobs if job.state == Job.State.QUEUED])
    rows = []
    for number, job in enumerate(chain.jobs, 1):
        running = running_of(job) if job.state in Job.ON_HOST_STATES else None
        why, starts = "", ""
        if job.pk in waits:
            reason, forecast = waits[job.pk]
            why, starts = message(reason.id, reason.args), queue_words.starts_in(forecast)
        row = {"job": job, "number": number, "earlier": chain.earlier.get(job.pk, ())}
        rows.append(row | {"running": running, "why": why, "starts": starts})
    return rows


def _summary(chain: ChainProgress) -> str:
    if chain.succeeded:
        return _("All jobs succeeded.")
    now = [job for job in chain.jobs if job.state in Job.ON_HOST_STATES]
    queued = next((job for job in chain.jobs if job.state == Job.State.QUEUED), None)
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


def _preview_address(chain: ChainProgress) -> str:
    """Return the address of a preview with the options of ``chain``, corrected if it ran verbatim;
    "" for jobs of no pipeline, such as a benchmark with its environment."""
    jobs = chain.jobs
    stack = next((name for job in jobs if (name := job.params.get("stack")) in STACKS), "")
    pipeline = _pipeline_of(jobs, chain.model_id, stack)
    if pipeline is None:
        return ""
    given = {"host": jobs[0].host.name, "stack": stack, EXACT: "0", **_options(jobs)}
    known = ("host", "stack", *pipeline.options)
    query = urlencode({name: value for name, value in given.items() if value and name in known})
    return f"{reverse('model-pipeline', args=[chain.model_id, pipeline.id])}?{query}"


def _pipeline_of(jobs: Sequence[Job], model_id: str, stack: str) -> Pipeline | None:
    """Return the pipeline whose links have all these kinds."""
    model, kinds = MODELS.get(model_id), {job.kind for job in jobs}
    if model is None or not stack or not any(_family(job) == "deploy" for job in jobs):
        return None
    has_dies = bool(dies(jobs[0].host))
    for known in pipelines_of(model):
        all_kinds = {"prepare", *(job.kind for job in known.jobs(model, stack, Options()))}
        if known.needs_dies == has_dies and kinds <= all_kinds:
            return known
    return None


def _options(jobs: Sequence[Job]) -> dict[str, str]:
    made = {str(job.params.get("precision")) for job in jobs if _family(job) == "compile"}
    made &= set(PRECISIONS)
    benchmarks = [job.params for job in jobs if _family(job) == "benchmark"]
    levels = next((params["concurrency"] for params in benchmarks if "concurrency" in params), ())
    return {
        "precision": BOTH if len(made) > 1 else "".join(made),
        "concurrency": ",".join(map(str, levels)) if isinstance(levels, list | tuple) else "",
    }


def _family(job: Job) -> str:
    """Return the family of a kind; "" for a removed kind."""
    kind = KINDS.get(job.kind)
    return kind.family if kind else ""


urlpatterns: list[URLPattern] = [
    path("<uuid:chain_id>/", pipeline, name="pipeline"),
    path("<uuid:chain_id>/retry/", pipeline_retry, name="pipeline-retry"),
    path("<uuid:chain_id>/cancel/", pipeline_cancel, name="pipeline-cancel"),
]
