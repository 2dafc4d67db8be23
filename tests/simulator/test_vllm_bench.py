"""The benchmarks really send, and their output has the structure of the captures."""

import json
import re
from pathlib import Path

import pytest

from jobs.tools.vllm import reading as parser
from tests.simulator.host import Host, get
from tests.simulator.vllm import CHAT, NEW, OLD, QWEN, metric, of_port
from tests.stack import free_port

DATA = Path(__file__).parent.parent / "data"
OLD_CAPTURE, NEW_CAPTURE = DATA / "vllm-0.7.2", DATA / "vllm-0.32/bench"
SONNET = ("--dataset-name", "sonnet", "--sonnet-input-len", "256", "--sonnet-prefix-len", "32")


def shape(text: str) -> list[str]:
    """The lines of a console without figures, bars and paths, to compare two."""
    lines = []
    for line in re.split(r"[\r\n]", text):
        if "%|" in line or not line.strip() or line.startswith(("Namespace(", "[transformers]")):
            continue
        lines.append(re.sub(r"\d+(\.\d+)? *$", "N", line.rstrip()))
    return lines


def test_a_good_run_of_the_guides_version_prints_the_capture(host, docker_script, old):
    def requests() -> float:
        return metric(get(f"{old}/metrics")[1], "vllm:request_success_total")

    (host.workspace / "res").mkdir()
    before = requests()
    done = docker_script(
        *("benchmark_serving.py", *CHAT, *of_port(old), *SONNET, "--sonnet-output-len", "16"),
        *("--model", str(host.weights(QWEN)), "--served-model-name", "m"),
        *("--dataset-path", _sonnet(host), "--num-prompts", "20", "--max-concurrency", "4"),
        *("--percentile-metrics", "ttft,tpot,itl,e2el", "--metric-percentiles", "50,90,99"),
        *("--goodput", "ttft:500", "tpot:50", "--metadata", "tp=32"),
        *("--save-result", "--result-dir", "res", "--result-filename", "result.json"),
    )

    capture = (OLD_CAPTURE / "benchmark_serving_ok.txt").read_text()
    assert shape(done.stdout) == shape(capture)
    assert requests() - before == 21  # the test request and twenty
    result = json.loads((host.workspace / "res/result.json").read_text())
    captured = json.loads((OLD_CAPTURE / "benchmark_serving_ok.json").read_text())
    assert [key for key in result if key != "note"] == list(captured)
    assert (result["note"], result["completed"], result["tp"]) == ("simulated", 20, "32")
    assert sum(result["output_lens"]) == result["total_output_tokens"]


def test_the_guides_command_as_printed_fails_as_captured(host, docker_script, old):
    done = docker_script(
        *("benchmark_serving.py", *of_port(old), "--endpoint", "/v1/chat/completions", *SONNET),
        *("--model", str(host.weights(QWEN)), "--served-model-name", "m"),
        *("--dataset-path", _sonnet(host), "--num-prompts", "4", "--save-result"),
    )

    capture = (OLD_CAPTURE / "benchmark_serving_as_in_the_guide_fails.txt").read_text()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == capture.splitlines()[-1]


def test_a_missing_server_is_reported_as_captured(host, docker_script):
    port = free_port()
    done = docker_script(
        *("benchmark_serving.py", *CHAT, "--host", "localhost", "--port", str(port)),
        *("--model", str(host.weights(QWEN)), "--dataset-name", "random", "--num-prompts", "2"),
    )

    line = done.stderr.rstrip().splitlines()[-1]
    capture = (OLD_CAPTURE / "benchmark_serving_server_down.txt").read_text().rstrip()
    assert done.returncode == 1
    assert line.replace(str(port), "9") == capture.splitlines()[-1]


def test_a_missing_folder_loses_the_file_after_the_block(host, docker_script, old):
    done = docker_script(
        *("benchmark_serving.py", *CHAT, *of_port(old), "--dataset-name", "random"),
        *("--random-input-len", "32", "--random-output-len", "8", "--num-prompts", "5"),
        *("--model", str(host.weights(QWEN)), "--served-model-name", "m", "--save-result"),
        *("--result-dir", "nodir", "--result-filename", "r.json"),
    )

    capture = (OLD_CAPTURE / "benchmark_serving_no_result_dir.txt").read_text()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == capture.splitlines()[-1]
    assert parser.parse_served_log("log", done.stdout.encode())[-1].completed == 5


@pytest.mark.parametrize("detailed", [False, True])
def test_the_current_serving_benchmark_matches_the_capture(host, current, detailed):
    done = host.run(
        *("vllm", "bench", "serve", *CHAT, *of_port(current), "--dataset-name", "random"),
        *("--model", str(host.weights(QWEN)), "--served-model-name", "m"),
        *("--random-input-len", "64", "--random-output-len", "32", "--num-prompts", "12"),
        *("--max-concurrency", "4", "--percentile-metrics", "ttft,tpot,itl,e2el"),
        *("--metric-percentiles", "50,90,99", "--save-result", "--result-dir", "new/folder"),
        *("--result-filename", "r.json", *(["--save-detailed"] if detailed else [])),
        env={"STANDIN_VLLM_VERSION": NEW},
    )

    capture = (NEW_CAPTURE / "serve_random_chat.stdout").read_text()
    mine = [line for line in shape(done.stdout) if "Sampling input_len" not in line]
    theirs = [line for line in shape(capture) if "Sampling input_len" not in line]
    theirs.remove("Starting initial single prompt test run...")  # 0.17 tests only when it waits
    assert mine == theirs
    result = json.loads((host.workspace / "new/folder/r.json").read_text())
    captured = json.loads((NEW_CAPTURE / "serve_random_chat.json").read_text())
    newer = {"latencies", "queue_times", "host"}
    lists = {"input_lens", "output_lens", "ttfts", "itls"}
    lists |= {"generated_texts", "errors", "start_times"}
    assert set(captured) - newer - (set() if detailed else lists) == set(result) - {"note"}
    assert result["output_lens"] == [32] * 12 if detailed else "output_lens" not in result


def test_the_current_version_asks_for_its_model_and_exits_with_0_if_all_requests_fail(
    host, current
):
    def sent(*argv):
        return host.run(
            *("vllm", "bench", "serve", *of_port(current), *argv, "--dataset-name", "random"),
            *("--random-input-len", "16", "--random-output-len", "8"),
            env={"STANDIN_VLLM_VERSION": NEW},
        )

    weights = str(host.weights(QWEN))
    failed = sent("--model", weights, "--served-model-name", "nosuchmodel", "--num-prompts", "2")
    asked = sent("--tokenizer", weights, "--num-prompts", "1")

    assert failed.returncode == 0
    assert "Error 0: Not Found\nError 1: Not Found\n" in failed.stdout
    assert parser.parse_served_log("log", failed.stdout.encode())[-1].completed == 0
    assert "First model name: m, first model id: m\n" in asked.stdout
    assert "Successful requests:                     1         \n" in asked.stdout


def test_throughput_loads_a_model_and_writes_the_captured_keys(host):
    own, other = ("--input-len", "--output-len"), ("--random-input-len", "--random-output-len")
    for version, lengths, more in ((OLD, own, ()), (NEW, other, ("--dataset-name", "random"))):
        options = (
            *("--model", str(host.weights(QWEN)), lengths[0], "64", lengths[1], "32"),
            *("--num-prompts", "5", "--max-model-len", "2048", "--output-json", "t.json", *more),
        )
        done = _offline(host, version, "throughput", options)

        result = json.loads((host.workspace / "t.json").read_text())
        captured = json.loads((NEW_CAPTURE / "throughput.json").read_text())
        assert set(result) - {"note"} == set(captured) - {"model_id"}
        assert (result["num_requests"], result["total_num_tokens"]) == (5, 5 * 96)
        assert "Loading safetensors checkpoint shards: 100% Completed" in done.stderr
        rates = r"[\d.]+ requests/s, [\d.]+ total tokens/s, [\d.]+ output tokens/s"
        assert re.search(rf"^Throughput: {rates}$", done.stdout, re.M)


def test_latency_warms_up_ten_times_and_writes_captured_keys(host):
    options = (
        *("--model", str(host.weights(QWEN)), "--input-len", "32", "--output-len", "16"),
        *("--batch-size", "1", "--num-iters", "3", "--output-json", "l.json"),
    )
    done = _offline(host, OLD, "latency", options)

    result = json.loads((host.workspace / "l.json").read_text())
    captured = json.loads((NEW_CAPTURE / "latency.json").read_text())
    assert set(result) - {"note"} == set(captured) - {"model_id"}
    assert len(result["latencies"]) == 3
    assert "Warmup iterations: 100%|██████████| 10/10" in done.stderr
    assert f"Avg latency: {result['avg_latency']} seconds\n" in done.stdout


def test_offline_lengths_beyond_the_models_are_refused(host):
    options = (
        *("--model", str(host.weights(QWEN)), "--input-len", "2000", "--output-len", "100"),
        *("--num-prompts", "1", "--max-model-len", "2048"),
    )

    done = _offline(host, OLD, "throughput", options, code=1)

    capture = (NEW_CAPTURE / "throughput_assert_crash.stderr").read_text()
    assert done.stderr.splitlines()[-1] in capture


def _offline(host: Host, version: str, sort: str, options: tuple[str, ...], code: int = 0):
    env = {"STANDIN_VLLM_VERSION": version}
    if version == NEW:
        done = host.run("vllm", "bench", sort, *options, env=env)
    else:
        script = (
            "import sys; from simulator.lib import programs; "
            f"sys.exit(programs.run('benchmark_{sort}.py', sys.argv[1:]))"
        )
        env |= {"PYTHONPATH": str(Path(__file__).parents[2])}
        done = host.run("python3", "-c", script, *options, env=env)
    assert done.returncode == code, done.stderr
    return done


def _sonnet(host: Host) -> str:
    path = host.workspace / "sonnet.txt"
    path.write_text("".join(f"Line {n} of no poem, with some words in it.\n" for n in range(518)))
    return str(path)
