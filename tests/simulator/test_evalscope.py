"""EvalScope 1.14: files that the project's own parsers read, figures of the sent requests."""

import json
from pathlib import Path

import pytest

from jobs.tools.evalscope import eval_reading, perf_reading
from tests.simulator.host import Host
from tests.simulator.vllm import NEW, QWEN, serving
from tests.stack import free_port

CAPTURE = Path(__file__).parent.parent / "data/evalscope-1.14-eval/capture"
EXTRA = json.dumps({"ignore_eos": True})
SETS = ("--parallel", "1", "2", "--number", "1")


@pytest.fixture(scope="module")
def evaluated(shared: Host) -> Path:
    with serving(shared, NEW, "--reasoning-parser", "deepseek_r1") as (url, _):
        done = shared.run(
            *("evalscope", "eval", "--model", "m", "--api-url", f"{url}/v1", "--api-key", "k"),
            *("--eval-type", "openai_api", "--datasets", "gsm8k", "cluewsc", "--limit", "8"),
            *("--generation-config", '{"max_tokens": 2048, "temperature": 0.6}'),
            *("--eval-batch-size", "4", "--work-dir", "eval", "--no-timestamp"),
        )
    assert done.returncode == 0, done.stderr
    assert "Overall report table: \n┌" in done.stderr
    return shared.workspace / "eval"


def files_of(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.suffix in (".json", ".jsonl")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_the_reports_are_read_and_say_what_the_reviews_say(evaluated):
    files = files_of(evaluated).items()

    parsed = eval_reading.parse({path: text for path, text in files if "predictions" not in path})

    requested = {report.benchmark: report.requested for report in parsed.reports}
    assert requested == {"gsm8k": 8, "cluewsc": 8}
    for report in parsed.reports:
        scores = [one.score for one in parsed.scored if one.benchmark == report.benchmark]
        assert report.score == pytest.approx(sum(scores) / 8)


def test_a_report_has_the_captured_keys(evaluated):
    report = json.loads((evaluated / "reports/m/gsm8k.json").read_text())
    captured = json.loads((CAPTURE / "reports/smollm2/general_mcq.json").read_text())
    assert set(report) == set(captured)
    assert set(report["metrics"][0]) == set(captured["metrics"][0])
    perf, theirs = report["perf_metrics"]["summary"], captured["perf_metrics"]["summary"]
    assert {key: set(value) for key, value in perf.items() if isinstance(value, dict)} == {
        key: set(value) for key, value in theirs.items() if isinstance(value, dict)
    }


def test_questions_without_an_answer_end_it_or_are_left_out(host):
    url = f"http://127.0.0.1:{free_port()}"
    argv = (
        *("evalscope", "eval", "--model", "m", "--api-url", f"{url}/v1", "--datasets", "gsm8k"),
        *("--eval-type", "openai_api", "--limit", "2", "--work-dir", "e", "--no-timestamp"),
    )

    ended = host.run(*argv)
    left_out = host.run(*argv, "--ignore-errors")

    report = json.loads((host.workspace / "e/reports/m/gsm8k.json").read_text())
    assert (ended.returncode, left_out.returncode) == (1, 0)
    assert report["execution_summary"]["errored"] == 2


def test_a_performance_test_is_read_and_counts_what_was_sent(host, current):
    done = host.run(
        *("evalscope", "perf", "--parallel", "1", "4", "--number", "2", "8", "--model", "m"),
        *("--url", f"{current}/v1/chat/completions", "--api", "openai", "--dataset", "random"),
        *("--min-tokens", "32", "--max-tokens", "32", "--min-prompt-length", "100"),
        *("--max-prompt-length", "100", "--tokenizer-path", str(host.weights(QWEN))),
        *("--extra-args", EXTRA, "--outputs-dir", "perf", "--name", "run", "--no-timestamp"),
    )

    assert done.returncode == 0, done.stderr
    files = files_of(host.workspace / "perf/run")
    ends = ("benchmark_summary.json", "benchmark_percentile.json")
    points = perf_reading.parse({path: files[path] for path in files if path.endswith(ends)})
    summary = json.loads(files["parallel_4_number_8/benchmark_summary.json"])
    assert len(points) == 2
    assert (summary["Success Requests"], summary["Avg Output Tokens"]) == (8, 32.0)
    assert "\rProcessing[parallel_4_number_8]: 100%|██████████| 8/8 [" in done.stderr


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (("eval", "--nope"), 2, "unrecognized arguments: --nope"),
        (("eval", "--model", "m", "--eval-type", "service"), 2, "invalid choice: 'service'"),
        (("eval", "--model", "m", "--datasets", "aime25live_code_bench"), 1, "not found."),
        (("perf", "--model", "m", *SETS), 1, "should be the same"),
    ],
)
def test_what_evalscope_does_not_take_is_refused(host, argv, code, message):
    done = host.run("evalscope", *argv)

    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
