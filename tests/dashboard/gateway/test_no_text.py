"""No log, table or file has a prompt or an answer of the gateway, however a request ends."""

import json
import socket
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
import requests

from tests.dashboard.lib.web_server import Browser, running_web, web_beside
from tests.hostile_server import hostile
from tests.jobs.lib.scripted_engine import engine
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes

CHAT = "/v1/chat/completions"
SETUP = """
from dashboard.security.counters import hashed
from jobs.models import ApiToken
from tests.factories import make_deployment, make_job, make_user
for name, url in {engines!r}.items():
    row = make_deployment(name=name, dashboard_url=url)
inputs = {{"deployment": {{"id": row.pk}}}}
make_job(kind="benchmark", state="running", exclusive=True, inputs=inputs)
user = make_user("ada", role="admin")
for name, scope in ("key", "models"), ("last", "models"), ("whole", "admin"):
    ApiToken(user=user, name=name, token_sha256=hashed(name), scope=scope).save()
print(row.pk)
"""
LAST = """
from django.db.models import Sum
from jobs.models import GatewayUse
print(GatewayUse.objects.filter(token_name="last").aggregate(n=Sum("requests"))["n"])
"""
# A process of the dashboard that fails by itself at a chat's form and operation, and as an answer
# of an engine has come.
BROKEN = {
    "gateway.route.tokens_in": None,
    "pages.serving.playground.AskForm": None,
    "api.chat.AskForm": None,
}
FORWARDED = {
    "X-Forwarded-For": "203.0.113.7, 127.0.0.1",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "127.0.0.1",
    "Forwarded": "for=203.0.113.7;proto=https",
}


def text_of(case):
    """Return the text of a case, prompt and answer, which no other case has."""
    return f"said-by-nobody-else-{case}-"


# What an engine sends, and the status that its caller gets


def whole(case, head="200 OK", more=""):
    body = json.dumps({"error": {"message": text_of(case)}, "usage": {"prompt_tokens": 3}})
    lines = f"HTTP/1.1 {head}\r\nContent-Type: application/json\r\n{more}"
    return f"{lines}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def stream(case, *more, cut=None):
    """A stream with the text of ``case``, then ``more`` as it is, without its end."""
    delta = {"choices": [{"index": 0, "delta": {"content": text_of(case)}}]}
    event = f"data: {json.dumps(delta)}\n\n".encode()
    chunk = b"%x\r\n%s\r\n" % (len(event), event)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    return b"".join([head, b"Transfer-Encoding: chunked\r\n\r\n", chunk[:cut], *more])


def error_event(case):
    event = b'data: {"error": {"message": "%s"}}\n\n' % text_of(case).encode()
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(event), event)


ENGINES = {
    "error-400": (400, lambda case: whole(case, "400 Bad")),
    "error-500": (500, lambda case: whole(case, "500 Failed")),
    "error-503": (503, lambda case: whole(case, "503 Busy")),
    "error-in-reason": (500, lambda case: whole(case, f"500 {text_of(case)}")),
    "redirect": (502, lambda case: whole(case, "307 Away", f"Location: /{text_of(case)}\r\n")),
    "encoding": (502, lambda case: whole(case, more=f"Content-Encoding: {text_of(case)}\r\n")),
    "wrong-status": (503, lambda case: whole(case, text_of(case))),
    "wrong-header": (503, lambda case: whole(case, more=f"{text_of(case)}\0: a\r\n")),
    "wrong-length": (503, lambda case: whole(case, more=f"Content-Length: {text_of(case)}\r\n")),
    "no-http": (503, lambda case: f"{text_of(case)}\r\n\r\n".encode()),
    "two-answers": (200, lambda case: whole(case) + whole(case)),
    "cut-stream": (200, stream),
    "cut-in-chunk": (200, lambda case: stream(case, cut=-9)),
    "wrong-chunk": (503, lambda case: stream(case, f"{text_of(case)}\r\n".encode())),
    "error-in-stream": (200, lambda case: stream(case, error_event(case))),
}


# What a caller does, and the status that it gets


def asked(port, case, *, path=CHAT, key="key", headers=(), **body):
    """Return the status of an answer."""
    messages = [{"role": "user", "content": text_of(case)}]
    body = {"model": "usual", "messages": messages, **body}
    return sent(port, json.dumps(body), path=path, key=key, headers=headers)


def sent(port, content, *, path=CHAT, key="key", headers=()):
    head = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **dict(headers)}
    url = f"http://127.0.0.1:{port}{path}"
    return requests.post(url, data=content, headers=head, timeout=PATIENCE_S).status_code


def left(port, case, model, piece=b""):
    """Leave once ``piece`` has come."""
    body = {"model": model, "stream": True, "max_tokens": 100_000}
    body["messages"] = [{"role": "user", "content": text_of(case)}]
    content = json.dumps(body)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer key\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n{content}".encode())
        came = b""
        while piece not in came:
            came += connection.recv(65536)


def through_a_form(web, case):
    browser = Browser(web.failing, cookies={"csrftoken": "t" * 32})
    browser.know(web.server)
    form = {"csrfmiddlewaretoken": "t" * 32, "deployment": web.measured, "max_tokens": "9"}
    return browser.ask("/playground/ask/", form | {"prompt": text_of(case)}).status


def through_the_api(web, case):
    body = {"engine": web.measured, "prompt": text_of(case), "max_tokens": 9}
    path = "/api/v1/conversations"
    return sent(web.failing, json.dumps(body), path=path, key="whole")


CALLERS = {
    "whole": (200, lambda web, case: asked(web.port, case)),
    "stream": (200, lambda web, case: asked(web.port, case, stream=True)),
    "proxy": (200, lambda web, case: asked(web.port, case, headers=FORWARDED)),
    "unknown-key": (401, lambda web, case: asked(web.port, case, key="nobody")),
    "other-scope": (403, lambda web, case: asked(web.port, case, key="whole")),
    "unknown-model": (404, lambda web, case: asked(web.port, case, model=text_of(case))),
    "no-json": (400, lambda web, case: sent(web.port, f'{{"prompt": "{text_of(case)}')),
    "too-long": (413, lambda web, case: sent(web.port, text_of(case) * 200_000)),
    "wrong-path": (404, lambda web, case: asked(web.port, case, path="/v1/responses")),
    "page-path": (403, lambda web, case: asked(web.port, case, path="/api/v1/chat/completions")),
    "refused": (503, lambda web, case: asked(web.port, case, model="measured")),
    "held": (503, lambda web, case: asked(web.holding, case, model="measured")),
    "left": (None, lambda web, case: left(web.port, case, "slow", b"word")),
    "left-held": (None, lambda web, case: left(web.holding, case, "measured")),
    "failed-gateway": (500, lambda web, case: asked(web.failing, case)),
    "failed-form": (500, through_a_form),
    "failed-api": (500, through_the_api),
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Status of each case, and files with their bytes once the last use is written. Three web
    processes print all they can: the first refuses at an exclusive benchmark, one holds, one
    fails."""
    folder = tmp_path_factory.mktemp("texts")
    (folder / "temporary").mkdir()
    environ = {"LOG_LEVEL": "DEBUG", "TRUSTED_PROXIES": "127.0.0.1"}
    environ["TMPDIR"] = str(folder / "temporary")
    hold = environ | {"GATEWAY_DURING_BENCHMARKS": "hold", "GATEWAY_HOLD": "1s"}
    with ExitStack() as open_ones:
        open_one = open_ones.enter_context
        output = open_one((folder / "output").open("wb"))
        engines = {
            case: open_one(hostile(sends(make(case)))) for case, (_, make) in ENGINES.items()
        }
        engines |= {name: open_one(engine()) for name in ("usual", "slow", "measured")}
        engines["usual"].reply = lambda question: f"again: {question}"
        engines["slow"].pause_s = 0.01
        server = open_one(running_web(folder / "data", environ=environ, output=output))
        urls = {name: one.url for name, one in engines.items()}
        web = SimpleNamespace(server=server, port=server.port)
        (web.measured,) = server.shell(SETUP.format(engines=urls))
        web.holding = open_one(web_beside(server, hold, output=output))
        broken = json.dumps(BROKEN)
        web.failing = open_one(web_beside(server, environ, limits=broken, output=output))
        found = {case: asked(web.port, case, model=case) for case in ENGINES}
        found |= {case: act(web, case) for case, (_, act) in CALLERS.items()}
        for port in (web.port, web.holding, web.failing):
            asked(port, "last", key="last")
        until(lambda: server.shell(LAST) == ["3"])
        places = [path for path in folder.rglob("*") if path.is_file()]
        yield found, {path: path.read_bytes() for path in places}


def sends(data):
    return lambda send, _stopped: send(data)


@pytest.mark.parametrize("case", [*ENGINES, *CALLERS])
def test_no_text_of_a_request_is_left(case, seen):
    found, places = seen

    assert found[case] == (ENGINES | CALLERS)[case][0]
    assert [str(path) for path, data in places.items() if text_of(case).encode() in data] == []


def test_the_search_sees_logs_and_tables(seen):
    _found, places = seen
    (output,) = [data for path, data in places.items() if path.name == "output"]

    assert output.count(b"TypeError: 'NoneType' object is not callable") >= len(BROKEN)
    assert [path.name for path, data in places.items() if b"error-in-stream" in data]
