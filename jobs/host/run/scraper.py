"""Reads a plan's watches while a job or a server runs: endpoints in Prometheus text format, and
files that tools write as they go. Standard library only.

A reader of files is made once for a watch and asked again and again; each answer holds a point for
every part that it knows, ``{part: {metric: value}}``, and the one of the whole under "". It never
raises for what a tool wrote: a torn, cut or strange file is read as far as it goes. Points of a
steady reader are written at each look, those of others when they change. One that reads at the end
is asked once more when the plan's commands have ended.
"""

import json
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from jobs.host import probe
from jobs.host.base import disk, engine_http
from jobs.plans import Watch
from jobs.tools.evalscope.host_reader import EvalScopeReader
from jobs.tools.lib.growing import Expected, GrowingReader
from jobs.tools.opencompass.host_reader import OpenCompassReader
from jobs.tools.vllm.host_reader import BenchLogReader, ProgressReader


class DiesReader(GrowingReader):
    """Power and temperature of a job's dies: ``numbers``, between commas. No point without output
    of ``vasmi``."""

    IS_STEADY = True
    READS_AT_END = False  # vasmi may take ten seconds

    def __init__(self, numbers: str) -> None:
        self._numbers = [number for number in numbers.split(",") if number.isdecimal()]

    def read(self) -> dict[str, dict[str, float]]:
        """Power of all together in W, temperature of the hottest in °C."""
        dies = probe.read_dies(self._numbers).get("dies", {}).values()
        watts = [die["power_w"] for die in dies if "power_w" in die]
        degrees = [die["temp_c"] for die in dies if "temp_c" in die]
        values = {
            **({"power_w": round(sum(watts), 1)} if watts else {}),
            **({"temp_c": max(degrees)} if degrees else {}),
        }
        return {"": values} if values else {}


# Name in a plan -> (folder, what is expected, the log of the plan's commands) -> reader.
READERS: dict[str, Callable[[Path, Expected, Path], GrowingReader]] = {
    "evalscope": lambda folder, expected, _log: EvalScopeReader(folder, expected),
    "opencompass": OpenCompassReader,
    "client": ProgressReader,
    "bench-log": BenchLogReader,
    "dies": lambda numbers, _expected, _log: DiesReader(numbers.name),
}


def reader_of(watch: Watch, spool: Path) -> GrowingReader | None:
    """None for a reader that this host does not have."""
    made = READERS.get(watch.reader)
    return made(Path(watch.folder), watch.expected, spool / "log") if made else None


TIMEOUT_S = 2.0  # of a whole answer
LONGEST_ANSWER = 4 * 1024 * 1024
# A server idles when its values have stood still for so long (a rate of now has come down to zero
# meanwhile), and then they are written that often.
STILL_S, QUIET_S = 12.0, 30.0
# About two days of a busy server; the dashboard keeps one.
MARK, KEPT_MARKS = 1024 * 1024, 8
# Counts of files are written when they grew by a two-hundredth, else that often while they change:
# a run of days leaves some thousand points, and a short one each of its steps.
GROWTH, GROWS_S = 1 / 200, 10.0
log = logging.getLogger(__name__)


class PointsFile:
    """A points file that several watches write to, one line a scrape. That of a server has no end.
    When it idles, the same values again are left out (what came last before a change is written
    with it, so that rates are right), and the disk of lines that are long shipped is given back.
    Offsets stand: a reader that comes back to them finds zero bytes."""

    def __init__(self, path: Path, *, endless: bool) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o644)
        self._writing = threading.Lock()
        self._endless = endless
        self._written: dict[str, tuple[float, Mapping[str, float]]] = {}
        self._changed: dict[str, float] = {}
        self._held: dict[str, float] = {}  # when the written values were last seen again
        self._marks = [os.fstat(self._fd).st_size]  # where lines begin, one a megabyte

    def add(self, watch: str, at: float, values: Mapping[str, float]) -> None:
        """``at``: seconds since the epoch."""
        with self._writing:
            if self._fd < 0:  # a thread that hung in a read finds the file closed
                return
            written_at, written = self._written.get(watch, (at, None))
            if written != values:
                if written is not None and watch in self._held:
                    self._write(watch, self._held[watch], written)
                self._changed[watch] = at
            elif (
                self._endless and at - self._changed[watch] > STILL_S and at - written_at < QUIET_S
            ):
                self._held[watch] = at
                return
            self._held.pop(watch, None)
            self._written[watch] = (at, values)
            self._write(watch, at, values)

    def close(self) -> None:
        """The file is complete and on the disk afterwards."""
        with self._writing:
            os.fsync(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _write(self, watch: str, at: float, values: Mapping[str, float]) -> None:
        if self._endless:
            size = os.fstat(self._fd).st_size
            if size >= self._marks[-1] + MARK:
                self._marks.append(size)
            if len(self._marks) > KEPT_MARKS:
                disk.give_back(self._fd, self._marks.pop(0))
        line = json.dumps({"t": round(at, 3), "w": watch, "v": values})
        os.write(self._fd, line.encode() + b"\n")


class Scraper:
    """Reads every watch in a thread of its own and appends to one points file."""

    def __init__(self, watches: Sequence[Watch], points: Path, *, endless: bool = False) -> None:
        self._points = PointsFile(points, endless=endless)
        self._endless = endless
        self._spool = points.parent
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._follow, args=(watch,), name=f"watch {watch.name}", daemon=True
            )
            for watch in watches
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(2 * TIMEOUT_S)
        self._points.close()

    def _follow(self, watch: Watch) -> None:
        reader = reader_of(watch, self._spool) if watch.reader else None
        if watch.reader and reader is None:
            log.error("watch %s: this host has no reader %r", watch.name, watch.reader)
            return
        is_steady = reader is not None and reader.IS_STEADY
        counted = Counted(self._points, watch.name, is_steady=is_steady)
        due = time.monotonic()
        while not self._stopped.wait(max(0.0, due - time.monotonic())):
            due = max(due + watch.interval_s, time.monotonic())
            if reader is None:
                self._scrape(watch)
            elif not _read(reader, counted):
                return
        if reader is None:  # counters of the last interval; a server's own end with it
            if not self._endless:
                self._scrape(watch)
        elif reader.READS_AT_END:  # what was written since, to the last line
            _read(reader, counted, is_last=True)

    def _scrape(self, watch: Watch) -> None:
        at = time.time()
        values = samples(_get(watch.url, watch.key), watch.metrics)
        if values:
            self._points.add(watch.name, at, values)


class Counted:
    """Points of one reader: the whole as ``name``, each part as ``name/part``. Changes only, but
    for a steady one."""

    def __init__(self, points: PointsFile, name: str, *, is_steady: bool = False) -> None:
        self._points, self._name, self._is_steady = points, name, is_steady
        self._last: dict[str, tuple[float, Mapping[str, float]]] = {}

    def add(
        self, at: float, parts: Mapping[str, Mapping[str, float]], *, is_last: bool = False
    ) -> None:
        """Add what has changed enough since it was written, or at all if this is the last look."""
        for part, values in parts.items():
            written_at, written = self._last.get(part, (-math.inf, {}))
            if values == written and not self._is_steady:
                continue
            has_grown = any(
                abs(value - written.get(name, 0.0)) >= max(1.0, GROWTH * value)
                for name, value in values.items()
            )
            if is_last or self._is_steady or at - written_at >= GROWS_S or has_grown:
                self._last[part] = (at, values)
                self._points.add(f"{self._name}/{part}" if part else self._name, at, values)


def _read(reader: GrowingReader, counted: Counted, *, is_last: bool = False) -> bool:
    """False: the reader failed, which is logged and harms no job."""
    try:
        counted.add(time.time(), reader.read(), is_last=is_last)
    except Exception:  # a boundary: curves are for people, the job is for its result
        log.exception("a reader failed")
        return False
    return True


def _get(url: str, key: str) -> str:
    """The body of a 200 answer; empty for anything else (the server may not be there yet)."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        status, body = engine_http.get(
            url, within_s=TIMEOUT_S, longest=LONGEST_ANSWER, headers=headers
        )
    except (OSError, ValueError):
        return ""
    return body.decode(errors="replace") if status == 200 else ""


def samples(text: str, names: Collection[str]) -> dict[str, float]:
    """Values of the named samples, summed over their labels. Others, NaN and infinities are left.
    Source of the format: prometheus.io/docs/instrumenting/exposition_formats, "Text-based
    format"."""
    values: dict[str, float] = {}
    for line in text.splitlines():
        name = line.partition("{")[0].split(" ", 1)[0].strip()
        if name not in names or line.startswith("#"):
            continue
        # A label's value may hold any character, a value and a timestamp hold no brace.
        rest = line.rpartition("}")[2] if "{" in line else line[len(name) :]
        try:
            value = float(rest.split()[0])
        except (ValueError, IndexError):
            continue
        if math.isfinite(value):
            values[name] = values.get(name, 0.0) + value
    return values
