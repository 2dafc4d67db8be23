"""What OpenCompass prints: its console, the logs of its tasks, a dry run.

One task asks all sets (``logs/infer/<model>/<first set>.out``), then one task a set scores it
(``logs/eval/<model>/<set>.out``). The console's own bar stays at 0/1 while all is asked, so how far
it is stands in the task's log and in the files of predictions.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from jobs.errors import ParseError
from jobs.parsers.lines import lines_of

_SAYS = " - OpenCompass - "
_FOLDER = re.compile(r"Current exp folder: (?P<folder>\S+)")
_PARTITIONED = re.compile(r"Partitioned into (?P<tasks>\d+) tasks")
_LAUNCHED = re.compile(r"^launch OpenICL(?P<stage>Infer|Eval)\[(?P<names>[^\]]+)\]")
_FAILED = re.compile(r"task OpenICL(?P<stage>Infer|Eval)\[(?P<names>[^\]]+)\] fail, see")
_TASK = re.compile(r"Task \[(?P<names>[^\]]+)\](?P<says>: (?P<said>.+))?$")
_BEGUN = re.compile(r"Start inferencing \[(?P<name>[^\]]+)\]")
# tqdm without a name: the batches. "Inferencing: …" is the bar of the requests in one of them.
_BATCHES = re.compile(r"^ *\d+%\|[^|]*\| (?P<done>\d+)/(?P<total>\d+) \[")
_ABSENT = re.compile(r"(?P<path>\S+) does not exist!Start Download data automatically!")
_ELAPSED = re.compile(r"time elapsed: +(?P<seconds>[\d.]+)s")
_EXCEPTION = re.compile(r"^(?:[a-z_][\w.]*\.)?[A-Z]\w*(?:Error|Exception)\b.*")
_NUMPY = re.compile(r"\bnp\.(?:float|int)\d+\((?P<number>[^()]*)\)")

Stage = Literal["infer", "eval"]


@dataclass(frozen=True, slots=True)
class DryRun:
    """A dry run that loaded every set. ``folder`` is where it wrote its configuration."""

    folder: str
    tasks: int


def parse_dry_run(path: str, content: bytes) -> DryRun:
    """What a dry run printed.

    Raises:
        ParseError: it found a set missing, or broke; the last exception is in the words.
    """
    folder, tasks, broke, absent = "", None, "", ""
    for line in lines_of(content):
        if said := _FOLDER.search(line.text):
            folder = said["folder"]
        elif said := _PARTITIONED.search(line.text):
            tasks = int(said["tasks"])
        elif _LAUNCHED.search(line.text):
            raise ParseError(f"{path} is a run, not a dry run: it launched a task")
        elif said := _ABSENT.search(line.text):
            absent = f"{said['path']} does not exist; "
        elif said := _EXCEPTION.match(line.text):
            broke = said[0]
    if broke:
        raise ParseError(f"{path}: the dry run broke: {absent}{broke[:300]}")
    if not folder or tasks is None:
        raise ParseError(
            f"{path} is no whole dry run of OpenCompass: no 'Partitioned into … tasks'"
        )
    return DryRun(folder, tasks)


@dataclass(frozen=True, slots=True)
class FailedTask:
    """A task that the console calls failed. ``names`` are "model/set"; ``log`` tells why."""

    stage: Stage
    names: tuple[str, ...]
    log: str


@dataclass(frozen=True, slots=True)
class Console:
    """What a run printed. ``launched`` counts tasks by stage, as far as they have begun."""

    folder: str
    launched: Mapping[str, int]
    failed: tuple[FailedTask, ...]


def parse_console(path: str, content: bytes) -> Console:
    """The console of a run, whole or so far.

    Raises:
        ParseError: OpenCompass did not print it.
    """
    folder, launched, failed = "", {"infer": 0, "eval": 0}, []
    waiting: FailedTask | None = None
    for line in lines_of(content):
        if waiting is not None:
            failed.append(replace(waiting, log=line.text.strip()))
            waiting = None
        if said := _FOLDER.search(line.text):
            folder = said["folder"]
        elif said := _LAUNCHED.search(line.text):
            launched[_stage(said)] += 1
        elif said := _FAILED.search(line.text):
            waiting = FailedTask(_stage(said), _names(said), "")
    if not folder:
        raise ParseError(f"{path} is no console of OpenCompass: no 'Current exp folder'")
    return Console(folder, launched, (*failed, *([waiting] if waiting else ())))


@dataclass(frozen=True, slots=True)
class Inference:
    """The log of a task that asks. ``names`` are "model/set", ``current`` is the one that is being
    asked; batches are its own. ``problem`` is the exception that ended it, ``elapsed_s`` is None
    until it is done.
    """

    names: tuple[str, ...] = ()
    current: str = ""
    batches_done: int = 0
    batches_total: int = 0
    problem: str = ""
    elapsed_s: float | None = None

    def questions_done(self, sizes: Mapping[str, int], predicted: Collection[str]) -> int:
        """Questions that are answered: all of the sets in ``predicted`` (they have a file of
        predictions), and of the current one the batches that are done. ``sizes`` says how many
        questions each has; all names are "model/set".
        """
        whole = sum(sizes.get(name, 0) for name in self.names if name in predicted)
        if not self.current or self.current in predicted or not self.batches_total:
            return whole
        size = sizes.get(self.current, 0)
        return whole + min(size, -(-size * self.batches_done // self.batches_total))


def parse_inference(path: str, content: bytes) -> Inference:
    """The log of a task that asks, whole or so far.

    Raises:
        ParseError: OpenCompass did not write it.
    """
    found = Inference()
    for line in lines_of(content):
        if said := _BATCHES.match(line.text):
            done, total = int(said["done"]), int(said["total"])
            found = replace(found, batches_done=done, batches_total=total)
        elif said := _BEGUN.search(line.text):
            found = replace(found, current=said["name"], batches_done=0, batches_total=0)
        elif _SAYS in line.text and (said := _TASK.search(line.text)):
            found = replace(found, names=_names(said))
        elif said := _ELAPSED.search(line.text):
            found = replace(found, elapsed_s=float(said["seconds"]), problem="")
        elif said := _EXCEPTION.match(line.text):
            found = replace(found, problem=said[0])
    if not found.names:
        raise ParseError(f"{path} is no log of an OpenCompass task: no 'Task [model/set]'")
    return found


@dataclass(frozen=True, slots=True)
class Scoring:
    """The log of a task that scores one set. ``values`` is empty and ``problem`` says why where it
    could not; 0.5 prints no values: they are in its results.
    """

    name: str
    values: Mapping[str, float]
    problem: str
    elapsed_s: float | None


def parse_scoring(path: str, content: bytes) -> Scoring:
    """The log of a task that scores.

    Raises:
        ParseError: OpenCompass did not write it, or it is cut off.
    """
    name, problem, values, elapsed, known = "", "", {}, None, False
    for line in lines_of(content):
        known = known or _SAYS in line.text or "/opencompass/" in line.text
        if _SAYS in line.text and (said := _TASK.search(line.text)):
            name, told = said["names"], said["said"] or ""
            values = dict_of(told)
            torn = told.startswith("{") and not told.endswith("}")
            problem = "" if values or torn else told
        elif said := _ELAPSED.search(line.text):
            elapsed = float(said["seconds"])
        elif said := _EXCEPTION.match(line.text):
            problem = said[0]
    if not known:
        raise ParseError(f"{path} is no log of an OpenCompass task")
    if elapsed is None and not problem:
        raise ParseError(f"{path} is cut off: neither an end nor an exception")
    return Scoring(name, values, problem, elapsed)


def dict_of(text: str) -> dict[str, float]:
    """The numbers in ``{'accuracy': np.float64(50.0)}``; empty for anything else."""
    try:
        found: Any = ast.literal_eval(_NUMPY.sub(r"\g<number>", text.strip()))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        str(key): float(value)
        for key, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _stage(said: re.Match[str]) -> Stage:
    return "infer" if said["stage"] == "Infer" else "eval"


def _names(said: re.Match[str]) -> tuple[str, ...]:
    return tuple(name.strip() for name in said["names"].split(","))
