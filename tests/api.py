"""Public API of a running stack, and the spool of its host."""

import hashlib
import http.client
import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from jobs.tools.lib.environments import ENVIRONMENTS, EVALSCOPE
from tests.stack import Stack, answered
from tests.waiting import PATIENCE_S, until

# An answer may be cut off by the very kill that a test is about.
AGAIN_S = 120.0
# A job that runs for longer is waited for by one request: many took a fifth of a web process.
SHORT_S, WAIT_S = 2.0, 10
HASHED_AT_ONCE = 1024 * 1024
CLOSED = ("succeeded", "failed", "errored", "cancelled", "lost")


_KEEP_ENVIRONMENT = """
from jobs.models import Environment, Host
host = Host.objects.get(name={host!r})
about = {{"fingerprint": {fingerprint!r}, "path": {path!r}}}
Environment.objects.get_or_create(host=host, name={name!r}, defaults=about)
"""


class Api:
    """A stack's API, with a token of its administrator."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._token = stack.run_command("create_token", "admin", "--scope", "admin").strip()

    def raw(self, path: str, body: Any = None) -> bytes:
        """The bytes behind ``/api/v1/<path>``; a POST with ``body`` as JSON where there is one.

        A GET is asked again while the web server is being replaced.
        """
        deadline = time.monotonic() + AGAIN_S
        while True:
            try:
                with self.open(path, body) as answer:
                    content: bytes = answer.read()
                    return content
            except urllib.error.HTTPError as error:
                raise AssertionError(f"{path}: {error.code} {error.read().decode()}") from error
            except (OSError, http.client.HTTPException):
                if body is not None or time.monotonic() > deadline:
                    raise
            time.sleep(0.2)

    def open(self, path: str, body: Any = None, *, token: str = "") -> Any:
        """Open what :meth:`raw` reads; ``token``: with another than its own."""
        data = None if body is None else json.dumps(body).encode()
        bearer = f"Bearer {token or self._token}"
        headers = {"Authorization": bearer, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.stack.url}/api/v1/{path}", data, headers)
        return urllib.request.urlopen(request, timeout=PATIENCE_S)

    def upload(self, path: str, content: bytes) -> tuple[int, dict[str, Any]]:
        """Send a file; return status and body, also of a refusal."""
        headers = {"Authorization": f"Bearer {self._token}"}
        headers["Content-Type"] = "application/octet-stream"
        request = urllib.request.Request(f"{self.stack.url}/api/v1/{path}", content, headers)
        status, body = answered(request)
        return status, json.loads(body)

    def ask(self, path: str, body: Any = None) -> dict[str, Any]:
        reply: dict[str, Any] = json.loads(self.raw(path, body))
        return reply

    def jobs(self, query: str = "") -> list[dict[str, Any]]:
        """Jobs, oldest first."""
        rows: list[dict[str, Any]] = self.ask(f"jobs?limit=200&{query}")["jobs"]
        return rows[::-1]

    def job(self, job_id: int, wait_s: int = 0) -> dict[str, Any]:
        """A job; with ``wait_s`` once it has ended, or that time has passed."""
        return self.ask(f"jobs/{job_id}?wait={wait_s}")

    def launch(self, kind: str, **params: Any) -> int:
        """Launch a job on This computer; its number."""
        body = {"kind": kind, "host": "this-computer", "params": params}
        number: int = self.ask("jobs", body)["id"]
        return number

    def ended(self, job_id: int, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """Wait for the end of a job; return the job."""
        long_s = time.monotonic() + SHORT_S

        def closed() -> dict[str, Any] | None:
            job = self.job(job_id, wait_s=WAIT_S if time.monotonic() > long_s else 0)
            return job if job["state"] in CLOSED else None

        job = until(closed, f"job {job_id} ends", timeout_s)
        assert job is not None
        return job

    def result(self, job_id: int) -> dict[str, Any]:
        (row,) = [one for one in self.ask("results")["results"] if one["job"] == job_id]
        return self.ask(f"results/{row['id']}")

    def spool(self, job_id: int) -> Path:
        return self.stack.data_dir / "host" / "spool" / str(job_id)

    def borrow_evalscope(self, environments: Path, host: str = "this-computer") -> None:
        """Let a host use the EvalScope in this folder of another host on this machine."""
        (there,) = environments.glob(f"{EVALSCOPE}-*")
        here = self.spool(0).parents[1] / "environments" / there.name
        here.parent.mkdir(exist_ok=True)
        here.symlink_to(there)
        about = {"name": EVALSCOPE, "fingerprint": ENVIRONMENTS[EVALSCOPE].fingerprint}
        self.stack.shell(_KEEP_ENVIRONMENT.format(host=host, path=str(here), **about))

    def log_sha256s(self, job_id: int) -> tuple[str, str]:
        """Return two SHA-256 of the job's log: from the API, and from the host's spool."""
        shown, kept = (
            self.open(f"jobs/{job_id}/log?from=0"),
            (self.spool(job_id) / "log").open("rb"),
        )
        with shown, kept:
            return digest(shown)[0], digest(kept)[0]

    def events(self, job_id: int) -> list[str]:
        lines = (self.spool(job_id) / "events.jsonl").read_text().splitlines()
        return [json.loads(line)["type"] for line in lines]


def digest(source: Any) -> tuple[str, int]:
    """SHA-256 and size of what can be read, in pieces."""
    found, size = hashlib.sha256(), 0
    while piece := source.read(HASHED_AT_ONCE):
        found.update(piece)
        size += len(piece)
    return found.hexdigest(), size


@pytest.fixture(scope="session")
def api(stack: Stack) -> Api:
    return Api(stack)


@pytest.fixture(scope="session")
def toured(stack: Stack, api: Api, pytestconfig: pytest.Config) -> Api:
    """The API of that stack after a tour: through the browser, or else from a terminal."""
    if not api.ask("results")["results"]:
        stack.manage("tour", "--wait", "--json")
    link = pytestconfig.getoption("--toured")
    if link is not None:
        link.symlink_to(stack.data_dir / "host" / "environments")
    return api
