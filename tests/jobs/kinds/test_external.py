"""Plans of every client against an endpoint."""

from dataclasses import replace

import pytest

from jobs.base.errors import LaunchError
from jobs.kinds import KINDS
from jobs.kinds.lib.base import asset_values
from jobs.kinds.lib.defaults import bounds, defaults_for
from jobs.models import Endpoint
from jobs.plans import fill
from jobs.schedule.targets import endpoint_ref
from tests.jobs.lib.target import VALUES, here
from tests.jobs.lib.vacc_target import R1, vacc_host, vacc_values

URL = "https://h800.example/gate"
NAME = "/data/DeepSeek-R1"
KEYED = {"deployment": "endpoint:5"}


def endpoint(**fields):
    found = {"engine": "vllm", "has_counters": True}
    known = {"pk": 5, "name": "H800", "url": URL, "model": NAME, "found": found}
    return endpoint_ref(Endpoint(**{**known, "api_key": "API_KEY", "model_id": R1, **fields}))


def with_endpoint(target, **fields):
    return replace(target, deployments=(*target.deployments, endpoint(**fields)))


def planned(kind, target, **raw):
    given = {**KEYED, **raw}
    params = KINDS[kind].Params(**{**defaults_for(KINDS[kind].Params, target, given), **given})
    return KINDS[kind].plan(params, target)


def on_vacc(kind, *, fields=None, **raw):
    target = with_endpoint(vacc_host(), **(fields or {}))
    plan = planned(kind, target, **raw)
    return fill(
        plan,
        {
            **vacc_values(target),
            **asset_values(
                {"deployment": target.deployments[-1], "reference": target.deployments[0]}
            ),
        },
    )


def refused(kind, target, **raw):
    with pytest.raises(LaunchError) as caught:
        planned(kind, target, **raw)
    return caught.value.field


CLIENTS = [
    ("benchmark", {}),
    ("evaluate", {}),
    ("benchmark-online", {"stack": "guide"}),
    ("benchmark-online", {"stack": "current", "dataset": "random"}),
    ("evaluate-evalscope", {}),
    ("evaluate-opencompass", {}),
    ("greedy-probe", {"reference": "9"}),
]


@pytest.mark.parametrize(("kind", "raw"), CLIENTS)
def test_each_client_checks_first_and_shows_no_key(kind, raw):
    plan = on_vacc(kind, **raw)

    first = plan.steps[0]
    assert first.argv[1:] == (
        *("/data/host/spool/17/files/check_endpoint.py", URL),
        *("--served-model-name", NAME, "--to", "endpoint.json"),
    )
    key = "sk-not-{a}-real one"
    assert all(key not in word for step in plan.steps for word in (*step.argv, *step.cleanup))
    given = {name for step in plan.steps for name, value in step.env if value == key}
    assert given - {"API_KEY"} or kind in ("benchmark", "greedy-probe")
    assert plan.outputs[0].pattern == "endpoint.json"


@pytest.mark.parametrize(("kind", "raw"), CLIENTS)
def test_each_client_calls_the_address_of_the_endpoint(kind, raw):
    plan = on_vacc(kind, **raw)

    words = [word for step in plan.steps[1:] for word in step.argv]
    words += [value for step in plan.steps[1:] for _name, value in step.env]
    assert any(word.startswith(URL) for word in words)
    assert "h800.example" not in words or kind == "never"


@pytest.mark.parametrize(("kind", "raw"), CLIENTS)
def test_the_dies_of_the_client_s_host_are_not_watched(kind, raw):
    assert not [watch for watch in on_vacc(kind, **raw).watches if watch.reader == "dies"]


@pytest.mark.parametrize(("kind", "raw"), CLIENTS)
def test_the_counters_of_an_endpoint_are_asked_with_its_key(kind, raw):
    keys = {watch.name: watch.key for watch in on_vacc(kind, **raw).watches}

    # EvalScope's own questions, and a probe: only their answers are counted.
    is_counted = kind not in ("evaluate", "greedy-probe")
    assert keys.pop("engine", "") == ("sk-not-{a}-real one" if is_counted else "")
    assert set(keys.values()) <= {""}


def test_vllm_s_client_runs_in_a_container_of_its_own():
    plan = on_vacc("benchmark-online", stack="guide")

    names = [step.name for step in plan.steps]
    assert names == ["endpoint", "container", "folder", "measure", "fetch"]
    container, measure = plan.steps[1], plan.steps[3]
    assert container.cleanup == ("docker", "rm", "-f", "vllm-bench-17")
    assert measure.argv[:5] == ("docker", "exec", "-e", "OPENAI_API_KEY", "vllm-bench-17")
    at = measure.argv.index("--base-url")
    assert measure.argv[at : at + 6] == (
        *("--base-url", URL, "--backend", "openai-chat"),
        *("--model", "/test/weights/DeepSeek-R1"),
    )
    assert plan.dies == 0


def test_the_current_client_reaches_addresses_of_its_host():
    container = on_vacc("benchmark-online", stack="current", dataset="random").steps[1]

    assert container.argv[-5:-3] == ("--network", "host")


def test_the_stack_s_concurrency_limit_is_not_the_endpoint_s():
    assert on_vacc("benchmark-online", stack="guide", concurrency=(64,))
    target = with_endpoint(vacc_host())
    assert "concurrency" not in bounds(KINDS["benchmark-online"].Params, target, KEYED)


def test_the_guide_s_own_command_cannot_measure_an_endpoint():
    target = with_endpoint(vacc_host())

    assert refused("benchmark-online", target, stack="guide", as_in_guide=True) == "as_in_guide"


@pytest.mark.parametrize("kind", ["benchmark-online", "evaluate-opencompass"])
@pytest.mark.parametrize("model_id", ["", "deepseek-r1-0528"])
def test_a_client_without_a_tokenizer_is_refused_at_the_deployment(kind, model_id):
    assert refused(kind, with_endpoint(vacc_host(), model_id=model_id)) == "deployment"


def test_guidellm_is_refused_with_a_key_and_runs_without():
    assert refused("benchmark-guidellm", with_endpoint(here())) == "deployment"

    plan = planned("benchmark-guidellm", with_endpoint(here(), api_key=""))
    assert plan.steps[0].name == "endpoint"
    assert dict(plan.steps[0].env) == {"PYTHONUNBUFFERED": "1"}


def test_vllm_s_client_runs_on_a_processor():
    target = with_endpoint(here(), model_id="smollm2-135m-instruct")
    plan = planned("benchmark-online", target, stack="vllm-cpu", dataset="random")

    served = asset_values({"deployment": target.deployments[-1]})
    measure = fill(plan, {**VALUES, **served, "secret:API_KEY": "k"}).steps[1]
    assert measure.argv[3:5] == ("--base-url", URL)
    assert dict(measure.env)["OPENAI_API_KEY"] == "k"


def test_a_deployment_s_plan_has_no_check_of_an_endpoint():
    plan = KINDS["benchmark"].plan(KINDS["benchmark"].Params(deployment="3"), here())

    assert [step.name for step in plan.steps] == ["measure"]
