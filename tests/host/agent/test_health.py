"""Parts of the agent: health checks of a server, and messages that repeat."""

import logging
from types import SimpleNamespace

import pytest

from jobs.host.agent import agent
from jobs.host.agent.agent import MOST_MESSAGES, DuplicateFilter
from jobs.plans import HEALTH_MARK, Plan, Step
from tests.waiting import until

STEP = Step("serve", ("x",), serves=True, health="/v1/models")
MARKED = f"/v1/models?{HEALTH_MARK}"


@pytest.fixture
def asked(monkeypatch, site):
    """Check the health of a server with 200 for some paths; the check, and the first six paths."""
    monkeypatch.setattr(agent, "ASK_S", 0.01)
    monkeypatch.setattr(agent, "ASK_READY_S", 0.01)
    checks = []

    def start(says):
        site.says = lambda path: (200 if says(path) else 404, {}, b"")
        plan = {"plan": Plan("deploy", (STEP,)).to_json()}
        spool = SimpleNamespace(
            path=SimpleNamespace(name="s"),
            meta=lambda: SimpleNamespace(run=1),
            plan=lambda: plan,
            was_ready=lambda: False,
            mark_ready=lambda run: None,
        )
        checks.append(agent.Health(spool, site.port, lambda: None))
        until(lambda: len(site.asked) >= 6, "it is asked")
        return checks[0], [path for _method, path, *_rest in site.asked[:6]]

    yield start
    for check in checks:
        check.stop()


def test_what_it_asks_of_a_ready_server_has_a_mark(asked):
    one, came = asked(lambda path: True)

    assert came == ["/v1/models", *[MARKED] * 5]
    assert one.state == agent.READY


def test_a_server_that_refuses_the_mark_stays_ready(asked):
    one, came = asked(lambda path: path == "/v1/models")

    assert came == ["/v1/models", MARKED, *["/v1/models"] * 4]
    assert one.state == agent.READY


def test_only_the_status_of_a_server_is_waited_for(site):
    site.says = 200, {"Content-Length": "9"}, b"never"  # nine bytes never come

    assert agent.status(site.port, "/health") == 200


def test_a_server_is_asked_over_a_new_connection_and_no_proxy(site, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")

    assert [agent.status(site.port, "/health") for _ in range(3)] == [200] * 3
    assert len(site.connections) == 3


@pytest.mark.parametrize("at", ["127.0.0.1", "::1", "a..b"])
def test_a_server_that_is_not_there_says_nothing(at, ports):
    assert agent.status(ports[0], "/health", at) == 0


def record(text, error=None):
    info = (type(error), error, None) if error else None
    return logging.LogRecord("x", logging.WARNING, "f", 1, "%s", (text,), info)


def test_a_day_of_the_same_trouble_is_a_few_lines():
    clock = [0.0]
    filter_ = DuplicateFilter(lambda: clock[0])
    known = []
    for second in range(86_400):
        clock[0] = float(second)
        item = record("no answer")
        if filter_.filter(item):
            known.append(item.getMessage())

    assert len(known) == 144
    assert known[:2] == ["no answer", "no answer (599 times more since then)"]


def test_other_messages_and_other_errors_are_logged():
    filter_ = DuplicateFilter(lambda: 0.0)

    errors = (None, OSError("1"), OSError("2"))
    items = [*(record("a", error) for error in errors), record("b"), record("a")]

    assert [filter_.filter(item) for item in items] == [True, True, True, True, False]


def test_it_remembers_no_more_than_so_many():
    filter_ = DuplicateFilter(lambda: 0.0)

    for number in range(3 * MOST_MESSAGES):
        filter_.filter(record(f"{number}"))

    assert len(filter_._logged) == MOST_MESSAGES
