"""Overloads, case by case: each is a function of the scene with ``@case``."""

import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tests.bench.programs import program
from tests.pressure.attacks import FAILED, FORM, READER_MB, READERS, attacks, unread_downloads
from tests.pressure.scene import Scene
from tests.processes.lib.hostile import (
    claimed,
    hostile_host,
    send_end,
    send_log,
    send_output,
    sent_jobs,
)

MB = 1_000_000
DEAF = 20
OF_A_PERSON = 6  # downloads: MOST_OF_A_PERSON of dashboard.server.downloads, which needs Django
LINE = 10_000  # QUEUE_LIMIT, unless set
# Dispatch of a queue of ten thousand, and each page that shows it, on a busy machine.
LOOK_S, PAGE_S = 1.0, 2.0


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of overload. ``is_short``: it runs in CI too, smaller."""

    name: str
    what: str
    run: Callable[[Scene], None]
    is_short: bool = False


CASES: list[Case] = []


def case(what: str, *, is_short: bool = False) -> Callable[[Callable[[Scene], None]], None]:
    def add(run: Callable[[Scene], None]) -> None:
        CASES.append(Case(run.__name__.replace("_", "-"), what, run, is_short))

    return add


def _printed(scene: Scene, what: str, amount: int, size: int = MB) -> None:
    """A job that prints so much, a page that reads it, and the rest."""
    job = scene.launch(what, amount)
    with scene.viewer(job):
        scene.until_printed(job, size)
        scene.rest_goes_on(job)
        scene.end(job)


def _unread(scene: Scene, megabytes: int, size: int, count: int) -> None:
    """A log at full speed that one page reads, and ``count`` pages never do."""
    job = scene.launch("flood", megabytes)
    with scene.deaf_pages(job, count), scene.viewer(job):
        scene.until_printed(job, size)
        scene.rest_goes_on(job)
        scene.end(job)


@case("a log at full speed, read by one page, not by another", is_short=True)
def flood(scene: Scene) -> None:
    megabytes = round(scene.log_gb * 1000)
    _unread(scene, megabytes, min(megabytes // 2, 1000) * MB, 1)


@case("a line of 50 MB", is_short=True)
def line(scene: Scene) -> None:
    _printed(scene, "line", scene.size(50, 20))


@case("a line that never ends")
def endless(scene: Scene) -> None:
    _printed(scene, "endless", scene.size(200, 20))


@case("binary garbage", is_short=True)
def garbage(scene: Scene) -> None:
    _printed(scene, "garbage", scene.size(200, 20))


@case("ten million carriage returns")
def carriage_returns(scene: Scene) -> None:
    _printed(scene, "carriage_returns", scene.size(10_000, 500))


@case("a million overwritten rows")
def folds(scene: Scene) -> None:
    """A page asks for all that there is to know of them."""
    job = scene.launch("folds", scene.size(1000, 100))
    with scene.viewer(job):
        scene.until_printed(job, MB)
        scene.rest_goes_on(job)
        known, query, is_over = 0, "", False
        while not is_over:
            with scene.open(f"/api/v1/jobs/{job}/log/folds?{query}") as answer:
                page = json.load(answer)
            known = page["known"] + len(page["folds"])
            query = f"series={page['series']}&known={known}"
            is_over = page["done"]
        scene.row.figures["folds returned"] = known
        scene.end(job)


@case(f"{DEAF} pages that never read a log")
def deaf(scene: Scene) -> None:
    _unread(scene, scene.size(1000, 100), 20 * MB, DEAF)


@case(f"{DEAF} unread answers")
def deaf_chats(scene: Scene) -> None:
    """Answers that are longer than any, of which the pages that asked read nothing."""
    requests = [{"tokens": scene.size(60_000, 20_000), "rate": 0}] * DEAF
    fields = {**FORM, "Cookie": f"{scene.cookie}; {FORM['Cookie']}", "Content-Length": "0"}
    with program("engine") as engine, ExitStack() as opened:
        order = {"engine": f"http://127.0.0.1:{engine.hear()}", "requests": requests}
        for turn in scene.stack.call("orders.turns", **order)["turns"]:
            line = f"POST /relay/turns/{turn}/start"
            opened.enter_context(scene.deaf(line, count=1, status=b"200", fields=fields))
        scene.rest_goes_on()


@case(f"{READERS} downloads of 1 GiB that read nothing", is_short=True)
def downloads(scene: Scene) -> None:
    """Those above the limit are refused."""
    with unread_downloads(scene) as statuses:
        if statuses.count(b"200") != OF_A_PERSON:
            scene.row.wrong.append(f"{statuses.count(b'200')} downloads of one person")
        scene.rest_goes_on()


def _end_meanwhile(scene: Scene, state: str, host: Any, job: Any, *log: bytes, **end: Any) -> None:
    """Send the end of a job while the rest goes on; the job must have ended so."""
    ending = threading.Thread(target=send_end, args=(host, job, *log), kwargs=end)
    ending.start()
    scene.rest_goes_on()
    ending.join()
    if (seen := scene.api.job(job[0])["state"]) != state:
        scene.row.wrong.append(f"job {job[0]} is {seen}")


@case("verdicts of reports of 512 MB")
def reports(scene: Scene) -> None:
    """They take many times their size when they are read."""
    scene.row.bounds["reader"] = READER_MB
    host = hostile_host(scene.stack, "reports")
    lists = b"[]," * (MB // 3)
    parts = [b'{"x":[', *[lists] * scene.size(512, 64), b"[]]}"]
    for number in sent_jobs(scene.stack, "reports")[: scene.size(2, 1)]:
        job = claimed(host, number)
        _end_meanwhile(scene, "errored", host, job, outputs=[send_output(host, job, *parts)])


@case("failed jobs with a log of one line")
def one_line(scene: Scene) -> None:
    """A line of 4 MiB."""
    scene.row.bounds["reader"] = READER_MB
    host = hostile_host(scene.stack, "lines")
    log = b"a" * (4 * 1024 * 1024) + b"is no safetensors file\n"
    for number in sent_jobs(scene.stack, "lines")[: scene.size(4, 1)]:
        job = claimed(host, number)
        send_log(host, job, log)
        _end_meanwhile(scene, "failed", host, job, log, **FAILED, exit_code=1)


case("attacks, while pages, a viewer and heartbeats go on")(attacks)


@case(f"{LINE:,} queued jobs")
def queue(scene: Scene) -> None:
    """They wait for one host. The last case, because its jobs stay queued."""
    order = {"launched": scene.size(500, 20), "copied": scene.size(9500, 9980)}
    facts = scene.stack.call("long_queue.fill", **order)
    scene.row.figures |= facts["seconds"]
    scene.row.figures["MB of the process that launches"] = facts["peak_mb"]
    if facts["waiting"] != LINE or not facts["refused"]:
        scene.row.wrong.append(f"{facts['waiting']} wait, one more refused: {facts['refused']}")
    if not scene.short:
        for name, took in facts["seconds"].items():
            if took > (LOOK_S if name in ("look", "heartbeat") else PAGE_S):
                scene.row.wrong.append(f"{name} takes {took} s")
    for path in ("/hosts/this-computer/queue/", f"/jobs/{facts['jobs'][1]}/"):
        if scene.status(path) != 200:
            scene.row.wrong.append(f"{path} does not answer")
    scene.rest_goes_on()
