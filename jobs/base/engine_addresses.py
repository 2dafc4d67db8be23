"""Addresses of engines: IP address and port; which of them the dashboard calls.

Host names are no such address, because a name may point elsewhere at each request. A name of the
list of permitted sources is resolved once a call (``jobs.access.sources``).
"""

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path

from jobs.base.numbers import number_from, whole

PORT_MAX = 65535
LOOPBACK = "127.0.0.1"
_DISCARD_PORT = 9
_URL = re.compile(r"http://(\[[0-9A-Fa-f:.]{2,45}\]|[0-9.]{7,15}):([0-9]{1,5})")
# "This network", whose first address is the own machine, and reserved addresses with broadcast.
_UNUSABLE = (IPv4Network("0.0.0.0/8"), IPv4Network("240.0.0.0/4"))
# Cloud services that give a machine's credentials to every program on it: AWS and others, AWS by
# IPv6, Google by IPv6, Alibaba, Azure, Oracle.
_METADATA = {
    *map(ip_address, ("169.254.169.254", "fd00:ec2::254", "fd20:ce::254")),
    *map(ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192")),
}
_NAT64 = IPv6Network("64:ff9b::/96")
LOOPBACK_RANGE, LINK_LOCAL, METADATA, OWN = "loopback", "link-local", "metadata", "own"
NO_MACHINE = "no-machine"

Ip = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """Address of an engine. Its text is the URL, without a path."""

    ip: Ip
    port: int

    def __str__(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def host(self) -> str:
        return f"[{self.ip}]" if self.ip.version == 6 else str(self.ip)


def is_callable(found: str, *, on_this_machine: bool) -> bool:
    """Return True if the dashboard may call an address of the range ``found``. Special addresses
    mean its own machine or network devices, so another host must not name them."""
    return not found or (on_this_machine and found not in (NO_MACHINE, METADATA))


def endpoint(ip: str, port: object) -> EngineAddress | None:
    """None if ``ip`` is no IP address, or ``port`` no port."""
    number = port_from(port)
    try:
        return EngineAddress(ip_from(ip), number) if number else None
    except ValueError:
        return None


def parse(url: str) -> EngineAddress | None:
    """None for a URL with a path, account or spaces, and for other text."""
    match = _URL.fullmatch(url)
    return endpoint(match[1].strip("[]"), match[2]) if match else None


def port_from(value: object) -> int | None:
    """Return a port, given as a number or its digits; None for anything else."""
    return whole(number_from(value) if isinstance(value, str) else value, PORT_MAX)


def ip_from(text: str) -> Ip:
    """Raises ValueError: no IP address, or one with a zone, which may hold any text."""
    ip = ip_address(text)
    if ip.version == 6 and ip.scope_id is not None:
        raise ValueError(f"{text!r} has a zone")
    return ip


def mapped(ip: Ip) -> Ip:
    """Return the IPv4 address that an IPv6 address stands for; otherwise ``ip``."""
    if ip.version == 4:
        return ip
    inside = IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
    return ip.ipv4_mapped or ip.sixtofour or inside or ip


def network(address: str) -> str:
    """Return what counts as one address: of IPv6 the network, because each customer has 2**64
    addresses; "" for no address."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if ip.version == 6 and ip.ipv4_mapped is None:
        return str(IPv6Network((ip, 64), strict=False))
    return address


def special(ip: Ip) -> str:
    """Return the special range of an address: one of the constants above; "" for others."""
    ip = mapped(ip)
    is_unusable = ip.version == 4 and any(ip in network for network in _UNUSABLE)
    if ip.is_unspecified or ip.is_multicast or is_unusable:
        return NO_MACHINE
    if ip in _METADATA:
        return METADATA
    if ip.is_loopback or ip.is_link_local:
        return LOOPBACK_RANGE if ip.is_loopback else LINK_LOCAL
    return OWN if _is_own(ip) else ""


def _is_own(ip: Ip) -> bool:
    """Return True for an address of this machine; also where the system cannot be asked. Only an
    own address can be bound, except with the kernel's ``ip_nonlocal_bind``. Then the system must
    call the address from itself; nothing is sent, because ``connect`` of UDP only looks up the way.
    Alone this would not do: of a network's second address the first one is the caller."""
    family = socket.AF_INET6 if ip.version == 6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((str(ip), 0))
            except OSError:
                return False
        if not _binds_any(ip.version):
            return True
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((str(ip), _DISCARD_PORT))
            except OSError:  # no way there
                return False
            return ip_address(probe.getsockname()[0].partition("%")[0]) == ip
    except OSError:  # no socket
        return True


def _binds_any(version: int) -> bool:
    path = Path(f"/proc/sys/net/ipv{version}/ip_nonlocal_bind")
    try:
        return path.read_text().strip() != "0"
    except OSError:
        return False
