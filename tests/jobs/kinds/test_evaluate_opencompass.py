"""Evaluate with OpenCompass: the guide's two commands, their config file, their outputs."""

import ast
from dataclasses import replace

import pytest

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.catalog.data_sets import EVALUATION_SETS
from jobs.kinds import KINDS
from jobs.kinds.lib.defaults import defaults_for
from jobs.metrics import METRICS
from jobs.metrics.measured import LOG
from jobs.plans import secrets
from jobs.tools.opencompass.commands import FAMILIES, sets_of
from simulator.lib.opencompass import config as reader
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.target import DATA, files_below
from tests.jobs.lib.vacc_target import EXACT, vacc_host

kind = KINDS["evaluate-opencompass"]

plans = plans_of(kind.name)
params, planned, run, step = plans.params, plans.planned, plans.run, plans.step
outcome_of = plans.outcome_of
CHECKOUT = "/nfs/a {b} space/opencompass"
ENVIRONMENT = "/opt/miniconda3/envs/opencompass/bin"
# Real runs of 0.4.1: as the guide has it, without details; and with them, ten of MMLU's subsets.
PLAIN, WHOLE = DATA / "opencompass-0.4.1", DATA / "opencompass-0.4.1-details"
WSC_AND_MATH = {"datasets": ("cluewsc", "math_500")}


def left(folder):
    files = files_below(folder)
    return {f"outputs/{path}": content for path, content in files.items()} | {LOG: b"the console"}


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Return the plan's configuration, read like OpenCompass does."""

    def read(**raw):
        path = tmp_path / "eval_ds.py"
        path.write_text(run(**raw).files[0].text, encoding="utf-8")
        for name, value in step("evaluate", **raw).env:
            monkeypatch.setenv(name, value)
        return reader.load(path)

    return read


# -- the commands ---------------------------------------------------------------------------------


def test_it_runs_in_the_job_s_folder_with_the_checkout_s_data():
    dry, evaluate = step("dry-run"), step("evaluate")

    argv = ("opencompass", "/data/host/spool/17/files/eval_ds.py", "-w", "outputs")
    assert dry.argv == (*argv, "--dry-run")
    assert evaluate.argv[1:] == (
        *("/data/host/spool/17/files/follow_run.py", "outputs", "60"),
        *(*argv, "--dump-eval-details", "-m", "infer"),
    )
    assert step("score").argv == (*argv, "--dump-eval-details", "-m", "eval", "-r")
    assert (evaluate.cwd, evaluate.path) == ("", (ENVIRONMENT,))
    assert dict(evaluate.env) == dict(dry.env)
    assert dict(evaluate.env)["COMPASS_DATA_CACHE"] == CHECKOUT


def test_verbatim_runs_in_the_checkout_are_copied():
    plan = run(**EXACT)

    assert [item.name for item in plan.steps] == ["dry-run", "evaluate", "collect"]
    assert step("evaluate", **EXACT).argv == ("opencompass", "eval/eval_ds.py")
    assert (step("evaluate", **EXACT).cwd, plan.files[0].at) == (
        CHECKOUT,
        f"{CHECKOUT}/eval/eval_ds.py",
    )
    assert step("collect", **EXACT).argv[2:] == (
        *(f"{CHECKOUT}/outputs/default", "/data/host/spool/17/log", "outputs"),
    )
    assert "COMPASS_DATA_CACHE" not in dict(step("evaluate", **EXACT).env)


def test_address_and_key_come_through_the_environment_alone():
    plan = planned(deployment="9")

    assert secrets(plan) == ("API_KEY",)
    env = dict(step("evaluate", deployment="9").env)
    assert env["VACC_API_BASE"] == "http://127.0.0.1:8000/v1"
    assert env["OPENAI_API_KEY"] == "sk-not-{a}-real one"
    assert "127.0.0.1:8000" not in plan.files[0].text
    assert dict(step("evaluate").env)["OPENAI_API_KEY"] == "EMPTY"


def test_modelscope_is_a_variable_of_both_steps():
    for name in ("dry-run", "evaluate"):
        env = dict(step(name, dataset_source="modelscope").env)
        assert env["DATASET_SOURCE"] == "ModelScope"
    assert "DATASET_SOURCE" not in dict(step("evaluate").env)


def test_what_must_be_there_is_looked_for_first():
    checks = [(check.name, dict(check.args).get("path"), check.asks) for check in run().checks]

    data = f"{CHECKOUT}/data"
    assert checks == [
        ("conda", None, False),
        ("path", f"{data}/FewCLUE/cluewsc/dev_few_all.json", False),
        ("path", f"{data}/FewCLUE/cluewsc/test_public.json", False),
        ("path", f"{data}/math/test_prm800k_500.jsonl", False),
        ("path", f"{data}/mmlu/test", False),
        ("path", "/nfs/a {b} space/weights/DeepSeek-R1", False),
        ("endpoint", None, False),
    ]


@pytest.mark.parametrize("raw", [{"datasets": ("gsm8k",)}, {"dataset_source": "modelscope"}])
def test_data_that_opencompass_may_download_is_only_requested(raw):
    asks = [
        check.asks for check in run(**raw).checks if "data/" in dict(check.args).get("path", "")
    ]

    assert asks and all(asks)


# -- the file -------------------------------------------------------------------------------------


def test_the_file_uses_the_guide_s_r1_settings(config):
    (model,) = config().models

    assert model == {
        "abbr": "deepseek-r1",
        "type": "opencompass.models.OpenAISDK",
        "path": "DeepSeek-R1",
        "openai_api_base": ["http://127.0.0.1:8000/v1"],
        "tokenizer_path": "/nfs/a {b} space/weights/DeepSeek-R1",
        "key": None,
        "max_out_len": 16384,
        "max_seq_len": 32768,
        "temperature": 0.6,
        "batch_size": 4,
        "query_per_second": 4,
        "retry": 2,
        "pred_postprocessor": {
            "type": "opencompass.utils.text_postprocessors.extract_non_reasoning_content"
        },
    }


def test_verbatim_sends_one_question_at_a_time(config):
    (model,) = config(**EXACT).models

    assert (model["abbr"], model["batch_size"]) == ("deepseek-r1-va16", 1)
    assert not {"query_per_second", "retry"} & set(model)


@pytest.mark.parametrize(("retries", "attempts"), [(0, 1), (3, 4)])
def test_a_failed_request_is_sent_again_as_often_as_the_form_says(config, retries, attempts):
    (model,) = config(retries=retries).models

    assert model["retry"] == attempts
    assert not {"guide:retries"} & set(plans.ids(retries=retries, **EXACT))


def test_the_guide_s_sets_are_asked_unless_others_are_chosen(config):
    names = [item["abbr"] for item in config().datasets]

    assert names[:3] == ["cluewsc-dev", "cluewsc-test", "math-500"]
    assert len(names) == 60


@pytest.mark.parametrize("family", FAMILIES)
def test_each_choice_is_a_set_of_opencompass(config, family):
    names = [item["abbr"] for item in config(datasets=(family,)).datasets]

    expected = sets_of([family])
    assert names and all(name.startswith(tuple(expected)) for name in names)


def test_ten_subsets_of_mmlu_are_the_first_by_the_alphabet(config):
    settings = config(datasets=("mmlu",), mmlu="ten")

    names = [item["abbr"].removeprefix("lukaemon_mmlu_") for item in settings.datasets]
    assert len(names) == 10
    assert {names[0], names[-1]} <= {"abstract_algebra", "college_medicine"}


@pytest.mark.parametrize("more", [{}, {"question_seed": 7, **EXACT}])
def test_older_jobs_and_verbatim_take_the_first_questions_of_each_set(config, more):
    ranges = {item["reader_cfg"]["test_range"] for item in config(limit=20, **more).datasets}

    assert ranges == {"[0:20]"}
    assert "first 20" in kind.title_of(params(limit=20, **more), vacc_host())


def ranges_of(settings):
    """Set → the questions that OpenCompass's reader and its partitioner take."""
    found = {}
    for item in settings.datasets:
        text = item["reader_cfg"]["test_range"]
        size = EVALUATION_SETS[item["abbr"]].questions
        rows = eval(f"index_list{text}", {"index_list": list(range(size))})
        assert eval(f"len(range({size}){text})") == len(rows)
        found[item["abbr"]] = rows
    return found


def test_a_limit_draws_its_questions_of_each_set_by_the_seed(config):
    drawn = ranges_of(config(limit=20, question_seed=7))

    assert {len(rows) for rows in drawn.values()} == {20}
    assert all(rows == sorted(set(rows)) for rows in drawn.values())
    assert drawn["math-500"] != list(range(20)) != drawn["cluewsc-test"]
    assert drawn == ranges_of(config(limit=20, question_seed=7))
    assert drawn != ranges_of(config(limit=20, question_seed=8))
    more = ranges_of(config(limit=200, question_seed=7))  # cluewsc-dev has fewer: all of them
    assert (len(more["cluewsc-dev"]), len(more["math-500"])) == (159, 200)
    title = kind.title_of(params(limit=20, question_seed=7), vacc_host())
    assert "20 of each, seed 7" in title


def test_of_c_eval_the_first_questions_are_asked(config):
    raw = {"datasets": ("ceval",), "limit": 5, "question_seed": 7}

    assert {one["reader_cfg"]["test_range"] for one in config(**raw).datasets} == {"[0:5]"}
    assert "first 5" in kind.title_of(params(**raw), vacc_host())


def test_the_file_has_no_module_objects():
    tree = ast.parse(run(limit=20).files[0].text)

    modules = {a.name for node in tree.body if isinstance(node, ast.Import) for a in node.names}
    deleted = [t.id for node in tree.body if isinstance(node, ast.Delete) for t in node.targets]
    assert modules == {"os"}
    assert deleted == ["one", "only", "os"]


def test_a_name_that_could_be_python_stays_a_name(tmp_path, monkeypatch):
    odd = "'] + [__import__('os').abort()] #"
    path = tmp_path / "eval_ds.py"
    target = vacc_host()
    served = [replace(one, data={**one.data, "name": odd}) for one in target.deployments]
    plan = KINDS["evaluate-opencompass"].plan(params(), replace(target, deployments=served))
    path.write_text(plan.files[0].text, encoding="utf-8")
    monkeypatch.setenv("VACC_API_BASE", "x")

    assert [model["path"] for model in reader.load(path).models] == [odd]


def test_answered_sets_are_scored_alone(config, monkeypatch):
    monkeypatch.setenv("SCORE_SETS", "cluewsc-test,math-500")

    assert [item["abbr"] for item in config().datasets] == ["cluewsc-test", "math-500"]
    assert len(config(**EXACT).datasets) == 60  # verbatim stays to the letter


# -- remarks ------------------------------------------------------------------------------------


def short(max_total):
    """A host whose deployment takes no longer requests than that."""
    target = vacc_host()
    served = target.deployments[0]
    served = replace(served, data={**served.data, "max_total": max_total})
    return replace(target, deployments=(served,))


@pytest.mark.parametrize("max_total", [128, 255])
def test_a_deployment_too_small_for_questions_is_refused(max_total):
    target = short(max_total)
    proposed = defaults_for(kind.Params, target, plans.defaults)

    lengths = {"max_answer": max_total // 2, "max_length": max_total}
    assert proposed == {**lengths, "question_seed": 0}
    with pytest.raises(LaunchError) as caught:
        kind.plan(params(**proposed), target)
    assert caught.value.field == "deployment"
    assert str(caught.value) == (
        f"Max model length of DeepSeek-R1 is {max_total} tokens; these data sets need at least 256."
        " Choose a deployment with a longer context."
    )


def test_what_is_proposed_for_a_short_deployment_runs():
    target = short(256)

    assert kind.plan(params(**defaults_for(kind.Params, target, plans.defaults)), target)


def test_verbatim_notes_lengths_beyond_the_deployment():
    remarks = {remark.id: remark.args for remark in kind.notes(params(**EXACT), short(2048))}

    assert remarks["guide:longer_than_served"] == {"length": 32768, "tokens": 2048}
    assert "guide:longer_than_served" not in plans.ids(**EXACT)


# -- outcome --------------------------------------------------------------------------------------


def test_a_run_as_the_guide_has_it_is_a_result_with_both_means():
    outcome = outcome_of(left(PLAIN), **WSC_AND_MATH)

    measured = outcome.measured
    assert outcome.failure is None
    assert outcome.message.id == "evaluate:means"
    assert set(outcome.message.args) == {"macro", "weighted", "sets", "questions"}
    assert measured.metrics["accuracy_macro"] != measured.metrics["accuracy_weighted"]
    assert measured.metrics["accuracy"] == measured.metrics["accuracy_weighted"]
    assert set(measured.metrics) <= set(METRICS)
    assert (measured.type, measured.tool) == ("evaluation", "OpenCompass 0.4.1")
    assert measured.what == "cluewsc + math_500"
    sets = measured.sets
    assert [(one.dataset, one.version, one.metric, one.mode, one.group) for one in sets] == [
        ("cluewsc-dev", "5ab83b", "accuracy", "gen", "cluewsc"),
        ("cluewsc-test", "5ab83b", "accuracy", "gen", "cluewsc"),
        ("math-500", "11c4b5", "accuracy", "gen", "math-500"),
    ]
    assert [round(one.value, 2) for one in sets] == [50.0, 69.70, 0.0]
    # Without details, answers are kept without a verdict.
    assert sum(one.questions for one in sets) == len(measured.answers) == 61
    assert {answer["status"] for answer in measured.answers} == {"unscored"}
    assert measured.answers[0]["reasoning"] == "reason"


def test_with_details_each_question_has_its_answer_and_verdict():
    asked = {"mmlu": "ten", "limit": 2}
    measured = outcome_of(left(WHOLE), **asked).measured
    drawn = outcome_of(left(WHOLE), **asked, question_seed=7).measured

    assert [one.group for one in measured.sets].count("mmlu") == 10
    assert len(measured.answers) == 13 * 2
    right = sum(answer["score"] for answer in measured.answers)
    assert right == measured.metrics["correct"]
    first = measured.answers[0]
    assert (first["answer"], first["status"]) == ("A. The answer is \\boxed{2}", "")
    assert (first["extracted"], first["reasoning"]) == ("A", "thinking about it")
    assert {answer["subset"] for answer in measured.answers} >= {"cluewsc-dev", "math-500"}
    assert Message("evaluate:limited", {"questions": 2}) in measured.remarks
    assert Message("evaluate:drawn", {"questions": 2, "seed": 7}) in drawn.remarks


def test_a_set_without_a_score_is_no_success():
    outcome = outcome_of(left(PLAIN))  # MMLU was to be asked too

    assert outcome.failure.id == "evaluate:sets_missing"
    assert outcome.failure.args == {
        "missing": 57,
        "sets": 60,
        "first": "lukaemon_mmlu_abstract_algebra",
    }
    assert outcome.measured is None


def test_a_failed_subset_is_a_failure():
    files = left(PLAIN)
    summary = next(path for path in files if path.endswith(".csv"))
    files[summary] = files[summary].rstrip() + b"\nceval-law,-,-,-,-\n"

    outcome = outcome_of(files, datasets=("cluewsc", "math_500", "ceval"))

    assert outcome.failure.args == {"missing": 1, "sets": 4, "first": "ceval-law"}
