"""Streams reach a caller who accepts gzip piece by piece, as they are."""

import contextlib
import http.client
import json
import threading

import pytest

from tests.dashboard.lib.web_server import running_web
from tests.hostile_server import hostile
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.processes

KEY = """
from dashboard.security.counters import hashed
from jobs.models import ApiToken
from tests.factories import make_deployment, make_user
make_deployment(name="m", dashboard_url={url!r})
for name, scope in ("asks", "models"), ("reads", "read"):
    ApiToken(user=make_user(), name=name, token_sha256=hashed(name), scope=scope).save()
"""
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
FIRST = b'data: {"choices": [{"index": 0, "delta": {"content": "one"}}]}\n\n'
LAST = b"data: [DONE]\n\n"


@pytest.fixture(scope="module")
def half():
    """An engine that ends its answer when a test has what came before."""
    was_read = threading.Event()

    def answer(send, _stopped):
        send(HEAD + FIRST)
        assert was_read.wait(PATIENCE_S)
        send(LAST)

    with hostile(answer) as engine:
        engine.was_read = was_read
        yield engine


@pytest.fixture(scope="module")
def server(tmp_path_factory, half):
    with running_web(tmp_path_factory.mktemp("streams")) as server:
        server.shell(KEY.format(url=half.url))
        yield server


@contextlib.contextmanager
def stream(server, path, key, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    headers = {"Authorization": f"Bearer {key}", "Accept-Encoding": "gzip, deflate"}
    with contextlib.closing(connection):
        content = body and json.dumps(body)
        connection.request("POST" if body else "GET", path, content, headers)
        answer = connection.getresponse()
        assert (answer.status, answer.getheader("Content-Encoding")) == (200, None)
        assert answer.getheader("X-Accel-Buffering") == "no"
        yield answer


def test_the_first_event_of_a_job_comes_while_it_runs(server):
    with stream(server, f"/api/v1/jobs/{server.job}/events", "reads") as answer:
        first = answer.readline() + answer.readline()
        server.set_state("succeeded")
        rest = answer.read()

    assert first.startswith(b"event: job\ndata: {")
    assert rest.endswith(b"event: end\ndata: {}\n\n")


def test_the_log_of_a_job_comes_while_it_runs(server):
    server.set_state("running")
    server.logs.append(f"job/{server.job}", 0, b"a line\n")
    with stream(server, f"/api/v1/jobs/{server.job}/events?log_from=0", "reads") as answer:
        lines = iter(answer.readline, b"")
        part = next(line for line in lines if b'"text"' in line)
        server.set_state("succeeded")
        answer.read()

    assert b"a line" in part


def test_a_piece_of_an_answer_of_the_gateway_comes_before_the_next(server, half):
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    with stream(server, "/v1/chat/completions", "asks", body) as answer:
        first = answer.readline() + answer.readline()
        half.was_read.set()
        rest = answer.read()

    assert first == FIRST
    assert rest.startswith(LAST)
