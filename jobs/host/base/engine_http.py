"""GET requests to engines, which may send anything at any pace.

A redirect is an answer like others. Nothing is decompressed. The whole answer has one deadline,
because a timeout between two bytes never ends a slow one.
"""

import io
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit


def get(
    url: str,
    *,
    within_s: float,
    longest: int,
    headers: Mapping[str, str] | None = None,
    ips: Sequence[str] = (),
) -> tuple[int, bytes]:
    """Return status and body of a GET, also of a redirect. ``within_s``: seconds until the last
    byte. ``longest``: bytes of the body. ``ips``: addresses to connect to, instead of those of the
    host's name. Proxies of the environment are not used. Raises OSError: no answer, or an answer
    that is incomplete, late or too long. Raises ValueError: no such address."""
    content = bytearray()
    with _answer(url, within_s, headers or {}, ips) as answer:
        while part := answer.read(64 * 1024):
            content += part
            if len(content) > longest:
                raise OSError(f"the answer is longer than {longest} bytes")
        return answer.status, bytes(content)


def status(url: str, *, within_s: float) -> int:
    """As :func:`get`, but the body stays unread."""
    with _answer(url, within_s, {}) as answer:
        return answer.status


@contextmanager
def _answer(
    url: str, within_s: float, headers: Mapping[str, str], ips: Sequence[str] = ()
) -> Iterator[HTTPResponse]:
    deadline = time.monotonic() + within_s
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no http address")
    is_secure = parts.scheme == "https"
    at = (parts.hostname, parts.port or (443 if is_secure else 80))
    connection = (HTTPSConnection if is_secure else HTTPConnection)(*at)
    try:
        sock = _connected([(ip, at[1]) for ip in ips] or [at], deadline)
    except TimeoutError as error:
        raise TimeoutError(f"no connection within {within_s:g} s") from error
    try:
        if is_secure:
            sock.settimeout(_left(deadline))
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=at[0])
        connection.sock = _Timed(sock, deadline)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers=dict(headers))
        yield connection.getresponse()
    except TimeoutError as error:
        raise TimeoutError(f"no complete answer within {within_s:g} s") from error
    except HTTPException as error:
        raise OSError(f"no HTTP: {error!r}"[:200]) from error
    finally:
        sock.close()


def _connected(places: Sequence[tuple[str, int]], deadline: float) -> socket.socket:
    """Return a connection to the first place that accepts one."""
    for place in places[:-1]:
        try:
            return socket.create_connection(place, _left(deadline))
        except OSError:
            continue
    return socket.create_connection(places[-1], _left(deadline))


class _Timed:
    """Socket of a connection; each of its reads and writes ends at ``deadline``."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def close(self) -> None:
        """Leave the socket open: an answer without a length is read after this call."""

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(_left(self._deadline))
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._deadline))


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
