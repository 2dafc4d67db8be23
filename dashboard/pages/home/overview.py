"""Overview page, the tour with its start, and the fragment of the page frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.actions import jobs as job_actions
from dashboard.actions.action import once
from dashboard.pages.hosts.host_rows import host_views
from dashboard.pages.jobs.failures import advice, server_advice
from dashboard.pages.shared.die_grid import grid
from dashboard.pages.shared.engine_rates import rates
from dashboard.pages.shared.remedies import actions
from dashboard.security.permissions import allowed, requires
from dashboard.server.health import low_disk_bytes
from dashboard.text import queue_words
from dashboard.text.formatting import size_text
from dashboard.text.labels import kind_title
from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog import QUESTION_SETS, SHIPPED
from jobs.kinds import KINDS
from jobs.models import Environment, Job
from jobs.queries import overview as queries
from jobs.queries.hosts import hosts_now
from jobs.queries.jobs.job_page import newest_chain

_DISMISSED = "dismissed chain"  # session key: the dismissed pipeline
# Duration of the tour on two idle and on two busy cores, as in the README. The first tour also
# installs two environments (TOUR_INSTALLS_S, from a near package mirror).
TOUR_MINUTES = (3, 4)
TOUR_INSTALLS_S = 45
TOUR_MODEL = str(KINDS["prepare"].Params.model_fields["model"].default)


@dataclass(frozen=True, slots=True)
class TourStep:
    """Job of the tour. ``seconds``: estimate on two cores, between idle and busy."""

    title: str
    does: str
    size: str
    seconds: int


@requires("overview.view", "GET")
def overview(request: HttpRequest) -> HttpResponse:
    """Overview page: running, queued and failed jobs, latest results; ``?whose=mine`` filters."""
    if queries.is_new():
        return render(request, "overview/first.html", _first(request))
    mine = request.GET.get("whose") == "mine"
    context = _busy(request.user, mine=mine)
    chain = newest_chain(_midnight())
    if chain is None or str(chain.id) != request.session.get(_DISMISSED):
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


def tour_steps() -> list[TourStep]:
    """Return the five jobs in order, with numbers from the catalogue and the kinds' defaults."""
    model = SHIPPED[TOUR_MODEL]
    source = model.package
    assert source is not None  # noqa: S101 -- the tour's model comes in a package
    questions = QUESTION_SETS[_default("evaluate", "questions")].questions
    cells = _default("benchmark", "concurrency")
    requests = _default("benchmark", "requests") * len(cells)
    from_size = {"size": size_text(source.bytes), "precision": source.precision}
    at = {"cells": ", ".join(map(str, cells))}
    steps = {
        "prepare": (
            _("download %(model)s, verify SHA-256") % {"model": model.name},
            size_text(source.wheel_bytes),
            10,
        ),
        "compile": (
            _("convert and quantise to int8 (Q8_0)"),
            _("from %(size)s of %(precision)s") % from_size,
            5,
        ),
        "deploy": (_("serve an OpenAI-compatible API with llama.cpp"), _("a free port"), 5),
        "benchmark": (
            _("EvalScope at concurrency %(cells)s, with live charts") % at,
            _("%(n)s requests") % {"n": requests},
            85,
        ),
        "evaluate": (
            _("EvalScope on the included questions, with all answers stored"),
            _("%(n)s questions") % {"n": len(questions)},
            60,
        ),
    }
    return [TourStep(kind_title(kind), *step) for kind, step in steps.items()]


def _default(kind: str, field: str) -> Any:
    value = KINDS[kind].Params.model_fields[field].get_default(call_default_factory=True)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


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
        "failed_today": [
            (job, advice(job), actions(job, viewer)[:1])
            for job in queries.failed_today(user, midnight)
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


def _waiting(user: Any) -> list[tuple[Job, Message, str, int]]:
    """Return queued jobs: reason, start estimate, number of further jobs of the pipeline."""
    entries = queries.waiting(user)
    waits = queue_words.waits([item.job for item in entries])
    found = [(item, *waits[item.job.pk]) for item in entries]
    return [
        (item.job, why, queue_words.starts_in(starts), item.more) for item, why, starts in found
    ]


def serving_panel() -> dict[str, Any]:
    running = queries.serving()
    found = rates([item.deployment for item in running])
    return {"serving": [(item, found.get(item.deployment.pk)) for item in running]}


@requires("deployment.view", "GET")
def serving(request: HttpRequest) -> HttpResponse:
    """Return the deployments panel alone, for live updates."""
    return render(request, "overview/_serving.html", serving_panel())


def _title(counts: dict[str, int]) -> str:
    """Return the summary: "3 jobs running, 3 queued, 2 failed today"."""
    running, needs_confirmation = counts["running"], counts["needs_confirmation"]
    waiting = counts["waiting"] - needs_confirmation
    parts = []
    if running:
        parts.append(ngettext("%(n)s job running", "%(n)s jobs running", running) % {"n": running})
    if waiting:
        parts.append(ngettext("%(n)s queued", "%(n)s queued", waiting) % {"n": waiting})
    if needs_confirmation:
        text = ngettext("%(n)s needs confirmation", "%(n)s need confirmation", needs_confirmation)
        parts.append(text % {"n": needs_confirmation})
    parts = parts or [_("No jobs running")]
    if counts["failed_today"]:
        parts.append(_("%(n)s failed today") % {"n": counts["failed_today"]})
    return _(", ").join(parts)


@requires("job.launch", "POST")
def tour_start(request: HttpRequest) -> HttpResponse:
    host = queries.this_computer()
    if host is None:
        messages.error(request, _("This computer is not a host."))
    else:
        try:
            once(request, lambda: len(job_actions.launch_tour(request.user, host)))
        except LaunchError as error:
            messages.error(request, str(error))
    return redirect("overview")


@requires("overview.view", "POST")
def chain_dismiss(request: HttpRequest) -> HttpResponse:
    """Dismiss the pipeline ``chain`` for this session."""
    request.session[_DISMISSED] = request.POST.get("chain", "")[:36]
    return redirect("overview")


@requires("overview.view", "GET")
def frame(request: HttpRequest) -> HttpResponse:
    """Return navigation and dies of the side rail for live updates: ``?of=<path>``."""
    return render(request, "_frame.html", {})


urlpatterns: list[URLPattern] = [
    path("", overview, name="overview"),
    path("tour/", tour_start, name="tour-start"),
    path("chain/dismiss/", chain_dismiss, name="chain-dismiss"),
    path("serving/", serving, name="serving"),
    path("frame/", frame, name="frame"),
]
