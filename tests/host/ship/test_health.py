"""Health checks of a server, from its host."""

import http.server
import threading
from types import SimpleNamespace

import pytest

from jobs.host.agent import agent
from jobs.plans import HEALTH_MARK, Plan, Step
from tests.waiting import until

STEP = Step("serve", ("x",), serves=True, health="/v1/models")
MARKED = f"/v1/models?{HEALTH_MARK}"


@pytest.fixture
def asked(monkeypatch):
    """A function that checks the health of a server with 200 for some requests; its result."""
    monkeypatch.setattr(agent, "ASK_S", 0.01)
    monkeypatch.setattr(agent, "ASK_READY_S", 0.01)
    ends = []

    def start(says):
        came = []

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # the library's name
                came.append(self.path)
                self.send_response(200 if says(self.path) else 404)
                self.end_headers()

            def log_message(self, *_args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        plan = {"plan": Plan("deploy", (STEP,)).to_json()}
        spool = SimpleNamespace(
            path=SimpleNamespace(name="s"),
            meta=lambda: SimpleNamespace(run=1),
            plan=lambda: plan,
            was_ready=lambda: False,
            mark_ready=lambda run: None,
        )
        one = agent.Health(spool, server.server_address[1], lambda: None)
        ends.extend([one.stop, server.shutdown])
        until(lambda: len(came) >= 6, "it is asked")
        return one, came[:6]

    yield start
    for end in ends:
        end()


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
