"""Adding a host, and its key: shown once, made anew, revoked."""

import shlex
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path
from django.utils.timezone import now
from django.views.decorators.cache import never_cache

from dashboard.config.host_env import host_file, out_of_reach
from dashboard.intake.ingest import PROTOCOL
from dashboard.pages.hosts.host_rows import host_views
from dashboard.security.audit_log import record
from dashboard.security.permissions import requires
from jobs.access import valkey_users
from jobs.base.errors import LaunchError
from jobs.base.numbers import number_from
from jobs.models import Host
from jobs.queries.hosts import host_page
from jobs.services import hosts

CLOCK_OFF_S = 5.0  # beyond it times of host and dashboard are confusing side by side
LATEST = 10**11  # seconds since the epoch, long before the year 9999 ends


@never_cache
@requires("host.add", "GET", "POST")
def host_add(request: HttpRequest) -> HttpResponse:
    """Add a host: form for its name (GET), then its setup commands with the key, once (POST)."""
    typed = {
        "name": request.POST.get("name", "").strip(),
        "slots": request.POST.get("slots", str(hosts.SLOTS)).strip(),
    }
    errors: dict[str, str] = {}
    if request.method == "POST":
        try:
            slots = hosts.read_slots(typed["slots"])
            host, made = hosts.add(typed["name"], slots=slots)
        except LaunchError as error:
            errors[error.field] = str(error)
        else:
            record(request.user, "host.add", f"host {host.name}", slots=slots)
            return _shown_once(request, host, made, is_new=True)
    context = {"typed": typed, "errors": errors, **_reach()}
    return render(request, "hosts/add.html", context, status=422 if errors else 200)


@never_cache
@requires("host.key", "GET", "POST")
def host_new_key(request: HttpRequest, name: str) -> HttpResponse:
    host = _ours(name)
    if request.method == "GET":
        return render(request, "hosts/new_key.html", {"host": host})
    made = hosts.new_key(host.pk)
    host.refresh_from_db()
    record(request.user, "host.key", f"host {host.name}", did="new")
    return _shown_once(request, host, made, is_new=False)


@requires("host.key", "GET", "POST")
def host_revoke_key(request: HttpRequest, name: str) -> HttpResponse:
    host = _ours(name)
    if request.method == "GET":
        (view,) = host_views([host_page(name, waiting=0).now], request.user)
        context = {"host": host, "view": view, "redis_command": valkey_users.command_without(host)}
        return render(request, "hosts/revoke.html", context)
    if hosts.revoke_key(host.pk):
        record(request.user, "host.key", f"host {host.name}", did="revoke")
    return redirect("host-detail", host.name)


@requires("host.view", "GET")
def host_arrival(request: HttpRequest, name: str) -> HttpResponse:
    """Show whether a host reported ``since`` (seconds since the epoch): a live fragment."""
    host = get_object_or_404(Host, name=name)
    since = number_from(request.GET.get("since", "")) or 0
    return render(request, "hosts/_arrival.html", _arrival(host, min(since, LATEST)))


def _shown_once(
    request: HttpRequest, host: Host, made: hosts.Credentials, *, is_new: bool
) -> HttpResponse:
    """The page with the key. It has no address of its own: nobody sees it a second time."""
    context = {
        "is_new": is_new,
        "file": host_file(host.name, made),
        "redis_command": valkey_users.command_for(host),
        "folder": shlex.quote(str(settings.BASE_DIR)),
        **_arrival(host, int(now().timestamp())),
        **_reach(),
    }
    return render(request, "hosts/install.html", context)


def _arrival(host: Host, since: int) -> dict[str, Any]:
    heard = host.heartbeat_at is not None and host.heartbeat_at.timestamp() > since
    facts = host.facts if heard else {}
    speaks_ours = host.protocol == PROTOCOL
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
    port = settings.ENV.port
    each = {
        "PUBLIC_URL": f"BIND=0.0.0.0 \\\n  PUBLIC_URL=http://10.0.0.5:{port}",
        "VALKEY_LISTEN": "VALKEY_LISTEN=10.0.0.5:6380",
        "HOST_REDIS_URL": "HOST_REDIS_URL='redis://host-{host}:{password}@10.0.0.5:6379/0'",
    }
    start = " \\\n  ".join([each[name] for name in missing] + ["make run"])
    return {"missing": missing, "start": start, "public_url": settings.PUBLIC_URL}


def is_ours(host: Host) -> bool:
    """False for hosts whose keys the dashboard keeps itself, and renews at each start."""
    return host.type == Host.Type.VACC


def _ours(name: str) -> Host:
    host = get_object_or_404(Host, name=name)
    if not is_ours(host):
        raise Http404(name)
    return host


urlpatterns: list[URLPattern] = [
    # No host can be called this: a name has no underscore.
    path("add_host/", host_add, name="host-add"),
    path("<slug:name>/key/", host_new_key, name="host-new-key"),
    path("<slug:name>/revoke/", host_revoke_key, name="host-revoke-key"),
    path("<slug:name>/arrival/", host_arrival, name="host-arrival"),
]
