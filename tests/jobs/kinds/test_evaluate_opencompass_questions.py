"""Evaluate with OpenCompass on the dashboard's own questions."""

import ast

from jobs.kinds import KINDS
from jobs.readings import read_outcome
from jobs.tools.lib.environments import ENVIRONMENTS
from tests.jobs.lib.target import DATA, files_below, here

KIND = KINDS["evaluate-opencompass-questions"]
OURS = KINDS["evaluate"]
FILES = files_below(DATA / "opencompass-0.5.4-questions")


def planned(kind=KIND, **raw):
    return kind.plan(kind.Params(deployment="3", **raw), here())


def lines(plan):
    return {item.name: item.text for item in plan.files if item.name.endswith(".jsonl")}


def config(plan):
    (text,) = (item.text for item in plan.files if item.name == "eval_questions.py")
    return text


def test_both_tools_get_the_same_questions_prompts_and_rules():
    own, other = planned(limit=12), planned(OURS, limit=12)

    assert lines(own) == lines(other)
    shared = ("ask_and_score.py", "scoring.py", "reasoning.py")
    text = {item.name: item.text for item in own.files}
    assert all(text[item.name] == item.text for item in other.files if item.name in shared)


def test_the_configuration_is_python_with_the_settings():
    plan = planned(limit=12, max_tokens=48, temperature=0.5, batch=2, samples=3)
    text = config(plan)

    assert dict(plan.steps[0].env)["SAMPLES"] == "3"
    ast.parse(text)
    for line in ("n=3", "max_out_len=48", "temperature=0.5", "max_workers=2"):
        assert f"        {line},\n" in text


def test_the_step_runs_the_environment_of_the_tool():
    (step,) = planned().steps

    assert "/opencompass-0.5.4-" in step.argv[0]
    assert step.argv[0].endswith("/bin/python")
    assert step.argv[1].endswith("/files/follow_run.py")
    assert "PYTHONPATH" not in dict(step.env)


def test_a_real_run_becomes_a_result_of_its_tool():
    params = KIND.Params(deployment="3", limit=20)

    outcome = read_outcome(KIND, params, planned(limit=20), FILES)

    assert outcome.measured.tool == "OpenCompass 0.5.4, rules 3"
    assert outcome.measured.metrics["questions"] == 20
    assert len(outcome.measured.answers) == 20


def test_a_run_continues_from_the_answers_of_an_earlier_one():
    plan = KIND.resumed(planned(), "/data/host/spool/16")

    assert [step.name for step in plan.steps] == ["take-over", "evaluate"]
    assert plan.steps[0].argv[-2:] == ("/data/host/spool/16/work/outputs", "outputs")
    assert plan.steps[1].argv[-1] == "-r"


def test_pip_builds_only_the_packages_without_wheels():
    prepare = KINDS["prepare"]
    for name, environment in ENVIRONMENTS.items():
        plan = prepare.plan(prepare.Params(what="environment", environment=name), here())
        install = next(step for step in plan.steps if step.name == "install").argv
        assert ("--no-binary" in install) == bool(environment.sources)
