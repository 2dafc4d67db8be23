"""Frame of every page: areas with counts, and the dies of every host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext, ngettext

from dashboard import __version__
from dashboard.pages.shared.die_grid import Grid, grid
from dashboard.pages.shared.manual import help_for
from dashboard.security.permissions import allowed
from jobs.models import Deployment, Host, Job
from jobs.queries.hosts.hosts import held_on, is_away


@dataclass(frozen=True, slots=True)
class Area:
    """One entry of the rail. ``alarm``: why its count is marked."""

    name: str
    title: str
    path: str
    icon: str
    count: int = 0
    alarm: str = ""
    starts_group: bool = False
    on_phone: bool = False
    short: str = ""


@dataclass(frozen=True, slots=True)
class FleetRow:
    """A host with cards, in the rail."""

    host: Host
    grid: Grid
    away: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """Frame of a page for a logged-in person."""

    area: str
    help: str  # below docs/
    areas: tuple[Area, ...]
    fleet: tuple[FleetRow, ...]


class _LazyFrame:
    """Asks the database only when a template reads it: fragments and the login page do not."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self._frame: Frame | None = None

    def __getattr__(self, name: str) -> Any:
        if self._frame is None:
            self._frame = _frame(self._request)
        return getattr(self._frame, name)


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor: ``frame``, and the ``version`` of the dashboard."""
    return {"frame": _LazyFrame(request), "version": __version__}


def _frame(request: HttpRequest) -> Frame:
    hosts = list(Host.objects.all())
    away = sum(1 for host in hosts if host.heartbeat_at is not None and is_away(host))
    # Counted by an index: every page asks, and there may be a hundred thousand that are over.
    open_jobs = Job.objects.filter(state__in=Job.OPEN_STATES).count()
    live = Deployment.objects.filter(state__in=Deployment.LIVE_STATES).count()
    held = held_on(hosts)
    return Frame(
        area=_area(request),
        help=help_for(request.resolver_match.view_name if request.resolver_match else ""),
        areas=_areas(
            request, open_jobs=open_jobs, live_deployments=live, away_hosts=away, hosts=hosts
        ),
        fleet=tuple(
            FleetRow(host, grid(host, held=held[host.pk]), is_away(host))
            for host in hosts
            if host.pk in held
        ),
    )


def _areas(
    request: HttpRequest,
    *,
    open_jobs: int,
    live_deployments: int,
    away_hosts: int,
    hosts: list[Host],
) -> tuple[Area, ...]:
    alarm = ""
    if away_hosts:
        alarm = ngettext("%(n)s host is away", "%(n)s hosts are away", away_hosts)
        alarm %= {"n": away_hosts}
    listed = [
        _phone(Area("overview", gettext("Overview"), "", "layout-dashboard")),
        _phone(Area("jobs", gettext("Jobs"), "jobs/", "list-details", open_jobs)),
        _phone(Area("results", gettext("Results"), "results/", "table")),
        _phone(
            Area("playground", gettext("Playground"), "playground/", "message-circle"),
            gettext("Chat"),
        ),
        Area("models", gettext("Models"), "models/", "cube", starts_group=True),
        Area("questions", gettext("Data sets"), "questions/", "stack-2"),
        Area("deployments", gettext("Deployments"), "deployments/", "bolt", live_deployments),
        Area("endpoints", gettext("Endpoints"), "endpoints/", "external-link"),
        Area("hosts", gettext("Hosts"), "hosts/", "server-2", away_hosts or len(hosts), alarm),
    ]
    if allowed(request.user, "user.manage"):
        listed.append(Area("people", gettext("People"), "people/", "users", starts_group=True))
    if allowed(request.user, "secret.manage"):
        listed.append(Area("secrets", gettext("Secrets"), "secrets/", "lock"))
    if allowed(request.user, "source.view"):
        is_first = not allowed(request.user, "user.manage")
        title = gettext("Sources")
        listed.append(Area("sources", title, "sources/", "git-branch", starts_group=is_first))
    if allowed(request.user, "storage.manage"):
        listed.append(Area("storage", gettext("Storage"), "storage/", "database"))
    if allowed(request.user, "audit.view"):
        listed.append(Area("audit", gettext("Audit log"), "audit/", "file-text"))
    return tuple(listed)


def _phone(area: Area, short: str = "") -> Area:
    return Area(
        area.name,
        area.title,
        area.path,
        area.icon,
        area.count,
        on_phone=True,
        short=short or area.title,
    )


def _area(request: HttpRequest) -> str:
    """The area of the page: "/jobs/17/" is of "jobs". The rail's own fragment names it."""
    first = request.path_info.strip("/").split("/", 1)[0]
    if first == "frame":
        return request.GET.get("of", "")
    return {"": "overview", "launch": "jobs", "matrices": "jobs"}.get(first, first)
