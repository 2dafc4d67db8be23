"""The deployment guide's commands, argument by argument, in verbatim mode.

``TABLE`` is the whole of what may differ, and why: a job has neither a terminal nor a shell.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from jobs.kinds import KINDS
from jobs.kinds.lib.guide import plan_for
from tests.jobs.lib.guide_commands import commands

R1 = "deepseek-ai/DeepSeek-R1"
QWEN_7B = "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"
Argv = tuple[str, ...]


def same(argv: Argv) -> Argv:
    """As printed."""
    return argv


def detached(argv: Argv) -> Argv:
    """``-it`` needs a terminal; ``-dit`` uses docker's own."""
    return tuple("-dit" if word == "-it" else word for word in argv)


def in_container(argv: Argv) -> Argv:
    """Commands of the shell of ``docker run -it … bash`` go through docker exec."""
    return ("docker", "exec", "vllm_vacc", *argv)


def in_benchmarks(argv: Argv) -> Argv:
    """Commands in the folder of vLLM's benchmarks: the guide names the script without a path."""
    return ("docker", "exec", "-w", "/workspace/vllm/benchmarks", "vllm_vacc", *argv)


def unasked(argv: Argv) -> Argv:
    """conda prompts before it creates, and the job is unattended."""
    return (*argv, "-y")


@dataclass(frozen=True)
class GuideCommand:
    """Location of a command of the guide: the n-th is step ``step`` of ``kind``."""

    command: str  # how it begins in the guide
    kind: str
    step: str
    as_run: Callable[[Argv], Argv] = same
    model: str = R1
    given: dict[str, str] = field(default_factory=dict)


TABLE = [
    GuideCommand(
        "vamc compile ./build_in/build/hf_ds_r1_distill_fp16.yaml",
        *("compile-vacc", "compile"),
        model=QWEN_7B,
        given={"precision": "fp16"},
    ),
    GuideCommand(
        "vamc compile ./build_in/build/hf_ds_r1_distill_int8.yaml",
        *("compile-vacc", "compile"),
        model=QWEN_7B,
        given={"precision": "int8"},
    ),
    GuideCommand("git clone https://github.com/vllm-project/vllm.git", "build-images", "clone"),
    GuideCommand("git checkout v0.7.2", "build-images", "checkout"),
    GuideCommand("docker build -f Dockerfile.cpu", "build-images", "build-base"),
    GuideCommand("docker build -t vllm_vacc", "build-images", "build-vacc"),
    GuideCommand("docker run --ipc=host", "deploy-vllm", "container", detached),
    GuideCommand("vllm serve", "deploy-vllm", "serve", in_container),
    GuideCommand(
        "python3 /workspace/vllm/benchmarks/benchmark_serving.py",
        *("benchmark-online", "measure"),
        in_container,
    ),
    GuideCommand(
        "python3 benchmark_throughput.py", "benchmark-throughput", "measure", in_benchmarks
    ),
    GuideCommand("python3 benchmark_latency.py", "benchmark-latency", "measure", in_benchmarks),
    GuideCommand("conda create", "prepare-opencompass", "create", unasked),
    GuideCommand("git clone https://github.com/open-compass", "prepare-opencompass", "clone"),
    GuideCommand("git checkout 0.4.1", "prepare-opencompass", "checkout"),
    GuideCommand("pip install -e .[full]", "prepare-opencompass", "install"),
    GuideCommand(
        "wget https://github.com/open-compass/opencompass/releases",
        *("prepare-datasets", "download-core"),
        given={"dataset": "opencompass"},
    ),
    GuideCommand(
        "wget http://opencompass.oss-cn-shanghai.aliyuncs.com",
        *("prepare-datasets", "download-math"),
        given={"dataset": "opencompass"},
    ),
    GuideCommand(
        "unzip OpenCompassData-core-20240207.zip",
        *("prepare-datasets", "unpack-core"),
        given={"dataset": "opencompass"},
    ),
    GuideCommand(
        "unzip -o math.zip",
        *("prepare-datasets", "unpack-math"),
        given={"dataset": "opencompass"},
    ),
    GuideCommand(
        "pip install ModelScope",
        *("prepare-opencompass", "install-modelscope"),
        given={"dataset_source": "modelscope"},
    ),
    GuideCommand("opencompass eval/eval_ds.py --dry-run", "evaluate-opencompass", "dry-run"),
    GuideCommand("opencompass eval/eval_ds.py", "evaluate-opencompass", "evaluate"),
]

# What is no command of its own: (kind, step, what it sets there).
SETTINGS = {
    ("cd", "vllm"): ("build-images", "checkout", "/nfs/workspace/vllm"),
    ("cd", ".."): ("build-images", "clone", "/nfs/workspace"),
    ("cd", "./docker"): ("build-images", "build-vacc", "/nfs/workspace/docker"),
    ("cd", "opencompass"): ("prepare-opencompass", "checkout", "/nfs/workspace/opencompass"),
    ("conda", "activate", "opencompass"): (
        *("prepare-opencompass", "install"),
        "/root/miniconda3/envs/opencompass/bin",
    ),
    ("export", "DATASET_SOURCE=ModelScope"): (
        *("evaluate-opencompass", "evaluate"),
        "DATASET_SOURCE=ModelScope",
    ),
}


def _step(kind, step, *, model=R1, **given):
    plan = _plan(kind, model, given)
    return next(item for item in plan.steps if item.name == step)


def _plan(kind, model, given):
    sample = plan_for(KINDS[kind], stack="guide", as_in_guide=True, model=model, given=given)
    return sample.filled


def _printed(begin: str) -> Argv:
    """The command of the guide that is this text, or the first that begins with it."""
    texts = {" ".join(argv): argv for argv in commands()}
    return texts.get(begin) or next(argv for text, argv in texts.items() if text.startswith(begin))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.command)
def test_a_command_of_the_guide_is_run_as_it_is_printed(row):
    step = _step(row.kind, row.step, model=row.model, **row.given)

    assert step.argv == row.as_run(_printed(row.command))


def test_no_command_of_the_guide_is_left_out():
    covered = {_printed(row.command) for row in TABLE} | set(SETTINGS)

    assert [argv for argv in commands() if argv not in covered] == []


@pytest.mark.parametrize("setting", SETTINGS, ids=" ".join)
def test_what_the_guide_sets_in_its_shell_is_set_for_the_step(setting):
    kind, name, value = SETTINGS[setting]
    given = {"dataset_source": "modelscope"} if setting[0] == "export" else {}

    step = _step(kind, name, **given)

    env = {f"{key}={text}" for key, text in step.env}
    assert value in {step.cwd, *step.path, *env}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.command)
def test_nothing_runs_through_a_shell(row):
    plan = _plan(row.kind, row.model, row.given)

    shells = {"bash", "sh", "-c", "bash -c"}
    assert [step.name for step in plan.steps if shells & set(step.argv[:-1])] == []


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
