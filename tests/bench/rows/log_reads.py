"""A gigabyte of log: its last lines, a line in its midst, and a search through the whole of it."""

import json
import os
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.bench.harness import Bench, Goal, Readings, interleaved
from tests.bench.stacks import dashboard, inside
from tests.stack import Stack

NAME = "log-reads"
WHAT = "last 1,000 lines of 1 GB; line 4,000,000; whole-log search"
BESIDE = "seek and read of the file; grep -c"
GOALS = (
    Goal("tail", "ms", 2),
    Goal("line", "ms", 2),
    Goal("search", "s", 1.5, of="ratio"),
    Goal("search-any-case", "s", 1.5, of="ratio"),
    Goal("search-regex", "s", 1.5, of="ratio"),
    Goal("tail-packed", "ms", 2),
    Goal("line-packed", "ms", 2),
    Goal("search-packed", "s", 1.2, of="ratio"),
    Goal("miscounted", "searches", 0),
)
LIMIT_S = 240
LINE_BYTES = 100
# One line of a thousand has them. What is typed in small letters is found in any case.
SEARCHES = {
    "search": ("Loss spiked", False, ["-F"]),
    "search-any-case": ("loss spiked", False, ["-F", "-i"]),
    "search-regex": ("Loss sp[a-z]+ed", True, ["-E"]),
}


def measure(bench: Bench) -> Readings:
    """Reads in a process with Django; searches over HTTP, as the page asks for them."""
    lines = bench.size(10_000_000, 1_000_000)
    with dashboard(bench.folder) as stack:
        job = inside(stack.data_dir, "open_job")["job"]
        path = stack.data_dir / "logs" / "job" / f"{job}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_log(path, lines)
        packed = inside(stack.data_dir, "open_job")["job"]
        path.with_name(f"{packed}.log").hardlink_to(path)
        order = {"job": job, "packed": packed, "lines": lines}
        order["line"] = bench.size(4_000_000, 400_000)
        read = inside(stack.data_dir, "log_reads", **order, rounds=bench.size(200, 50))
        if not read.pop("is_right"):
            raise RuntimeError("other lines than those that were asked for")
        cookie = inside(stack.data_dir, "page")["cookie"]
        figures: dict[str, tuple[float, float | None]] = {
            name + form: (read[name + form.replace("-", "_")] * 1000, read[f"{name}_bare"] * 1000)
            for name in ("tail", "line")
            for form in ("", "-packed")
        }
        miscounted = 0
        for name, (text, is_regex, flags) in SEARCHES.items():
            sides = interleaved(
                bench.size(5, 3),
                ours=lambda text=text, is_regex=is_regex: _search(
                    stack, job, cookie, text, is_regex=is_regex
                ),
                grep=lambda text=text, flags=flags: _grep(path, text, flags),
            )
            ours, grep = sides["ours"], sides["grep"]
            miscounted += ours["lines"] != grep["lines"]
            figures[name] = (ours["seconds"], grep["seconds"])
        text = SEARCHES["search"][0]
        sides = interleaved(
            bench.size(5, 3),
            packed=lambda: _search(stack, packed, cookie, text, is_regex=False),
            raw=lambda: _search(stack, job, cookie, text, is_regex=False),
        )
        miscounted += sides["packed"]["lines"] != sides["raw"]["lines"]
        figures["search-packed"] = (sides["packed"]["seconds"], sides["raw"]["seconds"])
    return {**figures, "miscounted": (float(miscounted), None)}


def write_log(path: Path, lines: int) -> None:
    """Lines of 100 bytes; one of a thousand is of another kind."""
    tail = (
        b" step loss 0.12345 lr 1e-4 grad norm 0.98 tokens 123456 rate 12.3 it/s eta 00:12:34 ok "
    )
    plain = tail.ljust(LINE_BYTES - 11, b".") + b"\n"
    rare = b" WARNING Loss spiked".ljust(LINE_BYTES - 11, b".") + b"\n"
    with path.open("wb") as file:
        for start in range(0, lines, 1000):
            numbers = [b"%010d" % n for n in range(start, start + 1000)]
            file.write(plain.join(numbers[:-1]) + plain + numbers[-1] + rare)


def _search(
    stack: Stack, job: int, cookie: str, text: str, *, is_regex: bool
) -> Mapping[str, float]:
    query = urllib.parse.urlencode({"q": text, "regex": int(is_regex)})
    address = f"{stack.url}/api/v1/jobs/{job}/log/search?{query}"
    began = time.monotonic()
    with urllib.request.urlopen(
        urllib.request.Request(address, headers={"Cookie": cookie}), timeout=60
    ) as answer:
        result = json.load(answer)
    return {"seconds": time.monotonic() - began, "lines": result["lines"]}


def _grep(path: Path, text: str, flags: list[str]) -> Mapping[str, float]:
    began = time.monotonic()
    done = subprocess.run(
        ["grep", "-c", *flags, text, str(path)],
        env=os.environ | {"LC_ALL": "C"},
        capture_output=True,
        check=True,
    )
    return {"seconds": time.monotonic() - began, "lines": int(done.stdout)}
