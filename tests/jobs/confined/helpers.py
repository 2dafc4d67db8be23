"""Tasks of the tests: what a reader of a stranger's bytes may do wrong."""

import os
import time
from pathlib import Path
from typing import Any

from jobs.base.errors import LaunchError, OffsetMismatch
from jobs.kinds import KINDS
from jobs.plans import Plan, Step
from jobs.readings import read_outcome

hoard: list[Any] = []


def double(number: int) -> int:
    return 2 * number


def eat_memory() -> int:
    hoard.extend(bytearray(16_000_000) for _ in range(100_000))
    return 0


def eat_processor() -> int:
    while True:
        pass


def sleep() -> int:
    time.sleep(60)
    return 0


def sleep_after(note: str) -> int:
    Path(note).touch()
    return sleep()


def say_much() -> str:
    return "x" * 2_000_000


def open_many() -> int:
    return len([os.open("/dev/null", os.O_RDONLY) for _ in range(1000)])


def refuse(size: int) -> int:
    raise OffsetMismatch(size)


def refuse_field(text: str) -> int:
    raise LaunchError(text, "files")


def go_wrong() -> int:
    raise ZeroDivisionError


def die(note: str, times: int = 100) -> int:
    """Be killed in the first runs; return how many there were. ``note`` is a file of the test."""
    with Path(note).open("a+") as file:
        file.write("x")
    runs = Path(note).stat().st_size
    if runs <= times:
        os.kill(os.getpid(), 9)
    return runs


def keep_memory(size: int) -> int:
    hoard.append(b"x" * size)
    return os.getpid()


def number_of_process() -> int:
    return os.getpid()


def infinite() -> float:
    return float("inf")


def read_benchmark(path: str) -> int:
    """Read a result of vLLM's client as the end of its job does; return its measured requests."""
    kind = KINDS["benchmark-online"]
    params = kind.Params(deployment="5", stack="vllm-cpu")
    plan = Plan(kind.name, (Step("measure", ("true",)),))
    measured = read_outcome(kind, params, plan, {"result.json": Path(path).read_bytes()}).measured
    return sum(map(len, measured.requests.values())) if measured else 0
