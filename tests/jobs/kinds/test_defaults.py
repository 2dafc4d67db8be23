"""Defaults of fields: by host, by other choices, by used ports."""

from dataclasses import replace

import pytest
from pydantic import BaseModel

from jobs.kinds import KINDS, evaluate
from jobs.kinds.lib.base import AssetRef, field
from jobs.kinds.lib.defaults import bounds, defaults_for, leading
from jobs.kinds.lib.load import PROMPT_TOKENS
from jobs.schedule.targets import target_of
from jobs.tools.vacc.site import GUIDE_FACTS
from tests.factories import make_deployment, make_host, make_job
from tests.jobs.lib.target import DEPLOYMENT, here
from tests.jobs.lib.vacc_target import QWEN_7B, vacc_host
from tests.refusals import refused_at

benchmark_online = KINDS["benchmark-online"]
deploy_build_in = KINDS["deploy-build-in"]


def deployment(number, **data):
    return AssetRef("deployment", f"served-{number}", id=number, data=data)


def host_with(*deployments):
    return replace(vacc_host(), deployments=deployments, servers=deployments)


SMALL, VERBATIM = "smollm2-135m-instruct", {"as_in_guide": True}
DRAWN = {"question_seed": 0}
# On the page of today's stack, which prints figures of its own.
ON_PAGE = {"input_tokens": 128, "prefix_tokens": 0, "requests": 3, "concurrency": [1]}


@pytest.mark.parametrize(
    ("kind", "served", "raw", "defaults"),
    [
        ("benchmark-online", {"stack": "guide"}, {}, {}),
        ("benchmark-online", {"stack": "current"}, {}, {"stack": "current"}),
        ("benchmark-online", {"stack": "current"}, {"deployment": "7"}, {}),
        # The stack is none of this kind's.
        ("evaluate-opencompass", {"stack": "current"}, {}, DRAWN),
        # Lengths are no more than the deployment takes.
        ("benchmark-online", {"max_total": 2048, "max_input": 512}, {}, {"input_tokens": 512}),
        ("benchmark-online", {"max_total": 65536, "max_input": ""}, {}, {}),
        (
            *("evaluate-opencompass", {"max_total": 2048}, {}),
            {"max_answer": 1024, "max_length": 2048, **DRAWN},
        ),
        ("evaluate-opencompass", {"max_total": 65536}, {}, DRAWN),
        ("evaluate-evalscope", {"max_total": 2048}, {}, {"max_tokens": 1024, **DRAWN}),
        ("evaluate-evalscope", {"max_total": 65536}, {}, DRAWN),
        # The stack of this kind has no verbatim mode.
        ("evaluate-evalscope", {"max_total": 2048}, VERBATIM, {"max_tokens": 1024, **DRAWN}),
        # Those of the guide are not fitted.
        *(
            ("benchmark-online", {"stack": "guide", "max_total": 256}, {"as_in_guide": yes}, {})
            for yes in (True, "1", "true")
        ),
        (
            *("benchmark-online", {"stack": "current", "max_total": 100}, VERBATIM),
            {"stack": "current", **ON_PAGE},
        ),
        # Reasoning models need long answers.
        ("evaluate", {"model_id": QWEN_7B}, {}, {"max_tokens": 8192, **DRAWN}),
        ("evaluate", {"model_id": QWEN_7B, "max_total": 2048}, {}, {"max_tokens": 1536, **DRAWN}),
        (
            *("evaluate", {"model_id": SMALL, "reasoning": True, "max_total": 8192}, {}),
            {"max_tokens": 6144, "language": "en", **DRAWN},
        ),
        # Questions are in the only language that the model knows.
        ("evaluate", {"model_id": SMALL}, {}, {"language": "en", **DRAWN}),
        ("evaluate", {"model_id": "not in the catalogue"}, {}, DRAWN),
    ],
)
def test_a_deployment_changes_the_defaults(kind, served, raw, defaults):
    params, target = KINDS[kind].Params, host_with(deployment(1, **served))

    assert defaults_for(params, target, {"deployment": "1", **raw}) == defaults
    assert "deployment" in leading(params)


def test_a_server_with_a_reasoning_parser_says_so():
    for name, params in [("deploy", {"artifact": "2"}), ("deploy-vllm", {"weights": "6"})]:
        kind, target = KINDS[name], here() if name == "deploy" else vacc_host()
        for thinks in (True, False):
            made = kind.product(kind.Params(**params, reasoning=thinks), target)
            assert made["details"]["reasoning"] is thinks


def test_on_a_processor_the_defaults_differ_from_those_on_cards():
    class Params(BaseModel):
        length: int = field(1024, "Length", "Load", without_dies=128)

    assert defaults_for(Params, here()) == {"length": 128}
    assert defaults_for(Params, vacc_host()) == {}


def test_default_ports_fit_a_given_port():
    crossed = deployment(1, publish_port=17110, subscribe_port=17810)
    target = host_with(crossed)

    for given in ({}, {"publish_port": 17111}, {"publish_port": "", "subscribe_port": "17811"}):
        typed = {name: value for name, value in given.items() if value != ""}
        defaults = defaults_for(deploy_build_in.Params, target, given) | typed
        params = deploy_build_in.Params(artifact="3", stack="guide", **defaults)
        assert len({params.publish_port, params.subscribe_port, 17110, 17810}) == 4
        deploy_build_in.plan(params, target)


@pytest.mark.django_db
@pytest.mark.parametrize("fields", [{"state": "waiting", "run": 2}, {"state": "stopping"}])
def test_ports_of_restarting_servers_stay_reserved(fields):
    host = make_host(facts=dict(GUIDE_FACTS))
    ports = {"publish_port": 17810, "subscribe_port": 17110}
    maker = make_job(host=host, state="succeeded", kind="deploy-build-in")
    make_deployment(job=maker, details={"engine": "llmdeploy", **ports}, **fields)
    target = target_of(host)

    assert defaults_for(deploy_build_in.Params, target) == {
        "publish_port": 17811,
        "subscribe_port": 17111,
    }
    assert target.deployments == ()


@pytest.mark.django_db
def test_the_newest_deployment_is_offered_first():
    host = make_host()
    made = [make_deployment(job=make_job(host=host, state="succeeded")) for _ in range(3)]

    assert [ref.id for ref in target_of(host).deployments] == [one.pk for one in made[::-1]]


def test_an_llmdeploy_server_has_the_ports_that_it_takes():
    params = deploy_build_in.Params(artifact="3", stack="guide", publish_port=18000)
    today = deploy_build_in.Params(artifact="3", stack="current")

    details = deploy_build_in.product(params, vacc_host())["details"]
    assert (details["publish_port"], details["subscribe_port"]) == (18000, 17110)
    assert "publish_port" not in deploy_build_in.product(today, vacc_host())["details"]


def test_a_field_is_bounded_by_the_model_and_the_stack():
    weights = AssetRef("weights", "R1", id=1, data={"model_id": "deepseek-r1"})
    target = replace(vacc_host(), weights=(weights,))
    params = KINDS["deploy-vllm"].Params

    one, two = (bounds(params, target, {"weights": "1", "pp": pp}) for pp in ("1", "2"))

    assert 0 < one["max_length"] <= two["max_length"]
    assert one["max_length"] < 1048576
    assert bounds(params, target, {"weights": "1", "as_in_guide": "1"}) == {}
    assert bounds(params, target, {}) == {}


def test_an_unknown_deployment_leaves_only_stack_bounds():
    limits = bounds(benchmark_online.Params, host_with(), {"deployment": "7", "pp": "x"})

    assert limits == {"concurrency": 4}


def served_with(data):
    """``here()`` with one deployment of llama.cpp that declares ``data``."""
    ref = AssetRef("deployment", "small", id=3, data={**DEPLOYMENT, "name": "small", **data})
    return replace(here(), deployments=(ref,))


@pytest.mark.parametrize(
    ("kind", "field", "most"),
    [
        ("benchmark", "output_tokens", 512 - PROMPT_TOKENS),
        ("evaluate", "max_tokens", 512 - evaluate.QUESTION_TOKENS),
    ],
)
def test_answers_beyond_the_deployment_are_refused(kind, field, most):
    target, raw = served_with({"max_total": 512}), {"deployment": "3"}
    params = KINDS[kind].Params

    assert bounds(params, target, raw)[field] == most
    KINDS[kind].plan(params(**raw, **{field: most}), target)
    with refused_at(field, rf"At most {most}: .*small, 512 tokens"):
        KINDS[kind].plan(params(**raw, **{field: most + 1}), target)


def test_the_examples_of_the_reasoning_template_take_room_too():
    params = KINDS["benchmark"].Params
    thinks = {"max_total": 512, "reasoning": True, "toolchain": "llama.cpp"}

    plain = bounds(params, served_with({"max_total": 512}), {"deployment": "3"})
    thinking = bounds(params, served_with(thinks), {"deployment": "3"})

    assert plain["output_tokens"] - thinking["output_tokens"] == 300


def test_a_context_without_room_for_a_prompt_is_refused():
    target = served_with({"max_total": 32})

    with refused_at("deployment", "longer context"):
        KINDS["benchmark"].plan(KINDS["benchmark"].Params(deployment="3"), target)


def test_a_proposed_answer_fits_beside_the_question():
    target = served_with({"max_total": 512, "reasoning": True, "toolchain": "llama.cpp"})

    defaults = defaults_for(KINDS["evaluate"].Params, target, {"deployment": "3"})

    assert defaults["max_tokens"] == 512 - 300 - evaluate.QUESTION_TOKENS


def test_a_limit_is_at_most_the_size_of_the_set():
    assert bounds(KINDS["evaluate"].Params, here(), {})["limit"] == 142
