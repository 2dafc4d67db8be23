"""HTTP of a host to the dashboard. Requests to engines: :mod:`jobs.host.base.engine_http`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

PART = 64 * 1024  # of an answer, read at once


class _Adapter(HTTPAdapter):
    """TLS trusts the authorities of this system (or of ``SSL_CERT_FILE``), because an office adds
    its own to them; requests would trust those in the package certifi.
    """

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Name no file: each connection then loads the system's authorities, and is verified."""


class HostSession:
    """Connections to one server, ``connections`` of them kept; threads may share a session.

    Requests go straight to the adapter. A ``requests.Session`` above it would read the environment
    (proxy, ``.netrc``, authorities), follow redirects, keep cookies, and look for all of these at
    each chunk of a log. The adapter sends nothing twice: only its caller knows what may be
    repeated, and who may see its key.
    """

    def __init__(self, *, connections: int = 1) -> None:
        self._adapter = _Adapter(pool_connections=1, pool_maxsize=connections)

    def __enter__(self) -> HostSession:
        return self

    def __exit__(self, *_error: object) -> None:
        self._adapter.close()

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
        """Return status and body of the answer, also of a redirect.

        ``timeout``: seconds to connect, and between any two bytes. ``longest``: bytes of a body.

        Raises:
            OSError: no answer, or an answer that is incomplete or too long.
            ValueError: no such address, or a header that cannot be sent.
        """
        content = bytearray()
        with self._sent(method, url, body, headers=headers, timeout=timeout) as answer:
            for part in answer.iter_content(PART):
                content += part
                if len(content) > longest:
                    raise OSError(f"the answer is longer than {longest} bytes")
        return answer.status_code, bytes(content)

    def _sent(
        self,
        method: str,
        url: str,
        body: bytes | None,
        *,
        headers: Mapping[str, str] | None,
        timeout: tuple[float, float],
    ) -> Response:
        request = PreparedRequest()
        request.prepare_method(method)
        request.url = url  # not prepare_url, which parses and quotes it again for each request
        request.prepare_headers(headers)
        request.prepare_body(body, None)
        return self._adapter.send(request, timeout=timeout, stream=True)


def reason(error: Exception) -> str:
    """Return the cause as the system or TLS states it.

    requests wraps the cause in texts about its retries, although it retries nothing.
    """
    inner = error.args[0] if error.args else None
    why = getattr(inner, "reason", None)
    return str(why.__cause__ or why) if isinstance(why, Exception) else str(error)
