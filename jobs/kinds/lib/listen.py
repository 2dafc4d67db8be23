"""Listen addresses of servers, as people choose them in forms."""

from __future__ import annotations

from django.utils.translation import gettext as _

from jobs.base import engine_addresses
from jobs.base.errors import LaunchError


def refuse(address: str, field: str = "bind") -> None:
    """Refuse an address at which no other machine reaches a server of its host.

    All addresses (``0.0.0.0``) and ``127.0.0.1`` are allowed; "" is the default.

    Raises:
        LaunchError: at ``field``.
    """
    if not address or address == engine_addresses.LOOPBACK:
        return
    try:
        ip = engine_addresses.ip_from(address)
    except ValueError:
        message = _("Enter an IP address of the host, such as 192.0.2.10.")
        raise LaunchError(message, field) from None
    is_reachable = engine_addresses.special(ip) in ("", engine_addresses.OWN)
    if not (is_reachable or ip.is_unspecified):
        message = _(
            "Enter an address of the host in its network. Loopback addresses other than 127.0.0.1, "
            "link-local and multicast addresses are not allowed."
        )
        raise LaunchError(message, field)
