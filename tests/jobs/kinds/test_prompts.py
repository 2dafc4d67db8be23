"""Prompts of benchmarks: of a chosen length, or of the team; what each client's plan sends."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from jobs.kinds import KINDS
from jobs.kinds.lib import load
from jobs.kinds.lib.base import AssetRef, TeamPrompts
from jobs.launch.again import retry_job
from jobs.launch.launch import launch, preview
from jobs.launch.matrices import has_input
from jobs.models import Environment, Job
from jobs.plans import fill, from_json
from jobs.schedule import agent_tasks, dispatch
from jobs.tools.lib.environments import ENVIRONMENTS
from tests.factories import make_deployment, make_host, make_job
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.target import DEPLOYMENT, FOLDER, ON_CPU, VALUES, here
from tests.jobs.lib.vacc_target import vacc_host
from tests.waiting import PATIENCE_S

MODEL = FOLDER["model_id"]
CLIENTS = ("benchmark", "benchmark-guidellm")


def target(**served):
    data = {**DEPLOYMENT, "model_id": MODEL, **served}
    return replace(here(), deployments=(AssetRef("deployment", "small", id=3, data=data),))


RANDOM = {"prompts": "random", "input_tokens": 512, "requests": 20, "concurrency": (1, 4)}
evalscope, guidellm = (plans_of(name, target, **RANDOM) for name in CLIENTS)
of_both = pytest.mark.parametrize("plans", [evalscope, guidellm], ids=CLIENTS)


@pytest.mark.parametrize(("plans", "requests"), [(evalscope, 24), (guidellm, 20)], ids=CLIENTS)
def test_a_step_writes_prompts_of_the_length(plans, requests):
    plan = plans.planned()

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
    first, measure = evalscope.planned().steps

    assert "/tokenizers-" in first.argv[0]
    at = measure.argv.index("--dataset")
    assert measure.argv[at : at + 4] == (
        *("--dataset", "written_lines"),
        *("--dataset-path", "{job_dir}/work"),
    )


def test_guidellm_sends_them():
    plan = guidellm.planned()

    assert "/guidellm-" in plan.steps[0].argv[0]
    argv = plan.steps[2].argv
    assert argv[argv.index("--data") + 1] == (
        "kind=json_file,path={job_dir}/work/prompts-20-at-4.jsonl"
    )


@pytest.mark.parametrize(
    ("plans", "prompts", "names"),
    [
        (evalscope, "random", ["evalscope", "tokenizers"]),
        (evalscope, "everyday", ["evalscope"]),
        (guidellm, "random", ["guidellm"]),
    ],
)
def test_only_evalscope_needs_tokenizers_of_their_own(plans, prompts, names):
    assert list(plans.kind.needs(plans.params(prompts=prompts), target())) == names


@of_both
@pytest.mark.parametrize(
    ("served", "raw", "field", "text"),
    [
        ({"model_id": ""}, {}, "prompts", "Choose the catalogue model of small-int8 first"),
        ({"model_id": "other"}, {}, "prompts", "the tokenizer of other, which is missing on"),
        ({"max_input": 511}, {}, "input_tokens", "Max prompt length of the deployment is 511"),
        ({"max_total": 600}, {"output_tokens": 64}, "output_tokens", "At most 56"),
    ],
)
def test_what_cannot_be_sent_is_refused_at_its_field(plans, served, raw, field, text):
    assert plans.refused(target(**served), text, **raw) == field


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

    assert evalscope.refused(lacking, step) == "prompts"


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


# -- prompts of the team ---------------------------------------------------------------------------

PROMPTS = ["Why?", "为什么？\n请\u2028回答。"]
LINES = "".join(json.dumps({"prompt": one}, ensure_ascii=False) + "\n" for one in PROMPTS)


def with_team(target, longest=40):
    return replace(target, prompts=(TeamPrompts("Chat", 2, longest, lambda: PROMPTS),))


CHAT = {"prompts": "Chat", "requests": 3, "concurrency": (1, 4)}
CUSTOM = {"dataset": "custom", "deployment": "5", "output_tokens": 64, **ON_CPU}
TEAM = {
    "benchmark": plans_of("benchmark", lambda: with_team(here()), **CHAT),
    "benchmark-guidellm": plans_of("benchmark-guidellm", lambda: with_team(here()), **CHAT),
    "benchmark-online": plans_of("benchmark-online", lambda: with_team(here()), **CHAT, **CUSTOM),
}
vllm = TEAM["benchmark-online"]


def written(plan, folder, python_of):
    """The files of the plan's step that writes prompts, by name."""
    plan = fill(plan, {**VALUES, "job_dir": str(folder)})
    for name in ("files", "work"):
        (folder / name).mkdir(parents=True)
    for item in plan.files:
        (folder / "files" / item.name).write_text(item.text, encoding="utf-8")
    step = next(step for step in plan.steps if step.name == "prompts")
    assert step.argv[0].endswith(python_of)
    argv = (sys.executable, *step.argv[1:])
    subprocess.run(argv, cwd=folder / "work", check=True, capture_output=True, timeout=PATIENCE_S)
    return {
        path.name: [json.loads(line)["prompt"] for line in path.read_text().splitlines()]
        for path in (folder / "work").iterdir()
    }


@pytest.mark.parametrize("kind", TEAM)
def test_the_prompts_travel_in_the_plan(kind):
    files = {item.name: item.text for item in TEAM[kind].planned().files}

    assert files["prompts.jsonl"] == LINES
    assert "cold.py" in files


@pytest.mark.parametrize("kind", ["benchmark-guidellm", "benchmark-online"])
def test_each_concurrency_gets_new_prompts(kind, tmp_path):
    files = written(TEAM[kind].planned(), tmp_path, "python")

    assert files.keys() == {"prompts-3-at-1.jsonl", "prompts-3-at-4.jsonl"}
    sent = [prompt for prompts in files.values() for prompt in prompts]
    assert {prompt.split(": ", 1)[1] for prompt in sent} == set(PROMPTS)
    assert len({prompt[:6] for prompt in sent}) == len(sent) == 6


def test_evalscope_reads_the_prompts_of_the_plan():
    argv = TEAM["benchmark"].planned().steps[0].argv

    assert argv[argv.index("--dataset-path") + 1] == "{job_dir}/files/prompts.jsonl"


def test_guidellm_reads_json_lines():
    argv = TEAM["benchmark-guidellm"].planned().steps[2].argv

    assert argv[argv.index("--data") + 1] == (
        "kind=json_file,path={job_dir}/work/prompts-3-at-4.jsonl"
    )


def test_vllm_sends_them_unchanged_and_answers_in_full():
    _prompts, _first, second = vllm.planned().steps

    at = second.argv.index("--dataset-name")
    assert second.argv[at : at + 9] == (
        *("--dataset-name", "custom"),
        *("--dataset-path", "{job_dir}/work/prompts-3-at-4.jsonl"),
        *("--custom-output-len", "64"),
        *("--skip-chat-template", "--disable-shuffle", "--ignore-eos"),
    )


def test_a_container_gets_the_file_of_each_concurrency():
    plan = vllm.planned(with_team(vacc_host()), deployment="9", stack="current")

    assert [step.name for step in plan.steps] == [
        *("prompts", "folder"),
        *("send-1", "measure-1", "fetch-1", "send-4", "measure-4", "fetch-4"),
    ]
    sent = plan.steps[5].argv
    inside = sent[3].partition(":")[2]
    assert sent[:3] == ("docker", "cp", "prompts-3-at-4.jsonl")
    assert inside == "/tmp/vacc-bench-{job}/prompts-3-at-4.jsonl"
    assert inside in plan.steps[6].argv


@pytest.mark.parametrize(
    ("kind", "target", "raw", "field", "text"),
    [
        ("benchmark", None, {"prompts": "Gone"}, "prompts", "Unknown prompt set"),
        ("benchmark-online", None, {"prompts": ""}, "prompts", "Unknown prompt set"),
        ("benchmark-online", None, {"prompts": "everyday"}, "prompts", "Unknown prompt set"),
        ("benchmark-online", None, {"as_in_guide": True}, "dataset", "The guide's command has"),
        (
            *("benchmark-online", with_team(vacc_host()), {"deployment": "8", "stack": "guide"}),
            *("dataset", "does not support this data set"),
        ),
        # The longest prompt must fit beside the answer.
        ("benchmark-online", with_team(here(), 2000), {}, "output_tokens", "share the context"),
    ],
)
def test_prompts_that_cannot_be_sent_are_refused_at_the_field(kind, target, raw, field, text):
    assert TEAM[kind].refused(target, text, **raw) == field


def test_the_title_names_the_prompts():
    assert vllm.kind.title_of(vllm.params(), here()) == "small-int8 @ 1, 4, Chat → 64 tok"


def test_prompts_of_the_team_have_lengths_of_their_own():
    asked = {"dataset": "custom", "input_tokens": 9, "output_tokens": 8}

    assert not has_input(vllm.kind, asked)
    assert load.asked_lengths(vllm.kind.lengths, asked) == {"output_tokens": 8}


@pytest.mark.parametrize("kind", TEAM)
def test_the_sets_of_the_team_are_offered(kind):
    assert TEAM[kind].offered("prompts")[-1] == "Chat"


def test_custom_is_offered_only_with_prompts_of_the_team():
    assert vllm.offered("dataset", here()) == ["random", "sharegpt"]
    assert vllm.offered("dataset") == ["random", "sharegpt", "custom"]


# -- a benchmark that runs again -------------------------------------------------------------------


def seeds(job):
    plan = fill(from_json(job.plan), {**job.values, "job_dir": "/j"})
    argv = plan.steps[0].argv
    return argv[argv.index("--seeds") + 1]


@pytest.mark.django_db
@pytest.mark.parametrize("seed", [None, 7])
def test_preview_run_and_repeat_are_one_plan(monkeypatch, seed):
    monkeypatch.setattr(agent_tasks, "send", lambda *args: None)
    host = make_host(slots=9)
    environment = ENVIRONMENTS["evalscope"]
    Environment.objects.create(
        host=host, name="evalscope", fingerprint=environment.fingerprint, path="/e/evalscope-1"
    )
    served = make_deployment(job=make_job(host=host, state="succeeded"))
    raw = {"deployment": str(served.pk), "concurrency": [1, 4], "overlap": True, "seed": seed}

    previewed = preview("benchmark", raw, host)
    first = launch("benchmark", raw, host=host, user=None)
    again = retry_job(first.pk, None)
    dispatch.run()

    first, again = (Job.objects.get(pk=job.pk) for job in (first, again))
    assert first.plan_sha256 == again.plan_sha256 == previewed.plan.sha256()
    if seed is None:
        assert seeds(first) == f"1={first.pk}01,4={first.pk}02"
        assert seeds(again) == f"1={again.pk}01,4={again.pk}02"
    else:
        assert seeds(first) == seeds(again) == "1=7,4=7"
