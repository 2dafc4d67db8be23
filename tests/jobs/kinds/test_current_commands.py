"""Today's stack as VastModelZOO's page of DeepSeek-R1 prints it (June 2026), argument by argument.

What the page leaves to its reader is filled in here: the registry, the folder of the weights, the
server's address. Its quotes are the shell's.
"""

from __future__ import annotations

import pytest

from jobs.kinds import KINDS
from jobs.kinds.lib.guide import plan_for

R1_0528 = "deepseek-ai/DeepSeek-R1-0528"
RUN = (
    *("docker", "run", "--privileged=true", "--shm-size=256g", "--name", "vllm_service"),
    *("-v", "/nfs/workspace/weights:/weights/", "-p", "8000:8000", "--ipc=host"),
)
LONG_INPUT = ("-e", "LLM_MAX_PREFILL_SEQ_LEN=102400", "-e", "FUSE_ALL_DECODER_LAYERS=0")
IMAGE = "registry.example/ai_deliver/vllm_vacc:VVI-26.02"
SERVE = (
    *("vllm", "serve", "/weights/DeepSeek-R1-0528", "--trust-remote-code"),
    *("--tensor-parallel-size", "32"),
)
SERVED = (
    *("--enforce-eager", "--reasoning-parser", "deepseek_r1", "--host", "0.0.0.0"),
    *("--port", "8000", "--served-model-name", "DeepSeek-R1-0528"),
)
BENCH = (
    *("vllm", "bench", "serve", "--host", "127.0.0.1", "--port", "8000"),
    *("--model", "/weights/DeepSeek-R1-0528", "--dataset-name", "random", "--num-prompts", "3"),
    *("--random-input-len", "128", "--ignore-eos", "--random-output-len", "1024"),
    *("--max-concurrency", "1", "--served-model-name", "DeepSeek-R1-0528", "--save-result"),
    *("--result-dir", "./benchmark_result", "--result-filename", "result.json"),
)


def step(kind, name, **given):
    sample = plan_for(KINDS[kind], stack="current", as_in_guide=True, model=R1_0528, given=given)
    return next(item for item in sample.filled.steps if item.name == name)


def test_two_pipeline_stages_take_the_long_inputs():
    stages = ("--pipeline-parallel-size", "2", "--max-model-len", "131072")

    argv = step("deploy-vllm", "serve").argv

    assert argv == (*RUN, *LONG_INPUT, IMAGE, *SERVE, *stages, *SERVED)


def test_one_stage_of_64k_with_mtp():
    draft = '{"method":"deepseek_mtp","num_speculative_tokens":1}'

    argv = step("deploy-vllm", "serve", pp=1, max_length=65536, mtp=True).argv

    assert argv == (
        *(*RUN, IMAGE, *SERVE, "--max-model-len", "65536", *SERVED),
        *("--speculative-config", draft),
    )


def test_the_benchmark_over_http():
    argv = step("benchmark-online", "measure").argv

    # Typed in the container's shell, in the parent folder of the result.
    assert argv == ("docker", "exec", "-w", "/tmp/vacc-bench-1", "vllm_service", *BENCH)


@pytest.mark.parametrize(
    ("kind", "name"), [("deploy-vllm", "serve"), ("benchmark-online", "measure")]
)
def test_what_a_person_sets_is_in_the_command(kind, name):
    given = {"deploy-vllm": {"max_length": 98304}, "benchmark-online": {"requests": 77}}[kind]

    argv = step(kind, name, **given).argv

    assert str(next(iter(given.values()))) in argv
