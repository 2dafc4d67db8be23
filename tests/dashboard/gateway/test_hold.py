"""Requests that wait for the end of an exclusive benchmark, in two web processes."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import SimpleNamespace

import openai
import pytest

from tests.dashboard.lib.web_server import running_web, web_beside
from tests.jobs.lib.scripted_engine import engine
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.processes

MEASURED = """
from dashboard.security.counters import hashed
from jobs.models import ApiToken
from tests.factories import make_deployment, make_job, make_user
row = make_deployment(name="{name}", dashboard_url="{url}")
inputs = {{"deployment": {{"id": row.pk}}}}
make_job(kind="benchmark", state="running", exclusive=True, inputs=inputs)
user = make_user("of {name}")
ApiToken(user=user, name="{name}", token_sha256=hashed("{name}"), scope="models").save()
"""
END = """
from django.utils.timezone import now
from jobs.models import Job
Job.objects.filter(kind="benchmark").update(state="succeeded", finished_at=now())
"""
USE = """
from jobs.models import GatewayUse
row = GatewayUse.objects.filter(model="{name}").first()
print(row.requests, row.held, row.failed) if row else print()
"""


@pytest.fixture(scope="module")
def holding(tmp_path_factory):
    """A web process that holds for long, and one that holds for a moment."""
    hold = {"GATEWAY_DURING_BENCHMARKS": "hold", "GATEWAY_HOLD": "2m"}
    with ExitStack() as open_ones:
        one = open_ones.enter_context(engine())
        where = tmp_path_factory.mktemp("hold")
        server = open_ones.enter_context(running_web(where, environ=hold))
        beside = web_beside(server, hold | {"GATEWAY_HOLD": "1s"})
        port = open_ones.enter_context(beside)
        yield SimpleNamespace(server=server, engine=one, long=server.port, short=port)


@pytest.fixture
def measured(holding, request):
    """A model that a benchmark measures, and of the same name the key that asks it."""
    name = request.node.name
    holding.server.shell(MEASURED.format(name=name, url=holding.engine.url))
    holding.engine.asked.clear()
    for port in (holding.long, holding.short):  # each has what it read a moment ago
        until(lambda port=port: name in {one.id for one in client(port, name).models.list()})
    return name


def client(port, name, patience_s=PATIENCE_S):
    url = f"http://127.0.0.1:{port}/v1"
    return openai.OpenAI(base_url=url, api_key=name, max_retries=0, timeout=patience_s)


def ask(port, name, patience_s=PATIENCE_S):
    messages = [{"role": "user", "content": "Hi"}]
    asking = client(port, name, patience_s)
    answer = asking.chat.completions.create(model=name, messages=messages)
    return answer.choices[0].message.content


def use_of(holding, name):
    return holding.server.shell(USE.format(name=name))


def test_a_held_request_is_answered_after_the_benchmark(holding, measured):
    with ThreadPoolExecutor(3) as pool:
        held = [pool.submit(ask, holding.long, measured) for _ in range(3)]
        with pytest.raises(openai.InternalServerError) as refused:
            ask(holding.short, measured)
        asked = list(holding.engine.asked)
        holding.server.shell(END)
        answers = [one.result() for one in held]

    assert (refused.value.code, refused.value.status_code) == ("engine_in_benchmark", 503)
    assert refused.value.response.headers["retry-after"] == "30"
    assert asked == []
    assert answers == ["Paris " * 8] * 3
    assert until(lambda: (use := use_of(holding, measured)) == ["4", "4", "1"] and use)


def test_a_caller_who_leaves_is_held_no_longer(holding, measured):
    with pytest.raises(openai.APITimeoutError):
        ask(holding.long, measured, patience_s=1)

    assert until(lambda: use_of(holding, measured)) == ["1", "1", "1"]
    assert holding.engine.asked == []


def test_a_held_request_ends_with_its_key(holding, measured):
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(ask, holding.long, measured)
        with pytest.raises(openai.InternalServerError):
            ask(holding.short, measured)
        remove = f"ApiToken.objects.get(name='{measured}').delete()"
        holding.server.shell(f"from jobs.models import ApiToken\n{remove}")

        with pytest.raises(openai.APIStatusError, match="This key has ended"):
            held.result()
    assert holding.engine.asked == []
