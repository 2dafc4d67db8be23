"""Pages about hosts: list, host, queue, launch rights. Adding one and its key: `host_keys`."""

from collections.abc import Callable, Collection
from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.actions import jobs as job_actions
from dashboard.pages.hosts import host_keys
from dashboard.pages.hosts.host_rows import HostView, host_views
from dashboard.pages.shared.die_grid import HOT_C
from dashboard.security.audit_log import record
from dashboard.security.permissions import allowed, requires
from dashboard.security.request import person
from dashboard.text import queue_words
from dashboard.text.labels import host_title
from jobs.base.errors import JobsError, LaunchError
from jobs.base.numbers import number_from
from jobs.models import Account, Host, Job
from jobs.queries.hosts import host_page, hosts_now, queued_jobs
from jobs.schedule import dispatch
from jobs.schedule.launch_rights import launcher_names, may_launch, restrict
from jobs.schedule.queue import Move, PassesOthers
from jobs.services import hosts

_WAITING = 10  # jobs of its line on the page of one host; a list has the first
PAGE = 50  # jobs on a page of a queue


@requires("host.view", "GET")
def host_list(request: HttpRequest) -> HttpResponse:
    views = host_views(hosts_now(waiting=1), request.user)
    context = {
        "with_cards": [view for view in views if view.cards],
        "others": [view for view in views if not view.cards],
        "title": _title(views),
        "hot_c": HOT_C,
        "may_add": allowed(request.user, "host.add"),
        "may_change": allowed(request.user, "host.change"),
    }
    return render(request, "hosts/list.html", context)


def _title(views: list[HostView]) -> str:
    """Return the heading: "4 hosts, 43 of 95 dies free"."""
    text = ngettext("%(n)s host", "%(n)s hosts", len(views)) % {"n": len(views)}
    if grids := [view.cards for view in views if view.cards]:
        counts = {"free": sum(grid.free for grid in grids)}
        counts["all"] = sum(len(grid.dies) for grid in grids)
        text += _(", %(free)s of %(all)s dies free") % counts
    if away := sum(view.is_away for view in views):
        text += _(", %(n)s away") % {"n": away}
    return text


@requires("host.view", "GET")
def host_detail(request: HttpRequest, name: str) -> HttpResponse:
    return _detail(request, name)


def _detail(request: HttpRequest, name: str, slots_error: str = "") -> HttpResponse:
    try:
        page = host_page(name, waiting=_WAITING)
    except Host.DoesNotExist:
        raise Http404(name) from None
    (view,), user = host_views([page.now], request.user), request.user
    host = view.host
    context = {
        "page": page,
        "view": view,
        "host": host,
        "dashboard_url": settings.PUBLIC_URL,
        "slots_error": slots_error,
        "slots_typed": request.POST.get("slots", host.slots),
        "may_change": allowed(user, "host.change", host),
        "launchers": launcher_names(host),
        "may_set_launchers": allowed(user, "host.launchers", host),
        "is_closed": allowed(user, "job.launch") and not may_launch(host, person(request)),
        "may_mark_lost": allowed(user, "host.mark_lost", host),
        "may_key": allowed(user, "host.key", host) and host_keys.is_ours(host),
    }
    return render(request, "hosts/detail.html", context, status=422 if slots_error else 200)


@requires("host.change", "POST")
def host_drain(request: HttpRequest, name: str) -> HttpResponse:
    """Stop or resume sending new jobs to a host: ``draining`` is "1" or "0"."""
    host = get_object_or_404(Host, name=name)
    draining = request.POST.get("draining") == "1"
    if hosts.set_draining(host.name, draining=draining):
        record(request.user, "host.change", f"host {host.name}", draining=draining)
        dispatch.run()
    if request.POST.get("from") == "list":
        return redirect("host-list")
    return redirect("host-detail", host.name)


@requires("host.change", "POST")
def host_slots(request: HttpRequest, name: str) -> HttpResponse:
    host = get_object_or_404(Host, name=name)
    try:
        slots = hosts.read_slots(request.POST.get("slots", "").strip())
    except LaunchError as error:
        return _detail(request, name, slots_error=str(error))
    if hosts.set_slots(host.pk, slots):
        record(request.user, "host.change", f"host {host.name}", slots=slots, before=host.slots)
        dispatch.run()
    return redirect("host-detail", host.name)


@requires("host.change", "POST")
def host_forget_dies(request: HttpRequest, name: str) -> HttpResponse:
    """Stop listing missing dies, after a card was removed."""
    host = get_object_or_404(Host, name=name)
    if gone := hosts.forget_missing_dies(host.pk):
        record(request.user, "host.change", f"host {host.name}", forgot_dies=gone)
    return redirect("host-detail", host.name)


@requires("host.change", "POST")
def host_forget_refusals(request: HttpRequest, name: str) -> HttpResponse:
    host = get_object_or_404(Host, name=name)
    if host.refusals:
        hosts.forget_refusals(host.pk)
        record(request.user, "host.change", f"host {host.name}", forgot_refusals=len(host.refusals))
    return redirect("host-detail", host.name)


@requires("host.mark_lost", "GET", "POST")
def host_mark_lost(request: HttpRequest, name: str) -> HttpResponse:
    """Ask (GET), then mark an offline host as lost, with its jobs and deployments (POST)."""
    host = get_object_or_404(Host, name=name)
    if request.method == "POST":
        try:
            lost = hosts.mark_lost(host.pk, cast(User, request.user))
        except hosts.HostAnswers:
            messages.error(request, _("Not marked as lost: the host is online again."))
        else:
            record(request.user, "host.mark_lost", f"host {host.name}", lost=lost)
            dispatch.run()
        return redirect("host-detail", host.name)
    (view,) = host_views([host_page(name, waiting=0).now], request.user)
    context = {
        "host": host,
        "away": view.is_away,
        "jobs": view.now.on_host,
        "deployments": view.now.deployments,
    }
    return render(request, "hosts/mark_lost.html", context)


@requires("host.launchers", "GET", "HEAD", "POST")
def host_launchers(request: HttpRequest, name: str) -> HttpResponse:
    """Choose people (GET), then store them (POST): ``everyone``, or ``people`` by name."""
    host = get_object_or_404(Host, name=name)
    if request.method != "POST":
        return _launchers(request, host, launcher_names(host))
    names = request.POST.getlist("people")
    people: list[User] | None = None
    if request.POST.get("everyone") == "on":
        if names:
            text = _("People are ticked: choose “Only these people”, or untick them.")
            return _launchers(request, host, names, error=text, everyone=True)
    else:
        people = list(User.objects.filter(username__in=names))
        if unknown := set(names) - {user.username for user in people}:
            text = _("No person is named “%(name)s”.") % {"name": min(unknown)}
            return _launchers(request, host, names, error=text)
    _before, changed = restrict(host.pk, people)
    if changed:
        given = None if people is None else sorted(user.username for user in people)
        did = "open" if given is None else "restrict"
        record(request.user, "host.launchers", f"host {host.name}", did=did, people=given)
    return redirect("host-detail", host.name)


def _launchers(
    request: HttpRequest,
    host: Host,
    chosen: Collection[str] | None,
    *,
    error: str = "",
    everyone: bool = False,
) -> HttpResponse:
    members = User.objects.filter(is_active=True, account__role=Account.Role.MEMBER)
    names = set(members.values_list("username", flat=True)) | set(launcher_names(host) or ())
    context = {
        "host": host,
        "name": host_title(host),
        "everyone": everyone or chosen is None,
        "chosen": chosen or (),
        "people": sorted(names),
        "error": error,
    }
    return render(request, "hosts/launchers.html", context, status=422 if error else 200)


@requires("host.view", "GET")
def host_queue(request: HttpRequest, name: str) -> HttpResponse:
    """Show a host's queue in order, from number ``from`` on (1 is the first)."""
    host = get_object_or_404(Host, name=name)
    start = max(1, number_from(request.GET.get("from", "")) or 1) - 1
    ahead = 1 if start else 0  # the one before says whether the first may be moved
    jobs, total = queued_jobs(host, start=start - ahead, count=PAGE + ahead)
    before, jobs = (jobs[0], jobs[1:]) if ahead and jobs else (None, jobs)
    more = total > start + len(jobs)
    context = {
        "host": host,
        "name": host_title(host),
        "rows": queue_words.rows(request.user, jobs, before=before, more=more),
        "total": total,
        "start": start,
        "earlier": max(1, start + 1 - PAGE) if start else None,
        "later": start + PAGE + 1 if more else None,
    }
    return render(request, "hosts/queue.html", context)


@requires("job.order", "POST")
def job_move(request: HttpRequest, job_id: int) -> HttpResponse:
    """Move a waiting job: ``to`` first, earlier, later or last; or ``before`` or ``after`` one."""
    return _ordered(request, job_id, lambda job: job_actions.move(request.user, job, request.POST))


@requires("job.order", "POST")
def job_priority(request: HttpRequest, job_id: int) -> HttpResponse:
    """Give a waiting job another ``priority``: urgent, normal or low."""
    name = request.POST.get("priority", "")
    return _ordered(request, job_id, lambda job: job_actions.set_priority(request.user, job, name))


@requires("job.order", "POST")
def job_exclusive(request: HttpRequest, job_id: int) -> HttpResponse:
    """Set whether a queued job needs its host exclusively: ``exclusive`` is "1" or "0"."""
    on = request.POST.get("exclusive") == "1"
    return _ordered(
        request, job_id, lambda job: job_actions.set_exclusive(request.user, job, exclusive=on)
    )


def _ordered(
    request: HttpRequest, job_id: int, change: Callable[[Job], Move | None]
) -> HttpResponse:
    job = get_object_or_404(Job.objects.select_related("host"), pk=job_id)
    try:
        moved = change(job)
    except (JobsError, PermissionDenied) as refused:
        return _refused(request, job, refused)
    if moved is not None and _wants_json(request):
        return JsonResponse({"was": moved.was, "now": moved.now})
    return _back(request, job)


def _refused(request: HttpRequest, job: Job, refused: Exception) -> HttpResponse:
    """Return the refusal: beside the list for a script, on the next page for others."""
    forbidden = isinstance(refused, PermissionDenied)
    text = _("Not allowed: another person launched this job.") if forbidden else str(refused)
    if _wants_json(request):
        status = 403 if forbidden or isinstance(refused, PassesOthers) else 409
        return JsonResponse({"message": text}, status=status)
    messages.error(request, text)
    return _back(request, job)


def _back(request: HttpRequest, job: Job) -> HttpResponse:
    """Return the page of the pressed button: the job's, the host's, or its queue there."""
    if request.POST.get("from") == "job":
        return redirect("job-detail", job.pk)
    if request.POST.get("from") == "host":
        return redirect(f"{reverse('host-detail', args=[job.host.name])}#queue")
    start = number_from(request.POST.get("start", ""))
    query = f"?from={start}" if start else ""
    return redirect(f"{reverse('host-queue', args=[job.host.name])}{query}#queue-{job.pk}")


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


urlpatterns: list[URLPattern] = [
    path("", host_list, name="host-list"),
    *host_keys.urlpatterns,
    path("<slug:name>/", host_detail, name="host-detail"),
    path("<slug:name>/queue/", host_queue, name="host-queue"),
    path("<slug:name>/launchers/", host_launchers, name="host-launchers"),
    path("<slug:name>/drain/", host_drain, name="host-drain"),
    path("<slug:name>/slots/", host_slots, name="host-slots"),
    path("<slug:name>/dies/forget/", host_forget_dies, name="host-forget-dies"),
    path("<slug:name>/refusals/forget/", host_forget_refusals, name="host-forget-refusals"),
    path("<slug:name>/mark-lost/", host_mark_lost, name="host-mark-lost"),
]
job_urlpatterns: list[URLPattern] = [
    path("<int:job_id>/move/", job_move, name="job-move"),
    path("<int:job_id>/priority/", job_priority, name="job-priority"),
    path("<int:job_id>/exclusive/", job_exclusive, name="job-exclusive"),
]
