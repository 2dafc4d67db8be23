"""Changes of hosts by administrators: new hosts and keys, new jobs, slots, launchers, losses."""

from typing import Annotated, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import Field, StrictBool

from dashboard.actions import hosts as actions
from dashboard.api import serving
from dashboard.api.base import ApiAnswer, Asked, Json, about, conflict
from dashboard.api.serving import HostAnswer
from dashboard.config.host_env import host_file, out_of_reach
from dashboard.pages.hosts import LATEST, arrival_of, host_with_own_key
from jobs.access import valkey_users
from jobs.models import Host
from jobs.services.hosts import MOST_SLOTS, SLOTS, Credentials, HostAnswers

hosts = serving.hosts

_Slots = Annotated[int, Field(strict=True, ge=1, le=MOST_SLOTS)]
_SLOTS = "max concurrent jobs"
# Field of the answer → what the page calls it.
_ARRIVAL = {
    "has_heartbeat": "heard",
    "protocol_matches": "speaks_ours",
    "clock_is_right": "clock_is_right",
    "has_arrived": "has_arrived",
}
_FORGET = {"dies": actions.forget_dies, "refusals": actions.forget_refusals}


def _host(name: str) -> Host:
    return get_object_or_404(Host, name=name)


class HostAsked(Asked):
    """A machine with VACC cards to add as a host."""

    name: str = about("lower-case letters, digits and hyphens")
    slots: _Slots = about(_SLOTS, SLOTS)


class HostChange(Asked):
    """A setting of a host."""

    slots: _Slots = about(_SLOTS)


class HostCredentials(ApiAnswer):
    """Settings of a host with its new key. No later call returns them."""

    name: str
    file: str = about("text of its host.env, with the key; store it with mode 0600")
    redis_command: str = about("enters its user in another Redis; empty: none is needed")
    missing_settings: list[str] = about(
        "settings of the dashboard without which no other machine reaches it"
    )


@hosts.on("POST ", "host.add", "api-hosts", HostCredentials, 201, 413, 422)
def add_host(request: HttpRequest, asked: HostAsked) -> Json:
    """Add a host. Returns its settings with the key, this once."""
    host, made = actions.add(request.user, asked.name, slots=asked.slots)
    return _credentials(host, made)


@hosts.on("PATCH /{slug:name}", "host.change", "api-host", HostAnswer, 413)
def change_host(request: HttpRequest, name: str, asked: HostChange) -> Json:
    """Change a host. Set how many jobs run there at once; running jobs continue."""
    actions.set_slots(request.user, _host(name), asked.slots)
    return HostAnswer.of(_host(name))


@hosts.on("POST /{slug:name}/key", "host.key", "api-host-key", HostCredentials)
def replace_host_key(request: HttpRequest, name: str) -> Json:
    """Replace a host's key. The old key is refused from now on. Returns the settings with the new
    one, this once; 404 for a host of the dashboard's own computer."""
    host = host_with_own_key(name)
    return _credentials(host, actions.new_key(request.user, host))


class HostKeyRevoked(ApiAnswer):
    """A host without a key."""

    name: str
    redis_command: str = about("removes its user from another Redis; empty: it has none there")


@hosts.on("DELETE /{slug:name}/key", "host.key", "api-host-key", HostKeyRevoked)
def revoke_host_key(request: HttpRequest, name: str) -> Json:
    """Revoke a host's key. The host is refused until it has a new one. 404 for a host of the
    dashboard's own computer."""
    host = host_with_own_key(name)
    command = valkey_users.command_without(host)
    actions.revoke_key(request.user, host)
    return HostKeyRevoked.of(host, redis_command=command)


def _credentials(host: Host, made: Credentials) -> Json:
    return HostCredentials.of(
        host,
        file=host_file(host.name, made),
        redis_command=valkey_users.command_for(host),
        missing_settings=out_of_reach(),
    )


class DrainAsked(Asked):
    """New jobs of a host: paused or not."""

    draining: StrictBool = about("true: no new jobs start there; running jobs continue")


@hosts.on("POST /{slug:name}/drain", "host.change", "api-host-drain", HostAnswer, 413)
def drain_host(request: HttpRequest, name: str, asked: DrainAsked) -> Json:
    """Pause or resume new jobs of a host. Running jobs and deployments continue."""
    actions.drain(request.user, _host(name), draining=asked.draining)
    return HostAnswer.of(_host(name))


class ForgetAsked(Asked):
    """Problems of a host that are no longer listed."""

    what: Literal["dies", "refusals"] = about("missing dies, or refused messages")


@hosts.on("POST /{slug:name}/forget", "host.change", "api-host-forget", HostAnswer, 413)
def forget_host_problems(request: HttpRequest, name: str, asked: ForgetAsked) -> Json:
    """Stop listing missing dies or refused messages of a host. New ones are listed again."""
    _FORGET[asked.what](request.user, _host(name))
    return HostAnswer.of(_host(name))


class HostLost(ApiAnswer):
    """A host that was marked as lost."""

    name: str
    lost: int = about("jobs and deployments that are lost with it")


@hosts.on("POST /{slug:name}/mark-lost", "host.mark_lost", "api-host-mark-lost", HostLost, 409)
def mark_host_lost(request: HttpRequest, name: str) -> Json:
    """Mark an offline host as lost. Its jobs and deployments are lost, too; 409 if the host is
    online."""
    host = _host(name)
    try:
        lost = actions.mark_lost(request.user, host)
    except HostAnswers:
        raise conflict("online", _("Not marked as lost: the host is online again.")) from None
    return HostLost.of(host, lost=lost)


class LaunchersAsked(Asked):
    """People who may launch on a host."""

    people: list[str] | None = Field(
        max_length=1000, description="user names; null: everyone. Administrators always may"
    )


@hosts.on(
    "PUT /{slug:name}/launchers", "host.launchers", "api-host-launchers", HostAnswer, 413, 422
)
def set_host_launchers(request: HttpRequest, name: str, asked: LaunchersAsked) -> Json:
    """Set who may launch on a host. Queued jobs of others fail there."""
    host = _host(name)
    people = None if asked.people is None else actions.people_named(asked.people)
    actions.set_launchers(request.user, host, people)
    return HostAnswer.of(_host(name))


class ArrivalAsked(Asked):
    """Query of a host's arrival."""

    since: int = Field(0, ge=0, le=LATEST, description="seconds since the epoch")


class HostArrival(ApiAnswer):
    """Arrival of a host that was set up: its reports to this dashboard."""

    name: str
    has_heartbeat: bool = about("it has sent a heartbeat since then")
    protocol_matches: bool = about("its version of the protocol is that of the dashboard")
    clock_is_right: bool
    has_arrived: bool = about("it has reported its facts, with the right protocol")


@hosts.on("GET /{slug:name}/arrival", "host.view", "api-host-arrival", HostArrival)
def read_host_arrival(request: HttpRequest, name: str, query: Query[ArrivalAsked]) -> Json:
    """Read whether a host has arrived. With ``since``: reports after that time only."""
    host = _host(name)
    found = arrival_of(host, query.since)
    return HostArrival.of(host, **{field: found[name] for field, name in _ARRIVAL.items()})
