"""Attacks of a host, an engine, a person and a file, one after another.

Meanwhile three pages, a page that reads a log, and another host's heartbeats go on.
"""

import gzip
import io
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import zstandard
from websockets.asyncio.client import connect

from tests.dashboard.lib.http_host import HttpHost
from tests.faults.proxy import Loop
from tests.frames import unframe
from tests.hostile_server import hostile
from tests.pressure.scene import Scene
from tests.processes.lib.hostile import (
    claimed,
    hostile_host,
    send_end,
    send_log,
    send_output,
    sent_jobs,
)
from tests.stack import answered

MB = 1_000_000
SLOWEST_S = 1.0  # of a page, a heartbeat, a log line
ENDED_S = 60.0
READER_MB = 2300  # 2 GB and the modules
PAGES = ("/", "/jobs/", "/hosts/")
FAILED = {"verdict": "failed", "message_id": "work:exit", "message_args": {"step": "print"}}
OUTPUT = """
import os
from django.conf import settings
from jobs.models import Host, OutputFile
from tests.factories import make_job
job = make_job(host=Host.objects.get(name="this-computer"), state="succeeded")
folder = settings.DATA_DIR / "outputs" / str(job.pk)
folder.mkdir(parents=True)
(folder / "large").touch()
os.truncate(folder / "large", {size})
file = dict(bytes={size}, received_bytes={size}, sha256="ab" * 32)
print(job.pk, OutputFile.objects.create(job=job, name="large", path="large", **file).pk)
"""
READERS = 150
# Headers of a form that passes Django's CSRF check.
FORM = {"Cookie": f"csrftoken={'t' * 32}", "X-CSRFToken": "t" * 32}


class Beside:
    """Pages, heartbeats and a log viewer, with the slowest of each since :meth:`begin`."""

    def __init__(self, scene: Scene, host: HttpHost, job: int) -> None:
        self._scene, self._host, self._job = scene, host, job
        self._slowest: dict[str, float] = {}
        self._is_over = threading.Event()

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Read pages, send heartbeats and follow the log within the block."""
        loop = Loop()
        viewer = loop.start(self._follow())
        threads = [threading.Thread(target=each) for each in (self._pages, self._beats)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join()
            self._scene.api.ask(f"jobs/{self._job}/cancel", {})
            viewer.result(ENDED_S)
            loop.close()

    def begin(self) -> None:
        self._slowest = {}

    def slowest(self) -> tuple[str, float]:
        return max(self._slowest.items(), key=lambda each: each[1], default=("nothing", 0.0))

    def _saw(self, what: str, took_s: float) -> None:
        self._slowest[what] = max(took_s, self._slowest.get(what, 0.0))

    def _pages(self) -> None:
        while not self._is_over.is_set():
            for path in PAGES:
                began = time.monotonic()
                status = self._scene.status(path)
                self._saw(path, time.monotonic() - began)
                if status != 200:
                    self._scene.row.wrong.append(f"{path} answers {status}")
            self._is_over.wait(0.2)

    def _beats(self) -> None:
        while not self._is_over.wait(0.5):
            began = time.monotonic()
            status, _ = self._host.beat()
            self._saw("heartbeat", time.monotonic() - began)
            if status != 200:
                self._scene.row.wrong.append(f"a heartbeat is answered {status}")

    async def _follow(self) -> None:
        """Read lines that have the time at which they were printed."""
        port, cookie = self._scene.stack.port, self._scene.cookie
        url = f"ws://127.0.0.1:{port}/ws/log/job/{self._job}/?from=0"
        headers, origin = {"Cookie": cookie}, self._scene.stack.url
        async with connect(url, additional_headers=headers, origin=origin, max_size=None) as page:
            async for message in page:
                if isinstance(message, bytes):
                    self._lag(bytes(unframe(message)[2]))
                elif json.loads(message)["type"] == "end":
                    return

    def _lag(self, data: bytes) -> None:
        lines = data.split(b"\n")[:-1]
        with suppress(IndexError, ValueError):  # part of a line
            self._saw("log line", time.time() - float(lines[-1].removeprefix(b"at ")))


class Attackers:
    """A hostile host with jobs, and a hostile person."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.host = scene, hostile_host(scene.stack, "attacker")
        self._jobs = iter([job for _ in range(2) for job in sent_jobs(scene.stack, "attacker")])

    def job(self) -> tuple[int, str]:
        """Return a job of the hostile host, claimed just now."""
        number, token = claimed(self.host, next(self._jobs))
        return int(number), str(token)

    def closed(self, job: tuple[int, str], state: str) -> None:
        if (seen := self.scene.api.job(job[0])["state"]) != state:
            self.scene.row.wrong.append(f"job {job[0]} is {seen}, not {state}")

    def refused(
        self, status: int, what: str, *, allowed: tuple[int, ...] = (400, 413, 422)
    ) -> None:
        """Check that a request was refused in words, not answered with an error of the server."""
        if status not in allowed:
            self.scene.row.wrong.append(f"{what} is answered {status}")


def slow_pattern(they: Attackers) -> None:
    """A line for which many expressions need quadratic time, in a failed job's log."""
    job, log = they.job(), b"a" * 400_000 + b"is no safetensors file\n"
    send_log(they.host, job, log)
    send_end(they.host, job, log, **FAILED, exit_code=1)
    they.closed(job, "failed")


def nested_report(they: Attackers) -> None:
    """20 MB of JSON that take gigabytes when they are read."""
    job = they.job()
    sent = send_output(they.host, job, b'{"x":[' + b"[]," * (20 * MB // 3) + b"[]]}")
    send_end(they.host, job, outputs=[sent])
    they.closed(job, "errored")


def packed_chunk(they: Attackers) -> None:
    """250 MiB in a compressed chunk of 12 KB."""
    number, token = they.job()
    packed = zstandard.compress(bytes(250 * 2**20))
    headers = {"Content-Type": "application/zstd", "X-Token": token}
    headers |= {"X-Crc32": "0", "X-Raw-Bytes": str(250 * 2**20)}
    status, _ = they.host.send(f"jobs/{number}/streams/log?offset=0", packed, **headers)
    they.refused(status, "a chunk of 250 MiB")


def error_page(they: Attackers) -> None:
    """An engine whose error page has 60,000 beginnings of a title."""
    _asked(they, b"<title" * 60_000, status=500)


def answers_that_grow(they: Attackers) -> None:
    """An engine whose answers grow when they are read: JSON of 48 MiB, braces, tags, tokens."""
    lists, tags = b"[],\n" * (12 * 2**20), "a " * 2**21 + "a <think> " * 200
    both = {"reasoning_content": "a", "content": "a"}
    _asked(they, b'{"x":[' + lists + b"[]]}")
    _asked(they, b"{" + b"{}" * (2 * 2**20 - 2) + b"\n")
    _asked(they, b"data: " + _json({"choices": [{"delta": {"content": tags}}]}) + b"\n")
    counted = {"choices": [{"message": both}], "usage": {"completion_tokens": 9}}
    _asked(they, _json(counted), tokens=b'{"tokens":[' + b"[]," * (16 * 2**20 // 3 - 10) + b"[]]}")


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _asked(they: Attackers, body: bytes, *, status: int = 200, tokens: bytes = b"") -> None:
    """Ask an engine that answers with this body, and counts tokens with that one."""

    def answer(send: Callable[[bytes], None], _stopped: threading.Event) -> None:
        content = tokens if engine.requests[-1].startswith(b"POST /tokenize") else body
        send(b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\n\r\n" % (status, len(content)) + content)

    with hostile(answer) as engine:
        order = {"engine": engine.url, "requests": [{"tokens": 1}]}
        (turn,) = they.scene.stack.call("orders.turns", **order)["turns"]
        headers = {**FORM, "Cookie": f"{they.scene.cookie}; {FORM['Cookie']}"}
        they.refused(
            _posted(they, f"/relay/turns/{turn}/start", b"", headers), "it", allowed=(200,)
        )


def empty_lines(they: Attackers) -> None:
    """A mebibyte of empty lines as events, and as points."""
    number, token = they.job()
    for stream in ("events", "points"):
        status, _ = they.host.append(number, token, stream, 0, b"\n" * 2**20)
        they.refused(status, f"empty lines as {stream}", allowed=(200, 400, 413, 422))


def empty_members(they: Attackers) -> None:
    """A file of 100,000 empty gzip members."""
    status, _ = they.scene.api.upload("imports?name=a.json.gz", gzip.compress(b"") * 100_000)
    they.refused(status, "empty gzip members")


def many_entries(they: Attackers) -> None:
    """An archive of 200,000 entries."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(200_000):
            archive.writestr(str(number), b"")
    status, _ = they.scene.api.upload("imports?name=a.zip", packed.getvalue())
    they.refused(status, "an archive of many entries")


def open_brackets(they: Attackers) -> None:
    """A search for 500 opening brackets."""
    job, log = they.job(), b"text\n" * 200_000
    send_log(they.host, job, log)
    query = urllib.parse.urlencode({"q": "(" * 500, "regex": 1})
    they.refused(they.scene.status(f"/api/v1/jobs/{job[0]}/log/search?{query}"), "the search")


def downloads(they: Attackers) -> None:
    """150 downloads of 1 GiB that read nothing."""
    with unread_downloads(they.scene):
        time.sleep(3)


@contextmanager
def unread_downloads(scene: Scene) -> Iterator[list[bytes]]:
    """Ask for a large output many times, and read nothing but the statuses, which are given."""
    code = OUTPUT.format(size=1024**3)
    printed = scene.stack.shell(code).split()
    path = "/jobs/{}/outputs/{}".format(*map(int, printed))
    with scene.deaf(f"GET {path}", count=READERS, status=(b"200", b"429")) as statuses:
        yield statuses


def long_facts(they: Attackers) -> None:
    """An output whose precision has 3 MB."""
    job = they.job()
    fact = {"path": "/w/x", "bytes": 5, "sha256": "a" * 64, "precision": "x" * 3 * MB}
    sent = send_output(they.host, job, json.dumps(fact).encode())
    send_end(they.host, job, outputs=[sent])
    for path in ("/hosts/attacker/", f"/jobs/{job[0]}/"):
        with they.scene.open(path) as answer:
            if (size := len(answer.read())) > MB:
                they.scene.row.wrong.append(f"{path} has {size} bytes")


def broken_forms(they: Attackers) -> None:
    """The matrix form without a deployment, a form of another charset, a list for a step."""
    if (status := they.scene.status("/launch/matrix/")) != 200:
        they.scene.row.wrong.append(f"the matrix form answers {status}")
    headers = {**FORM, "Content-Type": "application/x-www-form-urlencoded; charset=utf-7"}
    they.refused(_posted(they, "/login/", b"username=+", headers), "utf-7", allowed=(200,))
    job = they.job()
    send_end(they.host, job, **{**FAILED, "message_args": {"step": [1]}}, exit_code=1)
    they.closed(job, "failed")


def guesses(they: Attackers) -> None:
    """72 guesses of a password, over many names."""
    for number in range(72):
        form = urllib.parse.urlencode({"username": f"name{number}", "password": "guess"}).encode()
        they.refused(_posted(they, "/login/", form, FORM), "a guess", allowed=(200, 429))


def _posted(they: Attackers, path: str, body: bytes, headers: dict[str, str]) -> int:
    return answered(urllib.request.Request(f"{they.scene.stack.url}{path}", body, headers), 60)[0]


ATTACKS: tuple[Callable[[Attackers], None], ...] = (
    slow_pattern,
    nested_report,
    packed_chunk,
    downloads,
    error_page,
    answers_that_grow,
    empty_lines,
    empty_members,
    many_entries,
    open_brackets,
    long_facts,
    broken_forms,
    guesses,
)


def attacks(scene: Scene) -> None:
    """Run all; each is a figure: seconds of what was slowest meanwhile."""
    scene.row.bounds["reader"] = READER_MB
    steady = hostile_host(scene.stack, "steady")
    ticking = scene.launch("ticks", 100_000)
    scene.until_printed(ticking, 100)
    beside, they = Beside(scene, steady, ticking), Attackers(scene)
    with beside.going_on():
        for attack in (_nothing, *ATTACKS):
            time.sleep(1)
            beside.begin()
            attack(they)
            time.sleep(0.5)
            what, took_s = beside.slowest()
            name = attack.__name__.strip("_").replace("_", " ")
            scene.row.figures[f"{name} ({what})"] = round(took_s, 3)
            if took_s > SLOWEST_S:
                scene.row.wrong.append(f"{name}: {what} takes {took_s:.2f} s")
    scene.row.slowest_page_s = max(scene.row.figures.values())


def _nothing(_they: Attackers) -> None:
    """Wait, for comparison."""
    time.sleep(5)
