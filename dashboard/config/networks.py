"""Settings that are lists of addresses and networks. Standard library only."""

from __future__ import annotations

import ipaddress

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def read_networks(raw: str) -> tuple[Network, ...]:
    """Addresses and networks, separated by commas or spaces; or nothing."""
    try:
        return tuple(ipaddress.ip_network(word) for word in raw.replace(",", " ").split())
    except ValueError as error:
        raise ValueError(
            'addresses and networks, such as "127.0.0.1" or "10.0.0.5, 10.1.0.0/16"'
        ) from error
