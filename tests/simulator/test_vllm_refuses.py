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


def test_the_current_one_does_not_know_enable_reasoning(host):
    argv = ("serve", "m", "--enable-reasoning", "--reasoning-parser", "deepseek_r1")

    message = "vllm: error: unrecognized arguments: --enable-reasoning"
    assert last(host, *argv, env=NEW) == (2, message)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["--enable-reasoning"],
            "TypeError: Error: --enable-reasoning requires --reasoning-parser",
        ),
        (
            ["--enable-auto-tool-choice"],
            "TypeError: Error: --enable-auto-tool-choice requires --tool-call-parser",
        ),
        (
            [
                *("--enable-reasoning", "--reasoning-parser", "deepseek_r1"),
                *("--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
            ],
            "TypeError: Error: --enable-auto-tool-choice and --enable-reasoning "
            "cannot be enabled at the same time",
        ),
        (
            ["--model", "m"],
            "ValueError: With `vllm serve`, you should provide the model as a positional "
            "argument instead of via the `--model` option.",
        ),
    ],
)
def test_the_guides_version_refuses_what_does_not_go_together(host, argv, message):
    assert last(host, "serve", "m", *argv, env=OLD) == (1, message)


@pytest.mark.parametrize(
    ("env", "options"),
    [
        (OLD, ["--speculative-config={}", "--no-async-scheduling", "--enable-log-requests"]),
        (NEW, ["--disable-log-requests", "--rope-scaling={}", "--best-of=2"]),
    ],
    ids=["guide", "current"],
)
def test_a_version_does_not_know_options_of_the_other(host, env, options):
    for option in options:
        code, line = last(host, "serve", "m", option, env=env)

        name = option.partition("=")[0]
        assert code == 2
        assert line.startswith(f"vllm: error: unrecognized arguments: {name}")


def test_a_wrong_number_is_refused_by_name(host):
    code, line = last(host, "serve", "m", "--port", "x", env=NEW)

    assert code == 2
    assert line.endswith("error: argument --port: invalid int value: 'x'")


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


def test_the_current_benchmark_names_its_datasets_as_captured(host):
    code, line = last(host, "bench", "serve", "--dataset-name", "nope", env=NEW)

    # tests/data/vllm-0.32/bench/serve_sonnet.stderr has the same form.
    assert code == 2
    assert line.startswith(
        "vllm bench <bench_type> [options] serve: error: argument --dataset-name: invalid choice: "
        "'nope' (choose from 'sharegpt', 'burstgpt', "
    )


def test_a_missing_model_is_reported_as_by_each_version(host):
    port = ("--port", "0")

    old = last(host, "serve", "/nowhere", *port, env=OLD)
    new = host.run("vllm", "serve", "/nowhere", *port, env=NEW)

    message = "RuntimeError: Engine process failed to start. See stack trace for the root cause."
    assert old == (1, message)
    assert "Invalid repository ID or local directory specified: '/nowhere'" in new.stdout
    assert new.returncode == 1


def test_every_option_of_the_guides_serving_command_is_known():
    tables = options_old.SERVE + options_old.ENGINE

    for name in (
        *("trust-remote-code", "tensor-parallel-size", "max-model-len", "enforce-eager"),
        *("enable-reasoning", "reasoning-parser", "host", "port"),
    ):
        assert f"--{name}" in tables
    assert cli.PARSERS_OLD == ("deepseek_r1",)
