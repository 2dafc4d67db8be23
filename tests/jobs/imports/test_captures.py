"""Real outputs of real tools: what an import reads from them, and why it refuses the others."""

import json
import sqlite3
from contextlib import closing
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest

from jobs.imports import READERS, read_paths, recognise
from jobs.tools import foreign_imports
from jobs.tools.evalscope import perf_reading
from jobs.tools.guidellm import reading as guidellm_reading
from jobs.tools.imports import ImportRefusal, Reading, time_of_text, title_of
from jobs.tools.outputs import over_http_reading
from jobs.tools.vllm import reading as vllm_reading

DATA = Path(__file__).parents[2] / "data"
LIMIT = 100_000_000
# Folder -> readings as (tool, version, model, completed, failed).
TAKEN = {
    "vllm-0.7.2": [("vLLM benchmark_serving.py", "", "tok", 20, 0)],
    "vllm-0.32": [
        ("vLLM bench serve", "", "smollm2", 12, 0),
        ("vLLM bench throughput", "", "models/smollm2-hf", 16, 0),
        ("vLLM bench latency", "", "models/smollm2-hf", None, None),
    ],
    "guidellm-0.8": [("guidellm", "0.8.1", "smollm2", 20, 0)],
    "aiperf-0.13": [("AIPerf", "0.13.0", "smollm2", 20, 0)],
    "evalscope-1.14-perf/capture": [("evalscope perf", "", "smollm2", 20, 0)],
    "evalscope-1.14-eval/capture": [("evalscope eval", "1.14.1", "smollm2", 20, None)],
    "evalscope-1.14-hub": [("evalscope eval", "", "model", 8, None)],
    "lm-eval-0.4": [("lm-eval", "0.4.13", "smollm2", 20, None)],
    "opencompass-0.4.1": [("OpenCompass", "", "deepseek-r1-va16", 61, None)],
    "opencompass-0.5.4": [("OpenCompass", "", "smollm2-q8", 40, None)],
}


@cache
def read(path: str) -> tuple[tuple[Reading, ...], tuple[ImportRefusal, ...]]:
    found = recognise(read_paths([DATA / path], limit_bytes=LIMIT))
    return found.readings, found.refusals


def one(path: str) -> Reading:
    readings, refusals = read(path)
    assert refusals == ()
    (reading,) = readings
    return reading


def reason(path: str) -> str:
    readings, refusals = read(path)
    assert readings == ()
    return refusals[0].reason.id


def raw(path: str) -> dict:
    return json.loads((DATA / path).read_text())


def metric(reading: Reading, name: str) -> float:
    return reading.measured.metrics[name]


@pytest.mark.parametrize("folder", TAKEN)
def test_each_folder_has_its_tool_model_and_counts(folder):
    readings, _refusals = read(folder)

    found = []
    for one in readings:
        metrics = one.measured.metrics
        failed = metrics.get("failed_requests", 0 if "requests" in metrics else None)
        completed = metrics.get("requests", metrics.get("questions"))
        found.append((one.tool, one.version, one.model, completed, failed))
    assert found == TAKEN[folder]


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        (
            "vllm-0.7.2/benchmark_serving_ok.json",
            {
                "output_tokens_per_s": ("output_throughput", 1),
                "total_tokens_per_s": ("total_token_throughput", 1),
                "requests_per_s": ("request_throughput", 1),
                "goodput_requests_per_s": ("request_goodput:", 1),
                "duration_s": ("duration", 1),
                "input_tokens": ("total_input_tokens", 1),
                "output_tokens": ("total_output_tokens", 1),
                "ttft_p99_ms": ("p99_ttft_ms", 1),
                "tpot_mean_ms": ("mean_tpot_ms", 1),
                "itl_p50_ms": ("median_itl_ms", 1),
                "latency_p90_s": ("p90_e2el_ms", 0.001),
            },
        ),
        (
            "vllm-0.32/bench/serve_random_chat.json",
            {
                "output_tokens_per_s": ("output_throughput", 1),
                "peak_output_tokens_per_s": ("max_output_tokens_per_s", 1),
                "peak_requests": ("max_concurrent_requests", 1),
                "ttft_p50_ms": ("median_ttft_ms", 1),
                "ttft_std_ms": ("std_ttft_ms", 1),
                "tpot_p90_ms": ("p90_tpot_ms", 1),
                "latency_mean_s": ("mean_e2el_ms", 0.001),
            },
        ),
        (
            "vllm-0.32/bench/throughput.json",
            {
                "total_tokens_per_s": ("tokens_per_second", 1),
                "requests_per_s": ("requests_per_second", 1),
                "duration_s": ("elapsed_time", 1),
            },
        ),
        ("vllm-0.32/bench/latency.json", {"batch_latency_mean_s": ("avg_latency", 1)}),
        (
            "evalscope-1.14-perf/capture/parallel_4_number_20/benchmark_summary.json",
            {
                "output_tokens_per_s": ("Output Throughput (tok/s)", 1),
                "total_tokens_per_s": ("Total Throughput (tok/s)", 1),
                "ttft_mean_ms": ("Avg TTFT (ms)", 1),
                "tpot_mean_ms": ("Avg TPOT (ms)", 1),
                "itl_mean_ms": ("Avg ITL (ms)", 1),
                "latency_mean_s": ("Avg Latency (s)", 1),
                "engine_prefix_hits": ("KV Cache Hit Rate (%)", 0.01),
            },
        ),
    ],
)
def test_figures_are_those_of_the_file(path, keys):
    reading, data = one(path), raw(path)

    assert {name: metric(reading, name) for name in keys} == {
        name: data[key] * factor if factor != 1 else data[key]
        for name, (key, factor) in keys.items()
    }


def test_aiperf_gives_its_exact_figures():
    reading, data = one("aiperf-0.13"), raw("aiperf-0.13/profile_export_aiperf.json")

    assert metric(reading, "output_tokens_per_s") == data["output_token_throughput"]["avg"]
    assert metric(reading, "total_tokens_per_s") == data["total_token_throughput"]["avg"]
    assert metric(reading, "ttft_p99_ms") == data["time_to_first_token"]["p99"]
    # Its inter-token latency is a mean of each request: our TPOT.
    assert metric(reading, "tpot_p50_ms") == data["inter_token_latency"]["p50"]
    assert metric(reading, "itl_mean_ms") == data["inter_chunk_latency"]["avg"]
    assert metric(reading, "latency_p90_s") == data["request_latency"]["p90"] / 1000
    assert reading.asked == {"input_tokens": 50, "output_tokens": 32}
    assert reading.measured.what == "synthetic 50 → 32 tok"
    assert [concurrency for concurrency, _metrics in reading.measured.points] == [4]
    assert metric(reading, "concurrency") == 4


def test_guidellm_gives_its_exact_figures():
    reading = one("guidellm-0.8")
    run = raw("guidellm-0.8/out.json")["benchmarks"][0]
    rates = run["metrics"]["output_tokens_per_second"]["successful"]
    first = run["metrics"]["time_to_first_token_ms"]["successful"]

    assert metric(reading, "output_tokens_per_s") == rates["mean"]
    assert metric(reading, "ttft_p90_ms") == first["percentiles"]["p90"]
    assert metric(reading, "duration_s") == run["duration"]


def test_percentiles_come_from_the_file_beside_the_summary():
    folder = "evalscope-1.14-perf/capture/parallel_4_number_20"
    rows = {row["Percentiles"]: row for row in raw(f"{folder}/benchmark_percentile.json")}

    with_them, alone = one(folder), one(f"{folder}/benchmark_summary.json")

    assert metric(with_them, "ttft_p99_ms") == rows["99%"]["TTFT (ms)"]
    assert metric(with_them, "tpot_p90_ms") == rows["90%"]["TPOT (ms)"]
    assert metric(with_them, "itl_p99_ms") == rows["99%"]["ITL (ms)"]
    assert metric(with_them, "latency_p50_s") == rows["50%"]["Latency (s)"]
    assert with_them.measured.what == "random 40–60 → 32 tok"
    assert with_them.asked == {"input_tokens": 50, "output_tokens": 32}
    assert "ttft_p99_ms" not in alone.measured.metrics
    assert "import:no_percentiles" in {remark.id for remark in alone.measured.remarks}


def test_each_concurrency_of_evalscope_is_a_point():
    reading = one("evalscope-1.14-perf/levels/perf/run")

    assert [concurrency for concurrency, _metrics in reading.measured.points] == [1, 2, 4]


def test_many_sets_are_a_title_of_whole_names():
    measured = one("opencompass-0.4.1-details").measured
    what, names = measured.what, [each.dataset for each in measured.sets]

    shown, _more, rest = what.removesuffix(" more").rpartition(" + ")
    assert what.endswith(" more")
    assert shown.split(", ") == names[: len(names) - int(rest)]
    assert 100 < len(what) <= 200
    assert title_of(["a", "b"], " + ") == "a + b"
    assert title_of(f"s{n}" for n in range(12)).endswith(", s9 + 2 more")
    assert title_of(["x" * 300]) == "x" * 300


def test_a_work_folder_of_opencompass_has_its_answers():
    reading = one("opencompass-0.4.1")

    scores = {each.dataset: (each.value, each.questions) for each in reading.measured.sets}
    assert scores == {
        "cluewsc-dev": (50.0, 20),
        "cluewsc-test": (69.6969696969697, 33),
        "math-500": (0.0, 8),
    }
    assert len(reading.measured.answers) == 61
    assert metric(reading, "accuracy") == pytest.approx((10 + 23) / 61)
    assert metric(reading, "accuracy_macro") == pytest.approx((0.5 + 23 / 33) / 3)
    assert metric(reading, "accuracy_weighted") == metric(reading, "accuracy")


def test_a_table_alone_has_no_number_of_questions():
    folder = "opencompass-0.4.1/20261124_140927/summary/summary_20261124_140927"
    readings = [one(f"{folder}{ending}") for ending in (".csv", ".md", ".txt")]

    for reading in readings:
        assert dict(reading.measured.metrics) == {
            "accuracy_macro": pytest.approx((50.0 + 69.7 + 0) / 300)
        }
        assert [each.questions for each in reading.measured.sets] == [None, None, None]
        assert {remark.id for remark in reading.measured.remarks} == {"import:macro_only"}


def test_scores_other_than_accuracy_are_left_out_of_the_means():
    reading = one("evalscope-1.14-eval/capture")

    assert metric(reading, "accuracy") == 0.05
    assert metric(reading, "questions") == 20
    assert [(each.dataset, each.metric, each.questions) for each in reading.measured.sets] == [
        ("general_mcq", "accuracy", 20),
        ("general_qa", "bleu", 20),
    ]
    assert reading.measured.remarks[0].args == {"sets": "general_qa (bleu)"}


def test_answers_of_lm_eval_come_from_its_samples():
    reading = one("lm-eval-0.4")
    first = reading.measured.answers[0]

    assert metric(reading, "accuracy") == 0.25
    assert sum(row["score"] for row in reading.measured.answers) == 5
    shown = [first[name] for name in ("expected", "answer", "extracted", "score")]
    assert shown == ["A", "B. Rome", "B", 0.0]
    assert first["question"].startswith("What is the capital of France?")
    assert reading.measured.sets[0].mode == "exact_match,letter"


def test_printed_output_counts_where_no_file_was_written():
    reading = one("vllm-0.7.2/benchmark_serving_no_result_dir.txt")

    assert reading.tool == "vLLM benchmark_serving.py"
    assert metric(reading, "output_tokens_per_s") == 410.10
    assert [concurrency for concurrency, _metrics in reading.measured.points] == [5]
    assert {"import:printed", "import:unlimited"} <= {one.id for one in reading.measured.remarks}


def test_a_log_names_the_version_that_a_file_lacks():
    log, file = one("vllm-0.32/bench/throughput.stdout"), one("vllm-0.32/bench/throughput.json")

    assert (log.version, file.version) == ("0.32.0", "")
    assert metric(log, "output_tokens_per_s") == 145.59
    assert one("vllm-0.32/bench/latency.stdout").version == "0.32.0"


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("vllm-0.32/bench/serve_fail.json", "benchmark:no_request"),
        ("vllm-0.32/bench/serve_fail_conn.stdout", "benchmark:no_request"),
        ("vllm-0.32/bench/serve_fail_model.stdout", "benchmark:no_request"),
        ("vllm-0.32/bench/serve_sonnet.stderr", "import:no_figures"),
        ("vllm-0.32/bench/throughput_assert_crash.stderr", "import:no_figures"),
        ("vllm-0.7.2/benchmark_serving_as_in_the_guide_fails.txt", "import:no_figures"),
        ("vllm-0.7.2/benchmark_serving_server_down.txt", "import:no_figures"),
        ("vllm-0.32/vllm_serve.log", "import:server_log"),
        ("vllm-0.32/vllm_metrics.txt", "import:counters"),
        ("vllm-0.32/vllm_chat_reasoning.json", "import:answer"),
        ("vllm-0.32/vllm_models.json", "import:server_state"),
        ("vllm-0.32/vllm_version.json", "import:unknown"),
        ("aiperf-0.13/profile_export.jsonl", "import:aiperf_requests"),
        ("aiperf-0.13/profile_export_aiperf.csv", "import:aiperf_rounded"),
        ("aiperf-0.13/profile_export_console.txt", "import:aiperf_rounded"),
        ("aiperf-0.13/server_metrics_export.json", "import:aiperf_server"),
        ("aiperf-0.13/stdout.txt", "import:aiperf_rounded"),
        ("evalscope-1.14-perf/capture/performance_summary.txt", "import:evalscope_rounded"),
        (
            "evalscope-1.14-perf/capture/parallel_4_number_20/benchmark_args.json",
            "import:evalscope_beside",
        ),
        ("guidellm-0.8/stdout.txt", "import:guidellm_console"),
        ("lm-eval-0.4/gen_stdout.txt", "import:lm_eval_console"),
        (
            "lm-eval-0.4/samples_basic_gen_2026-11-24T14-16-53.395895.jsonl",
            "import:lm_eval_samples",
        ),
        ("llama.cpp/quantise.log", "import:quantise_log"),
        ("llama.cpp/xllamacpp_chat.json", "import:answer"),
        ("llama.cpp/xllamacpp_props.json", "import:server_state"),
        ("llama.cpp/xllamacpp_slots.json", "import:server_state"),
        ("llama.cpp/xllamacpp_server_bench.log", "import:server_log"),
        ("host/llama_cpp_metrics.txt", "import:counters"),
        ("opencompass-0.4.1/console/dry_missing.txt", "import:opencompass_log"),
        ("opencompass-0.4.1/console/run_fail.txt", "import:no_scores"),
        ("opencompass-0.5.4-failed", "import:no_score"),
    ],
)
def test_a_file_without_a_result_has_its_reason(path, wanted):
    assert reason(path) == wanted


def test_a_failed_run_names_its_last_error():
    _readings, (evaluation,) = read("opencompass-0.5.4-failed")
    _readings, (benchmark,) = read("vllm-0.7.2/benchmark_serving_server_down.txt")

    assert evaluation.reason.args["sets"] == "basic_mcq, basic_qa"
    assert evaluation.reason.args["line"].startswith("requests.exceptions.ConnectionError")
    assert "Cannot connect to host localhost:9" in benchmark.reason.args["line"]


def test_files_at_other_concurrencies_are_one_curve():
    path = "vllm-0.32/bench/serve_random_chat.json"
    content = (DATA / path).read_bytes()
    at_8 = json.dumps(json.loads(content) | {"max_concurrency": 8}).encode()
    longer = json.dumps(
        json.loads(content) | {"max_concurrency": 2, "total_input_tokens": 99_999}
    ).encode()

    found = recognise({"a.json": content, "b.json": at_8, "c.json": longer})

    assert [one.sources for one in found.readings] == [("a.json", "b.json"), ("c.json",)]
    assert [c for c, _metrics in found.readings[0].measured.points] == [4, 8]


def test_every_reader_is_used_by_a_capture():
    tools = {one.tool for folder in TAKEN for one in read(folder)[0]}

    missing = {reader.tool for reader in READERS if not reader.is_fallback} - tools
    assert missing == set()


@pytest.mark.parametrize(
    ("folder", "at"),
    [
        ("vllm-0.7.2/benchmark_serving_ok.json", "2026-11-24 14:11:14"),
        ("vllm-0.32/bench/serve_random_chat.json", "2026-11-24 14:"),
        ("guidellm-0.8", "2026-11-24 14:15:26"),
        ("aiperf-0.13", "2026-11-24 14:16:24"),
        ("lm-eval-0.4", "2026-11-24 14:16:48"),
        ("opencompass-0.4.1", "2026-11-24 14:09:27"),
        ("opencompass-0.5.4", "2026-11-24 14:20:27"),
    ],
)
def test_the_date_of_a_measurement_is_in_its_file(folder, at):
    assert one(folder).at.strftime("%Y-%m-%d %H:%M:%S").startswith(at)


def test_the_date_of_evalscope_is_in_its_log_or_its_folder():
    folder = "evalscope-1.14-perf/capture/parallel_4_number_20"
    summary = (DATA / folder / "benchmark_summary.json").read_bytes()
    log = b"2026-11-24 14:14:34 - evalscope - INFO: Starting benchmark\n"

    (logged,) = recognise({"r/benchmark_summary.json": summary, "r/benchmark.log": log}).readings
    (named,) = recognise({"outputs/20261124_141434/r/benchmark_summary.json": summary}).readings

    assert one(folder).at is None
    assert str(logged.at) == str(named.at) == "2026-11-24 14:14:34"


@pytest.mark.parametrize("date", ["yesterday", 5, None, "20269924-141114", "9999-01-01", 1e300])
def test_a_date_that_is_none_is_unknown(date):
    data = raw("vllm-0.7.2/benchmark_serving_ok.json") | {"date": date}

    (reading,) = recognise({"a.json": json.dumps(data).encode()}).readings

    assert reading.at is None


@pytest.mark.parametrize(
    "text",
    [
        "outputs/20261124_141114/20261125_101010/x",
        "20261124_141114-20261125_101010",
        "run-20261125-101010",
    ],
)
def test_the_last_stamp_of_a_name_counts(text):
    assert time_of_text(text) == datetime(2026, 11, 25, 10, 10, 10)


def test_half_a_character_is_no_date():
    assert time_of_text("2026-\ud800") is None


@pytest.mark.parametrize("path", ["guidellm-0.8", "aiperf-0.13"])  # vLLM's: test_vllm_bench.py
def test_single_requests_have_the_mean_of_the_file(path):
    reading = next(each for each in read(path)[0] if each.measured.points)

    ((_concurrency, times),) = reading.measured.requests.items()
    mean = sum(row.ttft_ms for row in times) / len(times)
    assert len(times) == metric(reading, "requests")
    assert mean == pytest.approx(metric(reading, "ttft_mean_ms"))
    assert all(row.tpot_ms > 0 and row.latency_s > row.ttft_ms / 1000 for row in times)


def test_requests_of_aiperf_come_from_the_file_beside_the_export():
    reading = one("aiperf-0.13")
    alone = one("aiperf-0.13/profile_export_aiperf.json")

    assert "aiperf-0.13/profile_export.jsonl" in reading.companions
    assert alone.measured.requests == {}
    ((_, times),) = reading.measured.requests.items()
    latency = sum(row.latency_s for row in times) / len(times)
    assert latency == pytest.approx(metric(reading, "latency_mean_s"))


def base(rows: list[tuple[object, ...]], other: str = "") -> bytes:
    """A database of EvalScope's requests, with columns of 1.14; or one with ``other``."""
    with closing(sqlite3.connect(":memory:")) as made:
        columns = "success, first_chunk_latency, time_per_output_token, latency, completion_tokens"
        made.execute(f"CREATE {other}" if other else f"CREATE TABLE result ({columns})")
        if rows:
            made.executemany("INSERT INTO result VALUES (?, ?, ?, ?, ?)", rows)
        made.commit()
        return made.serialize()


def with_base(content: bytes) -> Reading:
    folder = DATA / "evalscope-1.14-perf/capture/parallel_4_number_20"
    files = {f"r/{file.name}": file.read_bytes() for file in folder.iterdir()}
    (reading,) = recognise({**files, "r/benchmark_data.db": content}).readings
    return reading


def test_requests_of_evalscope_come_from_its_database():
    reading = with_base(base([(1, 0.2, 0.05, 1.8, 32)] * 19 + [(1, 0.4, 0, 0.4, 1), (0,) * 5]))

    times = reading.measured.requests[4]
    assert (len(times), times[0]) == (20, (200.0, 50.0, 1.8))
    assert times[-1] == (400.0, None, 0.4)
    assert "r/benchmark_data.db" in reading.companions


@pytest.mark.parametrize(
    "content",
    [
        base([(1, 0.2, 0.05, 1.8, 32)] * 7),  # a part
        base([(1, -0.2, 0.05, 1.8, 32)] * 20),
        base([(1, "fast", 0.05, 1.8, 32)] * 20),
        base([], "TABLE result (a, b, c, d, e)"),
        base([], "VIEW result AS SELECT 1 AS success"),
        base(
            [(1, 0, 0.05, 1.8, 32)] * 20,
            "TABLE result (success, other, time_per_output_token, latency, completion_tokens, "
            "first_chunk_latency AS (length(zeroblob(9))))",
        ),
        base(
            [(1, 0.2, 0.05, 1.8, 32)] * 20,
            "VIRTUAL TABLE result USING fts5 (success, first_chunk_latency, "
            "time_per_output_token, latency, completion_tokens)",
        ),
        base([(1, 0.2, 0.05, 1.8, 32)] * 20)[:4096],
        b"SQLite format 3\x00" + b"\xff" * 5000,
    ],
    ids=["part", "negative", "text", "other", "view", "generated", "virtual", "cut", "noise"],
)
def test_a_damaged_database_is_named_and_the_figures_taken(content):
    reading = with_base(content)

    assert reading.measured.requests == {}
    assert metric(reading, "output_tokens_per_s") == 65.6837
    (remark,) = [each for each in reading.measured.remarks if each.id.startswith("figures:")]
    assert remark.id in ("figures:no_requests", "figures:other_requests")


def test_a_long_value_in_a_database_is_not_read(monkeypatch):
    monkeypatch.setattr(perf_reading, "_LONGEST_VALUE", 100_000)

    reading = with_base(base([(1, 0.2, 0.05, 1.8, "x" * 100_001)] * 20))

    (remark,) = [each for each in reading.measured.remarks if each.id == "figures:no_requests"]
    assert "too big" in remark.args["reason"]


def test_a_database_that_takes_too_long_is_stopped(monkeypatch):
    monkeypatch.setattr(perf_reading, "_MOST_S", 0.0)

    times, (damage,) = perf_reading.requests_of("a.db", base([(1, 0.2, 0.05, 1.8, 32)] * 2000))

    assert times == []
    assert "interrupted" in damage.args["reason"]


@pytest.mark.parametrize(
    "path", ["", "vllm-0.7.2/benchmark_serving_ok.json", "guidellm-0.8", "aiperf-0.13"]
)
def test_of_too_many_requests_none_is_taken(monkeypatch, path):
    readings = (foreign_imports, guidellm_reading, perf_reading, vllm_reading)
    for module in (over_http_reading, *readings):
        monkeypatch.setattr(module, "MOST_REQUESTS", 19)  # a capture has 20

    if path:
        files = read_paths([DATA / path], limit_bytes=LIMIT)
        reading = next(one for one in recognise(files).readings if one.measured.points)
    else:
        reading = with_base(base([(1, 0.2, 0.05, 1.8, 32)] * 20))

    assert reading.measured.requests == {}
    assert "figures:many_requests" in [each.id for each in reading.measured.remarks]
