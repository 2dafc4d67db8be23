"""The dashboard's own requests in a server's log."""

from pathlib import Path

import pytest

from jobs import logstore
from jobs.logstore import search

REAL = Path(__file__).parent.parent.parent / "data" / "vllm-0.32" / "vllm_serve.log"
POLL = b'INFO:     127.0.0.1:55136 - "GET /health HTTP/1.1" 200 OK\n'
COLOURED = (
    b'\x1b[32mINFO\x1b[0m:  1:2 - "\x1b[1mGET /metrics HTTP/1.1\x1b[0m" \x1b[32m200 OK\x1b[0m\n'
)
KEY = "deployment/3"


@pytest.fixture
def log(settings, tmp_path):
    """A function that appends to the server log."""
    settings.DATA_DIR = tmp_path
    store = logstore.LogStore(tmp_path / "logs")
    store.write = lambda data: store.append(KEY, store.size(KEY), data)
    return store


def test_a_real_log_has_its_requests_found_by_line(log):
    log.write(REAL.read_bytes())

    polls = log.polls(KEY, 0)

    lines = REAL.read_bytes().split(b"\n")
    wanted = [
        n for n, line in enumerate(lines, 1) if b"/health HTTP" in line or b"/metrics HTTP" in line
    ]
    hidden = [n for first, last in polls.ranges for n in range(first, last + 1)]
    assert hidden == [n for n in wanted if b" 200 " in lines[n - 1]] and hidden
    assert polls.is_done


def test_failed_requests_and_those_of_others_are_shown(log):
    log.write(POLL + COLOURED)
    log.write(POLL.replace(b"200 OK", b"503 Service Unavailable"))
    log.write(POLL.replace(b"GET /health", b"POST /v1/chat/completions"))
    log.write(POLL.replace(b"/health", b"/healthy"))
    log.write(b"ERROR 200 GET /health\n" + POLL)

    assert log.polls(KEY, 0).ranges == ((1, 2), (7, 7))


def test_it_goes_on_where_it_left_off_and_a_half_line_waits(log):
    log.write(POLL + b"a\n" + POLL[:20])
    first = log.polls(KEY, 0)
    log.write(POLL[20:] + POLL)
    more = log.polls(KEY, first.to)

    assert (first.to, first.ranges) == (len(POLL) + 2, ((1, 1),))
    assert more.ranges == ((3, 4),)
    assert log.polls(KEY, more.to).ranges == ()


def test_a_long_log_is_looked_through_in_parts(log, monkeypatch):
    monkeypatch.setattr(search, "SCAN_BYTES", 1000)
    log.write((POLL + b"x\n") * 100)

    ranges, to, done = [], 0, False
    while not done:
        part = log.polls(KEY, to)
        ranges, to, done = [*ranges, *part.ranges], part.to, part.is_done

    assert ranges == [(n, n) for n in range(1, 200, 2)]


def test_only_the_end_of_a_very_long_log_is_looked_through(log, monkeypatch):
    monkeypatch.setattr(search, "MOST_BYTES", 10 * len(POLL))
    log.write(POLL * 100)

    assert log.polls(KEY, 0).ranges == ((92, 100),)


def test_a_line_without_an_end_is_passed(log, monkeypatch):
    monkeypatch.setattr(search, "SCAN_BYTES", 1000)
    log.write(bytes(2500) + b"\n" + POLL)

    ranges, to, done = [], 0, False
    while not done:
        part = log.polls(KEY, to)
        ranges, to, done = [*ranges, *part.ranges], part.to, part.is_done

    assert ranges == [(2, 2)]


@pytest.mark.parametrize(
    "line",
    [
        b'INFO:     127.0.0.1:5 - "GET /v1/models?by=vacc-dashboard HTTP/1.1" 200 OK\n',
        b"[2026-11-27 09:26:01] [llmdeploy] [info] GET /v1/models?by=vacc-dashboard 200\n",
    ],
)
def test_marked_requests_are_hidden_and_peoples_are_shown(log, line):
    log.write(line + line.replace(b"?by=vacc-dashboard", b""))
    log.write(line.replace(b"200", b"503") + line.replace(b"GET", b"POST") + line)

    assert log.polls(KEY, 0).ranges == ((1, 1), (5, 5))


def test_it_says_how_many_lines_it_has_read_with_a_half_one(log):
    log.write(POLL + b"a\n" + POLL[:20])
    first = log.polls(KEY, 0)
    log.write(POLL[20:])
    more = log.polls(KEY, first.to)

    assert (first.lines, more.lines, log.polls(KEY, more.to).lines) == (3, 3, 3)
