"""Greedy probe: its command, its prompts, its outcome."""

import json
from dataclasses import replace

import pytest

from jobs.access.secrets import uses
from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.kinds import KINDS
from jobs.kinds.lib.base import AssetRef, TeamPrompts, asset_values
from jobs.plans import secrets
from jobs.readings import progress_of, read_outcome
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.target import SERVED_BY_VLLM, here

kind = KINDS["greedy-probe"]
TWO = {"deployment": "3", "reference": "5"}
plans = plans_of(kind.name)
planned, field_refused = plans.planned, plans.refused


def sent(plan):
    (file,) = [item for item in plan.files if item.name == "prompts.jsonl"]
    return [json.loads(line)["prompt"] for line in file.text.split("\n") if line]


def with_key(name, **fields):
    data = {**SERVED_BY_VLLM, "id": 5, "api_key": name, **fields}
    return AssetRef("deployment", "H800", endpoint=5, data=data)


def outcome(*rows):
    content = "".join(json.dumps({"index": 0, "prompt": "p", **row}) + "\n" for row in rows)
    params = kind.Params(**TWO)
    return read_outcome(kind, params, planned(), {"probe.jsonl": content.encode()})


def row(first="a", second="a", **more):
    return {"deployment": {"text": first}, "reference": {"text": second}, **more}


def test_each_engine_gets_thinking_by_its_own_switch():
    first, second = (with_key("", thinking_switch=name) for name in ("thinking", "enable_thinking"))
    second = replace(second, endpoint=6, data={**second.data, "id": 6})
    target = replace(here(), deployments=(first, second))

    plan = planned(target, deployment="endpoint:5", reference="endpoint:6", thinking="off")

    argv = plan.steps[-1].argv
    bodies = [argv[at + 1] for at, word in enumerate(argv) if word == "--body"]
    assert [json.loads(one.replace("{{", "{").replace("}}", "}")) for one in bodies] == [
        {"chat_template_kwargs": {"thinking": False}},
        {"chat_template_kwargs": {"enable_thinking": False}},
    ]


def test_both_engines_need_a_switch_for_thinking():
    target = replace(
        here(), deployments=(with_key("", thinking_switch="thinking"), *here().deployments)
    )

    assert field_refused(target, deployment="endpoint:5", thinking="on") == "thinking"


def test_both_engines_are_in_the_command_and_their_slots_are_inputs():
    argv = plans.run().steps[0].argv
    refs = kind.inputs(kind.Params(**TWO), here())
    values = asset_values(refs)

    assert argv[1:8] == (
        "/data/host/spool/17/files/greedy_probe.py",
        *("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        *("--served-model-name", "small-int8", "--served-model-name", "small-int8"),
    )
    assert argv[8:] == (
        *("--prompts", "/data/host/spool/17/files/prompts.jsonl", "--max-tokens", "64"),
        *("--again", "10", "--logprobs", "--to", "probe.jsonl"),
    )
    assert {name: ref.key for name, ref in refs.items()} == TWO
    assert (values["deployment.name"], values["reference.port"]) == ("small-int8", "9000")


def test_each_key_goes_to_its_own_engine():
    keyed = with_key("REF_KEY")
    target = replace(here(), deployments=(*here().deployments, keyed))
    plan = planned(target, reference="endpoint:5")

    assert all(step.env[-1] == ("REFERENCE_API_KEY", "{secret:REF_KEY}") for step in plan.steps)
    assert secrets(plan) == ("REF_KEY",)
    assert [use.destination for use in uses(plan)] == ["{reference.url}"]


def test_an_endpoint_under_test_is_checked_first():
    target = replace(here(), deployments=(*here().deployments, with_key("KEY")))
    plan = planned(target, deployment="endpoint:5")

    assert [step.name for step in plan.steps] == ["endpoint", "probe"]
    names = [item.name for item in plan.files]
    assert len(set(names)) == len(names)
    assert {use.destination for use in uses(plan)} == {"{deployment.url}"}


def test_both_engines_are_checked_before_the_start():
    def checked(plan):
        return [dict(check.args) for check in plan.checks if check.name == "endpoint"]

    both = [
        {"url": f"{{{slot}.url}}", "model": f"{{{slot}.name}}"}
        for slot in ("deployment", "reference")
    ]
    assert checked(planned()) == both

    # A check has no key: a step sends it, of either engine, and only to that.
    keyed, other = with_key("KEY"), replace(with_key("OTHER"), endpoint=6)
    target = replace(here(), deployments=(*here().deployments, keyed, other))
    assert checked(planned(target, reference="endpoint:5")) == both[:1]
    assert checked(planned(target, deployment="endpoint:5")) == both[1:]
    plan = planned(target, deployment="endpoint:5", reference="endpoint:6")
    assert [step.name for step in plan.steps] == ["endpoint", "endpoint-reference", "probe"]
    assert [step.argv[2] for step in plan.steps] == [
        *("{deployment.url}", "{reference.url}", "{deployment.url}"),
    ]
    assert plan.steps[1].argv[-2:] == ("--key-variable", "REFERENCE_API_KEY")
    assert {use.name: use.destination for use in uses(plan)} == {
        "KEY": "{deployment.url}",
        "OTHER": "{reference.url}",
    }


def test_answers_above_the_context_of_the_reference_are_refused():
    short = AssetRef("deployment", "short", id=8, data={**SERVED_BY_VLLM, "max_total": 300})
    target = replace(here(), deployments=(*here().deployments, short))

    assert field_refused(target, reference="8", max_tokens=300) == "max_tokens"


def test_the_sample_is_spread_over_the_set():
    everyday = sent(planned(limit=48))

    assert len(everyday) == 48
    assert sent(planned(limit=4)) == [everyday[0], everyday[12], everyday[24], everyday[36]]
    assert sent(planned(limit=500)) == everyday


def test_questions_are_sent_with_their_choices():
    prompts = sent(planned(prompts="questions:basics", limit=500))

    assert len(prompts) > 48
    assert any("\nA) " in prompt and "\nB) " in prompt for prompt in prompts)


def test_a_team_s_prompts_are_sent_as_they_are():
    mine = TeamPrompts("ours", 2, 9, lambda: ["first\u2028line", "{braces}"])

    assert sent(planned(replace(here(), prompts=(mine,)), prompts="ours")) == [
        "first\u2028line",
        "{braces}",
    ]


def test_the_outcome_counts_and_measures_no_result():
    again = {"deployment": True, "reference": False}
    found = outcome(row(again=again), row(second="b", again={"deployment": True}))

    counts = {"equal": 1, "compared": 2, "failed": 0, "same": 2, "again": 3}
    assert (found.message, found.measured) == (Message("probe:done", counts), None)
    assert outcome(row()).message.id == "probe:once"


def test_unanswered_prompts_are_not_different():
    failed = row(reference={"error": "HTTP 503"})

    assert outcome(row(), failed).message.id == "probe:partly"
    assert outcome(failed).failure == Message("probe:none", {"prompts": 1})
    assert outcome().failure == Message("probe:none", {"prompts": 0})


@pytest.mark.parametrize(
    "line",
    ["[]", "{}", '{"index": -1}', "not JSON", '{"index": 0, "prompt": "\\ud800"}', "[" * 9999],
)
def test_another_file_is_no_probe(line):
    with pytest.raises(ParseError):
        read_outcome(kind, kind.Params(**TWO), planned(), {"probe.jsonl": f"{line}\n".encode()})


def test_log_lines_are_the_progress():
    log = "prompt 7/40: equal\nprompt 8/40: different from token 3\n"

    assert progress_of(kind.name, log.encode()) == {"done": 8, "total": 40, "unit": "requests"}
