"""Prompts of the team: what each client's plan sends."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from jobs.base.errors import LaunchError
from jobs.kinds import KINDS
from jobs.kinds.lib import load
from jobs.kinds.lib.base import TeamPrompts
from jobs.launch.matrices import has_input
from jobs.plans import fill
from tests.jobs.lib.target import ON_CPU, VALUES, here
from tests.jobs.lib.vacc_target import vacc_host
from tests.waiting import PATIENCE_S

PROMPTS = ["Why?", "为什么？\n请\u2028回答。"]
LINES = "".join(json.dumps({"prompt": one}, ensure_ascii=False) + "\n" for one in PROMPTS)


def with_team(target, longest=40):
    return replace(target, prompts=(TeamPrompts("Chat", 2, longest, lambda: PROMPTS),))


def planned(kind, target=None, **raw):
    own = {"dataset": "custom", "deployment": "5", "output_tokens": 64, **ON_CPU}
    given = own if kind == "benchmark-online" else {"deployment": "3"}
    given |= {"prompts": "Chat", "requests": 3, "concurrency": (1, 4)}
    return KINDS[kind].plan(KINDS[kind].Params(**given | raw), target or with_team(here()))


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


@pytest.mark.parametrize("kind", ["benchmark", "benchmark-guidellm", "benchmark-online"])
def test_the_prompts_travel_in_the_plan(kind):
    files = {item.name: item.text for item in planned(kind).files}

    assert files["prompts.jsonl"] == LINES
    assert "cold.py" in files


@pytest.mark.parametrize("kind", ["benchmark-guidellm", "benchmark-online"])
def test_each_concurrency_gets_new_prompts(kind, tmp_path):
    files = written(planned(kind), tmp_path, "python")

    assert files.keys() == {"prompts-3-at-1.jsonl", "prompts-3-at-4.jsonl"}
    sent = [prompt for prompts in files.values() for prompt in prompts]
    assert {prompt.split(": ", 1)[1] for prompt in sent} == set(PROMPTS)
    assert len({prompt[:6] for prompt in sent}) == len(sent) == 6


def test_evalscope_reads_the_prompts_of_the_plan():
    argv = planned("benchmark").steps[0].argv

    assert argv[argv.index("--dataset-path") + 1] == "{job_dir}/files/prompts.jsonl"


def test_guidellm_reads_json_lines():
    argv = planned("benchmark-guidellm").steps[2].argv

    assert argv[argv.index("--data") + 1] == (
        "kind=json_file,path={job_dir}/work/prompts-3-at-4.jsonl"
    )


def test_vllm_sends_them_unchanged_and_answers_in_full():
    _prompts, _first, second = planned("benchmark-online").steps

    at = second.argv.index("--dataset-name")
    assert second.argv[at : at + 9] == (
        *("--dataset-name", "custom"),
        *("--dataset-path", "{job_dir}/work/prompts-3-at-4.jsonl"),
        *("--custom-output-len", "64"),
        *("--skip-chat-template", "--disable-shuffle", "--ignore-eos"),
    )


def test_a_container_gets_the_file_of_each_concurrency():
    plan = planned("benchmark-online", with_team(vacc_host()), deployment="9", stack="current")

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
    ("kind", "raw", "field", "text"),
    [
        ("benchmark", {"prompts": "Gone"}, "prompts", "Unknown prompt set."),
        ("benchmark-online", {"prompts": ""}, "prompts", "Unknown prompt set."),
        ("benchmark-online", {"prompts": "everyday"}, "prompts", "Unknown prompt set."),
        ("benchmark-online", {"as_in_guide": True}, "dataset", "The guide's command has other"),
    ],
)
def test_prompts_that_cannot_be_sent_are_refused_at_the_field(kind, raw, field, text):
    with pytest.raises(LaunchError) as caught:
        planned(kind, **{"concurrency": (1,), **raw})

    assert caught.value.field == field
    assert str(caught.value).startswith(text)


def test_the_stack_of_the_guide_has_no_such_data_set():
    with pytest.raises(LaunchError, match="does not support this data set") as caught:
        planned("benchmark-online", with_team(vacc_host()), deployment="8", stack="guide")

    assert caught.value.field == "dataset"


def test_the_longest_prompt_must_fit_beside_the_answer():
    with pytest.raises(LaunchError, match="share the context") as caught:
        planned("benchmark-online", with_team(here(), longest=2000))

    assert caught.value.field == "output_tokens"


def test_the_title_names_the_prompts():
    kind = KINDS["benchmark-online"]
    raw = {"deployment": "5", "dataset": "custom", "prompts": "Chat", "output_tokens": 8}
    params = kind.Params(**raw, **ON_CPU)

    assert kind.title_of(params, here()) == "small-int8 @ 4, Chat → 8 tok"


def test_prompts_of_the_team_have_lengths_of_their_own():
    kind = KINDS["benchmark-online"]

    assert not has_input(kind, {"dataset": "custom"})
    assert load.asked_lengths(
        kind.lengths, {"dataset": "custom", "input_tokens": 9, "output_tokens": 8}
    ) == {"output_tokens": 8}


@pytest.mark.parametrize("kind", ["benchmark", "benchmark-guidellm", "benchmark-online"])
def test_the_sets_of_the_team_are_offered(kind):
    values = [one.value for one in KINDS[kind].choices("prompts", with_team(here()))]

    assert values[-1] == "Chat"


def test_custom_is_offered_only_with_prompts_of_the_team():
    kind = KINDS["benchmark-online"]

    def offered(target):
        return [one.value for one in kind.choices("dataset", target)]

    assert offered(here()) == ["random", "sharegpt"]
    assert offered(with_team(here())) == ["random", "sharegpt", "custom"]
