"""Logs over HTTP: raw bytes by offset, lines by number, search, and the index that a viewer needs.

All under ``/api/v1/jobs/ID/log`` and ``/api/v1/deployments/ID/log``. Where the log was removed each
of them answers 410, see :mod:`dashboard.server.json_errors`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from inspect import cleandoc
from typing import Any, cast, get_type_hints

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import Field

from dashboard.api import base
from dashboard.api.base import (
    ApiAnswer,
    Asked,
    Flag,
    Json,
    Offset,
    Operations,
    Refused,
    about,
    invalid,
    read,
)
from dashboard.consumers import ACTIONS, find_record
from dashboard.security.counters import search_turn
from dashboard.security.permissions import check
from dashboard.security.request import member
from dashboard.server.downloads import (
    PIECE_BYTES,
    Stream,
    person_of,
    ranged,
    take_slot,
    too_many,
    unmet,
)
from dashboard.server.json_errors import gone
from dashboard.text.labels import step_title, style_of
from jobs.base.errors import LogRemoved
from jobs.confined import Exceeded
from jobs.logstore import store
from jobs.logstore.hub import MAX_FRAME_BYTES, MOST_TIMES, frame
from jobs.logstore.index import BLOCK_BYTES
from jobs.logstore.search import InvalidExpression
from jobs.logstore.search import Query as LogQuery
from jobs.logstore.terminal import plain_stream
from jobs.models import Job
from jobs.queries.jobs.job_page import StepState, step_states
from jobs.queries.jobs.log_excerpts import BREAKS

operations = Operations("Logs")
# ``(log, query) -> answer``: what is asked of one log.
Reader = Callable[..., HttpResponseBase]

MOST_MATCHES = 5000
# What a reader looks for first; static/js/lib/log_row_view.js tints the same lines.
WARNINGS = rf"(WARN|WARNING)\b|{BREAKS}"
WARNING_WORDS = ("WARN", "ERROR", "CRITICAL", "FATAL", "Traceback", "Error:", "Exception:")


class LogAsked(Asked):
    """Range of bytes of a log, and its format."""

    start: Offset = Field(None, alias="from", description="first byte")
    to: Offset = about("end of the range, exclusive, bytes", None)
    framed: Flag = about("at most 256 KiB, with arrival times", False)
    plain: Flag = about("without escape sequences, updates collapsed", False)
    download: Flag = about("as a file download", False)


class LinesAsked(Asked):
    """Range of lines of a log, from 1, both ends included."""

    start: Offset = Field(None, alias="from", description="first line; default 1")
    to: Offset = about("last line; default 999 lines after the first", None)
    plain: Flag = False
    download: Flag = False


class SearchAsked(Asked):
    """Query of a search in a log."""

    q: str = ""
    regex: Flag = about("q is a regular expression", False)
    warnings: Flag = about("lines with warnings or errors, any q", False)
    limit: Offset = about("maximum lines; default 1000", None)
    near: Offset = about("lines around this line", None)


class KnownAsked(Asked):
    """Data that the caller already has; the response begins after it."""

    known: Offset = None


class FoldsAsked(KnownAsked):
    """Folds that the caller already has, counted per series."""

    series: str = ""


class FromAsked(Asked):
    """Start of a range of bytes."""

    start: Offset = Field(None, alias="from")


class LogMatches(ApiAnswer):
    """Matches of a text in a log: ``found`` is ``[line, offset, matches]`` of some of the lines;
    ``spread`` a ``[line, whether it breaks]`` of each part of the log that has one.
    """

    total: int
    lines: int
    before: int
    found: list[list[int]] = read(
        "rows", then=lambda rows: [[match.line, match.offset, match.count] for match in rows]
    )
    spread: list[list[int | bool]]


class LogIndex(ApiAnswer):
    """Newlines before each block of a log, from block ``known`` on."""

    size: int
    newlines: int
    block: int
    known: int
    counts: list[int]
    ends_line: bool


def _rows(folds: Any) -> list[list[Any]]:
    return [[fold.first, fold.line, fold.texts] for fold in folds]


class LogFolds(ApiAnswer):
    """Rows that replace more than one line: ``[first, line, texts]``."""

    series: str
    known: int
    to: int
    lines: int
    done: bool = read("is_done")
    full: bool = read("is_full")
    folds: list[list[Any]] = read("folds", then=_rows)
    open: list[list[Any]] = read("open", then=_rows)


class LogPolls(ApiAnswer):
    """Lines that are the dashboard's own requests to a server: ``[first, last]``."""

    to: int
    ranges: list[list[int]]
    done: bool = read("is_done")
    lines: int


class LogStep(ApiAnswer):
    """A step and its lines; ``look`` is the class and the shape of its state."""

    name: str = read("step.name")
    title: str = read("step.name", then=step_title)
    state: str
    look: list[str]
    exit_code: int | None
    duration_s: float | None = read("step.duration_s")
    line_from: int | None
    line_to: int | None


class LogSteps(ApiAnswer):
    """The steps of a job; none for a deployment."""

    steps: list[LogStep]


@dataclass(frozen=True, slots=True)
class Log:
    """A log that is asked for: its name in the store, its record, and the request."""

    key: str
    record: Any
    request: HttpRequest


def _log(
    path: str, title: str, answer: type[ApiAnswer] | None = None
) -> Callable[[Reader], Reader]:
    """Make a reader of logs an operation on those of jobs and of deployments.

    ``reader(log, query)``, or without a query, is for those who may see the log.
    """

    def decorate(reader: Reader) -> Reader:
        for kind, action in ACTIONS.items():
            view = _view(kind, reader, f"{title} of a {kind}")
            name = f"api-{kind}-{path.replace('/', '-')}"
            where = f"GET {kind}s/{{int:record_id}}/{path}"
            operations.on(where, action, name, answer, 410)(view)
        return reader

    return decorate


def _view(kind: str, reader: Reader, title: str) -> Callable[..., HttpResponseBase]:
    asked = get_type_hints(reader).get("query")

    def answer(request: HttpRequest, record_id: int, *query: Any) -> HttpResponseBase:
        record = find_record(kind, record_id)
        if record is None:
            raise base.missing()
        check(request.user, ACTIONS[kind], record)
        if record.removed_at is not None:
            raise Refused(gone(record))
        response = reader(Log(f"{kind}/{record_id}", record, request), *query)
        response.headers["Cache-Control"] = "no-store"
        return response

    def with_query(
        request: HttpRequest,
        record_id: int,
        query: cast(Any, Query)[asked],  # type: ignore[valid-type]
    ) -> HttpResponseBase:
        return answer(request, record_id, query)

    view = with_query if asked else answer
    view.__name__ = f"{kind}_{reader.__name__}"
    view.__doc__ = f"{title}. {cleandoc(reader.__doc__ or '')}"
    return view


@_log("log", "Read a log")
def log(asked: Log, query: LogAsked) -> HttpResponseBase:
    """The bytes from ``from`` up to ``to``; all of it when neither is given. ``X-Log-Size`` is the
    size of the whole log. ``Range`` counts from ``from``. The log of an ended job has an ETag;
    without one the plain text has no ranges."""
    size = store().size(asked.key)
    start, end = query.start or 0, size if query.to is None else min(size, query.to)
    if query.framed:
        data = store().read(asked.key, start, min(end, start + MAX_FRAME_BYTES))
        last = start + len(data) - 1
        times = store().arrivals(asked.key, start, last, limit=MOST_TIMES) if data else []
        return HttpResponse(frame(start, times, data), content_type="application/octet-stream")
    return _bytes(asked, query, start, end)


@_log("log/lines", "Read lines of a log")
def log_lines(asked: Log, query: LinesAsked) -> HttpResponseBase:
    """Raw bytes of these lines. ``X-Log-Offset`` says where the first begins, ``X-Log-Lines`` how
    many there are."""
    logs = store()
    first = max(1, query.start or 1)
    last = first + 999 if query.to is None else query.to
    start = logs.offset_of_line(asked.key, first)
    response = _bytes(asked, query, start, logs.offset_of_line(asked.key, last + 1))
    response.headers["X-Log-Offset"] = str(start)
    response.headers["X-Log-Lines"] = str(logs.line_count(asked.key))
    return response


@_log("log/search", "Search a log", LogMatches)
def log_search(asked: Log, query: SearchAsked) -> HttpResponseBase:
    """Return the number of matches and the first of them, or with ``near`` those around that
    line. A person's searches run one after another."""
    is_ours = query.warnings
    wanted = LogQuery(
        WARNINGS if is_ours else query.q[:1000],
        regex=is_ours or query.regex,
        limit=min(MOST_MATCHES, 1000 if query.limit is None else query.limit),
        near=query.near or 0,
        grave=BREAKS if is_ours else "",
        terms=WARNING_WORDS if is_ours else (),
    )
    try:
        with search_turn(member(asked.request.user).pk, "warnings" if is_ours else "typed"):
            matches = store().search(asked.key, wanted, is_ours=is_ours)
    except InvalidExpression as bad:
        problem = _("Invalid regular expression: %(why)s") % {"why": bad}
        raise invalid("q", problem, "regex") from None
    except Exceeded as exceeded:
        if exceeded.reason != "time":
            raise
        problem = _("This expression is too slow on this log. Use a simpler expression.")
        raise invalid("q", problem, "slow") from None
    return JsonResponse(LogMatches.of(matches))


@_log("log/index", "Read the index of a log", LogIndex)
def log_index(asked: Log, query: KnownAsked) -> HttpResponseBase:
    """Newline counts a block, with which any line is found. ``counts`` begins with number
    ``known``, as many as the caller has: of 20 GB they are 300,000. All is of one moment while the
    log grows."""
    logs, key = store(), asked.key
    size = logs.size(key)
    known = min(query.known or 0, size // BLOCK_BYTES)
    counts = logs.newline_counts(key, known=known)[: size // BLOCK_BYTES - known]
    newlines = logs.line_at(key, size) - 1
    index = {"size": size, "newlines": newlines, "block": BLOCK_BYTES, "known": known}
    ends_line = logs.read(key, size - 1, size) in (b"\n", b"")
    return JsonResponse({**index, "counts": counts, "ends_line": ends_line})


@_log("log/folds", "Read the collapsed updates of a log", LogFolds)
def log_folds(asked: Log, query: FoldsAsked) -> HttpResponseBase:
    """Return collapsed updates: rows that stand for more than one line. ``folds`` begins with
    number ``known``, and ``open`` is what may change still. Asked again with what is known it goes
    on."""
    folds = store().folds(asked.key, series=query.series, known=query.known or 0)
    return JsonResponse(LogFolds.of(folds))


@_log("log/polls", "Find the dashboard's own requests", LogPolls)
def log_polls(asked: Log, query: FromAsked) -> HttpResponseBase:
    """Lines from byte ``from`` to ``to`` that are the dashboard's own requests to a server, and how
    many lines of the log were looked at. Asked again with ``to`` it goes on."""
    return JsonResponse(LogPolls.of(store().polls(asked.key, query.start or 0)))


@_log("log/steps", "Read the steps of a log", LogSteps)
def log_steps(asked: Log) -> HttpResponseBase:
    """The job's steps with their lines. ``title`` is the name in the caller's language.
    ``line_from`` and ``line_to`` are the first and last line, null while the step has not begun or
    ended. A step that printed nothing ends a line before it begins."""
    job = asked.record
    steps = step_states(list(job.steps.all()), job) if isinstance(job, Job) else ()
    return JsonResponse({"steps": [_step(item, asked.key) for item in steps]})


def _step(item: StepState, key: str) -> Json:
    step, shown, logs = item.step, style_of(item.state), store()
    line_from = line_to = None
    if step.log_from is not None:
        # A line belongs to the step that began it.
        line_from = logs.line_begun_at(key, step.log_from)
    if step.log_to is not None:
        line_to = logs.line_at(key, step.log_to - 1) if step.log_to else 0
    look = [shown.css, shown.shape]
    return LogStep.of(item, look=look, line_from=line_from, line_to=line_to)


def _bytes(asked: Log, query: LogAsked | LinesAsked, start: int, end: int) -> HttpResponseBase:
    """A part of a log, whose bytes of an ended job have an ETag."""
    logs, key, record = store(), asked.key, asked.record
    size, length = logs.size(key), max(0, end - start)
    headers = {
        "X-Log-Size": str(size),
        "X-Content-Type-Options": "nosniff",
        "Content-Type": "text/plain; charset=utf-8",
    }
    if query.download:
        name = key.replace("/", "-") + (".txt" if query.plain else ".log")
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    digest = getattr(record, "log_sha256", "")
    known = f"{digest}-{start}-{end}" if digest and record.log_bytes == size else ""
    if query.plain:
        return _plain(asked, start, start + length, f'"{known}-plain"' if known else "", headers)

    def read(begin: int, stop: int) -> bytes:
        piece = logs.read(key, start + begin, start + stop)
        if not piece:  # the response ends early, so that no reader takes the part for the whole
            raise LogRemoved(f"the log {key} was removed during the transfer")
        return piece

    etag = f'"{known}"' if known else ""
    return ranged(asked.request, read, size=length, etag=etag, headers=headers)


def _plain(
    asked: Log, start: int, end: int, etag: str, headers: Mapping[str, str]
) -> HttpResponseBase:
    """The plain text of a part. Its size is unknown before it is made: a long one is sent without
    a size, and to answer a range it is read once more."""
    request, pieces = asked.request, _plain_pieces(asked.key, start, end)
    if end - start <= PIECE_BYTES:
        text = b"".join(pieces)
        return ranged(request, lambda a, b: text[a:b], size=len(text), etag=etag, headers=headers)
    own = {"ETag": etag, "Accept-Ranges": "bytes"} if etag else {}
    if (status := unmet(request, etag)) is not None:
        return HttpResponse(status=status, headers=own)
    if etag and "Range" in request.headers:
        slot = take_slot(person_of(request))
        if slot is None:
            return too_many(request)
        with slot:
            size = _plain_size(asked.key, start, end, etag)
        return ranged(request, _Ahead(pieces).read, size=size, etag=etag, headers=headers)
    sent = iter(()) if request.method == "HEAD" else pieces
    return Stream(_each(sent), headers={**headers, **own})


def _plain_pieces(key: str, start: int, end: int) -> Iterator[bytes]:
    return plain_stream(store().chunks(key, start, end))


@lru_cache(maxsize=256)
def _plain_size(key: str, start: int, end: int, etag: str) -> int:
    return sum(map(len, _plain_pieces(key, start, end)))


class _Ahead:
    """Pieces that are read by offset, each after the one before."""

    def __init__(self, pieces: Iterator[bytes]):
        self._pieces, self._at, self._piece = pieces, 0, b""

    def read(self, start: int, end: int) -> bytes:
        while start >= self._at + len(self._piece):
            self._at += len(self._piece)
            following = next(self._pieces, None)
            if following is None:
                return b""
            self._piece = following
        return self._piece[start - self._at : end - self._at]


async def _each(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece
