"""Random prompts of a chosen length, for EvalScope and GuideLLM."""

from dataclasses import replace

import pytest

from jobs.base.errors import LaunchError
from jobs.kinds import KINDS
from jobs.kinds.lib import load
from jobs.kinds.lib.base import AssetRef
from jobs.launch.matrices import has_input
from tests.jobs.lib.target import DEPLOYMENT, FOLDER, here

MODEL = FOLDER["model_id"]
CLIENTS = ("benchmark", "benchmark-guidellm")


def target(**served):
    data = {**DEPLOYMENT, "model_id": MODEL, **served}
    return replace(here(), deployments=(AssetRef("deployment", "small", id=3, data=data),))


def params(kind, **raw):
    given = {"prompts": "random", "input_tokens": 512, "requests": 20, "concurrency": (1, 4)}
    return KINDS[kind].Params(deployment="3", **given | raw)


@pytest.mark.parametrize(("kind", "requests"), [("benchmark", 24), ("benchmark-guidellm", 20)])
def test_a_step_writes_prompts_of_the_length(kind, requests):
    plan = KINDS[kind].plan(params(kind), target())

    step = plan.steps[0]
    assert step.name == "prompts"
    assert step.argv[1:] == (
        *("{job_dir}/files/sized.py", "--tokens", "512"),
        *("--requests", str(requests), "--seeds", "1={job}01,4={job}02"),
        "/data/host/weights/{{8}} bits",
    )
    assert {"cold.py", "sized.py"} <= {item.name for item in plan.files}
    assert not {"prompts.txt", "prompts.jsonl"} & {item.name for item in plan.files}


def test_evalscope_sends_them_and_has_enough_to_warm_up():
    plan = KINDS["benchmark"].plan(params("benchmark"), target())

    assert "/tokenizers-" in plan.steps[0].argv[0]
    argv = plan.steps[1].argv
    at = argv.index("--dataset")
    assert argv[at : at + 4] == (
        *("--dataset", "written_lines"),
        *("--dataset-path", "{job_dir}/work"),
    )


def test_guidellm_sends_them():
    plan = KINDS["benchmark-guidellm"].plan(params("benchmark-guidellm"), target())

    assert "/guidellm-" in plan.steps[0].argv[0]
    argv = plan.steps[2].argv
    assert argv[argv.index("--data") + 1] == (
        "kind=json_file,path={job_dir}/work/prompts-20-at-4.jsonl"
    )


@pytest.mark.parametrize(
    ("kind", "prompts", "names"),
    [
        ("benchmark", "random", ["evalscope", "tokenizers"]),
        ("benchmark", "everyday", ["evalscope"]),
        ("benchmark-guidellm", "random", ["guidellm"]),
    ],
)
def test_only_evalscope_needs_tokenizers_of_their_own(kind, prompts, names):
    needed = KINDS[kind].needs(params(kind, prompts=prompts), target())

    assert list(needed) == names


@pytest.mark.parametrize("kind", CLIENTS)
@pytest.mark.parametrize(
    ("served", "raw", "field", "text"),
    [
        ({"model_id": ""}, {}, "prompts", "Choose the catalogue model of small-int8 first"),
        ({"model_id": "other"}, {}, "prompts", "the tokenizer of other, which is missing on"),
        ({"max_input": 511}, {}, "input_tokens", "Max prompt length of the deployment is 511"),
        ({"max_total": 600}, {"output_tokens": 64}, "output_tokens", "At most 56"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_its_field(kind, served, raw, field, text):
    with pytest.raises(LaunchError) as caught:
        KINDS[kind].plan(params(kind, **raw), target(**served))

    assert caught.value.field == field
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("kept", "step"),
    [
        (lambda ref: not ref.data.get("format"), "run “Convert weights for vLLM”"),
        (lambda ref: False, "Prepare its weights there first"),
    ],
)
def test_a_missing_tokenizer_names_the_step_that_is_missing(kept, step):
    there = target()
    lacking = replace(there, weights=tuple(ref for ref in there.weights if kept(ref)))

    with pytest.raises(LaunchError, match=step):
        KINDS["benchmark"].plan(params("benchmark"), lacking)


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_length_counts_only_for_random_prompts(kind):
    names = KINDS[kind].lengths
    sizes = {"input_tokens": 512, "output_tokens": 64}
    asked, work = {**sizes, "requests": 4, "concurrency": [1]}, load.work_of_requests

    assert has_input(KINDS[kind], {"prompts": "random"})
    assert not has_input(KINDS[kind], {})
    assert not has_input(KINDS[kind], {"prompts": "Chat"})
    assert load.asked_lengths(names, {**sizes, "prompts": "random"}) == sizes
    assert load.asked_lengths(names, {**sizes, "prompts": "everyday"}) == {"output_tokens": 64}
    without = {**asked, "input_tokens": 1, "prompts": "everyday"}
    assert work({**asked, "prompts": "everyday"}) == work(without)
    assert work({**asked, "prompts": "random"}) > work(without)
