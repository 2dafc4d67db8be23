"""Chunks of logs beside Django: which are taken from memory, and which Django gets."""

import asyncio
import json
import time
import zlib

import pytest
import zstandard

from dashboard.intake import chunks, logs
from dashboard.security.short_memory import ShortMemory
from jobs.models import Host, Job

KEY, TOKEN, INSTANCE = "Bearer of-the-host", "a token", "an instance"
DATA = b"line 1\nline 2\n"
HEADERS = {
    "authorization": KEY,
    "x-token": TOKEN,
    "x-instance": INSTANCE,
    "x-protocol": str(Host.PROTOCOL),
    "x-crc32": str(zlib.crc32(DATA)),
    "x-raw-bytes": str(len(DATA)),
}


@pytest.fixture(autouse=True)
def taken(monkeypatch):
    """Offset and bytes of each append. Job 7 is remembered."""
    appended = []

    def append(owner, *, offset, data):
        if offset > 1000:
            raise OSError("no such offset")
        appended.append((owner.log_key, offset, data))
        return offset + len(data)

    monkeypatch.setattr(logs, "append_log", append)
    monkeypatch.setattr(chunks, "_senders", ShortMemory(60))
    chunks.remember(Job(pk=7), INSTANCE, KEY, TOKEN, since=time.monotonic())
    return appended


def send(
    between=lambda: None,
    path="/api/v1/host/jobs/7/streams/log",
    query="offset=14",
    method="POST",
    **changes,
):
    """The answer of the route, and whether Django got the whole body. ``between`` is called while
    the body comes."""
    body, pieces, said, of_django = zstandard.compress(DATA), [], [], []
    headers = HEADERS | {name.replace("_", "-"): value for name, value in changes.items()}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    for start in (0, 10):
        piece = {
            "type": "http.request",
            "body": body[start : start + 10] if not start else body[10:],
        }
        pieces.append({**piece, "more_body": not start})

    async def receive():
        if len(pieces) == 1:
            between()
        return pieces.pop(0)

    async def say(message):
        said.append(message)

    async def django(scope, receive, send):
        whole, more = b"", True
        while more:
            message = await receive()
            whole, more = whole + message["body"], message["more_body"]
        of_django.append(whole)

    asyncio.run(logs.log_chunks(django)(scope, receive, say))
    assert all(whole == body for whole in of_django)
    answer = json.loads(said[1]["body"]) if said else None
    return answer, bool(of_django)


def test_a_chunk_of_a_remembered_sender_is_appended_without_django(taken):
    answer, is_of_django = send()

    assert answer == {"instance": INSTANCE, "protocol": Host.PROTOCOL, "size": 28}
    assert (taken, is_of_django) == ([("job/7", 14, DATA)], False)


@pytest.mark.parametrize(
    "changes",
    [
        {"authorization": "Bearer of-another"},
        {"x_token": "of an earlier claim"},
        {"x_instance": "another dashboard"},
        {"x_protocol": "1"},
        {"x_crc32": "1"},
        {"x_raw_bytes": "3"},
        {"x_crc32": "many"},
        {"query": ""},
        {"query": "offset=-1"},
        {"query": "offset=5000"},
        {"method": "PUT"},
        {"path": "/api/v1/host/jobs/8/streams/log"},
        {"path": "/api/v1/host/deployments/7/streams/log"},
        {"path": "/api/v1/host/jobs/7/streams/events"},
    ],
)
def test_django_gets_the_whole_body_of_every_other_chunk(taken, changes):
    assert send(**changes) == (None, True)
    assert taken == []


def test_an_old_sender_is_asked_of_django(taken, monkeypatch):
    monkeypatch.setattr(chunks._senders, "kept_s", 0.0)

    assert send() == (None, True)


def test_a_sender_that_gets_old_while_its_body_comes_is_asked_of_django(taken, monkeypatch):
    def get_old():
        monkeypatch.setattr(chunks._senders, "kept_s", 0.0)

    assert send(between=get_old) == (None, True)
    assert taken == []


def test_django_takes_what_is_above_the_most_at_once(taken, monkeypatch):
    monkeypatch.setattr(logs, "MOST", 0)

    assert send() == (None, True)


def test_a_job_with_news_is_read_again(taken):
    chunks.forget("job/7")

    assert send() == (None, True)
