"""Ports and listen addresses of servers. A server's port is exclusive; 0: the host chooses one."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from jobs.base import engine_addresses
from jobs.base.errors import LaunchError
from jobs.kinds.lib.base import AssetRef

FIRST, LAST = 1024, 65535  # lower ports belong to the system
# Internal ports of llmdeploy, by their names in params and deployment details.
LLMDEPLOY_PORTS = ("publish_port", "subscribe_port")


@dataclass(frozen=True, slots=True)
class Clash:
    """Requested port in use by ``holder``; ``free`` is the next free one."""

    field: str
    port: int
    holder: str
    free: int

    @property
    def args(self) -> dict[str, Any]:
        return {"port": self.port, "holder": self.holder, "free": self.free}


def of_server(params: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, int]:
    """Return the server's ports from params and details: field → port."""
    ports = {"port": params.get("port"), **{name: details.get(name) for name in LLMDEPLOY_PORTS}}
    return {name: int(port) for name, port in ports.items() if port}


def held(servers: Iterable[AssetRef]) -> dict[int, str]:
    """Return port → holder, current or promised, as text."""
    holders: dict[int, str] = {}
    for ref in servers:
        if ref.id is None:
            holder = _("job #%(job)d (%(name)s)") % {"job": ref.job or 0, "name": ref.label}
        else:
            holder = _("deployment %(name)s") % {"name": ref.label}
        # A server waiting for restart keeps its last port only if it was requested.
        is_up = ref.data.get("state") != "waiting"
        listens = (ref.data.get("port") if is_up else None) or ref.data.get("asked_port")
        ports = (listens, *(ref.data.get(name) for name in LLMDEPLOY_PORTS))
        holders |= {int(port): holder for port in ports if port}
    return holders


def next_free(port: int, taken: Collection[int]) -> int:
    """Return ``port``, or the next free one; after the last, search from 1024."""
    while port in taken:
        port = port + 1 if port < LAST else FIRST
    return port


def clash(wanted: Mapping[str, int], servers: Iterable[AssetRef]) -> Clash | None:
    taken = held(servers)
    for name, port in wanted.items():
        if port in taken:
            return Clash(name, port, taken[port], next_free(port, {*taken, *wanted.values()}))
    return None


def refuse(wanted: Mapping[str, int], servers: Iterable[AssetRef]) -> None:
    """Refuse a port in use, or used twice: the server would not start."""
    names = list(wanted)
    for place, name in enumerate(names):
        if wanted[name] in [wanted[other] for other in names[:place]]:
            raise LaunchError(_("The two ports must differ."), name)
    conflict = clash(wanted, servers)
    if conflict:
        message = _("Port %(port)d is in use by %(holder)s. Port %(free)d is free.")
        raise LaunchError(message % conflict.args, conflict.field)


def refuse_address(address: str) -> None:
    """Refuse an address, in ``bind``, at which no other machine reaches a server of its host. All
    addresses (``0.0.0.0``) and ``127.0.0.1`` are allowed; "" is the default."""
    if not address or address == engine_addresses.LOOPBACK:
        return
    try:
        ip = engine_addresses.ip_from(address)
    except ValueError:
        message = _("Enter an IP address of the host, such as 192.0.2.10.")
        raise LaunchError(message, "bind") from None
    is_reachable = engine_addresses.special(ip) in ("", engine_addresses.OWN)
    if not (is_reachable or ip.is_unspecified):
        message = _(
            "Enter an address of the host in its network. Loopback addresses other than 127.0.0.1, "
            "link-local and multicast addresses are not allowed."
        )
        raise LaunchError(message, "bind")
