"""Benchmark with GuideLLM: its commands, and the result of its real output."""

import json
from dataclasses import replace

import pytest

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.metrics import METRICS
from jobs.readings import progress_of
from jobs.tools.guidellm import reading as guidellm
from tests.jobs.lib.kind_plans import plans_of
from tests.jobs.lib.target import DATA, VALUES, here

plans = plans_of("benchmark-guidellm")
planned, outcome_of = plans.planned, plans.outcome_of
OUT = (DATA / "guidellm-0.8" / "out.json").read_bytes()


def changed(change) -> bytes:
    """The real output, of which ``change`` has altered the run."""
    data = json.loads(OUT)
    change(data["benchmarks"][0])
    return json.dumps(data).encode()


def test_each_concurrency_is_a_run_with_prompts_of_its_own():
    plan = plans.run(concurrency=(1, 4), requests=3)

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


@pytest.mark.parametrize(("seed", "seeds"), [(None, "1={job}01,4={job}02"), (7, "1=7,4=7")])
def test_each_job_and_concurrency_has_a_seed_of_its_own_unless_one_is_fixed(seed, seeds):
    argv = planned(concurrency=(1, 4), seed=seed).steps[0].argv

    assert argv[argv.index("--seeds") + 1] == seeds


def test_requests_are_generated_whole_and_from_no_cache():
    argv = plans.run(output_tokens=16).steps[1].argv

    backend = json.loads(argv[argv.index("--backend") + 1])
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
    metrics = point.metrics
    assert metrics.keys() <= METRICS.keys()
    # All tokens by all seconds, as other tools have them.
    assert metrics["output_tokens_per_s"] == pytest.approx(640 / 11.0363, rel=1e-3)
    assert metrics["total_tokens_per_s"] == pytest.approx(2240 / 11.0363, rel=1e-3)
    assert metrics["ttft_mean_ms"] == pytest.approx(681.61, abs=0.01)
    assert metrics["ttft_p99_ms"] == pytest.approx(873.06, abs=0.01)
    assert metrics["latency_mean_s"] == pytest.approx(2.195, abs=0.001)
    assert metrics["output_tokens"] == 640
    # TPOT leaves the first token out.
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


def test_each_concurrency_is_a_point_of_the_result():
    other = changed(lambda run: run["config"]["strategy"].update(streams=1))
    outputs = {"result-4.json": OUT, "result-1.json": other}

    outcome = outcome_of(outputs, concurrency=(1, 4, 8), requests=20)

    assert outcome.message.id == "benchmark:done"
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

    assert progress_of(plans.kind.name, half) == {"done": 10, "total": 20, "unit": "requests"}
    assert progress_of(plans.kind.name, log)["done"] == 20
    assert progress_of(plans.kind.name, log + name.encode())["done"] == 0
    assert progress_of(plans.kind.name, b"starting") is None


def test_a_key_is_not_shown_in_the_list_of_processes():
    (served, *_) = (ref for ref in here().deployments if ref.key == "3")
    locked = replace(served, data={**served.data, "api_key": "KEY"})
    target = replace(here(), deployments=(locked,))

    assert plans.refused(target, "key") == "deployment"
