"""The official client of OpenAI, a real web process, and scripted engines behind the gateway."""

import asyncio
import json
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Barrier
from types import SimpleNamespace

import openai
import pytest
import requests

from tests.dashboard.lib.web_server import running_web, web_beside
from tests.hostile_server import hostile
from tests.jobs.lib.scripted_engine import engine
from tests.threads import together
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes

SETUP = """
from datetime import timedelta
from django.utils.timezone import now
from dashboard.security.counters import hashed
from jobs.models import ApiToken
from tests.factories import make_deployment, make_user
for name, url in {engines!r}:
    print(make_deployment(name=name, dashboard_url=url).pk)
ada = make_user("ada")
for name, fields in {keys!r}.items():
    past = fields.pop("expired", False)
    fields["expires_at"] = now() - timedelta(days=1) if past else None
    user = make_user(f"of {{name}}", role=fields.pop("role", "member"))
    row = ApiToken(user=user, name=name, token_sha256=hashed(name), scope="models")
    for field, value in fields.items():
        setattr(row, field, value)
    row.save()
"""
KEYS = {
    "free": {},
    "other": {"allowed_models": ["other"]},
    "expired": {"expired": True},
    "reading": {"scope": "read"},
    "whole": {"scope": "admin"},
    "viewer": {"role": "viewer"},
    "spent": {"token_budget": 5, "tokens_used": 5},
    "small": {"token_budget": 15},
    "one": {"requests_per_minute": 1},
    "shared": {"requests_per_minute": 3},
    "tokens": {"tokens_per_minute": 5},
    "revoked": {},
    "demoted": {},
    "counted": {},
    "streaming": {},
}
ASKED = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    with ExitStack() as open_ones:
        first, second, slow = (open_ones.enter_context(engine()) for _ in range(3))
        server = open_ones.enter_context(running_web(tmp_path_factory.mktemp("gateway")))
        engines = [("pair", first.url), ("pair", second.url), ("slow", slow.url)]
        engines += [("away", "http://127.0.0.1:9")]
        server.shell(SETUP.format(engines=engines, keys=KEYS))
        yield SimpleNamespace(server=server, first=first, second=second, slow=slow)


def client(gateway, key="free", port=None, kind=openai.OpenAI, **more):
    url = f"http://127.0.0.1:{port or gateway.server.port}/v1"
    return kind(base_url=url, api_key=key, max_retries=0, timeout=PATIENCE_S, **more)


def ask(gateway, key="free", model="pair", **more):
    return client(gateway, key).chat.completions.create(model=model, messages=ASKED, **more)


def test_the_list_has_ready_deployments_that_the_key_may_ask(gateway):
    names = {one.id for one in client(gateway).models.list()}

    assert names == {"pair", "slow", "away", "smollm2-135m-instruct"}
    assert [*client(gateway, "other").models.list()] == []
    assert client(gateway).models.retrieve("slow").id == "slow"


def test_an_answer_comes_whole_with_its_usage(gateway):
    answer = ask(gateway, max_tokens=3)

    assert answer.choices[0].message.content == "Paris Paris Paris "
    assert answer.usage.completion_tokens == 3


def test_a_stream_has_no_usage_unless_the_client_asks_for_it(gateway):
    bare = [*ask(gateway, stream=True, max_tokens=4)]
    asked = [*ask(gateway, stream=True, max_tokens=4, stream_options={"include_usage": True})]

    assert [chunk.usage for chunk in bare] == [None] * 5
    assert "".join(chunk.choices[0].delta.content or "" for chunk in bare) == "aword word word "
    assert asked[-1].usage.completion_tokens == 4
    assert len(asked) == len(bare) + 1


def test_the_asynchronous_client_streams_too(gateway):
    async def texts():
        async with client(gateway, kind=openai.AsyncOpenAI) as asking:
            stream = await asking.chat.completions.create(
                model="pair", messages=ASKED, stream=True, max_tokens=2
            )
            return [chunk.choices[0].delta.content async for chunk in stream]

    assert asyncio.run(texts()) == ["a", "word ", None]


def test_the_catalogue_id_is_asked_under_the_served_name(gateway):
    def with_name(asked):
        return 200, json.dumps({"choices": [], "model": asked["model"]})

    for one in (gateway.first, gateway.second, gateway.slow):
        one.complete = with_name
    try:
        answer = ask(gateway, model="smollm2-135m-instruct")
    finally:
        for one in (gateway.first, gateway.second, gateway.slow):
            one.complete = None

    assert answer.model in ("pair", "slow")


def test_the_id_of_a_request_comes_back(gateway):
    answers = client(gateway).chat.completions.with_raw_response
    given = answers.create(model="pair", messages=ASKED, extra_headers={"X-Request-Id": "mine-1"})
    made = answers.create(model="pair", messages=ASKED)

    assert given.headers["x-request-id"] == "mine-1"
    assert made.headers["x-request-id"].startswith("req-")


@pytest.mark.parametrize(
    ("key", "model", "status", "code"),
    [
        ("nobody", "pair", 401, "invalid_api_key"),
        ("expired", "pair", 401, "invalid_api_key"),
        ("reading", "pair", 403, "insufficient_permissions"),
        ("whole", "pair", 403, "insufficient_permissions"),
        ("viewer", "pair", 403, "insufficient_permissions"),
        ("other", "pair", 404, "model_not_found"),
        ("free", "nothing", 404, "model_not_found"),
        ("free", "", 400, "invalid_request_error"),
        ("spent", "pair", 429, "insufficient_quota"),
        ("free", "away", 503, "engine_unavailable"),
    ],
)
def test_a_refusal_has_the_shape_of_openai(gateway, key, model, status, code):
    with pytest.raises(openai.APIStatusError) as refused:
        ask(gateway, key, model)

    assert (refused.value.status_code, refused.value.code) == (status, code)
    assert refused.value.body["message"]
    assert (status == 503) == ("retry-after" in refused.value.response.headers)


def test_a_second_request_of_the_minute_is_refused(gateway):
    refused = [outcome(gateway, "one") for _ in range(3)]  # a minute may end between two

    assert "rate_limit_exceeded" in refused


def test_two_web_processes_count_one_limit_each_without_valkey(gateway):
    with web_beside(gateway.server) as port:
        ports = [gateway.server.port, port] * 8
        found = together(*[lambda port=port: outcome(gateway, "shared", port) for port in ports])

    # Without Valkey each process counts alone; a minute may end meanwhile.
    assert 6 <= found.count("ok") <= 12
    assert set(found) == {"ok", "rate_limit_exceeded"}


def outcome(gateway, key, port=None, model="pair"):
    try:
        client(gateway, key, port).chat.completions.create(model=model, messages=ASKED)
    except openai.APIStatusError as error:
        return error.code
    return "ok"


def test_tokens_of_an_answer_count_against_the_next(gateway):
    found = [outcome(gateway, "tokens") for _ in range(3)]

    assert found[0] == "ok"
    assert "rate_limit_exceeded" in found


def test_a_budget_ends(gateway):
    assert outcome(gateway, "small") == "ok"
    assert outcome(gateway, "small") == "insufficient_quota"


@pytest.mark.parametrize(
    ("key", "change", "code"),
    [
        ("revoked", "ApiToken.objects.get(name='revoked').delete()", "invalid_api_key"),
        (
            "demoted",
            "Account.objects.filter(user__username='of demoted').update(role='viewer')",
            "insufficient_permissions",
        ),
    ],
)
def test_a_right_that_ends_elsewhere_is_refused_soon(gateway, key, change, code):
    assert outcome(gateway, key) == "ok"

    gateway.server.shell(f"from jobs.models import *\n{change}")

    assert until(lambda: (found := outcome(gateway, key)) != "ok" and found) == code


def test_a_stream_ends_with_an_error_when_its_key_is_revoked_elsewhere(gateway):
    gateway.slow.pause_s = 0.01
    stream = ask(gateway, "streaming", model="slow", stream=True, max_tokens=100_000)
    next(iter(stream))
    remove = "ApiToken.objects.get(name='streaming').delete()"
    gateway.server.shell(f"from jobs.models import ApiToken\n{remove}")

    with pytest.raises(openai.APIError, match="This key has ended"):
        for _chunk in stream:
            pass


def test_a_client_that_leaves_closes_the_engines_connection(gateway):
    gateway.slow.pause_s = 0.01
    stream = ask(gateway, model="slow", stream=True, max_tokens=100_000)
    next(iter(stream))

    before = tokens_of(gateway.slow)
    until(lambda: tokens_of(gateway.slow) > before)
    stream.close()

    def is_still():
        count = tokens_of(gateway.slow)
        threading.Event().wait(0.2)
        return tokens_of(gateway.slow) == count

    assert until(is_still)


def tokens_of(scripted):
    return scripted._count["tokens"]


def test_a_killed_engine_fails_its_own_streams_and_no_later_ones(gateway):
    with ExitStack() as running:
        processes = [running.enter_context(engine_process()) for _ in range(2)]
        rows = [("twin", url) for _process, url in processes]
        gateway.server.shell(SETUP.format(engines=rows, keys={}).replace('"ada"', '"eve"'))
        until(lambda: "twin" in {one.id for one in client(gateway).models.list()})
        began = Barrier(51)

        def stream(_number):
            pieces = iter(ask(gateway, model="twin", stream=True, max_tokens=400))
            next(pieces)
            began.wait()
            try:
                return sum(1 for _piece in pieces)
            except openai.APIError as error:
                return error.code

        with ThreadPoolExecutor(50) as pool:
            found = pool.map(stream, range(50))
            began.wait()
            processes[0][0].kill()
            found = list(found)
        later = {ask(gateway, model="twin").choices[0].message.content for _ in range(10)}

    assert Counter(found) == {400: 25, "engine_failed": 25}
    assert later == {"Paris " * 8}


@pytest.mark.parametrize("end", [b"no size\r\n", b""], ids=["no-size", "cut"])
def test_a_stream_that_its_engine_ends_wrongly_ends_with_an_error(gateway, end):
    came, name = threading.Event(), f"wrong{len(end)}"
    event = b'data: {"choices":[{"index":0,"delta":{"content":"half"}}]}\n\n'
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )

    def answer(send, _stopped):
        send(head + b"%x\r\n%s\r\n" % (len(event), event))
        assert came.wait(PATIENCE_S)
        send(end)

    with hostile(answer) as wrong:
        gateway.server.shell(
            SETUP.format(engines=[(name, wrong.url)], keys={}).replace("ada", name)
        )
        until(lambda: name in {one.id for one in client(gateway).models.list()})
        pieces = iter(ask(gateway, model=name, stream=True))
        first = next(pieces)
        came.set()
        with pytest.raises(openai.APIError) as failed:
            next(pieces)

    assert first.choices[0].delta.content == "half"
    assert failed.value.code == "engine_failed"


@contextmanager
def engine_process():
    """A scripted engine in a process of its own, and its address."""
    command = (
        "from tests.jobs.lib.scripted_engine import Engine\n"
        "import threading\n"
        "one = Engine(); one.pause_s = 0.01; print(one.url, flush=True)\n"
        "threading.Event().wait()"
    )
    process = subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, text=True)
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def test_a_closed_kept_connection_is_asked_once_more(gateway):
    gateway.slow.closes_kept = True
    try:
        found = [ask(gateway, model="slow").usage.total_tokens for _ in range(2)]
    finally:
        gateway.slow.closes_kept = False

    assert found == [17, 17]
    assert gateway.slow.lost


def test_a_running_exclusive_benchmark_keeps_its_engine_to_itself(gateway):
    gateway.server.shell(MEASURED.format(url=gateway.first.url))

    until(lambda: outcome(gateway, "free", model="measured") == "engine_in_benchmark")
    assert outcome(gateway, "free") == "ok"


def test_the_keys_that_ask_a_measured_engine_are_named(gateway):
    read = "from jobs.models import GatewayBesideJob\n" + (
        "print(*GatewayBesideJob.objects.values_list("
        "'token_name', 'user__username', 'requests').first() or ())"
    )
    free = MEASURED.replace('"measured"', '"shared"').replace("exclusive=True", "exclusive=False")
    gateway.server.shell(free.format(url=gateway.first.url))

    assert until(lambda: outcome(gateway, "free", model="shared") == "ok")
    until(lambda: outcome(gateway, "free", model="shared") and gateway.server.shell(read))
    name, _of, person, requests = gateway.server.shell(read)
    assert (name, person) == ("free", "free")
    assert int(requests) >= 1


MEASURED = """
from tests.factories import make_deployment, make_job
row = make_deployment(name="measured", dashboard_url="{url}")
inputs = {{"deployment": {{"id": row.pk}}}}
make_job(kind="benchmark", state="running", exclusive=True, inputs=inputs)
"""


def test_use_is_stored_by_key_and_hour(gateway):
    answer = ask(gateway, "counted", max_tokens=7)
    read = "from jobs.models import GatewayUse\n" + (
        "print(*GatewayUse.objects.filter(token_name='counted').values_list("
        "'requests', 'failed', 'prompt_tokens', 'completion_tokens').first() or ())"
    )

    assert answer.usage.prompt_tokens == 9
    assert until(lambda: gateway.server.shell(read)) == ["1", "0", "9", "7"]


def test_an_endpoint_of_the_gateway_gets_its_own_key_and_the_caller_never_sees_it(gateway):
    gateway.server.shell(ENDPOINT.format(url=gateway.second.url))
    until(lambda: "of-others" in {one.id for one in client(gateway).models.list()})
    gateway.second.complete = lambda asked: (200, json.dumps({"choices": [], "key": "sk-engine"}))
    try:
        answer = client(gateway).chat.completions.with_raw_response.create(
            model="of-others", messages=ASKED
        )
    finally:
        gateway.second.complete = None

    assert gateway.second.asked[-1] == ("/v1/chat/completions", "Bearer sk-engine")
    assert "sk-engine" not in answer.text
    assert "hidden" not in {one.id for one in client(gateway).models.list()}


ENDPOINT = """
from jobs.access import secrets
from tests.factories import make_endpoint
secrets.keep("ENGINE", "sk-engine", purpose="engine", endpoints=["{url}"], hosts=None, people=None)
make_endpoint("others", url="{url}", model="of-others", api_key="ENGINE", in_gateway=True)
make_endpoint("hidden", url="{url}", model="hidden")
"""


@pytest.mark.parametrize(
    ("body", "status"),
    [("{", 400), ("[]", 400), ('{"model": 3}', 400), ("x" * (5 << 20), 413)],
    ids=["cut", "list", "number", "long"],
)
def test_a_body_that_cannot_be_read_is_refused_in_the_shape_of_openai(gateway, body, status):
    url = f"http://127.0.0.1:{gateway.server.port}/v1/chat/completions"
    headers = {"Authorization": "Bearer free", "Content-Type": "application/json"}

    answer = requests.post(url, data=body, headers=headers, timeout=PATIENCE_S)

    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_completions_and_embeddings_pass_as_they_are(gateway):
    asking = client(gateway)
    gateway.first.complete = gateway.second.complete = lambda asked: (200, json.dumps(COMPLETED))
    try:
        text = asking.completions.create(model="pair", prompt="Hi").choices[0].text
        vector = asking.embeddings.create(model="pair", input="Hi", encoding_format="float")
    finally:
        gateway.first.complete = gateway.second.complete = None

    assert text == "there"
    assert vector.data[0].embedding == [0.5, 0.25]


COMPLETED = {
    "choices": [{"index": 0, "text": "there", "finish_reason": "stop"}],
    "data": [{"index": 0, "object": "embedding", "embedding": [0.5, 0.25]}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
