"""Streams of answers, read in a test without a server."""

from asgiref.sync import async_to_sync
from django.http import HttpResponseBase


def content_of(answer: HttpResponseBase) -> bytes:
    if not answer.streaming:
        return answer.content

    async def read() -> bytes:
        return b"".join([piece async for piece in answer])

    return async_to_sync(read)()
