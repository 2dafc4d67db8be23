"""Pages about hosts. Adding one and its key: ``dashboard.pages.hosts.host_keys``."""

from __future__ import annotations

from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.pages.hosts import host_keys, host_launchers, host_queue
from dashboard.pages.hosts.host_rows import HostView, host_views
from dashboard.pages.shared.die_grid import HOT_C
from dashboard.security.audit_log import record
from dashboard.security.permissions import allowed, requires
from dashboard.security.request import person
from jobs.base.errors import LaunchError
from jobs.models import Host
from jobs.queries.hosts.host_page import host_page, hosts_now
from jobs.schedule import dispatch
from jobs.schedule.launch_rights import launcher_names, may_launch
from jobs.services.hosts import (
    HostAnswers,
    forget_missing_dies,
    forget_refusals,
    mark_lost,
    read_slots,
    set_draining,
    set_slots,
)

_WAITING = 10  # jobs of its line on the page of one host; a list has the first


@require_GET
@requires("host.view")
def host_list(request: HttpRequest) -> HttpResponse:
    """Every host, with what runs there."""
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
    """A sentence: "4 hosts, 43 of 95 dies free"."""
    text = ngettext("%(n)s host", "%(n)s hosts", len(views)) % {"n": len(views)}
    grids = [view.cards for view in views if view.cards]
    if grids:
        counts = {"free": sum(grid.free for grid in grids)}
        counts["all"] = sum(len(grid.dies) for grid in grids)
        text += gettext(", %(free)s of %(all)s dies free") % counts
    if away := sum(view.is_away for view in views):
        text += gettext(", %(n)s away") % {"n": away}
    return text


@require_GET
@requires("host.view")
def host_detail(request: HttpRequest, name: str) -> HttpResponse:
    """One host: hardware, assets, running jobs and deployments."""
    return _detail(request, name)


def _detail(request: HttpRequest, name: str, slots_error: str = "") -> HttpResponse:
    try:
        page = host_page(name, waiting=_WAITING)
    except Host.DoesNotExist:
        raise Http404(name) from None
    (view,) = host_views([page.now], request.user)
    context = {
        "page": page,
        "view": view,
        "host": view.host,
        "dashboard_url": settings.PUBLIC_URL,
        "slots_error": slots_error,
        "slots_typed": request.POST.get("slots", view.host.slots),
        "may_change": allowed(request.user, "host.change", view.host),
        "launchers": launcher_names(view.host),
        "may_set_launchers": allowed(request.user, "host.launchers", view.host),
        "is_closed": allowed(request.user, "job.launch")
        and not may_launch(view.host, person(request)),
        "may_mark_lost": allowed(request.user, "host.mark_lost", view.host),
        "may_key": allowed(request.user, "host.key", view.host) and host_keys.is_ours(view.host),
    }
    status = 422 if slots_error else 200
    return render(request, "hosts/detail.html", context, status=status)


@require_POST
@requires("host.change")
def host_drain(request: HttpRequest, name: str) -> HttpResponse:
    """Stop or resume sending new jobs to a host: ``draining`` is "1" or "0"."""
    host = get_object_or_404(Host, name=name)
    draining = request.POST.get("draining") == "1"
    if set_draining(host.name, draining=draining):
        record(request.user, "host.change", f"host {host.name}", draining=draining)
        dispatch.run()
    if request.POST.get("from") == "list":
        return redirect("host-list")
    return redirect("host-detail", host.name)


@require_POST
@requires("host.change")
def host_slots(request: HttpRequest, name: str) -> HttpResponse:
    """Set the maximum of concurrent jobs of a host: ``slots``."""
    host = get_object_or_404(Host, name=name)
    try:
        slots = read_slots(request.POST.get("slots", "").strip())
    except LaunchError as error:
        return _detail(request, name, slots_error=str(error))
    if set_slots(host.pk, slots):
        record(request.user, "host.change", f"host {host.name}", slots=slots, before=host.slots)
        dispatch.run()
    return redirect("host-detail", host.name)


@require_POST
@requires("host.change")
def host_forget_dies(request: HttpRequest, name: str) -> HttpResponse:
    """Stop listing missing dies, after a card was removed."""
    host = get_object_or_404(Host, name=name)
    if gone := forget_missing_dies(host.pk):
        record(request.user, "host.change", f"host {host.name}", forgot_dies=gone)
    return redirect("host-detail", host.name)


@require_POST
@requires("host.change")
def host_forget_refusals(request: HttpRequest, name: str) -> HttpResponse:
    """Clear the list of refused messages."""
    host = get_object_or_404(Host, name=name)
    if host.refusals:
        forget_refusals(host.pk)
        record(request.user, "host.change", f"host {host.name}", forgot_refusals=len(host.refusals))
    return redirect("host-detail", host.name)


@require_http_methods(["GET", "POST"])
@requires("host.mark_lost")
def host_mark_lost(request: HttpRequest, name: str) -> HttpResponse:
    """Ask (GET), then mark an offline host as lost, with its jobs and deployments (POST)."""
    host = get_object_or_404(Host, name=name)
    if request.method == "POST":
        _mark_lost(request, host)
        return redirect("host-detail", host.name)
    (view,) = host_views([host_page(name, waiting=0).now], request.user)
    context = {
        "host": host,
        "away": view.is_away,
        "jobs": view.now.on_host,
        "deployments": view.now.deployments,
    }
    return render(request, "hosts/mark_lost.html", context)


def _mark_lost(request: HttpRequest, host: Host) -> None:
    try:
        lost = mark_lost(host.pk, cast(User, request.user))
    except HostAnswers:
        messages.error(request, gettext("Not marked as lost: the host is online again."))
        return
    record(request.user, "host.mark_lost", f"host {host.name}", lost=lost)
    dispatch.run()


urlpatterns: list[URLPattern] = [
    path("", host_list, name="host-list"),
    *host_keys.urlpatterns,
    *host_queue.urlpatterns,
    *host_launchers.urlpatterns,
    path("<slug:name>/", host_detail, name="host-detail"),
    path("<slug:name>/drain/", host_drain, name="host-drain"),
    path("<slug:name>/slots/", host_slots, name="host-slots"),
    path("<slug:name>/dies/forget/", host_forget_dies, name="host-forget-dies"),
    path(
        "<slug:name>/refusals/forget/",
        host_forget_refusals,
        name="host-forget-refusals",
    ),
    path("<slug:name>/mark-lost/", host_mark_lost, name="host-mark-lost"),
]
