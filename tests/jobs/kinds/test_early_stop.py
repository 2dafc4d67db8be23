"""Evaluate with an early stop: what it needs, and what its result says."""

import json
from dataclasses import replace

import pytest

from jobs.base.errors import ParseError
from jobs.catalog import QUESTION_SETS
from jobs.kinds import KINDS
from jobs.readings import read_outcome
from jobs.tools.evalscope.eval_reading import last_look
from jobs.tools.outputs.progress import share_of_looks_or_runs
from jobs.tools.outputs.questions_reading import look_remarks
from tests.jobs.lib.target import BASELINE, DATA, files_below, here
from tests.refusals import refused_at

EVALUATE = KINDS["evaluate"]
FINISHED = DATA / "evalscope-1.14-eval/finished"
QUESTIONS = QUESTION_SETS["basics"].questions
LOOK = {
    **{"look": 3, "looks": 10, "asked": 44, "questions": 142, "pairs": 44},
    **{"decision": "worse", "difference": -0.25, "low": -0.45, "high": -0.02},
}


def planned(base=BASELINE, **raw):
    rule = {"stop_early": True, "baseline": "res-17", "margin": 5.0}
    chosen = {"deployment": "3", "max_tokens": 64, **rule, **raw}
    target = replace(here(), baselines=lambda pk: [base] if pk in (None, base.result) else [])
    return EVALUATE.plan(EVALUATE.Params(**chosen), target)


def test_an_early_stop_is_a_script_around_the_usual_one():
    (step,) = planned().steps
    (usual,) = planned(stop_early=False, baseline="").steps

    assert step.argv[1:4] == (
        "{job_dir}/files/ask_until_decided.py",
        "{job_dir}/files/early_stop.json",
        "eval",
    )
    asked = [text.replace('"asked"', '"../files"') for text in step.argv[3:]]
    assert asked == list(usual.argv[2:])


@pytest.mark.parametrize(
    ("is_external", "chosen", "goal"),
    [(False, "", "same"), (True, "", "at_least"), (True, "same", "same")],
)
def test_an_external_baseline_is_asked_whether_ours_is_at_least_as_accurate(
    is_external, chosen, goal
):
    plan = planned(replace(BASELINE, is_external=is_external), goal=chosen)

    (rule,) = [one for one in plan.files if one.name == "early_stop.json"]
    assert json.loads(rule.text)["goal"] == goal


def test_without_an_early_stop_its_settings_do_not_count():
    assert planned(stop_early=False, baseline="res-99") == planned(stop_early=False, baseline="")


def other(**fields):
    return replace(BASELINE, **fields)


@pytest.mark.parametrize(
    ("base", "raw", "field", "says"),
    [
        (BASELINE, {"baseline": ""}, "baseline", "Choose the baseline"),
        (BASELINE, {"baseline": "res-18"}, "baseline", "Unknown baseline"),
        (BASELINE, {"baseline": "17"}, "baseline", "Results are written as res-15"),
        (BASELINE, {"baseline": "#17"}, "baseline", "Results are written as res-15"),
        (BASELINE, {"limit": 39}, "stop_early", "at least 40"),
        (BASELINE, {"margin": 3.4}, "margin", "Enter 3.5"),
        (BASELINE, {"limit": 40, "margin": 5.0}, "margin", "Enter 11.2"),
        (BASELINE, {"samples": 2, "temperature": 0.6}, "samples", "one answer"),
        (BASELINE, {"max_tokens": 32}, "max_tokens", "has 64"),
        (BASELINE, {"temperature": 0.6}, "temperature", "has 0"),
        (other(params={**BASELINE.params, "thinking": "off"}), {}, "thinking", "has off"),
        (other(tool="evalscope 1.14.1, rules 1"), {}, "baseline", "older rules"),
        (other(verdicts=lambda asked: {}), {}, "baseline", "142 of these"),
        (
            other(verdicts=lambda asked: {one.id: None for one in asked}),
            {},
            "baseline",
            "too few scored",
        ),
    ],
)
def test_a_comparison_that_cannot_be_made_is_refused(base, raw, field, says):
    with refused_at(field, says):
        planned(base, **raw)


def test_the_form_offers_baselines_after_none():
    target = replace(here(), baselines=lambda pk: [BASELINE, other(result=12, is_simulated=True)])

    choices = EVALUATE.choices("baseline", target)

    assert [one.value for one in choices] == ["", "res-17", "res-12"]
    assert choices[1].label == f"res-17 small-fp16, basics ({len(QUESTIONS)})"
    assert choices[2].label.endswith(", simulated")


def outcome(look):
    outputs = files_below(FINISHED)
    if look:
        outputs["eval/looks.jsonl"] = f"{json.dumps(look)}\n".encode()
    params = EVALUATE.Params(deployment="3", max_tokens=64, stop_early=True, baseline="res-17")
    return read_outcome(EVALUATE, params, planned(), outputs)


def test_a_result_says_how_many_questions_it_left_out():
    measured = outcome(LOOK).measured
    undecided = outcome({**LOOK, "asked": 142, "decision": "cannot_tell"}).measured

    assert measured.metrics["planned_questions"] == 142
    assert measured.what.startswith("basics (") and " of 142)" in measured.what
    first = measured.remarks[0]
    assert first.id == "evaluate:look_worse"
    assert (first.args["asked"], first.args["baseline"]) == (44, "res-17")
    assert (first.args["gap"], first.args["low"]) == (-0.25, -0.45)
    assert " of " not in undecided.what
    assert undecided.remarks[0].id == "evaluate:look_cannot_tell"
    assert "planned_questions" not in outcome(None).measured.metrics


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{",
        json.dumps({**LOOK, "decision": "perhaps"}).encode(),
        json.dumps({**LOOK, "asked": -1}).encode(),
        json.dumps({**LOOK, "low": "x"}).encode(),
    ],
)
def test_a_damaged_file_of_looks_is_refused(line):
    with pytest.raises(ParseError, match="looks"):
        last_look("eval/looks.jsonl", line)


def test_a_look_without_pairs_has_no_remark():
    row = {name: LOOK[name] for name in ("asked", "questions")}
    look = last_look("x", json.dumps({**row, "decision": "cannot_tell"}).encode())

    assert look.interval is None
    assert look_remarks(EVALUATE.Params(deployment="3"), look) == []


@pytest.mark.parametrize(
    ("log", "done"),
    [
        ("Look 3 of 10, 43 of 142 questions: x", 30),
        # Its bar begins with the answers before.
        ("Look 3 of 10, 43: x\nRunning[eval]:   0%|   | 0/2 [00:00<?, ?benchmark/s]", 30),
        ("Look 3 of 10, 4: x\nRunning[eval]: 90%|   | 1/1 [00:01<00:01,  1.04s/benchmark]", 40),
    ],
)
def test_progress_counts_looks(log, done):
    assert share_of_looks_or_runs(log)["done"] == done
    assert share_of_looks_or_runs("Running[eval]: 0%|  | 0/2 [00:00<?, ?b/s]")["done"] == 0


@pytest.mark.parametrize("text", ["res-17", "RES-17", " res-17 "])
def test_a_baseline_is_stored_as_the_number_that_pages_show(text):
    assert EVALUATE.Params(deployment="3", baseline=text).baseline == "res-17"
