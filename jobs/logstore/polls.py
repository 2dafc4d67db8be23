"""Requests of the dashboard itself in a server's log.

Its host asks a server for ``/health`` and ``/metrics`` every few seconds, and uvicorn, which vLLM
and others serve with, prints a line for each: ``127.0.0.1:55136 - "GET /health HTTP/1.1" 200 OK``.
What it asks others for, such as ``/v1/models``, people ask for too: there its requests have a mark
(``jobs.plans.HEALTH_MARK``), which is found in whatever form a server prints a request. Only those
that were answered with 200 count; any other answer is news.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jobs.logstore.files import Log
from jobs.logstore.lines import LineIndex
from jobs.plans import HEALTH_MARK

SCAN_BYTES = 8 * 1024 * 1024  # of one look
# Older parts are shown unchanged: months of a busy server.
MOST_BYTES = 256 * 1024 * 1024
_COLOUR = rb"(?:\x1b\[[\d;]{0,12}m)*"
_POLL = re.compile(
    rb'"%sGET /(?:health|metrics) HTTP/\d(?:\.\d)?%s" %s200\b' % (_COLOUR, _COLOUR, _COLOUR)
    + rb"|GET /[^\s\"?]{0,200}\?%s\b[^\n]{0,60}?\b200\b" % HEALTH_MARK.encode()
)


@dataclass(frozen=True, slots=True)
class Polls:
    """``ranges`` of lines from one byte to ``to``, both ends in them, ascending; ``is_done``: no
    whole line follows. ``lines`` of the log were looked at so far, a half one behind ``to`` too.
    """

    to: int
    ranges: tuple[tuple[int, int], ...]
    is_done: bool
    lines: int


def polls(log: Log, index: LineIndex, start: int) -> Polls:
    """Look through whole lines from byte ``start`` on, where a line begins."""
    if start < log.size - MOST_BYTES:
        start = index.offset_of_line(log, index.line_at(log, log.size - MOST_BYTES) + 1)
    data = log.pread(SCAN_BYTES, start)
    end = data.rfind(b"\n") + 1
    if not end:
        # A line longer than this is no request.
        is_long = len(data) == SCAN_BYTES
        to = start + len(data) if is_long else start
        return Polls(to, (), not is_long, index.line_at(log, start) - (not data))
    line, at = index.line_at(log, start), 0
    ranges: list[tuple[int, int]] = []
    for match in _POLL.finditer(data, 0, end):
        line += data.count(b"\n", at, match.start())
        at = match.start()
        if ranges and line <= ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], line)
        else:
            ranges.append((line, line))
    line += data.count(b"\n", at, end)
    is_half = end < len(data)
    return Polls(start + end, tuple(ranges), len(data) < SCAN_BYTES, line - 1 + is_half)
