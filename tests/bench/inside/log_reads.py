"""Reads and searches one long log as the log's views do; says how long each took.

``packed``: a job that has the same file as ``job`` by another name, which is packed and read too;
``line``: one in the midst of its ``lines``. Answer, in seconds:
``{"tail", "line", "tail_bare", "line_bare", "tail_packed", "line_packed", "is_right"}``. A time is
of all that the view does once it has asked for rights, its answer's bytes included; ``_bare`` is a
seek and a read of the same bytes whose place is known.
"""

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

from django.test import RequestFactory

from dashboard.api import logs
from jobs.logstore import store
from jobs.models import Job

TAIL = 1000


def measure(*, job: int, packed: int, lines: int, line: int, rounds: int) -> dict[str, Any]:
    """The last 1,000 lines and 1,000 in the middle, each beside a seek and a read."""
    key, packed_key = f"job/{job}", f"job/{packed}"
    record, packed_record = Job.objects.get(pk=job), Job.objects.get(pk=packed)
    for one in (key, packed_key):
        store().line_count(one)  # the index, which the intake keeps while a log arrives
    store().pack(packed_key)
    line_at = store().offset_of_line(key, line)
    line_end = store().offset_of_line(key, line + TAIL)
    tail_at = store().offset_of_line(key, max(1, store().line_count(key) - TAIL + 1))
    size = store().size(key)
    in_the_midst = _read(key, line_at, line_end)
    return {
        "tail": _median(lambda: _lines(record, lines - TAIL + 1, lines), rounds),
        "line": _median(lambda: _lines(record, line, line + TAIL - 1), rounds),
        "tail_packed": _median(lambda: _lines(packed_record, lines - TAIL + 1, lines), rounds),
        "line_packed": _median(lambda: _lines(packed_record, line, line + TAIL - 1), rounds),
        "tail_bare": _median(lambda: _read(key, tail_at, size), rounds),
        "line_bare": _median(lambda: _read(key, line_at, line_end), rounds),
        "is_right": not store().path(packed_key).exists()
        and _lines(record, line, line + TAIL - 1) == in_the_midst
        and _lines(packed_record, line, line + TAIL - 1) == in_the_midst,
    }


def _median(do: Callable[[], Any], rounds: int) -> float:
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        do()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def _lines(record: Job, first: int, last: int) -> bytes:
    asked = logs.LinesAsked.model_validate({"from": first, "to": last})
    request = RequestFactory().get("/")
    answer = logs.log_lines(logs.Log(f"job/{record.pk}", record, request), asked)
    return bytes(getattr(answer, "content", b""))


def _read(key: str, start: int, end: int) -> bytes:
    fd = os.open(store().path(key), os.O_RDONLY)
    try:
        return os.pread(fd, end - start, start)
    finally:
        os.close(fd)
