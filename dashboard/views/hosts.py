"""Pages about hosts."""

from __future__ import annotations

from typing import cast

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.audit import record
from dashboard.diegrid import cards, grid
from dashboard.rights import allowed, requires
from jobs import dispatch
from jobs.models import Host, Job
from jobs.queries.host_page import HostNow, host_page, hosts_now
from jobs.queries.hosts import dies, is_away
from jobs.services.hosts import HostAnswers, give_up, set_draining


@require_GET
@requires("host.view")
def host_list(request: HttpRequest) -> HttpResponse:
    """Every host, with what runs there."""
    hosts = hosts_now()
    rows = [{"now": now, "cards": cards(now.host)} for now in hosts]
    return render(request, "hosts/list.html", {"rows": rows, "title": _title(hosts)})


def _title(hosts: list[HostNow]) -> str:
    """A sentence: "4 hosts, 43 of 95 dies free"."""
    text = ngettext("%(n)s host", "%(n)s hosts", len(hosts)) % {"n": len(hosts)}
    every = [now.host for now in hosts if dies(now.host)]
    away = sum(is_away(now.host) for now in hosts)
    if every:
        total = sum(len(dies(host)) for host in every)
        known = [host for host in every if not is_away(host)]
        free = sum(len(dies(host)) - grid(host).held for host in known)
        text += gettext(", %(free)s of %(all)s dies free") % {"free": free, "all": total}
    if away:
        text += gettext(", %(n)s away") % {"n": away}
    return text


@require_GET
@requires("host.view")
def host_detail(request: HttpRequest, name: str) -> HttpResponse:
    """One host: what it has, what it holds, what runs there."""
    try:
        page = host_page(name)
    except Host.DoesNotExist:
        raise Http404(name) from None
    context = {
        "page": page,
        "now": page.now,
        "host": page.now.host,
        "cards": cards(page.now.host),
        "away": is_away(page.now.host) and page.now.host.heartbeat_at is not None,
        "may_change": allowed(request.user, "host.change", page.now.host),
        "may_give_up": allowed(request.user, "host.give_up", page.now.host),
    }
    return render(request, "hosts/detail.html", context)


@require_POST
@requires("host.change")
def host_drain(request: HttpRequest, name: str) -> HttpResponse:
    """Stop or resume sending new jobs to a host: ``draining`` is "1" or "0"."""
    host = get_object_or_404(Host, name=name)
    draining = request.POST.get("draining") == "1"
    if set_draining(host.name, draining=draining):
        record(request.user, "host.change", f"host {host.name}", draining=draining)
        dispatch.look()
    return redirect("host-detail", host.name)


@require_http_methods(["GET", "POST"])
@requires("host.give_up")
def host_gone(request: HttpRequest, name: str) -> HttpResponse:
    """Ask (GET), then call lost (POST) what an away host had: somebody knows that it is gone."""
    host = get_object_or_404(Host, name=name)
    if request.method == "POST":
        _give_up(request, host)
        return redirect("host-detail", host.name)
    now = host_page(name).now
    context = {
        "host": host,
        "away": is_away(host),
        "jobs": [job for job in now.jobs if job.state in Job.ON_HOST_STATES],
        "deployments": now.deployments,
    }
    return render(request, "hosts/gone.html", context)


def _give_up(request: HttpRequest, host: Host) -> None:
    try:
        lost = give_up(host.pk, cast(User, request.user))
    except HostAnswers:
        messages.error(request, gettext("It answers again, so nothing was given up."))
        return
    record(request.user, "host.give_up", f"host {host.name}", lost=lost)
    dispatch.look()


urlpatterns: list[URLPattern] = [
    path("", host_list, name="host-list"),
    path("<slug:name>/", host_detail, name="host-detail"),
    path("<slug:name>/drain/", host_drain, name="host-drain"),
    path("<slug:name>/gone/", host_gone, name="host-gone"),
]
