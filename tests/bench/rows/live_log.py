"""A log that grows as fast as it can, to a hundred sockets; beside it picows and nothing else."""

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench.harness import Bench, Goal, Readings, cpu_s, interleaved
from tests.bench.programs import Program, program
from tests.bench.stacks import dashboard, environment, inside, web
from tests.stack import Stack

NAME = "live-log"
WHAT = "live log to 100 sockets, full speed"
BESIDE = "picows broadcast of the same bytes"
GOALS = (
    Goal("rate", "lines/s a socket", 0.9, of="ratio", at_least=True),
    Goal("cpu", "µs a delivered line", 1.3, of="ratio"),
    Goal("lost", "sockets", 0),
)
LIMIT_S = 180
SOCKETS = 100
LINE_BYTES = 100
SEED = LINE_BYTES  # what every socket has before the rest is sent


def measure(bench: Bench) -> Readings:
    """Interleaved rounds of both, with the same readers."""
    lines = bench.size(200_000, 40_000)
    path = bench.folder / "log"
    write_lines(path, lines)
    lost = 0
    with dashboard(bench.folder) as stack:
        headers = {"Cookie": inside(stack.data_dir, "page")["cookie"], "Origin": stack.url}

        def ours() -> Mapping[str, float]:
            nonlocal lost
            sample, incomplete = _through_dashboard(stack, path, headers)
            lost += incomplete
            return sample

        sides = interleaved(
            bench.size(5, 2), ours=ours, picows=lambda: _through_picows(path, headers)
        )
    ours_, limit = sides["ours"], sides["picows"]
    return {
        "rate": (ours_["rate"], limit["rate"]),
        "cpu": (ours_["cpu"], limit["cpu"]),
        "lost": (float(lost), None),
    }


def write_lines(path: Path, lines: int) -> None:
    """A log of lines of 100 bytes."""
    tail = b"x" * (LINE_BYTES - 12)
    with path.open("wb") as file:
        for start in range(0, lines, 1000):
            file.write(b"".join(b"%010d %b\n" % (n, tail) for n in range(start, start + 1000)))


def _through_dashboard(
    stack: Stack, path: Path, headers: Mapping[str, str]
) -> tuple[dict[str, float], int]:
    """One round: another process appends to the real log; how many sockets lack something."""
    job = inside(stack.data_dir, "open_job")["job"]
    seed = path.with_suffix(".seed")
    seed.write_bytes(path.read_bytes()[:SEED])
    order = {"job": job, "path": str(path), "offset": SEED}
    env = environment(stack.data_dir)
    with program("inside.append", {**order, "path": str(seed), "offset": 0}, env=env) as first:
        first.hear()
        first.say()
        first.answer()
    url = f"ws://127.0.0.1:{stack.port}/ws/log/job/{job}/?from=0"
    with program("inside.append", order, env=env) as writer, _readers(url, path, headers) as pages:
        writer.hear()
        pages.hear()
        return _timed(web(stack), writer, pages, path)


def _through_picows(path: Path, headers: Mapping[str, str]) -> dict[str, float]:
    order = {"path": str(path), "seed": SEED, "sockets": SOCKETS}
    with program("broadcast", order) as server:
        url = f"ws://127.0.0.1:{server.hear()}/"
        with _readers(url, path, headers) as pages:
            pages.hear()
            sample, incomplete = _timed(server.pid, server, pages, path)
    if incomplete:
        raise RuntimeError(f"{incomplete} sockets of picows lack something")
    return sample


def _readers(url: str, path: Path, headers: Mapping[str, str]) -> Any:
    order = {"url": url, "headers": dict(headers), "sockets": SOCKETS}
    return program("sockets", {**order, "bytes": path.stat().st_size})


def _timed(pid: int, writer: Program, pages: Program, path: Path) -> tuple[dict[str, float], int]:
    """Let the writer go; rate, CPU of the server ``pid`` a line, and incomplete sockets."""
    began_at, cpu = time.monotonic(), cpu_s(pid)
    writer.say()
    answer = pages.answer()
    used = cpu_s(pid) - cpu
    lines = (path.stat().st_size - SEED) / LINE_BYTES
    is_same = answer["sha256s"] == [hashlib.sha256(path.read_bytes()).hexdigest()]
    incomplete = SOCKETS - answer["complete"] if is_same else SOCKETS
    rate = lines / (answer["ended_at"] - began_at)
    return {"rate": rate, "cpu": used / (lines * SOCKETS) * 1e6}, incomplete
