"""Hosts: list, host, queue, launch rights, adding, keys; a host as other pages show it."""

import shlex
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache

from dashboard.actions import hosts as actions
from dashboard.actions import jobs as job_actions
from dashboard.config.host_env import host_file, out_of_reach
from dashboard.intake.ingest import PROTOCOL
from dashboard.pages.shared.addresses import or_404
from dashboard.pages.shared.die_grid import (
    HOT_C,
    Cards,
    Die,
    cards,
    has_iommu,
    health_of,
    name_of,
    path_of,
    problems_of,
)
from dashboard.pages.shared.engine_rates import rates
from dashboard.pages.shared.groups import rows_of
from dashboard.pages.shared.queue_section import section
from dashboard.security.permissions import allowed, requires
from dashboard.security.request import person
from dashboard.text import queue_words
from dashboard.text.labels import host_title, stack_name
from jobs.access import valkey_users
from jobs.base.errors import JobsError, LaunchError
from jobs.base.numbers import number_from
from jobs.models import Account, Deployment, Host, Job
from jobs.queries.hosts import HostNow, host_page, hosts_now, is_away, lacks_room
from jobs.queries.jobs.groups import firsts
from jobs.schedule.launch_rights import launcher_names, may_launch
from jobs.schedule.queue import Move, PassesOthers
from jobs.services import hosts

_WAITING = 10  # rows of its queue on the page of one host; a list has the first
PAGE = 50  # rows on a page of a queue
_RECENT = 10
CLOCK_OFF_S = 5.0  # beyond it times of host and dashboard are confusing side by side
LATEST = 10**11  # seconds since the epoch, long before the year 9999 ends
# Keys of other hosts are made by the dashboard itself at each start.
_WITH_OWN_KEY = Host.Type.VACC


class HostView(NamedTuple):
    """A host for its panel or page. ``here``: jobs and servers, with a ``key`` of their colour."""

    now: HostNow
    cards: Cards | None
    here: Sequence[dict[str, Any]]
    queue: Sequence[queue_words.QueueRow]

    @property
    def host(self) -> Host:
        return self.now.host

    @property
    def name(self) -> str:
        return host_title(self.host)

    @property
    def is_away(self) -> bool:
        """True when it was there and is silent now."""
        return self.host.heartbeat_at is not None and is_away(self.host)

    @property
    def lacks_valkey_user(self) -> bool:
        """True when its jobs would start sooner with a new key."""
        return valkey_users.lacks_user(self.host)

    @property
    def iommu(self) -> bool:
        """True when it is on, with which no card works."""
        return has_iommu(self.host, self._dies)

    @property
    def is_full(self) -> bool:
        return not self.is_away and lacks_room(self.host)

    @property
    def power_kw(self) -> float | None:
        watts = self.cards.power_w if self.cards else None
        return None if watts is None else watts / 1000

    @property
    def unread(self) -> list[tuple[str, str]]:
        """Return (command, output) of ``vasmi``, where the output was not understood."""
        outputs = self.host.load.get("unread")
        if not isinstance(outputs, dict) or self.is_away:
            return []
        return [(str(command), str(text)) for command, text in outputs.items()]

    @property
    def refusals(self) -> list[dict[str, Any]]:
        """Return refused messages, newest first: when, what they were about, and the problem."""
        return [one | {"at": datetime.fromisoformat(one["at"])} for one in self.host.refusals]

    @property
    def state(self) -> str:
        return health_of(self.host, self._dies)

    @property
    def problems(self) -> list[str]:
        return list(problems_of(self.host, self._dies))

    @property
    def _dies(self) -> Sequence[Die]:
        return self.cards.dies if self.cards else ()

    @property
    def free(self) -> int:
        """Number of dies that a job could use now."""
        return 0 if self.iommu or not self.cards else self.cards.free

    @property
    def queued_more(self) -> int:
        return self.now.queued_count - len(self.queue)

    @property
    def about(self) -> str:
        """Return a line: "8 cards, 32 dies · Deployment guide · driver 00.25.12.30"."""
        facts = self.host.facts
        if self.cards is None:
            return str(facts.get("os", ""))
        count, dies = self.cards.count, len(self.cards.dies)
        text = ngettext("%(n)s card", "%(n)s cards", count) % {"n": count}
        text += _(", ") + ngettext("%(n)s die", "%(n)s dies", dies) % {"n": dies}
        parts = [text]
        stacks = facts.get("stacks")
        if isinstance(stacks, list) and stacks:
            names = _(", ").join(stack_name(str(stack)) for stack in stacks)
            parts.append(_("stacks: %(names)s") % {"names": names})
        if driver := str(facts.get("driver", "")).split():
            parts.append(_("driver %(version)s") % {"version": driver[0]})
        return " · ".join(parts)


def host_views(found: Sequence[HostNow], user: AbstractBaseUser | AnonymousUser) -> list[HostView]:
    """Return hosts as ``user`` sees them; those with cards first."""
    known = rates([item for one in found for item in one.deployments])
    views = []
    for one in found:
        grid, here = cards(one.host, one.held), []
        subjects: list[Job | Deployment] = [*one.deployments, *one.on_host]
        for subject in subjects:
            path = path_of(subject)
            key, dies = grid.held.get(path, (0, 0)) if grid else (0, 0)
            is_deployment = isinstance(subject, Deployment)
            rate = known.get(subject.pk) if is_deployment else None
            here.append(
                {
                    "subject": subject,
                    "name": name_of(subject),
                    "path": path,
                    "key": key,
                    "dies": dies,
                    "rate": rate.output if rate else None,
                    "is_deployment": is_deployment,
                }
            )
        views.append(HostView(one, grid, here, queue_words.rows(user, one.queued)))
    return sorted(views, key=lambda view: view.cards is None)


@requires("host.view", "GET")
def host_list(request: HttpRequest) -> HttpResponse:
    views = host_views(hosts_now(waiting=1), request.user)
    title = ngettext("%(n)s host", "%(n)s hosts", len(views)) % {"n": len(views)}
    if away := sum(view.is_away for view in views):
        title += _(", %(n)s offline") % {"n": away}
    if unwell := sum(view.state == "unwell" for view in views):
        text = ngettext("%(n)s needs attention", "%(n)s need attention", unwell)
        title += _(", ") + text % {"n": unwell}
    if grids := [view.cards for view in views if view.cards]:
        counts = {"free": sum(view.free for view in views)}
        counts["all"] = sum(len(grid.dies) for grid in grids)
        title += _(", %(free)s of %(all)s dies free") % counts
    context = {
        "with_cards": [view for view in views if view.cards],
        "others": [view for view in views if not view.cards],
        "title": title,
        "hot_c": HOT_C,
        "may_add": allowed(request.user, "host.add"),
        "may_change": allowed(request.user, "host.change"),
    }
    return render(request, "hosts/list.html", context)


@requires("host.view", "GET")
def host_detail(request: HttpRequest, name: str) -> HttpResponse:
    return _detail(request, name)


def _detail(request: HttpRequest, name: str, slots_error: str = "") -> HttpResponse:
    page = or_404(host_page, name)
    (view,), user = host_views([page.now], request.user), request.user
    host = view.host
    (recent,) = rows_of(request, (firsts(page.recent, _RECENT), page.recent))
    context = {
        "page": page,
        "recent": recent,
        "section": section(request, host, 1, _WAITING),
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
        "may_key": allowed(user, "host.key", host) and host.type == _WITH_OWN_KEY,
    }
    return render(request, "hosts/detail.html", context, status=422 if slots_error else 200)


@requires("host.change", "GET", "POST")
def host_drain(request: HttpRequest, name: str) -> HttpResponse:
    """Ask (GET), then stop or resume sending new jobs to a host: ``draining`` is "1" or "0"."""
    host = get_object_or_404(Host, name=name)
    if request.method != "POST":
        queued = host.jobs.filter(state=Job.State.QUEUED).count()
        context = {"host": host, "queued": queued, "origin": request.GET.get("from", "")}
        return render(request, "hosts/drain.html", context)
    draining = request.POST.get("draining") == "1"
    actions.drain(request.user, host, draining=draining)
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
    actions.set_slots(request.user, host, slots)
    return redirect("host-detail", host.name)


@requires("host.change", "POST")
def host_forget(
    request: HttpRequest, name: str, forget: Callable[[Any, Host], object]
) -> HttpResponse:
    """Stop listing missing dies, after a card was removed, or refused messages."""
    host = get_object_or_404(Host, name=name)
    forget(request.user, host)
    return redirect("host-detail", host.name)


@requires("host.mark_lost", "GET", "POST")
def host_mark_lost(request: HttpRequest, name: str) -> HttpResponse:
    """Ask (GET), then mark an offline host as lost, with its jobs and deployments (POST)."""
    host = get_object_or_404(Host, name=name)
    if request.method == "POST":
        try:
            actions.mark_lost(request.user, host)
        except hosts.HostAnswers:
            messages.error(request, _("Not marked as lost: the host is online again."))
        return redirect("host-detail", host.name)
    (view,) = host_views([host_page(name).now], request.user)
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
        try:
            people = actions.people_named(names)
        except LaunchError as error:
            return _launchers(request, host, names, error=str(error))
    actions.set_launchers(request.user, host, people)
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
    """Show a host's queue in order, from position ``from`` on (1 is the first)."""
    host = get_object_or_404(Host, name=name)
    start = max(1, number_from(request.GET.get("from", "")) or 1)
    shown = section(request, host, start, PAGE)
    context = {"host": host, "name": host_title(host), "section": shown, "start": start}
    return render(request, "hosts/queue.html", context)


@requires("job.order", "POST")
def job_move(request: HttpRequest, job_id: int) -> HttpResponse:
    """Move a waiting job, or with ``whole`` its group: ``to`` first, earlier, later or last; or
    ``before`` or ``after`` one."""
    return _ordered(request, job_id, lambda job: job_actions.move(request.user, job, request.POST))


@requires("job.order", "POST")
def job_priority(request: HttpRequest, job_id: int) -> HttpResponse:
    """Give a waiting job, or with ``whole`` its group, a ``priority``: urgent, normal or low."""
    name, whole = request.POST.get("priority", ""), bool(request.POST.get("whole"))
    return _ordered(
        request, job_id, lambda job: job_actions.set_priority(request.user, job, name, whole=whole)
    )


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
    by_script = request.headers.get("Accept") == "application/json"
    try:
        moved = change(job)
    except (JobsError, PermissionDenied) as refused:
        forbidden = isinstance(refused, PermissionDenied)
        text = _("Not allowed: another person launched this job.") if forbidden else str(refused)
        if by_script:
            status = 403 if forbidden or isinstance(refused, PassesOthers) else 409
            return JsonResponse({"message": text}, status=status)
        messages.error(request, text)
    else:
        if moved is not None and by_script:
            return JsonResponse({"was": moved.was, "now": moved.now})
    # Back to the page of the pressed button: the job's, the host's, or its queue there.
    if request.POST.get("from") == "job":
        return redirect("job-detail", job.pk)
    if request.POST.get("from") == "host":
        return redirect(f"{reverse('host-detail', args=[job.host.name])}#queue")
    start = number_from(request.POST.get("start", ""))
    query = f"?from={start}" if start else ""
    row = f"#queue-{job.pk}{'-all' if request.POST.get('whole') else ''}"
    return redirect(f"{reverse('host-queue', args=[job.host.name])}{query}{row}")


@never_cache
@requires("host.add", "GET", "POST")
def host_add(request: HttpRequest) -> HttpResponse:
    """Add a host: form for its name (GET), then its setup commands with the key, once (POST)."""
    usual = {"name": "", "slots": str(hosts.SLOTS)}
    typed = {name: request.POST.get(name, value).strip() for name, value in usual.items()}
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            slots = hosts.read_slots(typed["slots"])
            host, made = actions.add(request.user, typed["name"], slots=slots)
        except LaunchError as error:
            errors[error.field] = str(error)
        else:
            return _shown_once(request, host, made, is_new=True)
    context = {"typed": typed, "errors": errors, **_reach()}
    return render(request, "hosts/add.html", context, status=422 if errors else 200)


def host_with_own_key(name: str) -> Host:
    """Return a host whose key people make and revoke. Raises ``Http404``."""
    return get_object_or_404(Host, name=name, type=_WITH_OWN_KEY)


@never_cache
@requires("host.key", "GET", "POST")
def host_new_key(request: HttpRequest, name: str) -> HttpResponse:
    host = host_with_own_key(name)
    if request.method == "GET":
        return render(request, "hosts/new_key.html", {"host": host})
    made = actions.new_key(request.user, host)
    return _shown_once(request, host, made, is_new=False)


@requires("host.key", "GET", "POST")
def host_revoke_key(request: HttpRequest, name: str) -> HttpResponse:
    host = host_with_own_key(name)
    if request.method == "GET":
        (view,) = host_views([host_page(name).now], request.user)
        context = {"host": host, "view": view, "redis_command": valkey_users.command_without(host)}
        return render(request, "hosts/revoke.html", context)
    actions.revoke_key(request.user, host)
    return redirect("host-detail", host.name)


@requires("host.view", "GET")
def host_arrival(request: HttpRequest, name: str) -> HttpResponse:
    """Show whether a host reported ``since`` (seconds since the epoch): a live fragment."""
    host = get_object_or_404(Host, name=name)
    since = number_from(request.GET.get("since", "")) or 0
    return render(request, "hosts/_arrival.html", arrival_of(host, min(since, LATEST)))


def _shown_once(
    request: HttpRequest, host: Host, made: hosts.Credentials, *, is_new: bool
) -> HttpResponse:
    """The page with the key. It has no address of its own: nobody sees it a second time."""
    context = {
        "is_new": is_new,
        "file": host_file(host.name, made),
        "redis_command": valkey_users.command_for(host),
        "folder": shlex.quote(str(settings.BASE_DIR)),
        **arrival_of(host, int(now().timestamp())),
        **_reach(),
    }
    return render(request, "hosts/install.html", context)


def arrival_of(host: Host, since: int) -> dict[str, Any]:
    """Return whether a host reported after ``since``, seconds since the epoch."""
    heard = host.heartbeat_at is not None and host.heartbeat_at.timestamp() > since
    facts, speaks_ours = host.facts if heard else {}, host.protocol == PROTOCOL
    return {
        "host": host,
        "since": since,
        "heard": heard,
        "facts": facts,
        "clock_is_right": abs(host.clock_skew_s) < CLOCK_OFF_S,
        "speaks_ours": speaks_ours,
        "has_arrived": heard and bool(facts) and speaks_ours,
    }


def _reach() -> dict[str, Any]:
    """Return settings that other machines still need, and the start command with them."""
    missing = out_of_reach()
    each = {
        "PUBLIC_URL": f"BIND=0.0.0.0 \\\n  PUBLIC_URL=http://10.0.0.5:{settings.ENV.port}",
        "VALKEY_LISTEN": "VALKEY_LISTEN=10.0.0.5:6380",
        "HOST_REDIS_URL": "HOST_REDIS_URL='redis://host-{host}:{password}@10.0.0.5:6379/0'",
    }
    start = " \\\n  ".join([each[name] for name in missing] + ["make run"])
    return {"missing": missing, "start": start, "public_url": settings.PUBLIC_URL}


_DIES, _REFUSALS = {"forget": actions.forget_dies}, {"forget": actions.forget_refusals}
urlpatterns: list[URLPattern] = [
    path("", host_list, name="host-list"),
    # No host can be called this: a name has no underscore.
    path("add_host/", host_add, name="host-add"),
    path("<slug:name>/", host_detail, name="host-detail"),
    path("<slug:name>/queue/", host_queue, name="host-queue"),
    path("<slug:name>/launchers/", host_launchers, name="host-launchers"),
    path("<slug:name>/drain/", host_drain, name="host-drain"),
    path("<slug:name>/slots/", host_slots, name="host-slots"),
    path("<slug:name>/dies/forget/", host_forget, _DIES, name="host-forget-dies"),
    path("<slug:name>/refusals/forget/", host_forget, _REFUSALS, name="host-forget-refusals"),
    path("<slug:name>/mark-lost/", host_mark_lost, name="host-mark-lost"),
    path("<slug:name>/key/", host_new_key, name="host-new-key"),
    path("<slug:name>/revoke/", host_revoke_key, name="host-revoke-key"),
    path("<slug:name>/arrival/", host_arrival, name="host-arrival"),
]
job_urlpatterns: list[URLPattern] = [
    path("<int:job_id>/move/", job_move, name="job-move"),
    path("<int:job_id>/priority/", job_priority, name="job-priority"),
    path("<int:job_id>/exclusive/", job_exclusive, name="job-exclusive"),
]
