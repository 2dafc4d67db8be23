"""Logs: live to sockets, from a command's output to the screen, read and searched; and jobs."""

import hashlib
import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench.command import STAMP_BYTES
from tests.bench.harness import Bench, Goal, Readings, cpu_s, interleaved, percentile, row
from tests.bench.peers.prefect import prefect
from tests.bench.programs import Program, dashboard, environment, program, until_closed
from tests.stack import ROOT, Stack
from tests.waiting import until

COMMAND = [sys.executable, str(ROOT / "tests" / "bench" / "command.py")]
SOCKETS = 100
LINE_BYTES = 100
SEED = LINE_BYTES  # what every socket has before the rest is sent
BLOCK = 65536


def write_lines(path: Path, lines: int) -> None:
    """A log of lines of 100 bytes."""
    tail = b"x" * (LINE_BYTES - 12)
    with path.open("wb") as file:
        for start in range(0, lines, 1000):
            file.write(b"".join(b"%010d %b\n" % (n, tail) for n in range(start, start + 1000)))


def append(stack: Stack, job: int, path: Path) -> None:
    """Add a file to an empty log, from another process than the web server's."""
    order = {"job": job, "path": str(path), "offset": 0}
    with program("inside.append", order, env=environment(stack.data_dir)) as writer:
        writer.hear()
        writer.say()
        writer.answer()


def page_headers(stack: Stack) -> dict[str, str]:
    return {"Cookie": stack.cookie, "Origin": stack.url}


def reading_order(stack: Stack, job: int, sockets: int, size: int) -> dict[str, Any]:
    """The order of :mod:`tests.bench.sockets` to read a log's first ``size`` bytes."""
    url = f"ws://127.0.0.1:{stack.port}/ws/log/job/{job}/?from=0"
    return {"url": url, "headers": page_headers(stack), "sockets": sockets, "bytes": size}


@row(
    "live-log",
    "live log to 100 sockets, full speed",
    Goal("rate", "lines/s a socket", 0.9, of="ratio", at_least=True),
    Goal("cpu", "µs a delivered line", 1.3, of="ratio"),
    Goal("lost", "sockets", 0),
    limit_s=180,
    grows="sockets",
)
def live_log(bench: Bench) -> Readings:
    """A log that grows as fast as it can; beside it picows and nothing else, same readers."""
    path = bench.folder / "log"
    write_lines(path, bench.size(200_000, 40_000))
    sockets, lost = bench.amount(SOCKETS, SOCKETS), 0
    with dashboard(bench.folder) as stack:
        headers = page_headers(stack)

        def ours() -> Mapping[str, float]:
            nonlocal lost
            sample, incomplete = _through_dashboard(stack, path, headers, sockets)
            lost += incomplete
            return sample

        picows = partial(_through_picows, path, headers, sockets)
        sides = interleaved(bench.size(5, 2), ours=ours, picows=picows)
    figures = {name: (sides["ours"][name], sides["picows"][name]) for name in ("rate", "cpu")}
    return {**figures, "lost": float(lost)}


def _through_dashboard(
    stack: Stack, path: Path, headers: Mapping[str, str], sockets: int
) -> tuple[dict[str, float], int]:
    """One round: another process appends to the real log; how many sockets lack something."""
    job = stack.call("orders.open_job")
    seed = path.with_suffix(".seed")
    seed.write_bytes(path.read_bytes()[:SEED])
    append(stack, job, seed)
    order = {"job": job, "path": str(path), "offset": SEED}
    url = f"ws://127.0.0.1:{stack.port}/ws/log/job/{job}/?from=0"
    with (
        program("inside.append", order, env=environment(stack.data_dir)) as writer,
        _readers(url, path, headers, sockets) as pages,
    ):
        writer.hear()
        pages.hear()
        return _timed(stack.children()["web"], writer, pages, path, sockets)


def _through_picows(path: Path, headers: Mapping[str, str], sockets: int) -> dict[str, float]:
    order = {"path": str(path), "seed": SEED, "sockets": sockets}
    with (
        program("broadcast", order) as server,
        _readers(f"ws://127.0.0.1:{server.hear()}/", path, headers, sockets) as pages,
    ):
        pages.hear()
        sample, incomplete = _timed(server.pid, server, pages, path, sockets)
    if incomplete:
        raise RuntimeError(f"{incomplete} sockets of picows lack something")
    return sample


def _readers(url: str, path: Path, headers: Mapping[str, str], sockets: int) -> Any:
    order = {"url": url, "headers": dict(headers), "sockets": sockets}
    return program("sockets", {**order, "bytes": path.stat().st_size})


def _timed(
    pid: int, writer: Program, pages: Program, path: Path, sockets: int
) -> tuple[dict[str, float], int]:
    """Let the writer go; rate, CPU of the server ``pid`` a line, and incomplete sockets."""
    began_at, cpu = time.monotonic(), cpu_s(pid)
    writer.say()
    answer = pages.answer()
    used = cpu_s(pid) - cpu
    lines = (path.stat().st_size - SEED) / LINE_BYTES
    is_same = answer["sha256s"] == [hashlib.sha256(path.read_bytes()).hexdigest()]
    incomplete = sockets - answer["complete"] if is_same else sockets
    rate = lines / (answer["ended_at"] - began_at)
    return {"rate": rate, "cpu": used / (lines * sockets) * 1e6}, incomplete


TICKS_PER_S = 10_000
WARM_S = 2.0  # at the beginning, not counted
LOOKED_AT_PER_S = 200  # lines, on each socket


@row(
    "live-log-paced",
    "live log at 10,000 lines/s to 100 sockets",
    Goal("p50", "ms", 8),
    Goal("p99", "ms", 20),
    Goal("lost", "sockets", 0),
    limit_s=120,
    grows="sockets",
)
def live_log_paced(bench: Bench) -> Readings:
    """Age of a line on its sockets: each says when it was printed, the readers when it came.

    The full pipeline: command, log on the host, shipper, intake, log store, hub, socket.
    """
    with dashboard(bench.folder) as stack:
        lines = bench.size(20, 6) * TICKS_PER_S
        sockets = bench.amount(SOCKETS, SOCKETS)
        sample, incomplete = _paced(stack, lines, TICKS_PER_S, sockets)
    return {**sample, "lost": float(incomplete)}


def _paced(stack: Stack, lines: int, rate: int, sockets: int) -> tuple[dict[str, float], int]:
    """One job that prints ``rate`` lines a second: its figures, and its incomplete sockets."""
    argv = [*COMMAND, "tick", str(lines), str(rate)]
    job = stack.call("orders.queue_jobs", argv=argv)[0]
    order = {**reading_order(stack, job, sockets, lines * LINE_BYTES), "frames": True}
    spool = stack.data_dir / "host" / "spool" / str(job)
    until(lambda: (spool / "log").exists(), "the command runs", 30)
    with program("sockets", order) as pages:
        pages.hear()  # its first line, on all sockets
        (spool / "work" / "go").touch()
        answer = pages.answer()
    until_closed(stack, [job])
    log = (stack.data_dir / "logs" / "job" / f"{job}.log").read_bytes()
    printed = [float(line[:STAMP_BYTES]) for line in log.splitlines()]
    ages = line_ages(printed, answer["frames"], every=max(1, rate // LOOKED_AT_PER_S))
    printed_rate = (lines - 2) / (printed[-1] - printed[1])
    return {**delays(ages), "rate": printed_rate}, sockets - answer["complete"]


def delays(ages: Sequence[float]) -> dict[str, float]:
    return {f"p{n}": percentile(ages, n / 100) * 1000 for n in (50, 99)}


def line_ages(
    printed: Sequence[float], frames: Sequence[Sequence[float]], *, every: int
) -> list[float]:
    """Seconds from the printing of a line to its arrival, on every socket."""
    arrived: dict[int, list[tuple[int, float]]] = {}
    for number, offset, size, at in frames:
        arrived.setdefault(int(number), []).append((int(offset + size), at))
    first = next(n for n, at in enumerate(printed) if at >= printed[1] + WARM_S)
    ages = []
    for ends in arrived.values():
        edges = [end for end, _ in ends]
        for number in range(first, len(printed), every):
            at = ends[bisect_right(edges, number * LINE_BYTES + LINE_BYTES - 1)][1]
            ages.append(at - printed[number])
    return ages


VIEWERS = 10
RATES = (100, 10_000)


@row(
    "prefect",
    "live log at 100 and 10,000 lines/s to 10 sockets, beside Prefect",
    *(
        goal
        for rate in RATES
        for goal in (
            Goal(f"p50-{rate}", "ms", 1, of="ratio"),
            Goal(f"p99-{rate}", "ms", 1, of="ratio"),
            Goal(f"lost-{rate}", "% of lines", 0),
            Goal(f"rate-{rate}", "lines/s", 0.99, of="ratio", at_least=True),
        )
    ),
    limit_s=1800,
)
def beside_prefect(bench: Bench) -> Readings:
    """Lines of a command, and the same lines of a flow, in turns; both to sockets.

    ``rate`` is what was printed: a flow cannot log faster than its logger.
    """
    folder, figures = bench.folder / "peer", {}
    folder.mkdir()
    with dashboard(bench.folder) as stack, prefect(folder) as peer:
        for rate in RATES:
            lines = bench.size(10, 5) * rate

            def ours(lines: int = lines, rate: int = rate) -> Mapping[str, float]:
                sample, incomplete = _paced(stack, lines, rate, VIEWERS)
                return {**sample, "lost": 100 * incomplete / VIEWERS}

            def theirs(lines: int = lines, rate: int = rate) -> Mapping[str, float]:
                said, came = peer.logged(lines, rate, VIEWERS)
                first = min(printed for _, printed, _ in came) + WARM_S
                ages = [at - printed for _, printed, at in came if printed >= first]
                lost = 100 * (1 - len(came) / (said["lines"] * VIEWERS))
                return {**delays(ages), "rate": said["lines"] / said["seconds"], "lost": lost}

            sides = interleaved(bench.size(3, 1), ours=ours, theirs=theirs)
            for name, value in sides["ours"].items():
                figures[f"{name}-{rate}"] = (value, sides["theirs"][name])
    return figures


PRINT_RATE = 100e6


@row(
    "launcher",
    "a command under launcher and shipper, 100 MB/s of output",
    Goal("wall", "s", 1.1, of="ratio"),
    limit_s=240,
    grows="output",
)
def launcher(bench: Bench) -> Readings:
    """The wall time of the command alone, beside the same with ``> file``.

    Each job is shipped before the next begins.
    """
    argv = [*COMMAND, "print", str(bench.amount(400, 100)), str(_calibrated(bench))]
    with dashboard(bench.folder) as stack:

        def ours() -> Mapping[str, float]:
            jobs = stack.call("orders.queue_jobs", argv=argv)
            facts = until_closed(stack, jobs)
            return {"wall": facts[str(jobs[0])]["steps_s"]}

        sides = interleaved(
            bench.size(5, 3), ours=ours, bare=lambda: {"wall": _to_file(bench, argv)}
        )
    return {"wall": (sides["ours"]["wall"], sides["bare"]["wall"])}


def _calibrated(bench: Bench) -> int:
    """Return the printer's work a block at which its rate is 100 MB/s here."""
    work = 8
    for _ in range(3):
        rate = 50e6 / _to_file(bench, [*COMMAND, "print", "50", str(work)])
        work = max(1, round(work * rate / PRINT_RATE))
    return work


def _to_file(bench: Bench, argv: list[str]) -> float:
    """Seconds of the command with its output in a file; in a session, as the launcher's have."""
    path = bench.folder / "out"
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        began = time.monotonic()
        subprocess.run(argv, cwd=bench.folder, stdout=file, check=True, start_new_session=True)
        return time.monotonic() - began


@row(
    "intake",
    "intake with sync, one shipper",
    Goal("rate", "MB/s", 0.6, of="ratio", at_least=True),
    limit_s=120,
    grows="log",
)
def intake(bench: Bench) -> Readings:
    """The host's own shipper sends a complete log, every chunk synced.

    Beside it bare writes with a sync each.
    """
    path = bench.folder / "log"
    write_lines(path, bench.amount(1_000_000, 200_000))
    with dashboard(bench.folder) as stack:

        def ours() -> Mapping[str, float]:
            files = {"spool": str(bench.folder), "log": str(path)}
            spool = stack.call("orders.claimed_job", **files)
            order = {"spool": spool, "env": str(stack.data_dir / "host" / "host.env")}
            with program("ship", order, env=environment(stack.data_dir)) as shipper:
                shipper.hear()
                shipper.say()
                return {"rate": path.stat().st_size / shipper.answer()["seconds"] / 1e6}

        sides = interleaved(bench.size(5, 3), ours=ours, bare=lambda: _bare(bench.folder, path))
    return {"rate": (sides["ours"]["rate"], sides["bare"]["rate"])}


def _bare(folder: Path, path: Path) -> dict[str, float]:
    data = memoryview(path.read_bytes())
    target = os.open(folder / "bare", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        began = time.monotonic()
        for start in range(0, len(data), BLOCK):
            os.write(target, data[start : start + BLOCK])
            os.fdatasync(target)
        return {"rate": len(data) / (time.monotonic() - began) / 1e6}
    finally:
        os.close(target)
        (folder / "bare").unlink()


# One line of a thousand has them. What is typed in small letters is found in any case.
SEARCHES = {
    "search": ("Loss spiked", False, ["-F"]),
    "search-any-case": ("loss spiked", False, ["-F", "-i"]),
    "search-regex": ("Loss sp[a-z]+ed", True, ["-E"]),
}


@row(
    "log-reads",
    "last 1,000 lines of 1 GB; line 4,000,000; whole-log search",
    Goal("tail", "ms", 2),
    Goal("line", "ms", 2),
    *(Goal(name, "s", 1.5, of="ratio") for name in SEARCHES),
    *(Goal(f"{name}-coloured", "s", 2, of="ratio") for name in SEARCHES),
    Goal("tail-packed", "ms", 2),
    Goal("line-packed", "ms", 2),
    Goal("search-packed", "s", 1.2, of="ratio"),
    Goal("miscounted", "searches", 0),
    limit_s=300,
    grows="log",
)
def log_reads(bench: Bench) -> Readings:
    """Reads in a process with Django; searches over HTTP, as the page asks for them."""
    lines = bench.amount(10_000_000, 1_000_000)
    with dashboard(bench.folder) as stack:
        job, packed, coloured = (stack.call("orders.open_job") for _ in range(3))
        path = stack.data_dir / "logs" / "job" / f"{job}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_log(path, lines)
        colours = path.with_name(f"{coloured}.log")
        write_log(colours, lines, colour=b"\x1b[32mINFO\x1b[0m")
        path.with_name(f"{packed}.log").hardlink_to(path)
        order = {"job": job, "packed": packed, "lines": lines, "rounds": bench.size(200, 50)}
        order["line"] = lines * 4 // 10
        read = stack.call("log_reads.measure", **order)
        if not read.pop("is_right"):
            raise RuntimeError("other lines than those that were asked for")
        figures: dict[str, Any] = {
            name + form: (read[name + form.replace("-", "_")] * 1000, read[f"{name}_bare"] * 1000)
            for name in ("tail", "line")
            for form in ("", "-packed")
        }
        cookie, miscounted = stack.cookie, 0

        def search(number: int, text: str, is_regex: bool = False) -> Any:
            return lambda: _search(stack, number, cookie, text, is_regex=is_regex)

        ways = {
            name + kind: (search(number, text, is_regex), partial(_grep, log, text, flags))
            for kind, number, log in (("", job, path), ("-coloured", coloured, colours))
            for name, (text, is_regex, flags) in SEARCHES.items()
        }
        text = SEARCHES["search"][0]
        ways["search-packed"] = (search(packed, text), search(job, text))
        for name, (ours, beside) in ways.items():
            sides = interleaved(bench.size(5, 3), ours=ours, beside=beside)
            miscounted += sides["ours"]["lines"] != sides["beside"]["lines"]
            figures[name] = (sides["ours"]["seconds"], sides["beside"]["seconds"])
    return {**figures, "miscounted": float(miscounted)}


def write_log(path: Path, lines: int, *, colour: bytes = b"") -> None:
    """Lines of 100 bytes; one of a thousand is of another kind, one of ten begins with a colour."""
    tail = (
        b" step loss 0.12345 lr 1e-4 grad norm 0.98 tokens 123456 rate 12.3 it/s eta 00:12:34 ok "
    )
    plain = tail.ljust(LINE_BYTES - 11, b".") + b"\n"
    rare = b" WARNING Loss spiked".ljust(LINE_BYTES - 11, b".") + b"\n"
    with path.open("wb") as file:
        for start in range(0, lines, 1000):
            numbers = [b"%010d" % n for n in range(start, start + 1000)]
            for ten in range(0, 1000, 10):
                numbers[ten] += colour
            file.write(plain.join(numbers) + rare)


def _search(
    stack: Stack, job: int, cookie: str, text: str, *, is_regex: bool
) -> Mapping[str, float]:
    query = urllib.parse.urlencode({"q": text, "regex": int(is_regex)})
    address = f"{stack.url}/api/v1/jobs/{job}/log/search?{query}"
    request = urllib.request.Request(address, headers={"Cookie": cookie})
    began = time.monotonic()
    with urllib.request.urlopen(request, timeout=60) as answer:
        result = json.load(answer)
    return {"seconds": time.monotonic() - began, "lines": result["lines"]}


def _grep(path: Path, text: str, flags: list[str]) -> Mapping[str, float]:
    command, environ = ["grep", "-c", *flags, text, str(path)], os.environ | {"LC_ALL": "C"}
    began = time.monotonic()
    done = subprocess.run(command, env=environ, capture_output=True, check=True)
    return {"seconds": time.monotonic() - began, "lines": int(done.stdout)}


SLOTS = 8
WORK = (
    "import json, pathlib, time\n"
    "time.sleep(2.0)\n"
    "pathlib.Path('ready.json').write_text(json.dumps({'seconds': 0}))\n"
)


@row(
    "queue",
    "300 queued jobs drained by 8 slots",
    Goal("drain", "jobs/s", 0.95, of="ratio", at_least=True),
    limit_s=420,
    grows="jobs",
)
def queue(bench: Bench) -> Readings:
    """From the first lease to the last verdict, beside the same jobs without a gap between them."""
    count = bench.amount(300, 40)
    with dashboard(bench.folder) as stack:
        order = {"argv": [sys.executable, "-S", "-c", WORK], "count": count, "slots": SLOTS}
        jobs = stack.call("orders.queue_jobs", **order)
        facts = until_closed(stack, jobs).values()
    took = max(job["finished_at"] for job in facts) - min(job["started_at"] for job in facts)
    own = sum(job["steps_s"] for job in facts) / SLOTS
    return {"drain": (count / took, count / own)}
