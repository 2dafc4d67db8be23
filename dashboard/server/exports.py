"""Downloads that a view makes: exports, reports, scripts. Long ones are sent from a file.

The file is kept for a while: an interrupted download goes on, although the view would make another
content by then.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import time, time_ns
from typing import cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from dashboard.server.downloads import PIECE_BYTES, Read, file_reader, ranged
from dashboard.server.streams import Answer, replacing
from jobs.services.intake.limits import DiskReserved, check_disk

logger = logging.getLogger(__name__)

FOLDER = "exports"
KEPT_S = 3600.0  # after the last read
KEPT_OF_A_PERSON = 8  # more than the downloads that a person may have at once
IN_USE_S = 600.0  # after a read; more than DEAF_S of ``http_protocol``
_ETAG = re.compile(r'"([0-9a-f]{64})"')


@sync_and_async_middleware
def resumable_exports(get_response: Callable[[HttpRequest], Answer]) -> Callable[..., Answer]:
    """Give attachments in memory an ETag and ranges."""
    return replacing(get_response, _is_export, _export)


def remove_old() -> None:
    """Remove files that nobody has read for ``KEPT_S``."""
    for file in Path(settings.DATA_DIR, FOLDER).glob("*"):
        with suppress(FileNotFoundError):
            if file.stat().st_atime < time() - KEPT_S:
                file.unlink()


def _is_export(request: HttpRequest, response: HttpResponseBase) -> bool:
    return (
        isinstance(response, HttpResponse)
        and request.method in ("GET", "HEAD")
        and response.status_code == HTTPStatus.OK
        and response.get("Content-Disposition", "").startswith("attachment")
        # Files have ranges of their own, or nginx sends them.
        and "Accept-Ranges" not in response
        and "X-Accel-Redirect" not in response
    )


def _export(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    content = cast(HttpResponse, response).content
    size, digest = len(content), hashlib.sha256(content).hexdigest()
    read: Read = partial(_part, content)
    if size > PIECE_BYTES:
        try:
            path = _file(request, digest, content)
            seen = path.stat()
        except (OSError, DiskReserved):
            logger.exception("an export of %s bytes is sent from memory", size)
        else:
            size, digest = seen.st_size, path.name.rpartition("-")[2]
            read = _renewing(path, file_reader(path, seen, may_grow=False))
    headers = dict(response.items())
    return ranged(request, read, size=size, etag=f'"{digest}"', headers=headers)


def _part(content: bytes, start: int, end: int) -> bytes:
    return content[start:end]


def _renewing(path: Path, read: Read) -> Read:
    """Return ``read``, which says at each piece that the file is in use."""

    def read_and_renew(start: int, end: int) -> bytes:
        _renew(path)
        return read(start, end)

    return read_and_renew


def _renew(path: Path) -> bool:
    """Set the time of the last read to now; return False if there is no such file."""
    try:
        # The time of change stays: a download ends early when its file has another.
        os.utime(path, ns=(time_ns(), path.stat().st_mtime_ns))
    except FileNotFoundError:
        return False
    return True


def _file(request: HttpRequest, digest: str, content: bytes) -> Path:
    """Return the file of the download that goes on, else one with ``content``.

    Raises:
        OSError, DiskReserved: there is no room for another file.
    """
    folder, owner = Path(settings.DATA_DIR, FOLDER), f"{request.user.pk}-"
    begun = _ETAG.fullmatch(request.headers.get("If-Range", "").strip())
    if begun and _renew(path := folder / f"{owner}{begun[1]}"):
        return path
    if _renew(path := folder / f"{owner}{digest}"):
        return path
    check_disk(len(content))
    folder.mkdir(exist_ok=True, mode=0o700)
    _make_room(folder, owner)
    with NamedTemporaryFile(dir=folder, prefix="new-", delete=False) as new:
        new.write(content)
    return Path(new.name).replace(path)


def _make_room(folder: Path, owner: str) -> None:
    """Remove the person's files that were read the longest ago, but none that is in use.

    Raises:
        OSError: all are in use.
    """
    read_at = {file: file.stat().st_atime for file in folder.glob(f"{owner}*")}
    oldest = sorted(read_at, key=read_at.__getitem__)
    for file in oldest[: max(0, len(oldest) + 1 - KEPT_OF_A_PERSON)]:
        if read_at[file] > time() - IN_USE_S:
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), str(folder))
        file.unlink(missing_ok=True)
