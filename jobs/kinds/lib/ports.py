"""Ports of a host: which of them its servers hold, and what a new server may have.

A port that a server is to have and no other; 0 stands for any that is free, which its host chooses.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from jobs.errors import LaunchError
from jobs.kinds.lib.base import AssetRef

FIRST, LAST = 1024, 65535  # below are those of the system
# What llmdeploy's processes talk to each other on, as params and a deployment's details call it.
OWN = ("publish_port", "subscribe_port")


@dataclass(frozen=True, slots=True)
class Clash:
    """A port that is wanted and that ``holder`` has; ``free`` is the next one that nobody has."""

    field: str
    port: int
    holder: str
    free: int

    @property
    def args(self) -> dict[str, Any]:
        """What fills a sentence about it."""
        return {"port": self.port, "holder": self.holder, "free": self.free}


def of_server(params: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, int]:
    """The ports that the server of such params and details is to have: field → port."""
    told = {"port": params.get("port"), **{name: details.get(name) for name in OWN}}
    return {name: int(port) for name, port in told.items() if port}


def held(servers: Iterable[AssetRef]) -> dict[int, str]:
    """Port → who has it, or has been promised it, in words."""
    found = {}
    for ref in servers:
        # One that waits for its next start has its last port only if it asked for it.
        is_up = ref.data.get("state") != "waiting"
        listens = (ref.data.get("port") if is_up else None) or ref.data.get("asked_port")
        for port in (listens, *(ref.data.get(name) for name in OWN)):
            if port:
                found[int(port)] = _holder(ref)
    return found


def _holder(ref: AssetRef) -> str:
    if ref.id is None:
        return _("job #%(job)d (%(name)s)") % {"job": ref.job or 0, "name": ref.label}
    return _("deployment %(name)s") % {"name": ref.label}


def next_free(port: int, taken: Collection[int]) -> int:
    """``port``, or the first after it that is not taken; after the last, from 1024 on."""
    while port in taken:
        port = port + 1 if port < LAST else FIRST
    return port


def clash(wanted: Mapping[str, int], servers: Iterable[AssetRef]) -> Clash | None:
    """The first of the ports, by field, that another server has."""
    taken = held(servers)
    for name, port in wanted.items():
        if port in taken:
            free = next_free(port, {*taken, *wanted.values()})
            return Clash(name, port, taken[port], free)
    return None


def refuse(wanted: Mapping[str, int], servers: Iterable[AssetRef]) -> None:
    """Refuse a port that another server has, or that stands twice: the server would not start.

    Raises:
        LaunchError: at its field.
    """
    names = list(wanted)
    for place, name in enumerate(names):
        if wanted[name] in [wanted[other] for other in names[:place]]:
            raise LaunchError(_("The two ports must differ."), name)
    found = clash(wanted, servers)
    if found:
        words = _("Port %(port)d is in use by %(holder)s. Port %(free)d is free.")
        raise LaunchError(words % found.args, found.field)
