"""A dashboard with its host under pressure: the jobs of a case, and the checks meanwhile."""

import base64
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.api import CLOSED, HASHED_AT_ONCE, Api, digest, until
from tests.faults.proxy import Loop
from tests.faults.viewers import Viewer
from tests.pressure.memory import ROLES, Watch
from tests.stack import ROOT, Stack

TOOL = ROOT / "tests" / "pressure" / "tool.py"
SLOTS = 4
PAGE_S = 120.0  # for a page; a search for warnings reads all that there is
STARTED_S, OTHER_S, ENDED_S = 120.0, 300.0, 3600.0


@dataclass(slots=True)
class PressureRow:
    """Outcome of one case. ``wrong``: all that must not be, in words."""

    name: str
    log_bytes: int = 0
    seconds: float = 0.0
    sha256: str = ""
    peaks: dict[str, float] = field(default_factory=dict)  # role → MB of one process
    figures: dict[str, float] = field(default_factory=dict)  # timed action → seconds
    slowest_page_s: float = 0.0
    wrong: list[str] = field(default_factory=list)
    bounds: dict[str, float] = field(default_factory=dict)  # role → MB, where this case has its own


class Scene:
    """The stack, and what one case does with it."""

    def __init__(self, stack: Stack, row: PressureRow, *, log_gb: float, short: bool) -> None:
        self.stack, self.row, self.log_gb, self.short = stack, row, log_gb, short
        self.api = Api(stack)
        self.cookie: str = stack.cookie

    def size(self, full: int, short: int) -> int:
        return short if self.short else full

    # -- jobs ------------------------------------------------------------------------------------

    def launch(self, what: str, amount: int) -> int:
        argv = [sys.executable, str(TOOL), what, str(amount)]
        return int(self.stack.call("orders.queue_jobs", argv=argv, slots=SLOTS)[0])

    def until_printed(self, job: int, size: int) -> None:

        def stored() -> int:
            with self.open(f"/api/v1/jobs/{job}/log?from=0&to=0") as answer:
                return int(answer.headers["X-Log-Size"])

        until(lambda: stored() >= size, f"job {job} prints", STARTED_S)

    def end(self, job: int) -> None:
        """Wait for the job; it must have succeeded, and its log must be the host's, byte for byte.

        Both logs are removed: their disk is wanted by the next case.
        """
        until(lambda: self.api.job(job)["state"] in CLOSED, f"job {job} ends", ENDED_S)
        facts = self.api.job(job)
        if facts["state"] != "succeeded":
            self.row.wrong.append(f"job {job} is {facts['state']}: {facts['message']}")
        kept = self.api.spool(job) / "log"
        with kept.open("rb") as file:
            host, size = digest(file)
        with self.open(f"/api/v1/jobs/{job}/log?from=0") as answer:
            dashboard, _ = digest(answer)
        self.row.log_bytes += size
        self.row.sha256 = host
        if host != dashboard:
            self.row.wrong.append(f"{size} bytes of job {job} differ on the dashboard")
        if host != facts["log_sha256"]:
            self.row.wrong.append(f"the host reported another checksum: {facts['log_sha256']}")
        kept.unlink()
        for file in (self.stack.data_dir / "logs" / "job").glob(f"{job}.*"):
            file.unlink()

    # -- work beside it --------------------------------------------------------------------------

    def rest_goes_on(self, job: int | None = None) -> None:
        """Another job is launched and ends, and pages answer; ``job``: its page too."""
        other = self.launch("quiet", 0)
        paths = ["/", "/jobs/", "/hosts/", f"/jobs/{other}/"]
        if job is not None:
            paths += [f"/jobs/{job}/", *(f"/api/v1/jobs/{job}/log/{part}" for part in PARTS)]
        for path in paths:
            began = time.monotonic()
            status = self.status(path)
            self.row.slowest_page_s = max(self.row.slowest_page_s, time.monotonic() - began)
            if status != 200:
                self.row.wrong.append(f"{path} answers {status}")
        ended = self.api.ended(other, OTHER_S)
        if ended["state"] != "succeeded":
            self.row.wrong.append(f"another job is {ended['state']}: {ended['message']}")

    def status(self, path: str) -> int:
        """Status of a page for a user who is logged in; 0 without an answer in time."""
        try:
            with self.open(path) as answer:
                while answer.read(HASHED_AT_ONCE):
                    pass
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def open(self, path: str) -> Any:
        request = urllib.request.Request(f"{self.stack.url}{path}", headers={"Cookie": self.cookie})
        return urllib.request.urlopen(request, timeout=PAGE_S)

    @contextmanager
    def viewer(self, job: int) -> Iterator[Viewer]:
        """A page that reads the log as it comes; it must have all of it at the end."""
        loop = Loop()
        url = f"ws://127.0.0.1:{self.stack.port}/ws/log/job/{job}/"
        viewer = Viewer("steady", lambda: url, self.cookie, self.stack.url)
        task = loop.start(viewer.run())
        try:
            yield viewer
            until(lambda: viewer.over or viewer.wrong, "the page has the end", ENDED_S)
            if viewer.wrong or viewer.sha256 != self.row.sha256:
                self.row.wrong.append(f"the page that reads: {viewer.wrong or 'other bytes'}")
        finally:
            task.cancel()
            loop.close()

    # -- connections that ask for much and never read it ------------------------------------------

    def deaf_pages(self, job: int, count: int) -> AbstractContextManager[list[bytes]]:
        """``count`` WebSockets on the job's log that were opened and are not read from then on."""
        fields = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Origin": self.stack.url,
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
        }
        path = f"/ws/log/job/{job}/?from=0"
        return self.deaf(f"GET {path}", count=count, status=b"101", fields=fields)

    @contextmanager
    def deaf(
        self,
        line: str,
        *,
        count: int,
        status: bytes | tuple[bytes, ...],
        fields: Mapping[str, str] | None = None,
    ) -> Iterator[list[bytes]]:
        """Open ``count`` answers, and read nothing of them but the statuses, which are given."""
        known = {"Host": f"127.0.0.1:{self.stack.port}", "Cookie": self.cookie, **(fields or {})}
        head = [f"{line} HTTP/1.1", *(f"{name}: {value}" for name, value in known.items())]
        answers = []
        with ExitStack() as opened:
            for _ in range(count):
                address = ("127.0.0.1", self.stack.port)
                client = opened.enter_context(socket.create_connection(address, 60))
                client.sendall("\r\n".join([*head, "", ""]).encode())
                answer = client.recv(12)
                if not answer.endswith(status):
                    raise RuntimeError(f"{line}: {answer!r}")
                answers.append(answer[-3:])
            yield answers


Work = Callable[[Scene], None]
# Requests of the viewer for a log.
PARTS = ("index", "folds", "steps", "search?warnings=1&limit=5000", "lines?from=1&to=3")


def run(stack: Stack, name: str, work: Work, *, log_gb: float, short: bool) -> PressureRow:
    """Run one case: watch its memory, take its time, and report what breaks it."""
    row, began = PressureRow(name), time.monotonic()
    watch = Watch(stack)
    try:
        work(Scene(stack, row, log_gb=log_gb, short=short))
    except (AssertionError, OSError, RuntimeError, subprocess.CalledProcessError) as error:
        row.wrong.append(f"{type(error).__name__}: {error}")
    finally:
        watch.close()
    row.peaks, row.seconds = watch.peaks, time.monotonic() - began
    row.wrong += [
        f"{role}: {peak:.0f} MB, more than {bound:g}"
        for role, peak in row.peaks.items()
        if peak > (bound := row.bounds.get(role, ROLES[role].bound_mb))
    ]
    return row
