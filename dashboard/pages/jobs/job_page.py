"""Pages about one job; the list is in ``dashboard.pages.jobs.job_list``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from dashboard.actions import jobs as job_actions
from dashboard.actions.once import once
from dashboard.charts import live
from dashboard.pages.jobs.advice import advice
from dashboard.pages.jobs.failure import missed_before, outcome_text, why_job
from dashboard.pages.jobs.probe_card import verdict_of
from dashboard.pages.jobs.step_links import step_links
from dashboard.pages.shared.guide_diff import against
from dashboard.pages.shared.plan import command_view
from dashboard.pages.shared.remedies import actions, can_retry, form_address
from dashboard.security.permissions import allowed, check, requires
from dashboard.security.request import cursor_of, person
from dashboard.server.downloads import send_file
from dashboard.server.removed import gone
from dashboard.text import queue_words as queue
from dashboard.text.formatting import joined, moment, number
from dashboard.text.known_failures import stalled_text
from dashboard.text.labels import (
    asset_word,
    host_title,
    metric_label,
    phrase,
    step_title,
    unit_word,
)
from dashboard.text.messages import message
from dashboard.text.retention import may_pin, pinned_words, removal_words, removed_words
from jobs import logstore
from jobs.base.errors import DamagedLog, LaunchError
from jobs.models import Job, OutputFile
from jobs.plans import CLIENT, DIES, from_json, script
from jobs.queries.hosts.host_page import queue_position
from jobs.queries.jobs.job_page import JobPage, job_page
from jobs.queries.jobs.points import has_points, samples_after
from jobs.queries.jobs.running_accuracy import standings
from jobs.services.intake.limits import keeps_points
from jobs.services.outputs import outputs_folder

# Headline metrics of a result, in order; missing ones are omitted.
_HEADLINE = (
    *("output_tokens_per_s", "ttft_p50_ms", "tpot_p50_ms"),
    *("batch_latency_mean_s", "batch_latency_p99_s", "accuracy", "questions"),
)
_MOMENT_S = 1.0  # shorter steps get no mark on a chart that spans minutes
# Labels of a product's fields; unknown names are shown as is.
_MADE: dict[str, str | Promise] = {
    "type": gettext_lazy("Type"),
    "name": gettext_lazy("Name"),
    "model_id": gettext_lazy("Model"),
    "toolchain": gettext_lazy("Toolchain"),
    "precision": gettext_lazy("Precision"),
    "label": gettext_lazy("Format"),
    "source_precision": gettext_lazy("Source"),
    "bytes": gettext_lazy("Size"),
    "sha256": "SHA-256",
    "fingerprint": gettext_lazy("Fingerprint"),
    "path": gettext_lazy("Path"),
}


@require_GET
@requires("job.view")
def job_detail(request: HttpRequest, job_id: int) -> HttpResponse:
    """Show one job: state, steps, log, charts, outputs, commands. The page updates itself."""
    page = _page(job_id)
    plan = from_json(page.job.plan)
    # Some remain until a removal is complete.
    is_kept = page.job.removed_at is None
    found_points = is_kept and has_points(job_id, live.WATCHES)
    watched = any(watch.name in live.WATCHES for watch in plan.watches)
    found_standings = standings(page.job)
    grew = bool(page.job.scores)
    figure = live.figure() if watched else None
    context = _context(request, page) | {
        "view": command_view(plan, page.job.values, guide=against(page.job.guide)),
        "script": script(plan, page.job.values),
        "figure": figure,
        "strips": live.strip_names(figure) if figure else (),
        "watched": watched and (page.job.is_open or found_points),
        "has_points": found_points,
        "points_full": not keeps_points(page.job),
        "lost_points": bool(page.job.removed_at and page.job.points_bytes),
        "standings": found_standings if page.job.is_open or grew else None,
        "accuracy_figure": live.accuracy_figure() if found_standings and is_kept else None,
    }
    return render(request, "jobs/detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("job.cancel")
def job_cancel(request: HttpRequest, job_id: int) -> HttpResponse:
    """Confirm (GET), then cancel (POST). The confirmation names what is lost."""
    job = get_object_or_404(Job, pk=job_id)
    check(request.user, "job.cancel", job)
    if request.method != "POST":
        return render(request, "jobs/detail_cancel.html", _context(request, _page(job_id)))
    if not job_actions.cancel(request.user, job):
        messages.info(request, _("The job had already ended."))
    return redirect("job-detail", job_id)


@require_POST
@requires("job.repeat")
def job_retry(request: HttpRequest, job_id: int) -> HttpResponse:
    """Retry a job unchanged, as a new job."""
    return _launched(request, job_id, job_actions.retry)


@require_POST
@requires("job.repeat")
def job_resume(request: HttpRequest, job_id: int) -> HttpResponse:
    """Continue a stopped evaluation as a new job."""
    return _launched(request, job_id, job_actions.resume)


def _launched(request: HttpRequest, job_id: int, launch: Callable[[Any, int], Job]) -> HttpResponse:
    """Launch a new job from this one and show it; on an error show this one."""
    get_object_or_404(Job, pk=job_id)
    try:
        made = once(request, lambda: launch(request.user, job_id).pk)
    except LaunchError as error:
        messages.error(request, str(error))
        return redirect("job-detail", job_id)
    return redirect("job-detail", made)


@require_GET
@requires("job.view")
def job_points(request: HttpRequest, job_id: int) -> JsonResponse:
    """Return points after the cursor ``after`` (bytes; -1: all, decimated), as curves."""
    job = get_object_or_404(Job, pk=job_id)
    if job.removed_at is not None:
        return gone(job)
    news = samples_after(job_id, cursor_of(request), live.WATCHES)
    engine = news.of(live.ENGINE)
    rows = live.derive(engine.fresh, context=engine.context)
    client = news.of(CLIENT)
    return JsonResponse(
        {
            "after": news.after,
            "open": job.is_open,
            "series": {
                **live.series(live.decimate(rows)),
                **live.client_series(client.fresh, context=client.context),
                **live.die_series(news.of(DIES).fresh),
            },
            "marks": _marks(job),
        }
    )


def _marks(job: Job) -> list[dict[str, Any]]:
    """Return start times of steps, host clock: ``t`` as in the series, and the name.

    Steps shorter than a second have no mark: marks would overlap.
    """
    begun = job.steps.filter(started_at__isnull=False).exclude(duration_s__lt=_MOMENT_S)
    return [
        {"t": round(step.started_at.timestamp() * 1000), "text": step_title(step.name)}
        for step in begun
        if step.started_at
    ]


@require_safe
@requires("job.view")
def job_output(request: HttpRequest, job_id: int, output_id: int) -> HttpResponseBase:
    """Download an output file: always an attachment, whatever its type."""
    output = get_object_or_404(OutputFile.objects.select_related("job"), pk=output_id, job=job_id)
    if output.job.removed_at is not None:
        return gone(output.job)
    folder = outputs_folder(job_id).resolve()
    file = (folder / output.path).resolve()
    if not file.is_relative_to(folder):
        raise Http404("the file is not here")
    return send_file(
        request,
        file,
        filename=file.name,
        content_type="application/octet-stream",
        sha256=output.sha256 if output.is_whole else "",
    )


@require_safe
@requires("job.view")
def job_script(request: HttpRequest, job_id: int) -> HttpResponse:
    """Download the job as a shell script, to run by hand in an empty folder on its host."""
    job = get_object_or_404(Job, pk=job_id)
    text = script(from_json(job.plan), job.values)
    return HttpResponse(
        text,
        content_type="text/x-shellscript; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="reproduce-{job_id}.sh"'},
    )


def _page(job_id: int) -> JobPage:
    try:
        return job_page(job_id)
    except Job.DoesNotExist as error:
        raise Http404(f"there is no job {job_id}") from error


def _context(request: HttpRequest, page: JobPage) -> dict[str, Any]:
    job = page.job
    why = why_job(page)
    in_queue = _in_queue(request, job) if page.waits else None
    return {
        "page": page,
        "job": job,
        "message": _message(page, in_queue, why),
        **why,
        "advice": joined(why["known"].advice if why["known"] else "", advice(job)),
        "may_cancel": job.is_open and allowed(request.user, "job.cancel", job),
        "may_repeat": allowed(request.user, "job.repeat", job),
        "can_retry": can_retry(job),
        "may_pin": may_pin(request.user, job),
        "pinned_words": pinned_words(job),
        "removal_words": removal_words(job),
        "removed_words": removed_words(job),
        "form_address": form_address(job),
        "actions": actions(job, request.user),
        "never_ran": _never_ran(job),
        "neighbours": _neighbours(page),
        "headline": _headline(page),
        "probe": verdict_of(job),
        "confirmed": [{**item, "at": datetime.fromisoformat(item["at"])} for item in job.confirmed],
        "made": [
            (_MADE.get(name, name), name, _product_text(name, value))
            for name, value in page.made
            if value != ""
        ],
        "next_steps": step_links(job, person(request)),
        "in_queue": in_queue,
        "found_before": missed_before(job) if page.waits else None,
        "ahead": queue_position(job) if page.waits else 0,
    }


def _never_ran(job: Job) -> bool:
    """Return True if the job ended before its first step, so that no log will come."""
    if job.is_open or job.started_at is not None:
        return False
    try:
        return logstore.store().size(f"job/{job.pk}") == 0
    except DamagedLog:  # which its panel says
        return False


def _in_queue(request: HttpRequest, job: Job) -> queue.QueueRow:
    """Return the queued job's row in its host's queue."""
    (row,) = queue.rows(request.user, [job])
    return row


def _product_text(name: str, value: Any) -> Any:
    """Translate a field of the product; most are names and numbers."""
    if name == "type":
        return asset_word(str(value))
    return phrase(str(value)) if name in ("label", "precision") else value


def _headline(page: JobPage) -> list[tuple[str, str, float]]:
    """Return headline (metric, label, value) of the result."""
    metrics = page.result.metrics if page.result else {}
    return [(name, metric_label(name), metrics[name]) for name in _HEADLINE if name in metrics]


def _message(page: JobPage, in_queue: queue.QueueRow | None, why: Mapping[str, Any]) -> str:
    """Return the message next to the state."""
    job = page.job
    if job.is_open and job.cancel_asked_at:
        return _("Cancel requested by %(user)s; the host is stopping the commands.") % {
            "user": job.cancelled_by or _("a person")
        }
    if in_queue is not None:
        return message(in_queue.why.id, in_queue.why.args)
    if job.is_open and page.host_away:
        heard = job.host.heartbeat_at
        return _("%(host)s has been offline since %(time)s; data shown is from then.") % {
            "host": host_title(job.host),
            "time": moment(heard) if heard else "?",
        }
    if job.state != Job.State.RUNNING:
        known, line = why["known"], why["telling"]
        return (
            f"{line} · {outcome_text(job)}"
            if line
            else joined(outcome_text(job), known.cause if known else "")
        )
    text = _doing(page) or outcome_text(job)
    stalled = stalled_text(job)
    if stalled:
        return joined(text, stalled)
    if page.ends_at:
        text = joined(text, _("Estimated end: %(time)s.") % {"time": moment(page.ends_at)})
    return text


def _doing(page: JobPage) -> str:
    """Return the running step: "Install, step 2 of 3: 34 of 76 packages."; "" between steps."""
    step, progress = page.now_step, page.progress
    if step is None:
        return ""
    name = step_title(step.name)
    args = {"step": name[:1].upper() + name[1:], "n": step.index + 1, "all": len(page.steps)}
    head = _("%(step)s, step %(n)s of %(all)s") % args if len(page.steps) > 1 else args["step"]
    if not progress or not progress.get("total"):
        return _("%(what)s, on %(host)s.") % {"what": head, "host": host_title(page.job.host)}
    if progress["unit"] == "%":
        return _("%(what)s: %(share)s %% done.") % {"what": head, "share": int(progress["done"])}
    counts = {
        "done": number(progress["done"]),
        "total": number(progress["total"]),
        "unit": unit_word(progress["unit"]),
    }
    return _("%(what)s: %(done)s of %(total)s %(unit)s.") % {"what": head, **counts}


def _neighbours(page: JobPage) -> dict[str, Job | None]:
    """Return the previous and next job of the chain."""
    chain = list(page.chain)
    place = next((i for i, item in enumerate(chain) if item.pk == page.job.pk), 0)
    return {
        "previous": chain[place - 1] if place > 0 else None,
        "next": chain[place + 1] if place + 1 < len(chain) else None,
    }


urlpatterns: list[URLPattern] = [
    path("<int:job_id>/", job_detail, name="job-detail"),
    path("<int:job_id>/cancel/", job_cancel, name="job-cancel"),
    path("<int:job_id>/retry/", job_retry, name="job-retry"),
    path("<int:job_id>/resume/", job_resume, name="job-resume"),
    path("<int:job_id>/points", job_points, name="job-points"),
    path("<int:job_id>/outputs/<int:output_id>", job_output, name="job-output"),
    path("<int:job_id>/reproduce.sh", job_script, name="job-script"),
]
