"""Files that a tool writes as it runs, read on from the end of the last read.
Here: a reader a tool; values for a watch.
Not here: when to look (`host.run.scraper`), final reports (`parser` of a tool).

A reader is made once for a watch and asked again and again; each answer holds a point for every
part that it knows, ``{part: {metric: value}}``, and the one of the whole under "". It never raises
for what a tool wrote: a torn, cut or strange file is read as far as it goes. Points of a steady
reader are written at each look, those of others when they change. One that reads at the end is
asked once more when the plan's commands have ended.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from jobs.host import probe
from jobs.plans import Watch
from jobs.tools.evalscope.host_reader import EvalScopeReader
from jobs.tools.lib.growing import Expected
from jobs.tools.opencompass.host_reader import OpenCompassReader
from jobs.tools.vllm.host_reader import BenchLogReader, ProgressReader


class Reader(Protocol):
    """Interface of a reader, as a watch uses it."""

    IS_STEADY: bool
    READS_AT_END: bool

    def read(self) -> dict[str, dict[str, float]]: ...


class DiesReader:
    """Power and temperature of a job's dies: ``numbers``, between commas. No point without output
    of ``vasmi``."""

    IS_STEADY = True
    READS_AT_END = False  # vasmi may take ten seconds

    def __init__(self, numbers: str) -> None:
        self._numbers = [number for number in numbers.split(",") if number.isdecimal()]

    def read(self) -> dict[str, dict[str, float]]:
        """The power of all together in W, the temperature of the hottest in °C."""
        dies = probe.read_dies(self._numbers).get("dies", {}).values()
        watts = [die["power_w"] for die in dies if "power_w" in die]
        degrees = [die["temp_c"] for die in dies if "temp_c" in die]
        values = {
            **({"power_w": round(sum(watts), 1)} if watts else {}),
            **({"temp_c": max(degrees)} if degrees else {}),
        }
        return {"": values} if values else {}


# Name in a plan -> (folder, what is expected, the log of the plan's commands) -> reader.
READERS: dict[str, Callable[[Path, Expected, Path], Reader]] = {
    "evalscope": lambda folder, expected, _log: EvalScopeReader(folder, expected),
    "opencompass": OpenCompassReader,
    "client": ProgressReader,
    "bench-log": BenchLogReader,
    "dies": lambda numbers, _expected, _log: DiesReader(numbers.name),
}


def reader_of(watch: Watch, spool: Path) -> Reader | None:
    """The reader that a watch names; None for one that this host does not have."""
    made = READERS.get(watch.reader)
    return made(Path(watch.folder), watch.expected, spool / "log") if made else None
