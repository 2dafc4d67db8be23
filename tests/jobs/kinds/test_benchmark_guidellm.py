"""Benchmark with GuideLLM: its commands, and the result of its real output."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from jobs.base.errors import LaunchError, ParseError
from jobs.base.messages import Message
from jobs.kinds import KINDS
from jobs.metrics import METRICS
from jobs.plans import fill
from jobs.readings import progress_of, read_outcome
from jobs.tools.guidellm import reading as guidellm
from tests.jobs.lib.target import DATA, VALUES, here
from tests.waiting import PATIENCE_S

KIND = KINDS["benchmark-guidellm"]
OUT = (DATA / "guidellm-0.8" / "out.json").read_bytes()


def params(**raw):
    return KIND.Params(deployment="3", **raw)


def planned(**raw):
    return KIND.plan(params(**raw), here())


def outcome_of(outputs, **raw):
    return read_outcome(KIND, params(**raw), planned(**raw), outputs)


def changed(change) -> bytes:
    """The real output, of which ``change`` has altered the run."""
    data = json.loads(OUT)
    change(data["benchmarks"][0])
    return json.dumps(data).encode()


def backend_of(step) -> dict:
    return json.loads(step.argv[step.argv.index("--backend") + 1])


def test_each_concurrency_is_a_run_with_prompts_of_its_own():
    plan = fill(planned(concurrency=(1, 4), requests=3), VALUES)

    assert [step.name for step in plan.steps] == ["prompts", "measure-1", "measure-4"]
    assert plan.steps[2].argv[0].endswith("/bin/guidellm")
    command = plan.steps[2].argv
    assert command[command.index("--profile") :] == (
        *("--profile", "kind=concurrent,streams=4"),
        *("--constraint", "kind=max_requests,count=3"),
        *("--data", "kind=text_file,path=/data/host/spool/17/work/prompts-3-at-4.txt"),
        *("--output", "kind=json,path=result-4.json", "--output", "kind=console"),
        "--disable-console-interactive",
    )


def written(folder, job, **raw):
    """The prompts of each concurrency, from the files that the first step of a job writes."""
    plan = fill(planned(**raw), {**VALUES, "job": str(job), "job_dir": str(folder)})
    for name in ("files", "work"):
        (folder / name).mkdir(parents=True)
    for item in plan.files:
        (folder / "files" / item.name).write_text(item.text, encoding="utf-8")
    step, *runs = plan.steps
    argv = (sys.executable, *step.argv[1:])
    subprocess.run(argv, cwd=folder / "work", check=True, capture_output=True, timeout=PATIENCE_S)
    read = [run.argv[run.argv.index("--data") + 1].partition("path=")[2] for run in runs]
    return [Path(path).read_text(encoding="utf-8").splitlines() for path in read]


def test_each_run_and_each_concurrency_sends_prompts_of_its_own(tmp_path):
    one = written(tmp_path / "17", 17, concurrency=(1, 4), requests=8)
    other = written(tmp_path / "18", 18, concurrency=(1, 4), requests=8)

    prompts = [prompt for lines in (*one, *other) for prompt in lines]
    assert len({prompt.split()[0] for prompt in prompts}) == len(prompts) == 32


def test_a_fixed_seed_sends_the_same_prompts_each_time(tmp_path):
    one = written(tmp_path / "17", 17, concurrency=(1, 4), requests=8, seed=7)
    other = written(tmp_path / "18", 18, concurrency=(1, 4), requests=8, seed=7)
    third = written(tmp_path / "19", 19, concurrency=(1, 4), requests=8, seed=8)

    assert one == other
    assert one[0] != third[0]


def test_a_retry_has_the_same_plan():
    plan = planned(concurrency=(1, 4))

    argv = plan.steps[0].argv
    assert argv[argv.index("--seeds") + 1] == "1={job}01,4={job}02"
    assert plan.sha256() == planned(concurrency=(1, 4)).sha256()


def test_requests_are_generated_whole_and_from_no_cache():
    backend = backend_of(fill(planned(output_tokens=16), VALUES).steps[1])

    assert backend["target"] == VALUES["deployment.url"]
    assert backend["model"] == VALUES["deployment.name"]
    assert backend["max_tokens"] == 16
    assert backend["extras"]["body"] == {
        "temperature": 0,
        "ignore_eos": True,
        "cache_prompt": False,
    }


def test_a_real_run_becomes_a_point():
    point = guidellm.parse("result-4.json", OUT)

    assert (point.concurrency, point.completed, point.failed) == (4, 20, 0)
    assert point.metrics.keys() <= METRICS.keys()
    # All tokens by all seconds, as other tools have them.
    assert point.metrics["output_tokens_per_s"] == pytest.approx(640 / 11.0363, rel=1e-3)
    assert point.metrics["total_tokens_per_s"] == pytest.approx(2240 / 11.0363, rel=1e-3)
    assert point.metrics["ttft_mean_ms"] == pytest.approx(681.61, abs=0.01)
    assert point.metrics["ttft_p99_ms"] == pytest.approx(873.06, abs=0.01)
    assert point.metrics["latency_mean_s"] == pytest.approx(2.195, abs=0.001)
    assert point.metrics["output_tokens"] == 640


def test_tpot_leaves_the_first_token_out():
    metrics = guidellm.parse("result-4.json", OUT).metrics
    after_first_ms = 1000 * metrics["latency_mean_s"] - metrics["ttft_mean_ms"]

    assert metrics["tpot_mean_ms"] == pytest.approx(after_first_ms / 31, rel=1e-3)


def test_tpot_percentiles_follow_the_tool_s_ttft_method():
    def as_ttft(run):
        for row in run["requests"]["successful"]:
            row["inter_token_latency_ms"] = row["time_to_first_token_ms"]

    metrics = guidellm.parse("result-4.json", changed(as_ttft)).metrics

    # Not p50: the tool adds up twentieths, and ten of them come to a hair less than a half.
    for share in ("p25", "p75", "p90", "p95", "p99"):
        assert metrics[f"tpot_{share}_ms"] == metrics[f"ttft_{share}_ms"]


def test_the_fastest_concurrency_stands_for_all():
    slow = changed(
        lambda run: (
            run["config"]["strategy"].update(streams=1),
            run.update(duration=3 * run["duration"]),
            [
                run["metrics"][name]["successful"].update(
                    mean=run["metrics"][name]["successful"]["mean"] / 3
                )
                for name in (
                    "output_tokens_per_second",
                    "tokens_per_second",
                    "requests_per_second",
                )
            ],
        )
    )
    outputs = {"result-4.json": OUT, "result-1.json": slow}

    outcome = outcome_of(outputs, concurrency=(1, 4, 8), requests=20)

    assert outcome.message.id == "benchmark:done"
    assert outcome.message.args["concurrency"] == 4
    assert [level for level, _ in outcome.measured.points] == [1, 4]
    assert outcome.measured.metrics["requests_all"] == 40
    assert outcome.measured.tool == "guidellm 0.8.1"
    assert outcome.measured.began.keys() == {1, 4}
    assert list(outcome.measured.remarks) == [
        Message("benchmark:few_requests", {"requests": 20}),
        Message("benchmark:not_measured", {"concurrency": "8"}),
    ]


def test_a_run_without_one_answer_has_failed():
    nothing = changed(
        lambda run: run["scheduler_metrics"]["requests_made"].update(successful=0, errored=20)
    )

    failure = outcome_of({"result-4.json": nothing}).failure

    assert failure == Message("benchmark:no_request", {"failed": 20})


def test_so_has_one_whose_answers_had_no_token():
    silent = changed(
        lambda run: run["metrics"]["output_tokens_per_second"]["successful"].update(
            count=0, mean=0.0
        )
    )

    assert outcome_of({"result-4.json": silent}).failure == Message("benchmark:no_token")


def test_what_has_no_sample_is_no_zero():
    whole = changed(
        lambda run: run["metrics"]["time_to_first_token_ms"]["successful"].update(count=0, mean=0.0)
    )

    assert "ttft_mean_ms" not in guidellm.parse("x", whole).metrics


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b'{"benchmarks": [{}]}', b'{"benchmarks": 3}']
)
def test_what_is_no_result_is_refused(content):
    with pytest.raises(ParseError):
        guidellm.parse("result-1.json", content)


def test_progress_comes_from_the_current_run():
    name = "'path': '/spool/17/work/prompts-20-at-4.txt'"
    log = name.encode() + b"\n" + (DATA / "guidellm-0.8" / "stderr.txt").read_bytes()
    half = log[: log.index(b"active")] + b"active | successful=9 errored=1"

    assert progress_of(KIND.name, half) == {"done": 10, "total": 20, "unit": "requests"}
    assert progress_of(KIND.name, log)["done"] == 20
    assert progress_of(KIND.name, log + name.encode())["done"] == 0
    assert progress_of(KIND.name, b"starting") is None


def test_a_key_is_not_shown_in_the_list_of_processes():
    (served, *_) = (ref for ref in here().deployments if ref.key == "3")
    locked = replace(served, data={**served.data, "api_key": "KEY"})
    target = replace(here(), deployments=(locked,))

    with pytest.raises(LaunchError, match="key") as refused:
        KIND.plan(params(), target)
    assert refused.value.field == "deployment"
