"""HTTP client of the dashboard: see docs/architecture.md, "The intake"."""

import json
import logging
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import zstandard
from requests import ConnectionError as NoAnswer
from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ProtocolError

from jobs.base.errors import JobsError
from jobs.base.files import write_atomic
from jobs.host.base.config import Config
from jobs.host.base.spool import Meta

PROTOCOL = 2
TIMEOUT = (5.0, 30.0)  # seconds to connect, and between any two bytes of an answer
LONGEST = 64 * 1024 * 1024  # bytes of an answer: a plan comes with its scripts and files
CONNECTIONS = 16  # that are kept; more threads than that open more
log = logging.getLogger(__name__)


class Unreachable(JobsError):
    """No answer, or one that is not the dashboard's own."""

    id = "host:unreachable"


@dataclass(frozen=True, slots=True)
class JsonReply:
    """A status and the JSON that came with it."""

    status: int
    body: Mapping[str, Any]


class Chunk:
    """Bytes of a stream or a file, as they are sent."""

    def __init__(self, raw: bytes) -> None:
        self.size = len(raw)
        self.headers = {
            "Content-Type": "application/zstd",
            "X-Crc32": str(zlib.crc32(raw)),
            "X-Raw-Bytes": str(len(raw)),
        }
        # A compressor of its own: they are not for several threads, and cost 10 µs.
        self.packed = zstandard.compress(raw, 1)


class _Adapter(HTTPAdapter):
    """TLS trusts the authorities of this system (or of ``SSL_CERT_FILE``), because an office adds
    its own to them; requests would trust those in the package certifi."""

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Name no file: each connection then loads the system's authorities, and is verified."""


class Client:
    """Connections to the dashboard; any number of threads may share them. All requests raise
    :class:`Unreachable`. The client learns the dashboard's instance from every answer and keeps it
    in ``HOST_DIR/instance``, for the agent and the worker alike."""

    def __init__(self, config: Config) -> None:
        self.dashboard = config.dashboard_url
        at = urlsplit(config.dashboard_url)
        self._base = f"{at.scheme}://{at.netloc}{at.path.rstrip('/')}/api/v1/host/"
        self._adapter = _Adapter(pool_connections=1, pool_maxsize=CONNECTIONS)
        self._headers = {"Authorization": f"Bearer {config.key}", "X-Protocol": str(PROTOCOL)}
        self._file = config.dir / "instance"
        self._learning = threading.Lock()
        self._complained = 0  # status that was logged, once until another comes

    def instance(self) -> str | None:
        """As last received by any process of this host."""
        try:
            return self._file.read_text() or None
        except FileNotFoundError:
            return None

    def heartbeat(self, body: Mapping[str, Any]) -> JsonReply:
        return self._json("heartbeat", body)

    def claim_job(self, job_id: int, claim_id: str) -> JsonReply:
        return self._json(f"jobs/{job_id}/claim", {"claim_id": claim_id})

    def claim_deployment(self, deployment_id: int, run: int) -> JsonReply:
        return self._json(f"deployments/{deployment_id}/claim", {"run": run})

    def check(self, check_id: int) -> JsonReply:
        return self._request("GET", f"checks/{check_id}", None, {})

    def checked(self, check_id: int, findings: list[dict[str, Any]]) -> JsonReply:
        return self._json(f"checks/{check_id}", {"findings": findings})

    def streams(self, meta: Meta) -> JsonReply:
        return self._request("GET", f"{meta.type}s/{meta.id}/streams", None, _owner(meta))

    def send(self, meta: Meta, stream: str, offset: int, chunk: Chunk) -> JsonReply:
        return self._chunk(meta, f"streams/{stream}?offset={offset}", chunk, {})

    def send_output(
        self, meta: Meta, output: Mapping[str, Any], offset: int, raw: bytes
    ) -> JsonReply:
        """``output`` is the file's entry in the ``ended`` event."""
        headers = {
            "X-Name": output["name"],
            "X-Total": str(output["bytes"]),
            "X-Sha256": output["sha256"],
        }
        path = f"outputs?path={quote(output['path'], safe='')}&offset={offset}"
        return self._chunk(meta, path, Chunk(raw), headers)

    def _json(self, path: str, body: Mapping[str, Any]) -> JsonReply:
        known = self.instance()
        headers = {"Content-Type": "application/json", **({"X-Instance": known} if known else {})}
        return self._request("POST", path, json.dumps(body).encode(), headers)

    def _chunk(self, meta: Meta, path: str, chunk: Chunk, more: Mapping[str, str]) -> JsonReply:
        headers = {**chunk.headers, **_owner(meta), **more}
        return self._request("POST", f"{meta.type}s/{meta.id}/{path}", chunk.packed, headers)

    def _request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> JsonReply:
        try:
            status, content = self._sent(method, path, body, headers)
        except (OSError, ValueError) as error:
            raise Unreachable(f"{self.dashboard}: {_reason(error)}") from error
        try:
            # Too large for a proxy, which answers in its own format until less is sent.
            answer = {} if status == 413 else json.loads(content)
        except ValueError as error:  # a proxy's page, or a server that is starting
            raise Unreachable(f"{self.dashboard}: answer {status} is not JSON") from error
        if not isinstance(answer, dict):
            raise Unreachable(f"{self.dashboard}: answer {status} is not an object")
        if status >= 500:  # it failed, or a proxy before it: as good as no answer
            raise Unreachable(f"{self.dashboard}: answer {status}")
        self._note_answer(status, answer)
        return JsonReply(status, answer)

    def _sent(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        """Return status and body of the answer, also of a redirect. Raises OSError: no answer, or
        an answer that is incomplete or too long. Raises ValueError: no such address, or a header
        that cannot be sent.

        Requests go straight to the adapter. A ``requests.Session`` above it would read the
        environment (proxy, ``.netrc``, authorities), follow redirects, keep cookies, and look for
        all of these at each chunk of a log.

        A server or a proxy may close a kept connection just when a request comes. Each request of
        the protocol may be repeated, so it goes once more, at once. The pool takes the ended
        connection first, and opens it anew.
        """
        request = PreparedRequest()
        request.prepare_method(method)
        request.url = self._base + path  # prepare_url would parse and quote it for each request
        request.prepare_headers({**self._headers, **headers})
        request.prepare_body(body, None)
        try:
            return self._answer(request)
        except NoAnswer as error:
            if not _was_closed(error):
                raise
        return self._answer(request)

    def _answer(self, request: PreparedRequest) -> tuple[int, bytes]:
        content = bytearray()
        with self._adapter.send(request, timeout=TIMEOUT, stream=True) as answer:
            for part in answer.iter_content(64 * 1024):
                content += part
                if len(content) > LONGEST:
                    raise OSError(f"the answer is longer than {LONGEST} bytes")
        return answer.status_code, bytes(content)

    def _note_answer(self, status: int, body: Mapping[str, Any]) -> None:
        # One that does not know our key is not ours: a wrong address must not set spools aside.
        instance = body.get("instance") if status != 401 else None
        if instance and instance != self.instance():
            with self._learning:
                write_atomic(self._file, str(instance).encode())
        complaints = {
            401: "the dashboard refused this host's key (HOST_KEY); make a new one on its page",
            426: f"this agent has protocol {PROTOCOL}, the dashboard requires "
            f"{body.get('upgrade_to')}: copy the project again",
        }
        if status in complaints and status != self._complained:
            log.error("%s", complaints[status])
        self._complained = status if status in complaints else 0


def _was_closed(error: NoAnswer) -> bool:
    """True: the connection was made, and ended before the first byte of an answer."""
    inner = error.args[0] if error.args else None
    return isinstance(inner, ProtocolError) and isinstance(inner.args[-1], ConnectionError)


def _owner(meta: Meta) -> dict[str, str]:
    return {"X-Instance": meta.instance, "X-Token": meta.token}


def _reason(error: Exception) -> str:
    """As the system or TLS states it: requests wraps the cause in texts about retries."""
    inner = error.args[0] if error.args else None
    why = getattr(inner, "reason", None)
    return str(why.__cause__ or why) if isinstance(why, Exception) else str(error)
