"""Downloads that a view makes: exports, reports, scripts. Long ones are sent from a file.

The file is kept for a while: an interrupted download goes on, although the view would make another
content by then.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from inspect import iscoroutinefunction
from pathlib import Path
from tempfile import NamedTemporaryFile
from time import time
from typing import cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from dashboard.server.downloads import PIECE_BYTES, Read, file_reader, ranged
from jobs.services.intake.limits import DiskReserved, check_disk

logger = logging.getLogger(__name__)

FOLDER = "exports"
KEPT_S = 3600.0
KEPT_OF_A_PERSON = 8  # more than the downloads that a person may have at once
_ETAG = re.compile(r'"([0-9a-f]{64})"')

Answer = HttpResponseBase | Awaitable[HttpResponseBase]


@sync_and_async_middleware
def resumable_exports(get_response: Callable[[HttpRequest], Answer]) -> Callable[..., Answer]:
    """Give attachments in memory an ETag and ranges."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            response: HttpResponseBase = await get_response(request)
            if not _is_export(request, response):
                return response
            return await sync_to_async(_export, thread_sensitive=False)(request, response)

        return answer_async

    def answer(request: HttpRequest) -> Answer:
        response = cast(HttpResponseBase, get_response(request))
        return _export(request, response) if _is_export(request, response) else response

    return answer


def remove_old() -> None:
    """Remove files after ``KEPT_S``."""
    for file in Path(settings.DATA_DIR, FOLDER).glob("*"):
        with suppress(FileNotFoundError):
            if file.stat().st_mtime < time() - KEPT_S:
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
            read = file_reader(path, seen, may_grow=False)
    headers = dict(response.items())
    return ranged(request, read, size=size, etag=f'"{digest}"', headers=headers)


def _part(content: bytes, start: int, end: int) -> bytes:
    return content[start:end]


def _file(request: HttpRequest, digest: str, content: bytes) -> Path:
    """Return the file of the download that goes on, else one with ``content``."""
    folder, owner = Path(settings.DATA_DIR, FOLDER), f"{request.user.pk}-"
    begun = _ETAG.fullmatch(request.headers.get("If-Range", "").strip())
    if begun and (path := folder / f"{owner}{begun[1]}").exists():
        return path
    if (path := folder / f"{owner}{digest}").exists():
        return path
    check_disk()
    folder.mkdir(exist_ok=True, mode=0o700)
    own = sorted(folder.glob(f"{owner}*"), key=lambda file: file.stat().st_mtime)
    for file in own[: 1 - KEPT_OF_A_PERSON]:
        file.unlink(missing_ok=True)
    with NamedTemporaryFile(dir=folder, prefix="new-", delete=False) as new:
        new.write(content)
    return Path(new.name).replace(path)
