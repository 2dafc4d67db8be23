"""The overview, the tour's button, and the frame's own fragment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_POST

from dashboard.presenters import queue
from dashboard.presenters.die_grid import grid
from dashboard.presenters.engine_rates import rates
from dashboard.presenters.host import host_views
from dashboard.presenters.job.advice import advice, server_advice
from dashboard.presenters.job.remedies import actions
from dashboard.presenters.tour import TOUR_MINUTES, tour_steps
from dashboard.security.audit_log import record
from dashboard.security.permissions import allowed, requires
from dashboard.server.health import low_disk_bytes
from jobs import launch
from jobs.errors import LaunchError
from jobs.kinds.lib.base import Remark
from jobs.models import Environment, Host, Job
from jobs.queries import overview as queries
from jobs.queries.hosts.host_page import hosts_now
from jobs.queries.jobs.chains import newest_chain

_PUT_AWAY = "chain put away"  # in the session: the chain that this person has seen


@require_GET
@requires("overview.view")
def overview(request: HttpRequest) -> HttpResponse:
    """What runs, what waits, what broke, what was found; ``?whose=mine`` for one's own."""
    if queries.is_new():
        return render(request, "overview/first.html", _first(request))
    mine = request.GET.get("whose") == "mine"
    context = _busy(request.user, mine=mine)
    chain = newest_chain(_midnight())
    if chain is None or str(chain.id) != request.session.get(_PUT_AWAY):
        context["chain"] = chain
    return render(request, "overview/index.html", context)


def _first(request: HttpRequest) -> dict[str, Any]:
    host = queries.this_computer()
    return {
        "steps": tour_steps(),
        "minutes": TOUR_MINUTES,
        "host": host,
        "can_start": host is not None and bool(host.facts) and allowed(request.user, "job.launch"),
        "prepared": Environment.objects.filter(host=host).exists(),
    }


def _midnight() -> datetime:
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def _busy(viewer: Any, *, mine: bool) -> dict[str, Any]:
    user = viewer if mine else None
    midnight = _midnight()
    counts = queries.counts(user, midnight)
    return {
        "mine": mine,
        "title": _title(counts),
        "now": timezone.localtime(),
        "counts": counts,
        **serving_panel(),
        "running": queries.running(user),
        "waiting": _waiting(user),
        "broke": [
            (job, advice(job), actions(job, viewer)[:1]) for job in queries.broke(user, midnight)
        ],
        "broken_servers": [
            (row, server_advice(row), allowed(viewer, "deployment.restart", row))
            for row in queries.broken_servers(user, midnight)
        ],
        "results": queries.results(user),
        "low_disk_bytes": low_disk_bytes(),
        "may_see_storage": allowed(viewer, "storage.manage"),
        "hosts": [
            (view, grid(view.host, held=view.now.held))
            for view in host_views(hosts_now(waiting=0), viewer)
        ],
    }


def _waiting(user: Any) -> list[tuple[Job, Remark, str, int]]:
    """Queued jobs with why they wait, when they may start, and how many more of their chain do."""
    found = queries.waiting(user)
    told = queue.waits([item.job for item in found])
    whys = {pk: (why, queue.starts_in(starts)) for pk, (why, starts) in told.items()}
    return [(item.job, *whys[item.job.pk], item.more) for item in found]


def serving_panel() -> dict[str, Any]:
    """The panel of deployments: what is up, with what each engine tells now."""
    serving = queries.serving()
    heard = rates([item.deployment for item in serving])
    return {"serving": [(item, heard.get(item.deployment.pk)) for item in serving]}


@require_GET
@requires("deployment.view")
def serving(request: HttpRequest) -> HttpResponse:
    """The panel alone, for pages that keep it up to date."""
    return render(request, "overview/_serving.html", serving_panel())


def _title(counts: dict[str, int]) -> str:
    """A sentence that concludes: "3 jobs run, 3 wait, 2 broke today"."""
    running, asking, broke = counts["running"], counts["asking"], counts["broke"]
    waiting = counts["waiting"] - asking
    parts = []
    if running:
        parts.append(ngettext("%(n)s job runs", "%(n)s jobs run", running) % {"n": running})
    if waiting:
        parts.append(ngettext("%(n)s waits", "%(n)s wait", waiting) % {"n": waiting})
    if asking:
        parts.append(
            ngettext("%(n)s needs somebody", "%(n)s need somebody", asking) % {"n": asking}
        )
    if not parts:
        parts.append(gettext("Nothing runs"))
    if broke:
        parts.append(gettext("%(n)s broke today") % {"n": broke})
    return gettext(", ").join(parts)


@require_POST
@requires("job.launch")
def tour_start(request: HttpRequest) -> HttpResponse:
    """Launch the tour on This computer, then watch it on the overview."""
    host = queries.this_computer()
    if host is None:
        messages.error(request, gettext("This computer is not among the hosts."))
    else:
        _start(request, host, request.user)
    return redirect("overview")


def _start(request: HttpRequest, host: Host, user: Any) -> None:
    try:
        stations = launch.launch_tour(host, user)
    except LaunchError as error:
        messages.error(request, str(error))
        return
    for job in stations:
        record(user, "job.launch", f"job {job.pk}", kind=job.kind, by="tour")


@require_POST
@requires("overview.view")
def chain_put_away(request: HttpRequest) -> HttpResponse:
    """Show this person no more of the chain ``chain``."""
    request.session[_PUT_AWAY] = request.POST.get("chain", "")[:36]
    return redirect("overview")


@require_GET
@requires("overview.view")
def frame(request: HttpRequest) -> HttpResponse:
    """Areas and dies of the rail alone, for pages that keep them up to date: ``?of=<path>``."""
    return render(request, "_frame.html", {})


urlpatterns: list[URLPattern] = [
    path("", overview, name="overview"),
    path("tour/", tour_start, name="tour-start"),
    path("chain/away/", chain_put_away, name="chain-put-away"),
    path("serving/", serving, name="serving"),
    path("frame/", frame, name="frame"),
]
