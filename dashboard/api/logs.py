"""Logs over HTTP: raw bytes by offset, lines by number, search, and the index that a viewer needs.

All under ``/api/v1/jobs/ID`` and ``/api/v1/deployments/ID``:

=============================  ================================================================
``log?from=&to=``              raw bytes; ``X-Log-Size`` is the size of the whole log
``log?…&framed=1``             at most 256 KiB of them, with when they arrived: see
                               :mod:`jobs.logstore.frames`
``log?plain=1``                without escape sequences, redraws folded into the last
``log?…&download=1``           the same, to keep as a file
``log/lines?from=&to=``        raw bytes of these lines (from 1, both included)
``log/search?q=&regex=1``      how many match, and the first of them, or those near a line
``log/search?warnings=1``      the same for lines that warn or break
``log/index?known=``           newline counts a block, with which any line is found
``log/folds?series=&known=``   rows that stand for more than one line, where bars were drawn over
``log/polls?from=``            lines that are the dashboard's own requests to a server
``log/steps``                  the job's steps with their lines
=============================  ================================================================

Where the log was removed each of them answers 410, see :mod:`dashboard.api.gone`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from typing import Any

from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from dashboard.api.auth import ApiView, api, error, may
from dashboard.api.gone import gone
from dashboard.log_access import ACTIONS, find_record
from dashboard.states import look
from dashboard.words import step_title
from jobs.errors import DamagedLog, LogRemoved
from jobs.logstore import MAX_FRAME_BYTES, LogStore, Query, frame, plain_stream, store
from jobs.logstore.frames import MOST_TIMES
from jobs.logstore.lines import BLOCK_BYTES
from jobs.logstore.search import SearchTooSlow
from jobs.models import Job
from jobs.queries.job_page import StepState, step_states
from jobs.queries.log_quotes import BREAKS

logger = logging.getLogger(__name__)

PIECE_BYTES = 256 * 1024
SHORT_BYTES = 1024 * 1024  # such answers are sent at once
MOST_MATCHES = 5000
SEARCH_TIMEOUT_S = 30.0
# What a reader looks for first; static/js/lib/log_row_view.js tints the same lines.
WARNINGS = rf"(WARN|WARNING)\b|{BREAKS}"
WARNING_WORDS = ("WARN", "ERROR", "CRITICAL", "FATAL", "Traceback", "Error:", "Exception:")
OWN_TIMEOUT_S = 300.0


class BadNumber(ValueError):
    """A parameter is not a number; the message names it."""


def _view(kind: str, answer: Any) -> ApiView:
    """``answer(request, key)`` as a view on a record of this kind, for those who may see it."""

    @require_safe
    @api(ACTIONS[kind])
    def view(request: HttpRequest, record_id: int) -> HttpResponseBase:
        record = find_record(kind, record_id)
        if record is None:
            return error(404, "missing", _("There is no such record."))
        if refusal := may(request.user, ACTIONS[kind], record):
            return refusal
        if record.removed_at is not None:
            return gone(record)
        try:
            response: HttpResponseBase = answer(request, f"{kind}/{record_id}")
        except BadNumber as bad:
            return error(400, "number", _("%(name)s is a whole number.") % {"name": str(bad)})
        except DamagedLog as damaged:
            logger.error("%s", damaged)
            words = _("Its file %(name)s on the dashboard's disk is damaged.")
            return error(500, "damaged", words % damaged.args_for_people)
        response.headers["Cache-Control"] = "no-store"
        return response

    return view


def log(request: HttpRequest, key: str) -> HttpResponseBase:
    """The bytes ``from`` … ``to`` of a log; all of it when neither is given."""
    logs = store()
    size = logs.size(key)
    start = _number(request, "from", 0)
    end = min(size, _number(request, "to", size))
    if request.GET.get("framed") == "1":
        return _framed(logs, key, start=start, end=end)
    return _bytes(request, logs, key, start=start, end=end)


def log_lines(request: HttpRequest, key: str) -> HttpResponseBase:
    """The lines ``from`` … ``to``; ``X-Log-Offset`` says where the first begins."""
    logs = store()
    first = max(1, _number(request, "from", 1))
    last = _number(request, "to", first + 999)
    start = logs.offset_of_line(key, first)
    end = logs.offset_of_line(key, last + 1)
    response = _bytes(request, logs, key, start=start, end=end)
    response.headers["X-Log-Offset"] = str(start)
    response.headers["X-Log-Lines"] = str(logs.line_count(key))
    return response


def log_search(request: HttpRequest, key: str) -> HttpResponseBase:
    """``{"total", "lines", "before", "found": [[line, offset, matches], …], "spread"}``.

    ``near=LINE`` tells the matches around that line. What each part is says
    :class:`jobs.logstore.search.Matches`.
    """
    is_ours = request.GET.get("warnings") == "1"
    query = Query(
        WARNINGS if is_ours else request.GET.get("q", "")[:1000],
        regex=is_ours or request.GET.get("regex") == "1",
        limit=min(MOST_MATCHES, _number(request, "limit", 1000)),
        near=_number(request, "near", 0),
        grave=BREAKS if is_ours else "",
        words=WARNING_WORDS if is_ours else (),
    )
    try:
        timeout_s = OWN_TIMEOUT_S if is_ours else SEARCH_TIMEOUT_S
        matches = store().search(key, query, is_ours=is_ours, timeout_s=timeout_s)
    except re.error as bad:
        words = _("Not a regular expression: %(why)s") % {"why": bad}
        return error(400, "regex", words)
    except SearchTooSlow:
        words = _("This expression takes too long on this log. Try a simpler one.")
        return error(400, "slow", words)
    return JsonResponse(
        {
            "total": matches.total,
            "lines": matches.lines,
            "before": matches.before,
            "found": [[match.line, match.offset, match.count] for match in matches.found],
            "spread": matches.spread,
        }
    )


def log_index(request: HttpRequest, key: str) -> HttpResponseBase:
    """What a viewer needs to find any line.

    ``{"size", "newlines", "ends_line", "block": bytes, "known", "counts": [newlines before each
    further block]}``, all of one moment while the log grows. ``counts`` begins with number
    ``known``, as many as the viewer has: of 20 GB they are 300,000.
    """
    logs = store()
    size = logs.size(key)
    known = min(_number(request, "known", 0), size // BLOCK_BYTES)
    counts = logs.newline_counts(key, known=known)[: size // BLOCK_BYTES - known]
    newlines = logs.line_at(key, size) - 1
    index = {"size": size, "newlines": newlines, "block": BLOCK_BYTES, "known": known}
    ends_line = logs.read(key, size - 1, size) in (b"\n", b"")
    return JsonResponse({**index, "counts": counts, "ends_line": ends_line})


def log_folds(request: HttpRequest, key: str) -> HttpResponseBase:
    """``{"series", "known", "to", "lines", "done", "full", "folds": [[first, line, texts], …],
    "open"}``.

    ``folds`` begins with number ``known``, and ``open`` is what may change still; see
    :class:`jobs.logstore.folds.Folds`. Asked again with what is known it goes on.
    """
    series = request.GET.get("series", "")
    folds = store().folds(key, series=series, known=_number(request, "known", 0))
    return JsonResponse(
        {
            "series": folds.series,
            "known": folds.known,
            "to": folds.to,
            "lines": folds.lines,
            "done": folds.is_done,
            "full": folds.is_full,
            "folds": [[fold.first, fold.line, fold.texts] for fold in folds.folds],
            "open": [[fold.first, fold.line, fold.texts] for fold in folds.open],
        }
    )


def log_polls(request: HttpRequest, key: str) -> HttpResponseBase:
    """``{"to", "ranges": [[first, last], …], "done", "lines"}``: lines from byte ``from`` to ``to``
    that are the dashboard's own requests (:mod:`jobs.logstore.polls`), and how many lines of the
    log were looked at. Asked again with ``to`` it goes on.
    """
    found = store().polls(key, _number(request, "from", 0))
    told = {"to": found.to, "ranges": found.ranges, "done": found.is_done}
    return JsonResponse({**told, "lines": found.lines})


def log_steps(request: HttpRequest, key: str) -> HttpResponseBase:
    """``{"steps": [{"name", "title", "state", "look", "exit_code", …}]}``, and their lines.

    ``title`` is the name in the viewer's language; ``look`` is the class and the shape of the
    state; ``line_from`` and ``line_to`` are its first and last line, null while the step has not
    begun or ended. A step that printed nothing ends a line before it begins.
    """
    kind, _slash, record_id = key.partition("/")
    if kind != "job":
        return JsonResponse({"steps": []})
    job = Job.objects.get(pk=int(record_id))
    steps = step_states(list(job.steps.all()), job)
    return JsonResponse({"steps": [_step(item, key) for item in steps]})


def _step(item: StepState, key: str) -> dict[str, Any]:
    step, shown = item.step, look(item.state)
    logs = store()
    line_from = line_to = None
    if step.log_from is not None:
        line_from = logs.line_at(key, step.log_from)
        if step.log_from and logs.read(key, step.log_from - 1, step.log_from) != b"\n":
            line_from += 1  # the line belongs to the step that began it
    if step.log_to is not None:
        line_to = logs.line_at(key, step.log_to - 1) if step.log_to else 0
    return {
        "name": step.name,
        "title": step_title(step.name),
        "state": item.state,
        "look": [shown.css, shown.shape],
        "exit_code": step.exit_code,
        "duration_s": step.duration_s,
        "line_from": line_from,
        "line_to": line_to,
    }


def _number(request: HttpRequest, name: str, default: int) -> int:
    text = request.GET.get(name) or str(default)
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise BadNumber(name)
    return int(text)


def _bytes(
    request: HttpRequest, logs: LogStore, key: str, *, start: int, end: int
) -> HttpResponseBase:
    """A range of a log, streamed when it is long or made plain."""
    is_plain = request.GET.get("plain") == "1"
    headers = {
        "X-Log-Size": str(logs.size(key)),
        "X-Content-Type-Options": "nosniff",
        "Content-Type": "text/plain; charset=utf-8",
    }
    if request.GET.get("download") == "1":
        name = key.replace("/", "-") + (".txt" if is_plain else ".log")
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    length = max(0, end - start)
    if not is_plain:
        headers["Content-Length"] = str(length)
    if length > SHORT_BYTES:
        pieces = (
            _plain_pieces(logs, key, start, end) if is_plain else _pieces(logs, key, start, end)
        )
        return StreamingHttpResponse(pieces, headers=headers)
    body = logs.read(key, start, end)
    if is_plain:
        body = b"".join(plain_stream([body]))
    return HttpResponse(body, headers=headers)


def _framed(logs: LogStore, key: str, *, start: int, end: int) -> HttpResponse:
    """A range of a log with its times."""
    data = logs.read(key, start, min(end, start + MAX_FRAME_BYTES))
    times = logs.arrivals(key, start, start + len(data) - 1, limit=MOST_TIMES) if data else []
    return HttpResponse(frame(start, times, data), content_type="application/octet-stream")


async def _pieces(logs: LogStore, key: str, start: int, end: int) -> AsyncIterator[bytes]:
    while start < end:
        piece = await asyncio.to_thread(logs.read, key, start, min(end, start + PIECE_BYTES))
        if not piece:  # the answer breaks off, so that nobody takes what came for the whole
            raise LogRemoved(f"the log {key} was removed while it was sent")
        yield piece
        start += len(piece)


async def _plain_pieces(logs: LogStore, key: str, start: int, end: int) -> AsyncIterator[bytes]:
    pieces = plain_stream(logs.chunks(key, start, end))
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


urlpatterns: list[URLPattern] = [
    path(f"{kind}s/<int:record_id>/{address}", _view(kind, answer), name=f"api-{kind}-{name}")
    for kind in ACTIONS
    for address, name, answer in (
        ("log", "log", log),
        ("log/lines", "log-lines", log_lines),
        ("log/search", "log-search", log_search),
        ("log/index", "log-index", log_index),
        ("log/folds", "log-folds", log_folds),
        ("log/polls", "log-polls", log_polls),
        ("log/steps", "log-steps", log_steps),
    )
]
