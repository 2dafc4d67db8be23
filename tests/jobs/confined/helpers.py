"""Tasks of the tests: what a reader of a stranger's bytes may do wrong."""

import os
import time
from typing import Any

from jobs.base.errors import LaunchError, OffsetMismatch

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


def die() -> int:
    os.kill(os.getpid(), 9)
    return 0


def number_of_process() -> int:
    return os.getpid()


def infinite() -> float:
    return float("inf")
