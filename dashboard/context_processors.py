"""Frame of every page: areas with counts, and the dies of every host."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard import __version__
from dashboard.pages.shared.die_grid import grid
from dashboard.pages.shared.manual import help_for
from dashboard.pages.shared.places import AREAS, may_open
from jobs.models import Deployment, Host, Job
from jobs.queries.hosts import held_on, is_away


@dataclass(frozen=True, slots=True)
class Area:
    """One entry of the rail. ``alarm``: why its count is marked. ``short``: its title on a phone,
    where only areas with one are."""

    name: str
    title: str
    icon: str
    count: int = 0
    alarm: str = ""
    short: str = ""
    starts_group: bool = False

    @property
    def path(self) -> str:
        return "" if self.name == "overview" else f"{self.name}/"


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor: ``frame``, and the ``version`` of the dashboard. The frame asks the
    database only when a template reads it: fragments and the login do not."""
    return {"frame": SimpleLazyObject(lambda: _frame(request)), "version": __version__}


def _frame(request: HttpRequest) -> dict[str, Any]:
    """Return the name of the page's area, its help below docs/, all areas, and hosts with cards."""
    hosts = list(Host.objects.all())
    held = held_on(hosts)
    return {
        "area": _area(request),
        "help": help_for(request.resolver_match.view_name if request.resolver_match else ""),
        "areas": _areas(request, hosts),
        "fleet": [
            {"host": host, "grid": grid(host, held=held[host.pk]), "away": is_away(host)}
            for host in hosts
            if host.pk in held
        ],
    }


def _areas(request: HttpRequest, hosts: list[Host]) -> list[Area]:
    away = sum(1 for host in hosts if host.heartbeat_at is not None and is_away(host))
    alarm = ngettext("%(n)s host is away", "%(n)s hosts are away", away) % {"n": away}
    # Counted by an index: every page asks, and there may be a hundred thousand that are over.
    open_jobs = Job.objects.filter(state__in=Job.OPEN_STATES).count()
    live = Deployment.objects.filter(state__in=Deployment.LIVE_STATES).count()
    counts = {"jobs": open_jobs, "deployments": live, "hosts": away or len(hosts)}
    short = {name: AREAS[name].title for name in ("overview", "jobs", "results")}
    short["playground"] = _("Chat")
    shown = [name for name, place in AREAS.items() if may_open(request.user, place)]
    of_team = next((name for name in shown if AREAS[name].action), "")
    return [
        Area(
            *(name, str(AREAS[name].title), AREAS[name].icon, counts.get(name, 0)),
            alarm=alarm if away and name == "hosts" else "",
            short=str(short.get(name, "")),
            starts_group=name in ("models", of_team),
        )
        for name in shown
    ]


def _area(request: HttpRequest) -> str:
    """The area of the page: "/jobs/17/" is of "jobs". The rail's own fragment names it."""
    first = request.path_info.strip("/").split("/", 1)[0]
    if first == "frame":
        return request.GET.get("of", "")
    return {"": "overview", "launch": "jobs", "matrices": "jobs"}.get(first, first)
