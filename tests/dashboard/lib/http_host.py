"""A host's side of the intake over real HTTP."""

import json
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Mapping
from typing import Any

import zstandard

from tests.waiting import PATIENCE_S


class HttpHost:
    """Sends a host's requests to a running dashboard, in the protocol ``protocol``."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.key, self.protocol = f"{url}/api/v1/host/", key, 2
        self.headers: dict[str, str] = {}  # further ones of each request
        self.heard: Mapping[str, str] = {}  # headers of the last answer

    def send(self, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
        """POST ``body``, as JSON unless it is bytes; status and answer."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        own_headers = {"Authorization": f"Bearer {self.key}", "X-Protocol": str(self.protocol)}
        sent = own_headers | self.headers | headers
        request = urllib.request.Request(self.url + path, data, sent)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                self.heard = answer.headers
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            self.heard = error.headers
            return error.code, json.loads(error.read())

    def beat(self, *jobs: dict[str, Any], **facts: Any) -> tuple[int, dict[str, Any]]:
        return self.send(
            "heartbeat",
            {
                "boot_id": "b",
                "agent_started_at": 1.0,
                "now": time.time(),
                "load": {"load_1m": 0.5},
                "facts": {"roots": {"weights": "/h/weights"}, **facts},
                "jobs": list(jobs),
                "serves": [],
            },
        )

    def chunk(
        self, path: str, token: str, raw: bytes, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """Send a compressed piece of a stream or of an output."""
        packed = zstandard.compress(raw)
        return self.packed(path, token, packed, len(raw), zlib.crc32(raw), **headers)

    def packed(
        self, path: str, token: str, packed: bytes, size: int, crc32: int, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """Send a piece that is compressed, with size and checksum of what it was."""
        own = {
            "Content-Type": "application/zstd",
            "X-Token": token,
            "X-Crc32": str(crc32),
            "X-Raw-Bytes": str(size),
        }
        return self.send(path, packed, **own | headers)

    def append(self, job: int, token: str, stream: str, offset: int, raw: bytes) -> Any:
        return self.chunk(f"jobs/{job}/streams/{stream}?offset={offset}", token, raw)
