"""Plans of every client against an endpoint."""

from dataclasses import replace

import pytest

from jobs.kinds import KINDS
from jobs.kinds.lib.defaults import bounds, defaults_for
from jobs.models import Endpoint
from jobs.schedule.targets import endpoint_ref
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.target import here
from tests.jobs.lib.vacc_target import R1, vacc_host

URL = "https://h800.example/gate"
NAME = "/data/DeepSeek-R1"
KEYED = {"deployment": "endpoint:5"}


def endpoint(**fields):
    found = {"engine": "vllm", "has_counters": True}
    known = {"pk": 5, "name": "H800", "url": URL, "model": NAME, "found": found}
    return endpoint_ref(Endpoint(**{**known, "api_key": "API_KEY", "model_id": R1, **fields}))


def with_endpoint(target, **fields):
    return replace(target, deployments=(*target.deployments, endpoint(**fields)))


def plans_at(kind, host=vacc_host, fields=None, **raw):
    """Return plans of a launch on ``host()`` against an endpoint with ``fields``."""

    def target():
        return with_endpoint(host(), **(fields or {}))

    given = {**KEYED, **raw}
    return plans_of(kind, target, **{**defaults_for(KINDS[kind].Params, target(), given), **given})


CLIENTS = [
    ("benchmark", {}),
    ("evaluate", {}),
    ("find-limit", {"tool": "evalscope"}),
    ("benchmark-online", {"stack": "guide"}),
    ("benchmark-online", {"stack": "current", "dataset": "random"}),
    ("evaluate-evalscope", {}),
    ("evaluate-opencompass", {}),
    ("evaluate-opencompass-questions", {}),
    ("greedy-probe", {"reference": "9"}),
]


@pytest.mark.parametrize(("kind", "raw"), CLIENTS)
def test_each_client_checks_first_and_shows_no_key(kind, raw):
    plan = plans_at(kind, **raw).run()

    first = plan.steps[0]
    assert first.argv[1:] == (
        *("/data/host/spool/17/files/check_endpoint.py", URL),
        *("--served-model-name", NAME, "--to", "endpoint.json"),
    )
    key = "sk-not-{a}-real one"
    assert all(key not in word for step in plan.steps for word in (*step.argv, *step.cleanup))
    given = {name for step in plan.steps for name, value in step.env if value == key}
    assert given - {"API_KEY"} or kind in ("benchmark", "find-limit", "greedy-probe")
    assert plan.outputs[0].pattern == "endpoint.json"


@pytest.mark.parametrize(("kind", "raw"), CLIENTS)
def test_each_client_calls_the_address_of_the_endpoint(kind, raw):
    plan = plans_at(kind, **raw).run()

    words = [word for step in plan.steps[1:] for word in step.argv]
    words += [value for step in plan.steps[1:] for _name, value in step.env]
    assert any(word.startswith(URL) for word in words)
    assert "h800.example" not in words


@pytest.mark.parametrize(("kind", "raw"), CLIENTS)
def test_the_dies_of_the_client_s_host_are_not_watched(kind, raw):
    assert not [watch for watch in plans_at(kind, **raw).run().watches if watch.reader == "dies"]


@pytest.mark.parametrize(("kind", "raw"), CLIENTS)
def test_the_counters_of_an_endpoint_are_asked_with_its_key(kind, raw):
    keys = {watch.name: watch.key for watch in plans_at(kind, **raw).run().watches}

    # EvalScope's own questions, and a probe: only their answers are counted.
    is_counted = kind not in ("evaluate", "greedy-probe")
    assert keys.pop("engine", "") == ("sk-not-{a}-real one" if is_counted else "")
    assert set(keys.values()) <= {""}


def test_vllm_s_client_runs_in_a_container_of_its_own():
    plan = plans_at("benchmark-online", stack="guide").run()

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
    container = plans_at("benchmark-online", stack="current", dataset="random").run().steps[1]

    assert container.argv[-5:-3] == ("--network", "host")


def test_the_stack_s_concurrency_limit_is_not_the_endpoint_s():
    assert plans_at("benchmark-online", stack="guide", concurrency=(64,)).run()
    target = with_endpoint(vacc_host())
    assert "concurrency" not in bounds(KINDS["benchmark-online"].Params, target, KEYED)


def test_the_guide_s_own_command_cannot_measure_an_endpoint():
    plans = plans_at("benchmark-online", stack="guide", as_in_guide=True)

    assert plans.refused() == "as_in_guide"


@pytest.mark.parametrize("kind", ["benchmark-online", "evaluate-opencompass"])
@pytest.mark.parametrize("model_id", ["", "deepseek-r1-0528"])
def test_a_client_without_a_tokenizer_is_refused_at_the_deployment(kind, model_id):
    assert plans_at(kind, fields={"model_id": model_id}).refused() == "deployment"


def test_guidellm_is_refused_with_a_key_and_runs_without():
    assert plans_at("benchmark-guidellm", here).refused() == "deployment"

    plan = plans_at("benchmark-guidellm", here, {"api_key": ""}).planned()
    assert plan.steps[0].name == "endpoint"
    assert dict(plan.steps[0].env) == {"PYTHONUNBUFFERED": "1"}


def test_vllm_s_client_runs_on_a_processor():
    of_small = {"model_id": "smollm2-135m-instruct"}
    plans = plans_at("benchmark-online", here, of_small, stack="vllm-cpu", dataset="random")

    measure = plans.run(values={"secret:API_KEY": "k"}).steps[1]
    assert measure.argv[3:5] == ("--base-url", URL)
    assert dict(measure.env)["OPENAI_API_KEY"] == "k"


def test_a_deployment_s_plan_has_no_check_of_an_endpoint():
    assert [step.name for step in plans_of("benchmark").planned().steps] == ["measure"]
