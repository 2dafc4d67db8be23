"""HTTP client of the dashboard: see docs/architecture.md, "The intake"."""

from __future__ import annotations

import json
import logging
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import zstandard

from jobs.base.errors import JobsError
from jobs.host.base.config import Config
from jobs.host.base.http import HostSession, reason
from jobs.host.base.spool import DEPLOYMENT, Meta, write_atomic

PROTOCOL = 2
TIMEOUT = (5.0, 30.0)  # seconds to connect, and between any two bytes of an answer
LONGEST = 64 * 1024 * 1024  # bytes of an answer: a plan comes with its scripts and files
CONNECTIONS = 16  # that are kept; more threads than that open more
log = logging.getLogger(__name__)


class Unreachable(JobsError):
    """No answer, or one that is not the dashboard's own."""

    id = "host:unreachable"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and the JSON that came with it."""

    status: int
    body: Mapping[str, Any]


class Client:
    """A connection that is kept open; any number of threads may share it.

    It learns the dashboard's instance from every answer and keeps it in ``HOST_DIR/instance``, for
    the agent and the worker alike.
    """

    def __init__(self, config: Config) -> None:
        self.dashboard = config.dashboard_url
        at = urlsplit(config.dashboard_url)
        self._base = f"{at.scheme}://{at.netloc}{at.path.rstrip('/')}/api/v1/host/"
        self._session = HostSession(connections=CONNECTIONS)
        self._headers = {"Authorization": f"Bearer {config.key}", "X-Protocol": str(PROTOCOL)}
        self._file = config.dir / "instance"
        self._learning = threading.Lock()
        self._complained = 0

    def instance(self) -> str | None:
        """Return the dashboard's instance id, as last received by any process of this host."""
        return _text(self._file)

    def heartbeat(self, body: Mapping[str, Any]) -> Answer:
        """``POST heartbeat``. Raises Unreachable, as all of these do."""
        return self._json("heartbeat", body)

    def claim_job(self, job_id: int, claim_id: str) -> Answer:
        """``POST jobs/ID/claim``."""
        return self._json(f"jobs/{job_id}/claim", {"claim_id": claim_id})

    def claim_deployment(self, deployment_id: int, run: int) -> Answer:
        """``POST deployments/ID/claim``."""
        return self._json(f"deployments/{deployment_id}/claim", {"run": run})

    def check(self, check_id: int) -> Answer:
        """``GET checks/ID``: what is to be checked."""
        return self._request("GET", f"checks/{check_id}", None, {})

    def checked(self, check_id: int, findings: list[dict[str, Any]]) -> Answer:
        """``POST checks/ID``: what was found."""
        return self._json(f"checks/{check_id}", {"findings": findings})

    def streams(self, meta: Meta) -> Answer:
        """``GET …/streams``: the sizes that the dashboard has."""
        headers = {"X-Instance": meta.instance, "X-Token": meta.token}
        return self._request("GET", f"{_of(meta)}/streams", None, headers)

    def send(self, meta: Meta, stream: str, offset: int, raw: bytes) -> Answer:
        """One chunk of the log, the events or the points."""
        path = f"{_of(meta)}/streams/{stream}?offset={offset}"
        return self._chunk(meta, path, raw, {})

    def send_output(self, meta: Meta, output: Mapping[str, Any], offset: int, raw: bytes) -> Answer:
        """One chunk of an output; ``output`` is its entry in the ``ended`` event."""
        path = f"{_of(meta)}/outputs?path={quote(output['path'], safe='')}&offset={offset}"
        headers = {
            "X-Name": output["name"],
            "X-Total": str(output["bytes"]),
            "X-Sha256": output["sha256"],
        }
        return self._chunk(meta, path, raw, headers)

    def _json(self, path: str, body: Mapping[str, Any]) -> Answer:
        known = self.instance()
        headers = {"Content-Type": "application/json", **({"X-Instance": known} if known else {})}
        return self._request("POST", path, json.dumps(body).encode(), headers)

    def _chunk(self, meta: Meta, path: str, raw: bytes, more: Mapping[str, str]) -> Answer:
        headers = {
            "Content-Type": "application/zstd",
            "X-Instance": meta.instance,
            "X-Token": meta.token,
            "X-Crc32": str(zlib.crc32(raw)),
            "X-Raw-Bytes": str(len(raw)),
            **more,
        }
        # A compressor of its own: they are not for several threads, and cost 10 µs.
        return self._request("POST", path, zstandard.compress(raw, 1), headers)

    def _request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
        try:
            status, content = self._session.ask(
                method,
                self._base + path,
                body,
                headers={**self._headers, **headers},
                timeout=TIMEOUT,
                longest=LONGEST,
            )
        except (OSError, ValueError) as error:
            raise Unreachable(f"{self.dashboard}: {reason(error)}") from error
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
        return Answer(status, answer)

    def _note_answer(self, status: int, body: Mapping[str, Any]) -> None:
        # One that does not know our key is not ours: a wrong address must not set spools aside.
        instance = body.get("instance") if status != 401 else None
        if instance and instance != self.instance():
            with self._learning:
                write_atomic(self._file, str(instance).encode())
        if status != self._complained and status in (401, 426):
            if status == 401:
                log.error(
                    "the dashboard refused this host's key (HOST_KEY); make a new one on its page"
                )
            else:
                wanted = body.get("upgrade_to")
                log.error(
                    "this agent has protocol %s, the dashboard requires %s: copy the project again",
                    PROTOCOL,
                    wanted,
                )
        self._complained = status if status in (401, 426) else 0


def _of(meta: Meta) -> str:
    return f"{'deployments' if meta.type == DEPLOYMENT else 'jobs'}/{meta.id}"


def _text(path: Path) -> str | None:
    try:
        return path.read_text() or None
    except FileNotFoundError:
        return None
