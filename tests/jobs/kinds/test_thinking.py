"""Evaluations with thinking on or off: requests, refusals, parameters of the job."""

import ast
import json
from dataclasses import replace

import pytest

from jobs.base.errors import LaunchError
from jobs.catalog import MODELS
from jobs.kinds import KINDS
from jobs.kinds.lib.base import AssetRef
from jobs.kinds.lib.defaults import leading, unswitched
from tests.jobs.lib.target import here
from tests.jobs.lib.vacc_target import vacc_host
from tests.refusals import refused_at

NAMES = ("evaluate", "evaluate-evalscope", "evaluate-opencompass-questions", "evaluate-opencompass")
PARAMS = {
    "evaluate": {},
    "evaluate-evalscope": {"source": "folder", "max_tokens": 64},
    "evaluate-opencompass-questions": {},
    "evaluate-opencompass": {},
}
OFF = {"chat_template_kwargs": {"enable_thinking": False}}
of_every_kind = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def hybrid(monkeypatch):
    """A model of the catalogue whose template has a switch."""
    model = MODELS["deepseek-r1-distill-qwen-7b"]
    changed = {"id": "hybrid", "thinking_switch": "enable_thinking"}
    kept = {**MODELS, "hybrid": model.model_copy(update=changed)}
    monkeypatch.setattr("jobs.kinds.lib.evaluations.MODELS", kept)


def target_of(name, **data):
    """A host for a kind. Its deployment 77 is of the model "hybrid"."""
    target = vacc_host() if name == "evaluate-opencompass" else here()
    known = next(ref for ref in target.deployments if ref.key in ("8", "5"))
    served = replace(known, id=77, data={**known.data, "model_id": "hybrid", **data})
    return replace(target, deployments=(*target.deployments, served))


def with_endpoint(switch):
    """A host and an endpoint whose form says ``switch``."""
    target = here()
    data = {**target.deployments[0].data, "thinking_switch": switch, "api_key": ""}
    endpoint = AssetRef("deployment", "far", endpoint=4, data=data)
    return replace(target, deployments=(*target.deployments, endpoint))


def planned(name, target, deployment="77", **raw):
    kind = KINDS[name]
    params = kind.Params(deployment=deployment, **PARAMS[name], **raw)
    return kind.plan(params, target)


def sent(plan):
    """The extra fields of each request that a plan configures; None for none."""
    for step in plan.steps:
        if "--generation-config" in step.argv:
            text = step.argv[step.argv.index("--generation-config") + 1]
            return json.loads(text.replace("{{", "{").replace("}}", "}")).get("extra_body")
    (config,) = (item.text for item in plan.files if item.name.startswith("eval_"))
    values = [
        word.value
        for word in ast.walk(ast.parse(config))
        if isinstance(word, ast.keyword) and word.arg == "extra_body"
    ]
    return ast.literal_eval(values[0]) if values else None


@of_every_kind
def test_the_switch_is_in_each_request(name, hybrid):
    target = target_of(name)

    assert sent(planned(name, target, thinking="off")) == OFF
    on = sent(planned(name, target, thinking="on"))
    assert on == {"chat_template_kwargs": {"enable_thinking": True}}


@of_every_kind
def test_the_default_changes_no_command(name, hybrid):
    target = target_of(name)

    assert sent(planned(name, target)) is None
    assert planned(name, target, thinking="") == planned(name, target)


@of_every_kind
def test_the_default_is_in_no_params(name):
    params = KINDS[name].Params

    assert "thinking" not in params(deployment="77").model_dump(mode="json")
    chosen = params(deployment="77", thinking="off").model_dump(mode="json")
    assert chosen["thinking"] == "off"


@of_every_kind
def test_a_model_without_a_switch_is_refused_at_the_field(name):
    with refused_at("thinking", "no switch for thinking"):
        planned(name, target_of(name), thinking="off")


def test_an_endpoint_has_the_switch_of_its_form():
    plan = planned("evaluate", with_endpoint("thinking"), "endpoint:4", thinking="on")

    assert sent(plan) == {"chat_template_kwargs": {"thinking": True}}


def test_an_endpoint_without_a_switch_is_refused_at_the_field():
    with refused_at("thinking", "far states no switch"):
        planned("evaluate", with_endpoint(""), "endpoint:4", thinking="on")


def test_our_reasoning_template_has_no_switch(hybrid):
    target = target_of("evaluate", toolchain="llama.cpp", reasoning=True)

    with pytest.raises(LaunchError, match="no switch"):
        planned("evaluate", target, thinking="off")


@of_every_kind
def test_only_a_deployment_with_a_switch_has_the_field(name, hybrid):
    params, target = KINDS[name].Params, target_of(name)
    first = target.deployments[0].key

    assert unswitched(params, target, {"deployment": "77"}) == frozenset()
    assert unswitched(params, target, {"deployment": first}) == {"thinking"}
    assert "deployment" in leading(params)


@of_every_kind
def test_the_title_tells_a_chosen_thinking(name, hybrid):
    kind, target = KINDS[name], target_of(name)

    titles = [
        kind.title_of(kind.Params(deployment="77", thinking=chosen), target)
        for chosen in ("", "off")
    ]

    assert titles[1] == f"{titles[0]}, thinking off"
