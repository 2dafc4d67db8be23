"""Downloads: pieces of a file, whole or a range, sent by us or by nginx; and their limits.

A slow reader of a long answer costs memory, a connection and reads of the disk for as long as the
reader likes, so that each person has a number of slots. Downloads that a view makes, such as
exports, are sent from a file that is kept for a while: an interrupted one goes on, although the
view would make another content by then.
"""

import asyncio
import errno
import hashlib
import logging
import mimetypes
import os
import re
import stat
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, aclosing, contextmanager, suppress
from http import HTTPStatus
from itertools import chain
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import time, time_ns
from typing import Any, cast
from urllib.parse import quote

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header, parse_etags
from django.utils.translation import gettext as _

from dashboard.security.counters import lock_one
from dashboard.server.around import GetResponse, around
from dashboard.server.json_errors import error
from jobs.services.intake.quotas import DiskReserved, check_disk

logger = logging.getLogger(__name__)

# ``(start, end) -> bytes``, at least one byte, fewer than asked for where that is convenient.
Read = Callable[[int, int], bytes]

PIECE_BYTES = 256 * 1024  # what an answer has in memory; shorter answers are sent at once
# One range with at least one end. Others are ignored, as RFC 9110 allows: the answer is whole.
_RANGE = re.compile(r"bytes=(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))")


class EndedEarly(Exception):
    """A file was removed, shortened or rewritten while it was sent: the connection is closed."""


# Files and ranges


def send_file(
    request: HttpRequest,
    path: Path,
    *,
    filename: str,
    content_type: str = "",
    sha256: str = "",
    as_attachment: bool = True,
) -> HttpResponseBase:
    """Answer with a file, whose ETag is ``sha256`` if known. Raises ``Http404``."""
    try:
        seen = path.stat()
    except OSError as problem:
        raise Http404(f"{filename} is missing") from problem
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
    """Answer GET or HEAD with ``size`` bytes, or a range. ``etag`` has its quotes; empty: none."""
    own = {"ETag": etag} if etag else {}
    if (status := unmet(request, etag)) is not None:
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
    """Return the reader of a file that must stay as ``seen``. The file is opened for each piece: a
    client that reads nothing holds no file open."""

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


def unmet(request: HttpRequest, etag: str) -> HTTPStatus | None:
    """Return the status of a request whose condition does not hold. Times do not count."""
    wanted = parse_etags(request.headers.get("If-Match", ""))
    if wanted and wanted != ["*"] and etag not in wanted:
        return HTTPStatus.PRECONDITION_FAILED
    known = parse_etags(request.headers.get("If-None-Match", ""))
    if known == ["*"] or (etag and etag in [each.removeprefix("W/") for each in known]):
        return HTTPStatus.NOT_MODIFIED
    return None


def _range(request: HttpRequest, size: int, etag: str) -> tuple[int, int] | None:
    """Return start and end of the range that counts, which may be empty; None: the whole."""
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


# Slots: a file lock each, so that all web processes count together


MOST_OF_A_PERSON, MOST_OF_ALL = 6, 64  # long downloads at once
RETRY_AFTER_S = 5  # for a refused one


class Stream(StreamingHttpResponse):
    """Pieces of an asynchronous generator, which ends with the answer or its client."""

    takes_slot = True
    slot: ExitStack | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async with aclosing(cast(Any, self)._iterator) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            if self.slot is not None:
                self.slot.close()


def take_slot(person: str) -> ExitStack | None:
    """Return the slot of a download, to be closed at its end, also twice; None above a limit."""
    slot = ExitStack()
    for name, most in ((f"of-{person}", MOST_OF_A_PERSON), ("all", MOST_OF_ALL)):
        lock = lock_one("streams", (f"{name}-{n}" for n in range(most)))
        if lock is None:
            slot.close()
            return None
        slot.enter_context(lock)
    return slot


def limited_streams(get_response: GetResponse) -> GetResponse:
    """Answer 429 to a stream above the limits; no other answer is counted."""
    return around(get_response, is_meant=_is_stream, replace=_limited)


def _is_stream(request: HttpRequest, response: HttpResponseBase) -> bool:
    return isinstance(response, Stream) and response.takes_slot


def _limited(request: HttpRequest, response: Stream) -> HttpResponseBase:
    slot = take_slot(person_of(request))
    if slot is None:
        return too_many(request)
    response.slot = slot
    response._resource_closers.append(slot.close)  # type: ignore[attr-defined]
    return response


def person_of(request: HttpRequest) -> str:
    """Return whose slots a request takes."""
    return str(request.user.pk or "nobody")


def too_many(request: HttpRequest) -> HttpResponseBase:
    """Refuse a download above the limits."""
    text = _("Too many downloads at once. Wait until one ends, then try again.")
    context = {"what": _("Too many downloads"), "why": text}
    refusal = (
        error(429, "too_many", text)
        if request.path_info.startswith("/api/")
        else render(request, "errors/busy.html", context, status=429)
    )
    refusal.headers["Retry-After"] = str(RETRY_AFTER_S)
    return refusal


# Downloads that a view makes

EXPORTS = "exports"  # their folder
KEPT_S = 3600.0  # after the last read
KEPT_OF_A_PERSON = 8  # more than the downloads that a person may have at once
IN_USE_S = 600.0  # after a read; more than DEAF_S of ``web``
_ETAG = re.compile(r'"([0-9a-f]{64})"')


def resumable_exports(get_response: GetResponse) -> GetResponse:
    return around(get_response, is_meant=_is_export, replace=_export)


def remove_old_exports() -> None:
    """Remove files that nobody has read for ``KEPT_S``."""
    for file in _folder().glob("*"):
        with suppress(FileNotFoundError):
            if file.stat().st_atime < time() - KEPT_S:
                file.unlink()


class Attachment(StreamingHttpResponse):
    """A download that a view makes in pieces. What is sent has ranges: it is kept in a file."""


def _is_export(request: HttpRequest, response: HttpResponseBase) -> bool:
    return (
        isinstance(response, HttpResponse | Attachment)
        # What a form sends is not asked for again; a stream must become one of the event loop.
        and (request.method in ("GET", "HEAD") or isinstance(response, Attachment))
        and response.status_code == HTTPStatus.OK
        and response.get("Content-Disposition", "").startswith("attachment")
        # Files have ranges of their own, or nginx sends them.
        and "Accept-Ranges" not in response
        and "X-Accel-Redirect" not in response
    )


def _export(request: HttpRequest, response: HttpResponse | Attachment) -> HttpResponseBase:
    made = _begun(request) or _made(request, iter(response))
    headers = dict(response.items())
    if isinstance(made, bytes):
        etag = f'"{hashlib.sha256(made).hexdigest()}"'
        read: Read = lambda start, end: made[start:end]  # noqa: E731
        return ranged(request, read, size=len(made), etag=etag, headers=headers)
    seen = made.stat()
    read_file = file_reader(made, seen, may_grow=False)

    def read_kept(start: int, end: int) -> bytes:
        _renew(made)
        return read_file(start, end)

    etag = f'"{made.name.rpartition("-")[2]}"'
    return ranged(request, read_kept, size=seen.st_size, etag=etag, headers=headers)


def _begun(request: HttpRequest) -> Path | None:
    """Return the file of the download that goes on."""
    begun = _ETAG.fullmatch(request.headers.get("If-Range", "").strip())
    if begun is None or "Range" not in request.headers:
        return None
    path = _kept(request, begun[1])
    return path if _renew(path) else None


def _made(request: HttpRequest, pieces: Iterator[bytes]) -> Path | bytes:
    """Return the file of an export, or the content of a short one."""
    begun = b""
    for piece in pieces:
        begun += piece
        if len(begun) > PIECE_BYTES:
            return _file(request, chain([begun], pieces))
    return begun


def _file(request: HttpRequest, pieces: Iterator[bytes]) -> Path | bytes:
    """Return the file of an export. Without room on the disk return its content."""
    digest, size, new = hashlib.sha256(), 0, None
    with ExitStack() as stack:
        for piece in pieces:
            try:
                check_disk(len(piece))
                new = new or stack.enter_context(_new_file())
                _write(new, piece)
            except (OSError, DiskReserved) as problem:
                logger.warning("an export is sent from memory: %s", problem)
                return b"".join([_read(new, size), piece, *pieces])
            digest.update(piece)
            size += len(piece)
        path = _kept(request, digest.hexdigest())
        try:
            if new and not _renew(path):
                _make_room(_owner(request))
                with suppress(FileExistsError):  # the same export, made at the same time
                    os.link(new.name, path)
        except OSError as problem:
            logger.warning("an export is sent from memory: %s", problem)
            return _read(new, size)
    return path


@contextmanager
def _new_file() -> Iterator[Any]:
    """Open a file in the folder of exports, which loses its name at the end."""
    _folder().mkdir(exist_ok=True, mode=0o700)
    # Without a buffer: what a full disk did not take is not written once more at the end.
    with NamedTemporaryFile(dir=_folder(), prefix="new-", buffering=0) as new:
        yield new


def _write(new: Any, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[new.write(left) :]


def _read(new: Any, size: int) -> bytes:
    return os.pread(new.fileno(), size, 0) if new else b""


def _renew(path: Path) -> bool:
    """Set the time of the last read to now; return False if there is no such file."""
    try:
        # The time of change stays: a download ends early when its file has another.
        os.utime(path, ns=(time_ns(), path.stat().st_mtime_ns))
    except FileNotFoundError:
        return False
    return True


def _folder() -> Path:
    return Path(settings.DATA_DIR, EXPORTS)


def _owner(request: HttpRequest) -> str:
    """Return how the names of a person's files begin."""
    return f"{request.user.pk}-"


def _kept(request: HttpRequest, digest: str) -> Path:
    """Return the file of a person's export with this digest, from this address only."""
    address = hashlib.sha256(request.get_full_path().encode()).hexdigest()[:16]
    return _folder() / f"{_owner(request)}{address}-{digest}"


def _make_room(owner: str) -> None:
    """Remove files that were read the longest ago. Raises ``OSError``: all are in use."""
    read_at = {file: file.stat().st_atime for file in _folder().glob(f"{owner}*")}
    oldest = sorted(read_at, key=read_at.__getitem__)
    for file in oldest[: max(0, len(oldest) + 1 - KEPT_OF_A_PERSON)]:
        if read_at[file] > time() - IN_USE_S:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), str(_folder()))
        file.unlink(missing_ok=True)
