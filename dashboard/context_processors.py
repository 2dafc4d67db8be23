"""Frame of every page: areas, pages of an area, menu of the person, and the dies of every host."""

from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard import __version__
from dashboard.pages.shared.die_grid import Grid, grid, health_of
from dashboard.pages.shared.manual import help_for
from dashboard.pages.shared.places import AREAS, BELOW, MENU, landing, may_open
from dashboard.security.request import all_hosts
from jobs.base.numbers import result_number
from jobs.kinds.lib.base import endpoint_key
from jobs.models import Host, Job
from jobs.queries.hosts import held_names, is_away

_ON_A_PHONE = ("overview", "jobs", "results", "playground")  # the others are under "More"


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor: ``frame``, which asks the database only when a template reads it:
    fragments and the login do not."""
    return {"frame": SimpleLazyObject(lambda: _frame(request))}


def _frame(request: HttpRequest) -> dict[str, Any]:
    """Return the page's area with its pages (none: the page is not one of several), its help below
    docs/, all areas, the person's menu, and hosts with cards."""
    hosts = all_hosts(request)
    held = held_names(hosts)
    area, view = _area(request), request.resolver_match and request.resolver_match.view_name
    pages = AREAS.get(area, ())
    is_page = len(pages) > 1 and view in [place.view for place in pages]
    menu = [[place for place in group if may_open(request.user, place)] for group in MENU]
    grids = {host.pk: grid(host, held=held[host.pk]) for host in hosts if host.pk in held}
    return {
        "version": __version__,
        "area": area,
        "view": view,
        "pages": pages if is_page else (),
        "help": help_for(view or ""),
        "areas": _areas(hosts, grids, landing(request)),
        "new_job": _new_job(request),
        "menu": [group for group in menu if group],
        "fleet": [
            {"host": host, "grid": grids[host.pk], "away": is_away(host)}
            for host in hosts
            if host.pk in grids
        ],
    }


def _new_job(request: HttpRequest) -> str:
    """Return the query of *New job*: a new job begins with what the page is about."""
    match = request.resolver_match
    given = match.kwargs if match else {}
    view = match.view_name if match and match.view_name else ""
    begins = {
        "host": given.get("name") if view.startswith("host-") else None,
        "model": given.get("model_id"),
        "deployment": given.get("deployment_id") or request.GET.get("deployment"),
        "job": given.get("job_id"),
        "result": result_number(given["result_id"]) if "result_id" in given else None,
    }
    if "endpoint_id" in given:
        begins["deployment"] = endpoint_key(given["endpoint_id"])
    query = urlencode({name: value for name, value in begins.items() if value})
    return f"?{query}" if query else ""


def _areas(hosts: list[Host], grids: Mapping[int, Grid], landing_view: str) -> list[dict[str, Any]]:
    """Return the entries of the rail. ``alarm``: why a count is marked."""
    states = Counter(
        health_of(host, grids[host.pk].dies if host.pk in grids else ()) for host in hosts
    )
    away, unwell = states["away"], states["unwell"]
    texts = (
        ngettext("%(n)s host is offline", "%(n)s hosts are offline", away) % {"n": away},
        ngettext("%(n)s needs attention", "%(n)s need attention", unwell) % {"n": unwell},
    )
    alarm = _(", ").join(text for text, n in zip(texts, (away, unwell), strict=True) if n)
    # Counted by an index: every page asks, and there may be a hundred thousand that are over.
    open_jobs = Job.objects.filter(state__in=Job.OPEN_STATES).count()
    counts = {"jobs": open_jobs, "hosts": away + unwell or len(hosts)}
    return [
        {
            "name": name,
            "place": places[0]._replace(view=landing_view) if name == "results" else places[0],
            "count": counts.get(name, 0),
            "alarm": alarm if name == "hosts" else "",
            "on_phone": name in _ON_A_PHONE,
        }
        for name, places in AREAS.items()
    ]


def _area(request: HttpRequest) -> str:
    """The area of the page: "/jobs/17/" is of "jobs". The rail's own fragment names it."""
    first = request.path_info.strip("/").split("/", 1)[0]
    if first == "frame":
        return request.GET.get("of", "")
    if request.resolver_match and request.resolver_match.view_name == "model-pipeline":
        return "jobs"
    return BELOW.get(first, first)
