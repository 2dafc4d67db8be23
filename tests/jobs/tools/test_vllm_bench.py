"""Real files and logs of vLLM's benchmarks, two generations."""

import json

import pytest

from jobs.base.errors import ParseError
from jobs.metrics import METRICS
from jobs.tools.vllm.reading import (
    parse_latency,
    parse_latency_log,
    parse_served,
    parse_served_log,
    parse_throughput,
    parse_throughput_log,
)
from tests.jobs.lib.target import DATA

OLD, NEW = DATA / "vllm-0.7.2", DATA / "vllm-0.32" / "bench"
RANKS = ("p50", "p90", "p99")
OLD_JSON, NEW_JSON = OLD / "benchmark_serving_ok.json", NEW / "serve_random_chat.json"


def read(path):
    return path.name, path.read_bytes()


def changed(path, **changes):
    """Return a result file with changed values; None removes a key."""
    data = json.loads(path.read_bytes()) | changes
    return path.name, json.dumps({k: v for k, v in data.items() if v is not None}).encode()


@pytest.mark.parametrize("path", [OLD_JSON, NEW_JSON], ids=["0.7.2", "0.32"])
def test_every_number_has_a_metric(path):
    metrics = parse_served(*read(path)).metrics

    assert set(metrics) <= set(METRICS)
    assert metrics["input_tokens_mean"] == metrics["input_tokens"] / metrics["requests"]
    # Without a limit for goodput there is none.
    assert ("goodput_requests_per_s" in metrics) == (path == OLD_JSON)


def test_a_percentile_without_a_metric_stays_in_the_file():
    changes = {"p99.9_ttft_ms": 14.5, "p95_ttft_ms": 13.0}
    metrics = parse_served(*changed(OLD_JSON, **changes)).metrics

    assert metrics["ttft_p95_ms"] == 13.0
    assert {name for name in metrics if "99.9" in name} == set()


def test_what_the_old_one_leaves_unsaid_is_counted_as_failed():
    run = parse_served(*changed(OLD_JSON, completed=17))

    assert (run.completed, run.failed) == (17, 3)
    assert run.metrics["failed_requests"] == 3


def test_a_run_with_only_failures_has_no_speed():
    run = parse_served(*read(NEW / "serve_fail.json"))

    assert (run.completed, run.failed) == (0, 2)
    assert set(run.metrics) == {"requests", "failed_requests", "duration_s"}


def test_a_latency_of_zero_is_no_sample():
    """One-token answers have no inter-token latency: the tool writes 0."""
    one_token = {f"{which}_tpot_ms": 0.0 for which in ("mean", "median", "std", *RANKS)}

    metrics = parse_served(*changed(NEW_JSON, **one_token)).metrics

    assert not {name for name in metrics if name.startswith("tpot")}
    assert "ttft_mean_ms" in metrics


@pytest.mark.parametrize("mean", [0, None])
def test_percentiles_stay_without_their_mean(mean):
    run = parse_served(*changed(NEW_JSON, mean_ttft_ms=mean))

    assert "ttft_mean_ms" not in run.metrics
    assert run.metrics["ttft_p99_ms"] == json.loads(NEW_JSON.read_bytes())["p99_ttft_ms"]
    named = [why.args["figures"] for why in run.left_out if why.id == "figures:order"]
    assert named == ([] if mean is None else ["mean_ttft_ms = 0"])


def test_requests_that_were_not_saved_are_none():
    lists = dict.fromkeys(("input_lens", "output_lens", "ttfts", "itls", "errors"))

    run = parse_served(*changed(NEW_JSON, **lists))

    assert (run.requests, run.first_tokens, run.ends_at_last_token) == ([], None, False)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ttfts": [10**400, *json.loads(NEW_JSON.read_bytes())["ttfts"][1:]]}, "incomplete"),
        ({"ttfts": [0.1]}, "not lists of the same length"),
        ({"generated_texts": ["a"]}, "incomplete"),
    ],
)
def test_damaged_lists_leave_out_only_the_requests(change, says):
    run = parse_served(*changed(NEW_JSON, **change))

    assert run.metrics == parse_served(*read(NEW_JSON)).metrics
    assert (run.requests, [why.id for why in run.left_out]) == ((), ["figures:no_requests"])
    assert says in run.left_out[0].args["reason"]


def test_speculative_decoding_is_stored():
    spec = {
        "spec_decode_acceptance_rate": 82.0,
        "spec_decode_acceptance_length": 1.82,
        "spec_decode_num_drafts": 1700,
        "spec_decode_draft_tokens": 1700,
        "spec_decode_accepted_tokens": 1394,
        "spec_decode_per_position_acceptance_rates": 5,
    }

    run = parse_served(*changed(NEW_JSON, **spec))

    assert run.metrics["acceptance_rate"] == pytest.approx(0.82)
    assert run.metrics["acceptance_length_tokens"] == 1.82


@pytest.mark.parametrize(
    ("log", "path"),
    [
        (OLD / "benchmark_serving_ok.txt", OLD_JSON),
        (NEW / "serve_random_chat.stdout", NEW_JSON),
    ],
    ids=["0.7.2", "0.32"],
)
def test_the_printed_block_says_what_the_file_says(log, path):
    (printed,) = parse_served_log(*read(log))
    written = parse_served(*read(path))

    for name in ("completed", "failed", "concurrency"):
        assert getattr(printed, name) == getattr(written, name)
    spread = {name for name in written.metrics if "_std_" in name}
    assert set(printed.metrics) == set(written.metrics) - spread
    for name, value in printed.metrics.items():
        assert value == pytest.approx(written.metrics[name], abs=0.006), name


def test_a_result_whose_folder_was_missing_is_read_from_the_log():
    (run,) = parse_served_log(*read(OLD / "benchmark_serving_no_result_dir.txt"))

    assert (run.completed, run.failed, run.concurrency) == (5, 0, None)
    assert run.metrics["output_tokens_per_s"] == 410.10


def test_failures_missing_in_the_old_block_are_computed():
    log = (OLD / "benchmark_serving_ok.txt").read_bytes()
    log = log.replace(b"requests:                     20", b"requests:                     17")

    assert parse_served_log("log", log)[0].failed == 3
    with pytest.raises(ParseError, match="number of sent requests is missing"):
        parse_served_log("log", log[log.index(b"=====") :])


def test_a_block_in_which_all_failed_is_no_result():
    (run,) = parse_served_log(*read(NEW / "serve_fail_conn.stdout"))

    assert (run.completed, run.failed) == (0, 2)


SECTIONS = """\
============ Serving Benchmark Result ============
Successful requests:                     3         
Failed requests:                         1         
Maximum request concurrency:             1         
Request rate configured (RPS):           2.00      
Benchmark duration (s):                  99.10     
Total input tokens:                      384       
Total generated tokens:                  3072      
Request throughput (req/s):              0.03      
Output token throughput (tok/s):         31.00     
TOTAL TOKEN THROUGHPUT (TOK/S):          34.87     
----------------Client-side Queueing---------------
Mean Client Queue Time (ms):             12.50     
P99 Client Queue Time (ms):              40.00     
--------Queue-inclusive End-to-end Latency--------
Mean E2EL incl. Client Queue (ms):       1500.00   
---------------Speculative Decoding---------------
Acceptance rate (%):                     82.00     
Acceptance length:                       1.82      
Drafts:                                  1700      
Draft tokens:                            1700      
Accepted tokens:                         1394      
Per-position acceptance (%):
  Position 0:                            82.00     
  Position 1:                            41.00     
==================================================
"""  # noqa: W291 -- the tool pads its rows


def test_rows_that_only_some_runs_have_are_read_too():
    (run,) = parse_served_log("log", SECTIONS.encode())

    assert (run.failed, run.request_rate, run.concurrency) == (1, 2.0, 1)
    wanted = {
        "total_tokens_per_s": 34.87,
        "queue_mean_ms": 12.5,
        "queue_p99_ms": 40.0,
        "latency_with_queue_mean_s": 1.5,
        "acceptance_rate": 0.82,
        "accepted_tokens": 1394.0,
    }
    assert {name: run.metrics[name] for name in wanted} == pytest.approx(wanted)


def test_several_runs_of_one_log_come_in_their_order():
    log = (NEW / "serve_fail_conn.stdout").read_bytes() + SECTIONS.encode()

    assert [run.completed for run in parse_served_log("log", log)] == [0, 3]


NO_RATE = b"Throughput: 0.00 requests/s, 0.00 total tokens/s, 0.00 output tokens/s\n"


@pytest.mark.parametrize(
    ("parse", "content", "says"),
    [
        (parse_served, b"", "empty"),
        (parse_served, b" \n", "empty"),
        (parse_served, NEW_JSON.read_bytes()[:500], "not JSON"),
        (parse_served, b"[]", "JSON object"),
        (parse_served, b"{}", "completed"),
        (parse_served, (NEW / "latency.json").read_bytes(), "serving benchmark"),
        (parse_served, changed(NEW_JSON, output_throughput=None)[1], "output_throughput"),
        (parse_served, changed(NEW_JSON, duration=None)[1], "duration"),
        (parse_served, changed(NEW_JSON, completed=3.5)[1], "not a count"),
        (parse_served, changed(OLD_JSON, completed=21)[1], "exceed the sent requests"),
        (parse_served_log, b"", "no block"),
        (parse_served_log, (OLD / "benchmark_serving_server_down.txt").read_bytes(), "no block"),
        (parse_served_log, SECTIONS[: SECTIONS.index("Acceptance")].encode(), "cut off"),
        (
            parse_served_log,
            SECTIONS.replace("Output token", "Another token").encode(),
            "output_throughput",
        ),
        (parse_throughput, b"", "empty"),
        (parse_throughput, b'{"num_requests": 3', "not JSON"),
        (parse_throughput, (NEW / "latency.json").read_bytes(), "num_requests"),
        (
            parse_throughput,
            b'{"num_requests": 0, "elapsed_time": 1.0, "total_num_tokens": 0}',
            "no result",
        ),
        (parse_throughput_log, b"", "no line"),
        (parse_throughput_log, (NEW / "throughput_assert_crash.stderr").read_bytes(), "no line"),
        (parse_throughput_log, NO_RATE, "no result"),
        (parse_latency, b"", "empty"),
        (parse_latency, b'{"avg_latency": 1.5', "not JSON"),
        (parse_latency, (NEW / "throughput.json").read_bytes(), "avg_latency"),
        (parse_latency, b'{"avg_latency": 1.5}', "percentiles"),
        (parse_latency, b'{"avg_latency": 1.5, "latencies": [], "percentiles": {}}', "no result"),
        (
            parse_latency,
            b'{"avg_latency": 1.5, "latencies": [1.5], "percentiles": {"10": 1.5}}',
            "'25'",
        ),
    ],
)
def test_a_damaged_empty_or_foreign_file_is_refused(parse, content, says):
    with pytest.raises(ParseError, match=says):
        parse("result", content)


def test_throughput_is_read_from_the_file_and_from_the_log():
    whole, _none = parse_throughput(*read(NEW / "throughput.json"))
    printed, _none = parse_throughput_log(*read(NEW / "throughput.stdout"))

    assert whole == {
        "requests": 16.0,
        "duration_s": 3.516610218000096,
        "requests_per_s": 4.549836066022476,
        "total_tokens_per_s": 436.7842623381577,
    }
    assert printed == {
        "requests_per_s": 4.55,
        "total_tokens_per_s": 436.78,
        "output_tokens_per_s": 145.59,
        "input_tokens": 1024.0,
        "output_tokens": 512.0,
    }


def test_output_of_a_known_length_has_a_rate_of_its_own():
    path = NEW / "throughput.json"

    metrics, _none = parse_throughput(*read(path), output_tokens_each=32)

    assert metrics["output_tokens_per_s"] == pytest.approx(145.59475)
    assert (metrics["input_tokens"], metrics["output_tokens"]) == (1024.0, 512.0)
    with pytest.raises(ParseError, match="more than the 1536 tokens"):
        parse_throughput(*read(path), output_tokens_each=97)


def test_the_old_throughput_line_is_read():
    line = b"Throughput: 0.12 requests/s, 245.67 total tokens/s, 122.83 output tokens/s\n"

    assert parse_throughput_log("log", line)[0] == {
        "requests_per_s": 0.12,
        "total_tokens_per_s": 245.67,
        "output_tokens_per_s": 122.83,
    }


def test_latency_is_the_same_in_the_file_and_in_the_log():
    whole, _none = parse_latency(*read(NEW / "latency.json"))
    printed, _none = parse_latency_log(*read(NEW / "latency.stdout"))

    assert whole == {**printed, "iterations": 3.0}
    assert whole["batch_latency_mean_s"] == 1.56551874033327
    assert whole["batch_latency_p99_s"] == 1.7369237734597482
    assert set(whole) <= set(METRICS)


def test_a_latency_that_is_cut_off_is_refused():
    log = (NEW / "latency.stdout").read_bytes()

    with pytest.raises(ParseError, match="no 90, 99% percentile"):
        parse_latency_log("log", log[: log.index(b"90% percentile")])
    with pytest.raises(ParseError, match="no line 'Avg latency"):
        parse_latency_log("log", log[: log.index(b"Avg latency")])


def test_figures_after_an_unended_progress_bar_are_read():
    bar = "Profiling iterations:  90%|█████████ | 9/10 [00:07<00:00,  1.28it/s]".encode()
    latency, throughput = NEW / "latency.stdout", NEW / "throughput.stdout"
    alone = latency.read_bytes()

    mixed = alone.replace(b"Avg latency", b"\r" + bar + b"Avg latency")
    mixed = mixed.replace(b"99% percentile", bar + b"99% percentile")
    rates = throughput.read_bytes().replace(b"Throughput:", bar + b"Throughput:")

    assert mixed.count(bar) == 2 and bar in rates
    assert parse_latency_log("log", mixed) == parse_latency_log("log", alone)
    assert parse_throughput_log("log", rates) == parse_throughput_log(*read(throughput))


def test_metrics_of_the_benchmarks_have_a_better_direction():
    better = {name: METRICS[name].better for name in parse_served(*read(NEW_JSON)).metrics}

    assert better["output_tokens_per_s"] == "higher"
    assert better["ttft_p99_ms"] == better["latency_mean_s"] == "lower"


def test_times_of_single_requests_give_the_tool_s_own_means():
    run = parse_served(*read(NEW_JSON))

    assert (len(run.requests), run.first_tokens) == (run.completed, 32)
    for family, unit in (("ttft", "ms"), ("tpot", "ms"), ("latency", "s")):
        values = [getattr(row, f"{family}_{unit}") for row in run.requests]
        mean = sum(values) / len(values)
        assert mean == pytest.approx(run.metrics[f"{family}_mean_{unit}"], rel=1e-3)


def test_requests_of_the_older_tool_end_at_their_last_token():
    run, data = parse_served(*read(OLD_JSON)), json.loads(OLD_JSON.read_bytes())

    assert run.ends_at_last_token
    assert [row.ttft_ms / 1000 for row in run.requests] == pytest.approx(data["ttfts"])
    last = data["ttfts"][3] + sum(data["itls"][3])
    assert run.requests[3].latency_s == pytest.approx(last)
    assert run.requests[3].tpot_ms == pytest.approx(1000 * sum(data["itls"][3]) / 15)
    assert not parse_served(*read(NEW_JSON)).ends_at_last_token
