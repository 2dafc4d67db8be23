"""Evaluate with EvalScope: its command, its data, its outputs."""

import json
import re

import pytest
from pytest import approx

from jobs.base.messages import Message
from jobs.kinds import KINDS
from jobs.kinds.evaluate import drawing_seed, limited_remark
from jobs.kinds.lib.defaults import defaults_for
from jobs.metrics import METRICS
from jobs.metrics.measured import LOG
from jobs.plans import secrets
from jobs.services.outcomes.identity import identity_of
from jobs.tools.lib.environments import ENVIRONMENTS
from tests.factories import make_job, make_result
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.target import DATA, files_below, here
from tests.jobs.lib.vacc_target import vacc_host

kind = KINDS["evaluate-evalscope"]
plans = plans_of(kind.name)
planned, run, step, outcome_of = plans.planned, plans.run, plans.step, plans.outcome_of

# A real run: three questions of each subset of gsm8k and math_500, from a folder.
LEFT = {**files_below(DATA / "evalscope-1.14-hub"), LOG: b"the console"}
TWO = {"datasets": ("gsm8k", "math_500"), "limit": 3}


TWO_SETS = TWO["datasets"]
SETS = "/data/host/datasets"
ROOTS = {"roots": {name: f"/data/host/{name}" for name in ("weights", "artifacts", "environments")}}
# On a host without cards.
CPU = plans_of(
    *(kind.name, lambda: here(ROOTS)),
    **{"deployment": "3", **defaults_for(kind.Params, here(), {"deployment": "3"}), **TWO},
)
on_cpu = CPU.run


def paths_of(plan):
    """The folders that the checks look for."""
    return [dict(check.args)["path"] for check in plan.checks if check.name == "data_set"]


def after(argv, option):
    return argv[argv.index(option) + 1]


# -- the command ----------------------------------------------------------------------------------


def test_it_asks_the_deployment_with_the_settings_of_the_page():
    argv = step("ask").argv

    assert argv[0].endswith("/bin/evalscope")
    assert argv[1:12] == (
        *("eval", "--model", "DeepSeek-R1", "--model-id", "model"),
        *("--api-url", "http://127.0.0.1:8000/v1", "--api-key", "", "--eval-type", "openai_api"),
    )
    assert argv[12:15] == ("--datasets", "math_500", "gpqa_diamond")
    assert (after(argv, "--eval-batch-size"), after(argv, "--limit")) == ("4", "50")
    generation = json.loads(after(argv, "--generation-config"))
    assert {name: generation[name] for name in ("max_tokens", "temperature", "top_p", "top_k")} == {
        "max_tokens": 16384,
        "temperature": 0.6,
        "top_p": 0.95,
        "top_k": 20,
    }


def test_modelscope_s_own_command_brings_the_data_to_stay():
    plan = run()

    assert [item.name for item in plan.steps] == [
        *("download-math_500", "download-gpqa_diamond", "ask"),
    ]
    download = step("download-math_500")
    assert download.argv[1:] == ("download", "AI-ModelScope/MATH-500", "--repo-type", "dataset")
    cache = "/nfs/a {b} space/datasets/modelscope"
    assert {dict(item.env)["MODELSCOPE_CACHE"] for item in plan.steps} == {cache}


def test_hugging_face_is_asked_at_the_address_that_was_chosen():
    ask = step("ask", source="huggingface", endpoint="https://hf-mirror.com")

    assert after(ask.argv, "--dataset-hub") == "huggingface"
    assert dict(ask.env)["HF_ENDPOINT"] == "https://hf-mirror.com"
    assert len(run(source="huggingface").steps) == 1


def test_what_a_folder_holds_is_named_for_each_set_and_needs_no_hub():
    target = vacc_host({"workspace": "/nfs/w"})
    plan = run(target, source="folder", folder="/nfs/w/sets", **TWO)

    argv, env = plan.steps[0].argv, dict(plan.steps[0].env)
    assert json.loads(after(argv, "--dataset-args")) == {
        "gsm8k": {"local_path": "/nfs/w/sets/gsm8k"},
        "math_500": {"local_path": "/nfs/w/sets/math_500"},
    }
    assert "--dataset-hub" not in argv
    assert paths_of(plan) == ["/nfs/w/sets/gsm8k", "/nfs/w/sets/math_500"]
    assert env["HF_HUB_OFFLINE"] == env["HF_DATASETS_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in dict(step("ask").env)


def test_a_set_whose_parts_are_named_by_its_card_needs_it():
    cards = {
        dict(check.args).get("name"): dict(check.args).get("card") for check in on_cpu().checks
    }

    assert cards["gsm8k"] == "README.md"
    assert cards["math_500"] == ""


def test_ten_subsets_of_mmlu_are_named():
    argv = step("ask", datasets=("mmlu",)).argv

    assert len(json.loads(after(argv, "--dataset-args"))["mmlu"]["subset_list"]) == 10
    everything = step("ask", datasets=("mmlu",), mmlu="all", limit=0).argv
    assert json.loads(after(everything, "--dataset-args")) == {}
    assert "--limit" not in everything


def test_a_limit_draws_its_questions_of_each_set_by_the_seed():
    argv = step("ask", datasets=("gsm8k", "mmlu"), question_seed=7).argv

    given = json.loads(after(argv, "--dataset-args"))
    assert {name: one["shuffle"] for name, one in given.items()} == {"gsm8k": True, "mmlu": True}
    assert (after(argv, "--limit"), after(argv, "--seed")) == ("50", "7")


def test_the_questions_of_c_eval_are_drawn_too():
    params = plans.params(datasets=("ceval",), question_seed=7)

    assert drawing_seed(params) == 7
    (remark,) = limited_remark(params)
    assert (remark.id, remark.args["questions"]) == ("evaluate:drawn_of_subsets", 50)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("seed", "limit", "is_repeat"), [(None, 50, True), (0, 50, False), (7, 50, False), (7, 0, True)]
)
def test_a_seed_makes_another_measurement_where_it_draws(seed, limit, is_repeat):
    raw = {"deployment": "3", "datasets": ["gsm8k"], "limit": limit}
    old, new = (
        make_result(type="evaluation", job=make_job(kind=kind.name, params=params))
        for params in (raw, raw | {"question_seed": seed})
    )

    assert (identity_of(old)["parts"]["workload"] == identity_of(new)["parts"]["workload"]) is (
        is_repeat
    )


@pytest.mark.parametrize("more", [{}, {"question_seed": 0, "limit": 0}])
def test_older_jobs_and_whole_sets_are_not_shuffled(more):
    argv = step("ask", **more).argv

    assert json.loads(after(argv, "--dataset-args")) == {}
    assert "--seed" not in argv


def test_a_key_is_in_the_environment_of_one_step_alone():
    plan = planned()

    assert secrets(plan) == ("API_KEY",)
    assert [name for item in plan.steps for name, _ in item.env if "API_KEY" in name] == [
        "EVALSCOPE_API_KEY"
    ]
    assert after(step("ask", deployment="8").argv, "--api-key") == "EMPTY"


def test_it_needs_evalscope_and_a_live_deployment():
    assert kind.needs(plans.params(), vacc_host()) == ("evalscope",)
    assert [check.name for check in planned().checks] == ["endpoint"]


# -- without cards --------------------------------------------------------------------------------


def test_without_cards_the_host_s_own_folder_is_the_default():
    assert paths_of(on_cpu()) == [f"{SETS}/gsm8k", f"{SETS}/math_500"]
    assert paths_of(on_cpu(folder=f"{SETS}/mine")) == [f"{SETS}/mine/{one}" for one in TWO_SETS]
    assert [item.name for item in on_cpu().steps] == ["ask"]
    assert kind.notes(kind.Params(deployment="3"), here()) == []


@pytest.mark.parametrize("folder", ["/etc", "/data/host", f"{SETS}/../spool"])
def test_without_cards_a_folder_elsewhere_is_refused(folder):
    assert CPU.refused(folder=folder, says=f"below {SETS}") == "folder"


def test_a_hub_works_without_cards_too():
    plan = on_cpu(source="modelscope")

    assert [item.name for item in plan.steps] == [
        *("download-gsm8k", "download-math_500", "ask"),
    ]
    assert paths_of(plan) == []


@pytest.mark.parametrize(("deployment", "prefix"), [("3", "llamacpp:"), ("5", "vllm:")])
def test_the_counters_are_those_of_the_engine(deployment, prefix):
    watches = on_cpu(deployment=deployment, max_tokens=64).watches

    (watch,) = [one for one in watches if one.name == "engine"]

    assert watch.metrics
    assert all(name.startswith(prefix) for name in watch.metrics)


# -- outcome --------------------------------------------------------------------------------------


def test_a_run_is_a_result_with_both_means_and_each_answer():
    outcome = outcome_of(LEFT, **TWO)

    measured = outcome.measured
    assert outcome.failure is None
    assert outcome.message == Message(
        "evaluate:means",
        {"macro": approx(26.67, abs=0.005), "weighted": 25.0, "sets": 2, "questions": 8},
    )
    assert measured.metrics["accuracy"] == 2 / 8  # the reports round to 0.3333 and 0.2
    assert measured.metrics["accuracy_macro"] == pytest.approx((1 / 3 + 1 / 5) / 2)
    assert set(measured.metrics) <= set(METRICS)
    assert sum(answer["score"] for answer in measured.answers) == measured.metrics["correct"] == 2
    assert {answer["subset"] for answer in measured.answers} >= {"gsm8k/main", "math_500/Level 1"}
    assert measured.tool == f"evalscope {ENVIRONMENTS['evalscope'].version}"
    assert measured.remarks == [Message("evaluate:limited", {"questions": 3})]


def test_a_single_set_has_one_accuracy():
    only = {name: text for name, text in LEFT.items() if "math_500" not in name}

    outcome = outcome_of(only, datasets=("gsm8k",), limit=3)

    assert outcome.message == Message(
        "evaluate:done", {"accuracy": approx(33.33, abs=0.005), "questions": 3}
    )


def test_cut_answers_are_reported():
    remarks = outcome_of(LEFT, **TWO, max_tokens=9).measured.remarks

    # These are reviews without predictions. Only predictions have the end of an answer.
    assert Message("evaluate:cut_guess", {"cut": 8, "total": 8, "max_tokens": 9}) in remarks


def test_reports_alone_are_a_result():
    alone = {path: text for path, text in LEFT.items() if "/reviews/" not in path}

    measured = outcome_of(alone, **TWO).measured

    assert measured.answers == []
    assert measured.metrics["accuracy_weighted"] == pytest.approx(0.25, abs=1e-3)


def test_a_set_without_a_score_or_that_was_not_asked_is_missed():
    path = "eval/reports/model/gsm8k.json"
    report = json.loads(LEFT[path]) | {"metrics": []}

    outcome = outcome_of({**LEFT, path: json.dumps(report).encode()}, **TWO)
    more = outcome_of(LEFT, datasets=("gsm8k", "math_500", "aime24"))

    assert outcome.failure == Message(
        "evaluate:sets_missing", {"missing": 1, "sets": 2, "first": "gsm8k"}
    )
    assert more.failure.args["first"] == "aime24"


def test_reports_of_no_question_are_no_result():
    left = {path: text for path, text in LEFT.items() if "/reports/" in path}
    for path, text in left.items():
        left[path] = re.sub(rb'"num": \d+', b'"num": 0', text)

    failure = outcome_of(left, **TWO).failure

    assert failure == Message("evaluate:no_question", {"questions": 0})
