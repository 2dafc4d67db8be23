"""``manage.py plan`` without a host: to compare with the guide."""

import json

import pytest
from django.core.management import CommandError

from tests.dashboard.lib.commands import run


def plan(*arguments):
    return json.loads(run("plan", *arguments, "--format", "json"))


def step(printed, name):
    return next(item for item in printed["steps"] if item["name"] == name)


def test_a_plan_of_the_guide_needs_neither_host_nor_database():
    printed = plan("deploy-vllm", "--stack", "guide", "--as-in-guide", "--model", "DeepSeek-R1")

    assert set(printed) == {"steps", "notes"}
    assert set(printed["steps"][0]) == {"name", "argv", "env", "cwd", "files"}
    assert step(printed, "serve")["argv"][:6] == [
        *("docker", "exec", "vllm_vacc", "vllm", "serve", "/test/weights/DeepSeek-R1")
    ]
    assert all(isinstance(note, str) and note.endswith(".") for note in printed["notes"])


def test_the_corrected_form_differs_from_the_guides_and_says_so():
    arguments = ("benchmark-online", "--stack", "guide", "--model", "deepseek-ai/DeepSeek-R1")

    printed = step(plan(*arguments, "--as-in-guide"), "measure")["argv"]
    corrected = plan(*arguments)

    argv = step(corrected, "measure")["argv"]
    assert "--backend" not in printed
    assert argv[argv.index("--backend") + 1] == "openai-chat"
    assert any("openai-chat" in note for note in corrected["notes"])


def test_a_file_is_listed_with_the_step_that_reads_it():
    printed = plan(
        *("compile-vacc", "--stack", "guide", "--as-in-guide"),
        *("--model", "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "--set", "precision=int8"),
    )

    files = step(printed, "compile")["files"]
    name = "build_in/build/hf_ds_r1_distill_int8.yaml"
    assert name in files
    assert "w8a16_gptq" in files[name]


def test_a_field_of_the_form_can_be_set():
    arguments = ("deploy-vllm", "--stack", "current", "--model", "deepseek-r1-0528")

    printed = plan(*arguments, "--set", "pp=2", "--set", "max_length=131072")

    argv = step(printed, "serve")["argv"]
    assert argv[argv.index("--pipeline-parallel-size") + 1] == "2"
    assert "/weights/DeepSeek-R1-0528" in argv


def test_a_secret_is_named_and_not_shown():
    arguments = ("deploy-vllm", "--stack", "current", "--model", "deepseek-r1")

    printed = plan(*arguments, "--set", "api_key=API_KEY")

    assert step(printed, "serve")["env"]["VLLM_API_KEY"] == "<secret:API_KEY>"


def test_the_script_of_a_plan_without_a_host_runs_by_hand():
    text = run("plan", "build-images", "--stack", "guide", "--as-in-guide")

    assert text.startswith("#!/usr/bin/env bash\n")
    assert "docker build -f Dockerfile.cpu" in text.replace(" \\\n ", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("deploy-vllm", "--stack", "guide", "--model", "R2"), "no model is called 'R2'"),
        (("deploy", "--stack", "guide"), "is not of the guide"),
        (("sorcery", "--stack", "guide"), "Unknown job type 'sorcery'"),
        (("deploy-vllm", "--stack", "guide", "--set", "tp=x"), "tp: Enter a whole number."),
        (("deploy-vllm", "--stack", "guide", "--set", "tp=16"), "tp 16 is not supported"),
        (("deploy-vllm", "--stack", "guide", "--set", "colour=red"), "has no field 'colour'"),
    ],
)
def test_what_cannot_be_planned_is_refused_with_the_reason(arguments, message):
    with pytest.raises(CommandError, match=message):
        plan(*arguments)
