"""HTTP as a host speaks it: to the dashboard, and to servers that it looks at."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any

from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter

PART = 64 * 1024  # of an answer, read at once


class TooLong(OSError):
    """An answer that is longer than whoever asked takes."""


class _Adapter(HTTPAdapter):
    """TLS is checked by the authorities of this system (or of ``SSL_CERT_FILE``), which an office
    adds its own to; requests would take those in the package certifi.
    """

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Name no file: then each connection loads the system's, and has to be verified."""


class HostSession(Session):
    """Connections to servers, of which so many are kept; threads may share it.

    The environment counts for nothing: no proxy, no ``.netrc``, no bundle of authorities. Nothing
    is sent twice and no redirect followed, as only its caller knows what may be repeated and who
    may see its key. No cookie is kept.
    """

    def __init__(self, *, connections: int = 1) -> None:
        super().__init__()
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(pool_connections=1, pool_maxsize=connections))

    def get_redirect_target(self, resp: Response) -> str | None:
        """None: a redirect is an answer like another."""
        return None

    def ask(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: tuple[float, float],
        longest: int,
    ) -> tuple[int, bytes]:
        """Status and body of the answer.

        ``timeout``: seconds to connect, and between any two bytes. ``longest``: bytes of a body.

        Raises:
            OSError: there is no answer, or one that breaks off or is too long (TooLong).
            ValueError: no such address, or a header that cannot be sent.
        """
        content = bytearray()
        with self._sent(method, url, body, headers=headers, timeout=timeout) as answer:
            for part in answer.iter_content(PART):
                content += part
                if len(content) > longest:
                    raise TooLong(f"the answer is longer than {longest} bytes")
        return answer.status_code, bytes(content)

    def status(self, url: str, *, timeout: tuple[float, float]) -> int:
        """Of the answer to a GET, whose body is left unread. Raises as :meth:`ask` does."""
        with self._sent("GET", url, None, headers=None, timeout=timeout) as answer:
            return answer.status_code

    def _sent(
        self,
        method: str,
        url: str,
        body: bytes | None,
        *,
        headers: Mapping[str, str] | None,
        timeout: tuple[float, float],
    ) -> Response:
        # Not `self.request`, which takes the address and every setting apart for each chunk of a
        # log: 0.2 ms of a processor more than urllib3 alone; this takes less than 0.1 more.
        request = PreparedRequest()
        request.prepare_method(method)
        request.url = url
        request.prepare_headers(headers)
        request.prepare_body(body, None)
        return self.send(request, timeout=timeout, stream=True)


def reason(error: Exception) -> str:
    """Why nobody answered, in the words of the system or of TLS.

    requests wraps them in those of its retries, although nothing is tried again.
    """
    inner = error.args[0] if error.args else None
    why = getattr(inner, "reason", None)
    return str(why.__cause__ or why) if isinstance(why, Exception) else str(error)
