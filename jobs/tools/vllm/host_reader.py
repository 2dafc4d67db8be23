"""Progress of a benchmark client: requests sent, done and failed, tokens received.

Warm-up requests are none of these; "warm" counts those that run.

Two sources. ``client.jsonl`` of send_cold.py, a line twice a second, the last one counts. And the
log of the plan's commands, for vLLM's own benchmarks: a bar at each request that ends, and at the
end of a run how many failed.
Standard library only.
"""

import json
import re
from pathlib import Path

from jobs.tools.lib.growing import Expected, GrowingReader, Tail

NAMES = ("sent", "done", "failed", "tokens", "level", "warm")
# tqdm: "  5%|▌         | 1/20 [00:00<00:02,  7.60it/s]"
_BAR = re.compile(r"^ *\d+%\|[^|]*\| (\d{1,9})/(\d{1,9}) \[")
# vLLM, offline: "Processed prompts:  40%|████ | 4/10 […, est. speed input: 9.0 toks/s, output: …]"
_PROMPTS = re.compile(r"^Processed prompts: +\d+%\|[^|]*\| (\d{1,9})/(\d{1,9}) \[")
_RATE = re.compile(r"output: (\d{1,9}(?:\.\d{1,6})?) toks?/s")
_BEGINS = "Starting main benchmark run"
_MOST = 1e15  # neither requests nor tokens of a run come to so many
_FAILED = re.compile(r"^Failed requests: +(\d{1,9})\b")


class ProgressReader(GrowingReader):
    """The last line of ``client.jsonl`` in ``folder``."""

    IS_STEADY = True  # a point at each look, so that the chart moves before the first answer

    def __init__(self, folder: Path, expected: Expected, _log: Path) -> None:
        self._path = folder / "client.jsonl"
        self._total = sum(size for _name, size in expected)
        self._tail = Tail()
        self._values = dict.fromkeys(NAMES, 0.0)

    def read(self) -> dict[str, dict[str, float]]:
        for line in self._tail.read(self._path)[0][-1:]:
            try:
                counts = json.loads(line)
                values = {name: _count(counts.get(name)) for name in NAMES}
            except (ValueError, AttributeError, RecursionError):
                continue
            self._values = values
        return {"": {**self._values, "total": float(self._total)}}


class BenchLogReader(GrowingReader):
    """Bars of vLLM's benchmarks in the log; ``expected`` lists each run with its requests."""

    IS_STEADY = True

    def __init__(self, _folder: Path, expected: Expected, log: Path) -> None:
        self._log = log
        self._sizes = [size for _name, size in expected]
        self._levels = [name for name, _size in expected]
        self._tail = Tail()
        self._runs: list[int] = []  # requests done in each run that was begun
        self._failed = 0
        self._rate: float | None = None

    def read(self) -> dict[str, dict[str, float]]:
        for line in self._tail.read(self._log)[0]:
            self._take(line.decode(errors="replace"))
        values = {
            "done": float(sum(self._runs)),
            "failed": float(self._failed),
            "total": float(sum(self._sizes)),
        }
        if self._rate is not None:
            values["rate"] = self._rate
        begun = len(self._runs)
        level = self._levels[begun - 1] if 0 < begun <= len(self._levels) else ""
        if level.isdigit():
            values["level"] = float(level)
        return {"": values}

    def _take(self, line: str) -> None:
        failed, prompts = _FAILED.match(line), _PROMPTS.match(line)
        bar = _BAR.match(line) if self._runs else None
        if _BEGINS in line:
            self._runs.append(0)
        elif failed:
            self._failed += int(failed[1])
        elif prompts:
            self._runs = [int(prompts[1])]
            rate = _RATE.search(line)
            self._rate = float(rate[1]) if rate else self._rate
        elif bar:
            self._runs[-1] = int(bar[1])


def _count(value: object) -> float:
    """Return 0 for what no client can have counted."""
    is_count = isinstance(value, int | float) and 0 <= value < _MOST
    return float(value) if is_count else 0.0  # type: ignore[arg-type]
