"""A host's GET of an engine ends in time and in bounds, whatever the engine sends."""

import pytest

from jobs.host.agent import agent
from jobs.host.base import engine_http
from jobs.host.run import scraper
from tests import hostile_server
from tests.hostile_server import hostile

SOON_S = 0.3
LONGEST = 100_000


def get(server):
    return engine_http.get(f"{server.url}/metrics?x=1", within_s=SOON_S, longest=LONGEST)


def test_status_and_body_are_returned(site):
    site.says = 404, {}, b"gone"

    url = f"{site.url}/a?b=c"
    assert engine_http.get(url, within_s=5.0, longest=4) == (404, b"gone")
    assert site.asked[-1][:2] == ("GET", "/a?b=c")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_an_answer_and_the_other_server_sees_no_request(status):
    with hostile(hostile_server.no_http) as other:
        with hostile(hostile_server.redirect(status, f"{other.url}/secret")) as engine:
            assert get(engine) == (status, b"")
        assert other.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        hostile_server.slow_header,
        hostile_server.slow_body,
        hostile_server.silent,
        hostile_server.endless_continue,
    ],
)
def test_a_slow_answer_ends_at_its_deadline(answer):
    with hostile(answer) as engine, pytest.raises(TimeoutError, match=r"within 0\.3 s"):
        get(engine)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (hostile_server.endless_body, "longer than 100000 bytes"),
        (hostile_server.endless_header, "no HTTP: LineTooLong"),
        (hostile_server.endless_headers, "no HTTP: .*100 headers"),
        (hostile_server.no_http, "no HTTP: BadStatusLine"),
    ],
)
def test_an_answer_without_bounds_is_an_error(answer, reason):
    with hostile(answer) as engine, pytest.raises(OSError, match=reason):
        engine_http.get(engine.url, within_s=20.0, longest=LONGEST)


def test_a_compressed_answer_stays_compressed():
    with hostile(hostile_server.compressed) as engine:
        status, body = engine_http.get(engine.url, within_s=20.0, longest=LONGEST)

    assert (status, body[:2]) == (200, b"\x1f\x8b")
    assert b"Accept-Encoding: identity" in engine.requests[0]


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1:1/", "http:///x", "x"])
def test_another_address_is_refused(url):
    with pytest.raises(ValueError, match="is no http address"):
        engine_http.get(url, within_s=SOON_S, longest=1)


@pytest.mark.parametrize(
    "answer",
    [
        hostile_server.redirect(307, "http://127.0.0.1:1/"),
        hostile_server.slow_header,
        hostile_server.endless_header,
        hostile_server.no_http,
    ],
)
def test_such_an_engine_is_not_healthy(answer, monkeypatch):
    monkeypatch.setattr(agent, "TIMEOUT_S", SOON_S)
    with hostile(answer) as engine:
        assert agent.status(engine.port, "/health") != 200


@pytest.mark.parametrize(
    "answer", [hostile_server.slow_body, hostile_server.endless_body, hostile_server.compressed]
)
def test_such_an_engine_has_no_counters(answer, monkeypatch):
    monkeypatch.setattr(scraper, "TIMEOUT_S", SOON_S)
    monkeypatch.setattr(scraper, "LONGEST_ANSWER", LONGEST)
    with hostile(answer) as engine:
        assert scraper.samples(scraper._get(f"{engine.url}/metrics", ""), {"x"}) == {}
