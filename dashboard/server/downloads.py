"""Files as answers: sent piece by piece, whole or a range, by us or by nginx."""

from __future__ import annotations

import asyncio
import mimetypes
import os
import re
import stat
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.http import content_disposition_header, parse_etags

from dashboard.server.streams import Stream

# ``(start, end) -> bytes``, at least one byte, fewer than asked for where that is convenient.
Read = Callable[[int, int], bytes]

PIECE_BYTES = 256 * 1024  # what an answer has in memory; shorter answers are sent at once
# One range with at least one end. Others are ignored, as RFC 9110 allows: the answer is whole.
_RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))")


class EndedEarly(Exception):
    """A file was removed, shortened or rewritten while it was sent: the connection is closed."""


def send_file(
    request: HttpRequest,
    path: Path,
    *,
    filename: str,
    content_type: str = "",
    sha256: str = "",
    as_attachment: bool = True,
) -> HttpResponseBase:
    """Answer with a file. ``sha256`` of its whole content, if known, is its ETag.

    Raises:
        Http404: there is no such file.
    """
    try:
        seen = path.stat()
    except OSError as error:
        raise Http404(f"{filename} is missing") from error
    if not stat.S_ISREG(seen.st_mode):
        raise Http404(f"{filename} is no file")
    guessed = content_type or mimetypes.guess_type(filename)[0] or "application/octet-stream"
    headers = {"Content-Type": guessed, "X-Content-Type-Options": "nosniff"}
    if disposition := content_disposition_header(as_attachment, filename):
        headers["Content-Disposition"] = disposition
    if settings.NGINX_FILES and path.is_relative_to(settings.DATA_DIR):
        place = quote(path.relative_to(settings.DATA_DIR).as_posix())
        return HttpResponse(headers={**headers, "X-Accel-Redirect": settings.NGINX_FILES + place})
    etag = f'"{sha256 or f"{seen.st_size:x}-{seen.st_mtime_ns:x}"}"'
    read = file_reader(path, seen, may_grow=not sha256)
    return ranged(request, read, size=seen.st_size, etag=etag, headers=headers)


def ranged(
    request: HttpRequest, read: Read, *, size: int, etag: str, headers: Mapping[str, str]
) -> HttpResponseBase:
    """Answer GET or HEAD with ``size`` bytes, or the range that is asked for.

    ``etag`` has its quotes; with "" no condition of a request holds.
    """
    own = {"ETag": etag} if etag else {}
    if (status := _unmet(request, etag)) is not None:
        return HttpResponse(status=status, headers=own)
    head = {**headers, **own, "Accept-Ranges": "bytes"}
    span = _range(request, size, etag)
    start, end = span or (0, size)
    if span and start >= end:
        status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        return HttpResponse(status=status, headers={**own, "Content-Range": f"bytes */{size}"})
    head["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        return HttpResponse(headers=head)
    status = HTTPStatus.OK
    if span:
        status = HTTPStatus.PARTIAL_CONTENT
        head["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    if end - start > PIECE_BYTES:
        return Stream(_pieces(read, start, end), status=status, headers=head)
    body = b""
    while len(body) < end - start:
        body += _some(read, start + len(body), end)
    return HttpResponse(body, status=status, headers=head)


def file_reader(path: Path, seen: os.stat_result, *, may_grow: bool) -> Read:
    """Return the reader of a file that must stay as ``seen``.

    The file is opened for each piece: a client that reads nothing holds no file open.
    """

    def read(start: int, end: int) -> bytes:
        with path.open("rb", buffering=0) as file:
            now = os.fstat(file.fileno())
            is_other = (now.st_dev, now.st_ino) != (seen.st_dev, seen.st_ino)
            is_same = (now.st_size, now.st_mtime_ns) == (seen.st_size, seen.st_mtime_ns)
            if is_other or not (is_same or (may_grow and now.st_size > seen.st_size)):
                raise EndedEarly(f"{path} changed during the transfer")
            return os.pread(file.fileno(), end - start, start)

    return read


async def _pieces(read: Read, start: int, end: int) -> AsyncIterator[bytes]:
    while start < end:
        piece = await asyncio.to_thread(_some, read, start, min(end, start + PIECE_BYTES))
        yield piece
        start += len(piece)


def _some(read: Read, start: int, end: int) -> bytes:
    piece = read(start, end)
    if not piece:
        raise EndedEarly(f"nothing at byte {start} of a file that should go on to {end}")
    return piece


def _unmet(request: HttpRequest, etag: str) -> HTTPStatus | None:
    """Return the status of a request whose condition does not hold, else None.

    Times do not count: no answer has ``Last-Modified``, which knows seconds only.
    """
    wanted = parse_etags(request.headers.get("If-Match", ""))
    if wanted and wanted != ["*"] and etag not in wanted:
        return HTTPStatus.PRECONDITION_FAILED
    known = parse_etags(request.headers.get("If-None-Match", ""))
    if known == ["*"] or (etag and etag in [each.removeprefix("W/") for each in known]):
        return HTTPStatus.NOT_MODIFIED
    return None


def _range(request: HttpRequest, size: int, etag: str) -> tuple[int, int] | None:
    """Return start and end of the range that counts; the start is not below the end if none is
    there. None: the whole."""
    condition = request.headers.get("If-Range", "").strip()
    found = _RANGE.fullmatch(request.headers.get("Range", "").strip().lower())
    if request.method != "GET" or found is None or (condition and condition != etag):
        return None
    first, last, suffix = found.groups()
    if suffix:
        return max(0, size - int(suffix)), size
    start, end = int(first), min(size, int(last) + 1) if last else size
    if last and int(last) < start:
        return None
    return start, end
