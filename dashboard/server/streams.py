"""Limits of long downloads: a number for each person, and a number for all.

A slow reader of a long answer costs memory, a connection and reads of the disk for as long as the
reader likes. A file lock is the slot of a download: all web processes count together.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import IO, Any, cast

from asgiref.sync import sync_to_async
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.utils.decorators import sync_and_async_middleware
from django.utils.translation import gettext as _

from dashboard.security.lock_files import lock_one

FOLDER = "streams"


@dataclass(frozen=True, slots=True)
class Limits:
    """Table of limits."""

    of_a_person: int = 6
    of_all: int = 64
    retry_after_s: int = 5


LIMITS = Limits()

Answer = HttpResponseBase | Awaitable[HttpResponseBase]


class Slot:
    """The place of one download among those of its person and of all."""

    def __init__(self, *locks: IO[bytes]) -> None:
        self._locks = locks

    def release(self) -> None:
        """Leave the place to another download. May be repeated."""
        for lock in self._locks:
            lock.close()


class Stream(StreamingHttpResponse):
    """Pieces of an asynchronous generator, each asked for when the one before was sent.

    The generator ends with the answer: at its end, at an error, or when the client goes away.
    """

    slot: Slot | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the pieces, then release the slot."""
        try:
            async with aclosing(cast(Any, self)._iterator) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            if self.slot is not None:
                self.slot.release()


@sync_and_async_middleware
def limited_streams(get_response: Callable[[HttpRequest], Answer]) -> Callable[..., Answer]:
    """Answer 429 to a stream above the limits; no other answer is counted."""
    return replacing(
        get_response, lambda _request, response: isinstance(response, Stream), _limited
    )


def replacing(
    get_response: Callable[[HttpRequest], Answer],
    is_meant: Callable[[HttpRequest, HttpResponseBase], bool],
    replace: Callable[[HttpRequest, Any], HttpResponseBase],
) -> Callable[..., Answer]:
    """Return a middleware that replaces the answers that are meant, outside of the event loop."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            response: HttpResponseBase = await get_response(request)
            if not is_meant(request, response):
                return response
            return await sync_to_async(replace, thread_sensitive=False)(request, response)

        return answer_async

    def answer(request: HttpRequest) -> Answer:
        response = cast(HttpResponseBase, get_response(request))
        return replace(request, response) if is_meant(request, response) else response

    return answer


def take_slot(person: str) -> Slot | None:
    """Return a slot for a download of this person; None above a limit."""
    own = lock_one(FOLDER, (f"of-{person}-{n}" for n in range(LIMITS.of_a_person)))
    if own is None:
        return None
    common = lock_one(FOLDER, (f"all-{n}" for n in range(LIMITS.of_all)))
    if common is None:
        own.close()
        return None
    return Slot(own, common)


def _is_stream(request: HttpRequest, response: HttpResponseBase) -> bool:
    return isinstance(response, Stream)


def _limited(request: HttpRequest, response: Stream) -> HttpResponseBase:
    slot = take_slot(str(request.user.pk or "nobody"))
    if slot is None:
        refusal = _refusal(request)
        refusal.headers["Retry-After"] = str(LIMITS.retry_after_s)
        return refusal
    response.slot = slot
    response._resource_closers.append(slot.release)  # type: ignore[attr-defined]
    return response


def _refusal(request: HttpRequest) -> HttpResponse:
    text = _("Too many downloads at once. Wait until one ends, then try again.")
    if request.path_info.startswith("/api/"):
        # The API's own shape, see dashboard.api.errors.
        body = {"error": "too_many", "message": text, "fields": {}}
        return JsonResponse(body, status=HTTPStatus.TOO_MANY_REQUESTS)
    return render(request, "errors/busy.html", {"why": text}, status=HTTPStatus.TOO_MANY_REQUESTS)
