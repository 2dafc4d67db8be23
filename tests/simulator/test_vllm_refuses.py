"""The stand-in vllm refuses what its version refuses, in its words and with its code."""

import pytest

from simulator.lib.vllm import cli, options_old
from tests.simulator.host import Host

OLD, NEW = {"STANDIN_VLLM_VERSION": "0.7.2"}, {"STANDIN_VLLM_VERSION": "0.17.0"}


def last(host: Host, *argv: str, env: dict[str, str]) -> tuple[int, str]:
    done = host.run("vllm", *argv, env=env)
    return done.returncode, (done.stderr.strip().splitlines() or [""])[-1]


def test_each_version_says_which_it_is(host):
    assert host.run("vllm", "--version", env=OLD).stdout == "0.7.2\n"
    assert host.run("vllm", "--version", env=NEW).stdout == "0.17.0\n"


REASONING = "--enable-reasoning --reasoning-parser deepseek_r1"
TOOLS = "--enable-auto-tool-choice --tool-call-parser hermes"


@pytest.mark.parametrize(
    ("env", "command", "code", "message"),
    [
        (
            *(OLD, "serve m --enable-reasoning", 1),
            "TypeError: Error: --enable-reasoning requires --reasoning-parser",
        ),
        (
            *(OLD, "serve m --enable-auto-tool-choice", 1),
            "TypeError: Error: --enable-auto-tool-choice requires --tool-call-parser",
        ),
        (
            *(OLD, f"serve m {REASONING} {TOOLS}", 1),
            "TypeError: Error: --enable-auto-tool-choice and --enable-reasoning "
            "cannot be enabled at the same time",
        ),
        (
            *(OLD, "serve m --model m", 1),
            "ValueError: With `vllm serve`, you should provide the model as a positional "
            "argument instead of via the `--model` option.",
        ),
        (OLD, "serve m --speculative-config={}", 2, "unrecognized arguments: --speculative-config"),
        (OLD, "serve m --no-async-scheduling", 2, "unrecognized arguments: --no-async-scheduling"),
        (OLD, "serve m --enable-log-requests", 2, "unrecognized arguments: --enable-log-requests"),
        (NEW, "serve m --disable-log-requests", 2, "unrecognized arguments: --disable-log-request"),
        (NEW, "serve m --rope-scaling={}", 2, "unrecognized arguments: --rope-scaling"),
        (NEW, "serve m --best-of=2", 2, "unrecognized arguments: --best-of"),
        (NEW, f"serve m {REASONING}", 2, "vllm: error: unrecognized arguments: --enable-reasoning"),
        (NEW, "serve m --port x", 2, "error: argument --port: invalid int value: 'x'"),
        (
            *(NEW, "bench serve --dataset-name nope", 2),
            # tests/data/vllm-0.32/bench/serve_sonnet.stderr has the same form.
            "vllm bench <bench_type> [options] serve: error: argument --dataset-name: invalid "
            "choice: 'nope' (choose from 'sharegpt', 'burstgpt', ",
        ),
        (
            *(OLD, "serve /nowhere --port 0", 1),
            "RuntimeError: Engine process failed to start. See stack trace for the root cause.",
        ),
    ],
)
def test_a_version_refuses_what_it_does_not_know_or_take(host, env, command, code, message):
    found, line = last(host, *command.split(), env=env)

    assert (found, message in line) == (code, True), line


def test_the_guides_throughput_benchmark_knows_no_dataset_name(host, docker_script):
    done = docker_script(
        *("benchmark_throughput.py", "--model", "/test/weights/DeepSeek-R1", "--trust-remote-code"),
        *("--tensor-parallel-size", "32", "--enforce-eager", "--max-model-len", "16384"),
        *("--dataset-name", "random", "--num-prompts", "10", "--input-len", "1000"),
        *("--output-len", "1000"),
    )

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "benchmark_throughput.py: error: unrecognized arguments: --dataset-name random"
    )


def test_the_current_version_reports_a_missing_model(host):
    done = host.run("vllm", "serve", "/nowhere", "--port", "0", env=NEW)

    assert "Invalid repository ID or local directory specified: '/nowhere'" in done.stdout
    assert done.returncode == 1


def test_every_option_of_the_guides_serving_command_is_known():
    tables = options_old.SERVE + options_old.ENGINE

    for name in (
        *("trust-remote-code", "tensor-parallel-size", "max-model-len", "enforce-eager"),
        *("enable-reasoning", "reasoning-parser", "host", "port"),
    ):
        assert f"--{name}" in tables
    assert cli.PARSERS_OLD == ("deepseek_r1",)
