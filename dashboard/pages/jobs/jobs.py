"""List of jobs, and pages and parts of pages about one job."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser, User
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from dashboard.actions import jobs as job_actions
from dashboard.charts import live
from dashboard.pages.jobs import probe_card
from dashboard.pages.launch.parts import launched, script_file
from dashboard.pages.shared import failures
from dashboard.pages.shared.addresses import or_404
from dashboard.pages.shared.busy import busy_page
from dashboard.pages.shared.columns import JOBS, chosen, heads
from dashboard.pages.shared.export import attachment
from dashboard.pages.shared.groups import JobRow, activity, midnight, rows_of
from dashboard.pages.shared.marks import picture_of
from dashboard.pages.shared.plan import against, command_view
from dashboard.security.permissions import allowed, check, requires
from dashboard.security.request import all_hosts, back_of, cursor_of, person
from dashboard.server.downloads import send_file
from dashboard.server.json_errors import gone
from dashboard.text import labels, queue_words
from dashboard.text.formatting import joined, moment, number
from dashboard.text.labels import kind_title, phrase
from dashboard.text.messages import message, offline_since, stalled_text
from dashboard.text.retention import may_pin, pinned_words, removal_words, removed_words
from jobs import logstore
from jobs.base.errors import DamagedLog
from jobs.base.numbers import number_from
from jobs.confined import NotDone
from jobs.kinds import KINDS
from jobs.launch.again import next_steps
from jobs.models import Host, Job, OutputFile
from jobs.plans import ACCURACY, CLIENT, DIES, from_json, script
from jobs.queries.hosts import queue_position
from jobs.queries.jobs import jobs as queries
from jobs.queries.jobs.job_page import JobPage, job_page
from jobs.queries.jobs.progress import has_points, samples_after, standings
from jobs.queries.overview import counts
from jobs.queries.sorting import NEWEST, read_order
from jobs.queries.storage import limits
from jobs.schedule.forecast import forecasts
from jobs.services.imports import has_files
from jobs.services.intake.quotas import keeps_points
from jobs.services.outputs import outputs_folder
from jobs.tools.greedy_probe.commands import KIND as PROBE

FIELDS = {**{name: name for name in ("state", "kind", "host", "person", "pinned")}, "text": "q"}


@requires("job.view", "GET")
def job_list(request: HttpRequest) -> HttpResponse:
    """List jobs, newest first. URL parameters: keys of FIELDS, ``order``, ``after`` (next page)."""
    asked = {name: request.GET.get(key, "").strip() for name, key in FIELDS.items()}
    dropped = _unknown(asked)
    filters = queries.JobFilters(
        **{name: "" if name in dropped else text for name, text in asked.items()}
    )
    order = read_order(request.GET.get("order", ""), queries.COLUMNS, NEWEST)
    after = request.GET.get("after", "")
    matching, hosts = queries.matching(filters), partial(all_hosts, request)
    jobs, following = queries.grouped_page(matching, hosts, order, after=after)
    is_flat = order.name not in queries.GROUPED
    if is_flat:
        waiting = forecasts([job for job in jobs if job.state == Job.State.QUEUED])
        rows = [JobRow(job, waiting.get(job.pk)) for job in jobs]
    else:
        (rows,) = rows_of(request, (jobs, matching.order_by("pk")), filtered=True)
    query = request.GET.copy()
    query.pop("after", None)
    columns = chosen(request, "jobs")
    count = sum(len(row.group.matching) if row.group else 1 for row in rows)
    listed = _list_title(filters, count, more=bool(following), newest=order == NEWEST)
    is_whole = not (filters.any or after)
    title, others = activity(counts(None, midnight())) if is_whole else (listed, "")
    states = [
        (queries.OPEN, _("active")),
        (queries.FAILED_OR_LOST, _("failed or lost")),
        (queries.NEEDS_CONFIRMATION, labels.style_of(queries.NEEDS_CONFIRMATION).word),
    ]
    context = {
        "rows": rows,
        "is_flat": is_flat and any(job.chain for job in jobs),
        "filters": filters,
        "dropped": dropped.values(),
        "title": title,
        "listed": [text for text in (others, listed) if text] if is_whole and rows else [],
        "order": request.GET.get("order", ""),
        "columns": columns,
        "shows": {column.name: True for column in columns},
        "all_columns": JOBS,
        "heads": heads(columns, order, query),
        "is_later_page": bool(after),
        "query": query.urlencode(),
        "after": following,
        "states": [*states, *((state, labels.style_of(state).word) for state in Job.State.values)],
        "kinds": [(name, labels.kind_title(name)) for name in KINDS],
        "hosts": all_hosts(request),
        "people": list(
            # No join, which would scan all jobs.
            User.objects.filter(Exists(Job.objects.filter(created_by=OuterRef("pk"))))
            .order_by("username")
            .values_list("username", flat=True)
        ),
    }
    return render(request, "jobs/list.html", context)


def _unknown(asked: Mapping[str, str]) -> dict[str, str]:
    """Return filters whose value is no choice: name → message."""
    known: dict[str, tuple[str, Callable[[str], bool]]] = {
        "state": (
            _("state"),
            {*Job.State.values, *queries.GROUPS, queries.NEEDS_CONFIRMATION}.__contains__,
        ),
        "kind": (_("job type"), KINDS.__contains__),
        "host": (_("host"), lambda name: Host.objects.filter(name=name).exists()),
        "person": (_("person"), lambda name: User.objects.filter(username=name).exists()),
    }
    text = _("Filter ignored: no %(filter)s is called “%(value)s”.")
    return {
        name: text % {"filter": word, "value": asked[name][:100]}
        for name, (word, is_known) in known.items()
        if asked[name] and not is_known(asked[name])
    }


def _list_title(filters: queries.JobFilters, count: int, *, more: bool, newest: bool) -> str:
    if more and not newest:
        return _("Jobs, sorted, %(n)s per page") % {"n": count}
    if more:
        return _("The latest %(n)s jobs") % {"n": count}
    if filters.any:
        return ngettext("%(n)s job matches", "%(n)s jobs match", count) % {"n": count}
    return ngettext("%(n)s job", "%(n)s jobs", count) % {"n": count}


_MOMENT_S = 1.0  # shorter steps get no mark on a chart: marks would overlap
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


@requires("job.view", "GET")
def job_detail(request: HttpRequest, job_id: int) -> HttpResponse:
    """Show one job: state, steps, log, charts, outputs, commands. The page updates itself."""
    page = or_404(job_page, job_id)
    job, plan = page.job, from_json(page.job.plan)
    # Some remain until a removal is complete.
    is_kept = job.removed_at is None
    found_points = is_kept and has_points(job_id, live.WATCHES)
    watched = any(watch.name in live.WATCHES for watch in plan.watches)
    found_standings = standings(job)
    figure = live.figure() if watched else None
    context = _context(request, page) | {
        "view": command_view(plan, job.values, guide=against(job.guide)),
        "script": script(plan, job.values),
        "figure": figure,
        "pictured": picture_of(
            *(job.host, job.created_at, [page.result] if page.result else []),
            *(f"#{job.pk} {kind_title(job.kind)}", phrase(job.title)),
            phrase(page.result.what) if page.result else "",
        ),
        "strips": live.strip_names(figure) if figure else (),
        "watched": watched and (job.is_open or found_points),
        "has_points": found_points,
        "points_full": not keeps_points(job),
        "lost_points": bool(job.removed_at and job.points_bytes),
        "standings": found_standings if job.is_open or job.scores else None,
        "accuracy_figure": live.accuracy_figure() if found_standings and is_kept else None,
    }
    return render(request, "jobs/detail.html", context)


@requires("job.cancel", "GET", "HEAD", "POST")
def job_cancel(request: HttpRequest, job_id: int) -> HttpResponse:
    """Confirm (GET), then cancel (POST). The confirmation names what is lost."""
    job = get_object_or_404(Job, pk=job_id)
    check(request.user, "job.cancel", job)
    if request.method != "POST":
        return render(
            request, "jobs/detail_cancel.html", _context(request, or_404(job_page, job_id))
        )
    if not job_actions.cancel(request.user, job):
        messages.info(request, _("The job had already ended."))
    return redirect("job-detail", job_id)


@requires("job.confirm", "POST")
def job_confirm(request: HttpRequest, job_id: int) -> HttpResponse:
    """Confirm the shown findings (``check``, repeated); later findings still need confirmation."""
    job = get_object_or_404(Job, pk=job_id)
    if not job_actions.confirm(request.user, job, request.POST.getlist("check")):
        messages.info(request, _("This confirmation is no longer needed."))
    return redirect("job-detail", job_id)


@requires("job.pin", "POST")
def job_pin(request: HttpRequest, job_id: int) -> HttpResponse:
    """``pinned=1`` keeps log and files, ``0`` stops; then redirect to the button's page."""
    job = get_object_or_404(Job, pk=job_id)
    wanted = request.POST.get("pinned") == "1"
    if job_actions.keep_files(request.user, job, keep=wanted):
        if not wanted and limits().any:
            text = _("Files are no longer kept: log and files may be removed from tomorrow on.")
            messages.info(request, text)
    elif wanted:
        messages.error(request, _("Nothing to keep: log and files were already removed."))
    return back_of(request) or redirect("job-detail", job_id)


@requires("job.repeat", "POST")
def job_again(request: HttpRequest, job_id: int, launch: Callable[[Any, int], Job]) -> HttpResponse:
    get_object_or_404(Job, pk=job_id)
    made = launched(request, lambda: launch(request.user, job_id).pk)
    return redirect("job-detail", made or job_id)


@requires("job.view", "GET", "HEAD")
def job_points(request: HttpRequest, job_id: int) -> JsonResponse:
    """Return points after the cursor ``after`` (bytes; -1: all, decimated), as curves.
    ``marks`` are start times of steps on the host's clock, as ``t`` of the series."""
    job = get_object_or_404(Job, pk=job_id)
    if job.removed_at is not None:
        return gone(job)
    news = samples_after(job_id, cursor_of(request), live.WATCHES)
    engine, client = news.of(live.ENGINE), news.of(CLIENT)
    series = {
        **live.series(live.decimate(live.derive(engine.fresh, context=engine.context))),
        **live.client_series(client.fresh, context=client.context),
        **live.die_series(news.of(DIES).fresh),
    }
    begun = job.steps.filter(started_at__isnull=False).exclude(duration_s__lt=_MOMENT_S)
    marks = [
        {"t": round(step.started_at.timestamp() * 1000), "text": labels.step_title(step.name)}
        for step in begun
        if step.started_at
    ]
    shown = {"after": news.after, "open": job.is_open, "series": series, "marks": marks}
    return JsonResponse(shown)


@requires("job.view", "GET")
def job_accuracy(request: HttpRequest, job_id: int) -> HttpResponse:
    """Return accuracy in per cent after the cursor ``after``: of all sets, or of ``set``."""
    job = get_object_or_404(Job, pk=job_id)
    if job.removed_at is not None:
        return gone(job)
    part = request.GET.get("set", "")
    watch = f"{ACCURACY}/{part}" if part else ACCURACY
    news = samples_after(job_id, cursor_of(request), [watch])
    known = standings(job)
    begun_at = known.begun_at if known and not part else 0.0
    lines = live.accuracy_series(news.of(watch).fresh, begun_at)
    return JsonResponse({"after": news.after, "open": job.is_open, "series": lines})


@requires("job.view", "GET")
def job_accuracy_table(request: HttpRequest, job_id: int) -> HttpResponse:
    job = get_object_or_404(Job, pk=job_id)
    scores = standings(job)
    if scores is None:
        raise Http404("this job is no evaluation")
    return render(request, "jobs/_accuracy_table.html", {"job": job, "standings": scores})


@requires("job.view", "GET")
def job_probe(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """Show a greedy probe's prompts in the state ``show``; ``format=csv`` exports all."""
    job = get_object_or_404(Job.objects.select_related("host"), pk=job_id, kind=PROBE)
    if request.GET.get("format") == "csv":
        return _probe_csv(request, job)
    show, after = request.GET.get("show", ""), number_from(request.GET.get("after", "")) or 0
    show = show if show in probe_card.SHOWN else ""
    view = probe_card.view(job, probe_card.PAGE, show, after)
    later = view["text"].after if view else None
    more = "" if later is None else urlencode({"show": show, "after": later})
    context = {"job": job, "view": view, "show": show, "more": more}
    return render(request, "jobs/probe.html", context)


def _probe_csv(request: HttpRequest, job: Job) -> HttpResponseBase:
    try:
        table = probe_card.read(job, probe_card.TABLE)
    except NotDone as error:
        return busy_page(request, _("Answers not read"), error)
    if table is None:
        raise Http404("the answers are not here")
    return attachment(table, f"probe-{job.pk}.csv", "text/csv")


@requires("job.view", "GET", "HEAD")
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


@requires("job.view", "GET", "HEAD")
def job_script(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """Download the job as a shell script, to run by hand in an empty folder on its host."""
    job = get_object_or_404(Job, pk=job_id)
    return script_file(script(from_json(job.plan), job.values), f"reproduce-{job_id}.sh")


def _context(request: HttpRequest, page: JobPage) -> dict[str, Any]:
    job, user = page.job, request.user
    why = failures.why_job(page)
    in_queue = queue_words.rows(user, [job])[0] if page.waits else None
    words: dict[str, Callable[[Any], Any]] = {
        "type": lambda value: labels.asset_word(str(value)),
        **dict.fromkeys(("label", "precision"), lambda value: labels.phrase(str(value))),
    }
    return {
        "page": page,
        "job": job,
        "message": _message(page, in_queue, why),
        **why,
        "advice": joined(why["known"].advice if why["known"] else "", failures.advice(job)),
        "may_cancel": job.is_open and allowed(user, "job.cancel", job),
        "may_repeat": allowed(user, "job.repeat", job),
        "can_retry": failures.can_retry(job),
        "may_pin": may_pin(user, job),
        "pinned_words": pinned_words(job),
        "removal_words": removal_words(job),
        "removed_words": removed_words(job),
        "form_address": failures.form_address(job),
        "actions": failures.actions(job, user),
        "never_ran": _never_ran(job),
        "log_is_new": job.is_open and not logstore.store().size(job.log_key),
        "probe": probe_card.view(job, probe_card.VERDICT),
        "confirmed": [{**item, "at": datetime.fromisoformat(item["at"])} for item in job.confirmed],
        "made": [
            (_MADE.get(name, name), name, words.get(name, lambda value: value)(value))
            for name, value in page.made
            if value != ""
        ],
        "next_steps": _step_links(job, person(request)),
        "in_queue": in_queue,
        "found_before": failures.missed_before(job) if page.waits else None,
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


def _message(page: JobPage, in_queue: queue_words.QueueRow | None, why: Mapping[str, Any]) -> str:
    job = page.job
    if job.is_open and job.cancel_asked_at:
        return _("Cancel requested by %(user)s; the host is stopping the commands.") % {
            "user": job.cancelled_by or _("a person")
        }
    if in_queue is not None:
        return message(in_queue.why.id, in_queue.why.args)
    if job.is_open and page.host_away:
        return offline_since(job.host)
    if job.state != Job.State.RUNNING:
        known, line = why["known"], why["telling"]
        if line:
            return f"{line} · {failures.outcome_text(job)}"
        return joined(failures.outcome_text(job), known.cause if known else "")
    text = _doing(page) or failures.outcome_text(job)
    if stalled := stalled_text(job):
        return joined(text, stalled)
    if page.ends_at:
        text = joined(text, _("Estimated end: %(time)s.") % {"time": moment(page.ends_at)})
    return text


def _doing(page: JobPage) -> str:
    """Return the running step: "Install, step 2 of 3: 34 of 76 packages."; "" between steps."""
    step, progress = page.now_step, page.progress
    if step is None:
        return ""
    name = labels.step_title(step.name)
    args = {"step": name[:1].upper() + name[1:], "n": step.index + 1, "all": len(page.steps)}
    head = _("%(step)s, step %(n)s of %(all)s") % args if len(page.steps) > 1 else args["step"]
    if not progress or not progress.get("total"):
        return _("%(what)s, on %(host)s.") % {
            "what": head,
            "host": labels.host_title(page.job.host),
        }
    if progress["unit"] == "%":
        return _("%(what)s: %(share)s %% done.") % {"what": head, "share": int(progress["done"])}
    counts = {
        "done": number(progress["done"]),
        "total": number(progress["total"]),
        "unit": labels.unit_word(progress["unit"]),
    }
    return _("%(what)s: %(done)s of %(total)s %(unit)s.") % {"what": head, **counts}


def _step_links(job: Job, user: AbstractBaseUser | None) -> list[dict[str, str]]:
    """Return next steps that ``user`` may take, the usual one first: import, or other forms."""
    links = []
    if user is not None and has_files(job) and allowed(user, "result.import"):
        address = f"{reverse('import-upload')}?job={job.pk}"
        links.append({"title": _("Import these files"), "address": address, "icon": "plus"})
    for step in next_steps(job, user):
        query = urlencode({"host": job.host.name, **step.raw})
        address = f"{reverse('launch-form', args=[step.kind])}?{query}"
        title = labels.kind_title(step.kind)
        links.append({"title": title, "address": address, "icon": "player-play"})
    return links


urlpatterns: list[URLPattern] = [
    path("", job_list, name="job-list"),
    path("<int:job_id>/", job_detail, name="job-detail"),
    path("<int:job_id>/cancel/", job_cancel, name="job-cancel"),
    path("<int:job_id>/confirm/", job_confirm, name="job-confirm"),
    path("<int:job_id>/pin/", job_pin, name="job-pin"),
    path("<int:job_id>/retry/", job_again, {"launch": job_actions.retry}, name="job-retry"),
    path("<int:job_id>/resume/", job_again, {"launch": job_actions.resume}, name="job-resume"),
    path("<int:job_id>/points", job_points, name="job-points"),
    path("<int:job_id>/accuracy", job_accuracy, name="job-accuracy"),
    path("<int:job_id>/accuracy/table", job_accuracy_table, name="job-accuracy-table"),
    path("<int:job_id>/probe/", job_probe, name="job-probe"),
    path("<int:job_id>/outputs/<int:output_id>", job_output, name="job-output"),
    path("<int:job_id>/reproduce.sh", job_script, name="job-script"),
]
