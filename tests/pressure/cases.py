"""Overloads, case by case. Each takes the scene and runs; a new one is one of CASES."""

import json
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from dashboard.server.downloads import LIMITS
from tests.bench.programs import program
from tests.bench.stacks import inside
from tests.pressure.attacks import READER_MB, READERS, attacks, unread_downloads
from tests.pressure.deaf import deaf_sockets, deaf_streams
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


def flood(scene: Scene) -> None:
    """A log at full speed, one page that reads it and one that never does."""
    megabytes = round(scene.log_gb * 1000)
    job = scene.launch("flood", megabytes)
    path = f"/ws/log/job/{job}/?from=0"
    with deaf_sockets(scene.stack.port, path, scene.cookie, count=1), scene.viewer(job):
        scene.until_printed(job, min(megabytes // 2, 1000) * MB)
        scene.rest_goes_on(job)
        scene.end(job)


def line(scene: Scene) -> None:
    """A line of 50 MB, and lines after it."""
    _printed(scene, "line", scene.size(50, 20))


def endless(scene: Scene) -> None:
    """A line that never ends."""
    _printed(scene, "endless", scene.size(200, 20))


def garbage(scene: Scene) -> None:
    """Binary garbage."""
    _printed(scene, "garbage", scene.size(200, 20))


def carriage_returns(scene: Scene) -> None:
    """Ten million times a carriage return."""
    _printed(scene, "carriage_returns", scene.size(10_000, 500))


def folds(scene: Scene) -> None:
    """A million rows that two lines drew; a page asks for all that there is to know of them."""
    job = scene.launch("folds", scene.size(1000, 100))
    with scene.viewer(job):
        scene.until_printed(job, MB)
        scene.rest_goes_on(job)
        scene.row.figures["folds returned"] = _all_folds(scene, job)
        scene.end(job)


def _all_folds(scene: Scene, job: int) -> int:
    known, query, is_over = 0, "", False
    while not is_over:
        with scene.open(f"/api/v1/jobs/{job}/log/folds?{query}") as answer:
            page = json.load(answer)
        known = page["known"] + len(page["folds"])
        query = f"series={page['series']}&known={known}"
        is_over = page["done"]
    return known


def deaf(scene: Scene) -> None:
    """Twenty pages that ask for a log and never read it; one that reads."""
    job = scene.launch("flood", scene.size(1000, 100))
    path = f"/ws/log/job/{job}/?from=0"
    with deaf_sockets(scene.stack.port, path, scene.cookie, count=DEAF), scene.viewer(job):
        scene.until_printed(job, 20 * MB)
        scene.rest_goes_on(job)
        scene.end(job)


def deaf_chats(scene: Scene) -> None:
    """Answers that are longer than any, of which the pages that asked read nothing."""
    tokens = scene.size(60_000, 20_000)
    cookie, port = scene.cookie, scene.stack.port
    with program("engine") as engine, ExitStack() as opened:
        address = f"http://127.0.0.1:{engine.hear()}"
        requests = [{"tokens": tokens, "rate": 0}] * DEAF
        order = {"engine": address, "requests": requests}
        for turn in inside(scene.stack.data_dir, "turns", **order)["turns"]:
            path = f"/relay/turns/{turn}/start"
            opened.enter_context(deaf_streams(port, path, cookie, count=1))
        scene.rest_goes_on()


def downloads(scene: Scene) -> None:
    """Readers of a large output that take nothing of it; those above the limit are refused."""
    with unread_downloads(scene) as statuses:
        if statuses.count(b"200") != LIMITS.of_a_person:
            scene.row.wrong.append(f"{statuses.count(b'200')} downloads of one person")
        scene.rest_goes_on()


def reports(scene: Scene) -> None:
    """Reports that take many times their size when they are read."""
    scene.row.bounds["reader"] = READER_MB
    host = hostile_host(scene.stack, "reports")
    content = b'{"x":[' + b"[]," * (scene.size(512, 64) * MB // 3) + b"[]]}"
    for number in sent_jobs(scene.stack, "reports")[: scene.size(2, 1)]:
        job = claimed(host, number)
        sent = send_output(host, job, content)
        end = threading.Thread(target=send_end, args=(host, job), kwargs={"outputs": [sent]})
        end.start()
        scene.rest_goes_on()
        end.join()
        if (state := scene.api.job(number)["state"]) != "errored":
            scene.row.wrong.append(f"job {number} is {state}")


def one_line(scene: Scene) -> None:
    """Failed jobs whose log is one line of 4 MiB."""
    scene.row.bounds["reader"] = READER_MB
    host = hostile_host(scene.stack, "lines")
    log = b"a" * (4 * 1024 * 1024) + b"is no safetensors file\n"
    for number in sent_jobs(scene.stack, "lines")[: scene.size(4, 1)]:
        job = claimed(host, number)
        send_log(host, job, log)
        fields = {"verdict": "failed", "message_id": "work:exit", "message_args": {"step": "print"}}
        end = threading.Thread(
            target=send_end, args=(host, job, log), kwargs={**fields, "exit_code": 1}
        )
        end.start()
        scene.rest_goes_on()
        end.join()
        if (state := scene.api.job(number)["state"]) != "failed":
            scene.row.wrong.append(f"job {number} is {state}")


def queue(scene: Scene) -> None:
    """Ten thousand jobs that wait for one host."""
    order = {"launched": scene.size(500, 20), "copied": scene.size(9500, 9980)}
    facts = inside(scene.stack.data_dir, "long_queue", **order)
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


def _printed(scene: Scene, what: str, amount: int) -> None:
    """A job that prints so much, a page that reads it, and the rest."""
    job = scene.launch(what, amount)
    with scene.viewer(job):
        scene.until_printed(job, MB)
        scene.rest_goes_on(job)
        scene.end(job)


CASES = (
    Case(
        "flood",
        "a log at full speed, read by one page, not by another",
        flood,
        is_short=True,
    ),
    Case("line", "a line of 50 MB", line, is_short=True),
    Case("endless", "a line that never ends", endless),
    Case("garbage", "binary garbage", garbage, is_short=True),
    Case("carriage-returns", "ten million carriage returns", carriage_returns),
    Case("folds", "a million overwritten rows", folds),
    Case("deaf", f"{DEAF} pages that never read a log", deaf),
    Case("deaf-chats", f"{DEAF} unread answers", deaf_chats),
    Case("downloads", f"{READERS} downloads of 1 GiB that read nothing", downloads, is_short=True),
    Case("reports", "verdicts of reports of 512 MB", reports),
    Case("one-line", "failed jobs with a log of one line", one_line),
    Case("attacks", "attacks, while pages, a viewer and heartbeats go on", attacks),
    # The last, because its jobs stay queued.
    Case("queue", f"{LINE:,} queued jobs", queue),
)
