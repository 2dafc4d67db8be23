"""Real files of EvalScope."""

import json

import pytest

from jobs.base.errors import ParseError
from jobs.tools.evalscope import eval_reading, perf_reading
from tests.jobs.lib.target import DATA, files_below

PERF, EVAL = DATA / "evalscope-1.14-perf", DATA / "evalscope-1.14-eval"
SUMMARY = "parallel_4_number_20/benchmark_summary.json"
PERCENTILES = "parallel_4_number_20/benchmark_percentile.json"


def test_points_come_by_concurrency_whatever_the_order_of_files():
    files = files_below(PERF / "levels")

    points = perf_reading.parse(dict(reversed(list(files.items()))))

    assert [point.concurrency for point in points] == [1, 2, 4]


def test_whole_answers_have_no_time_per_token():
    files = files_below(PERF / "capture")
    summary = json.loads(files[SUMMARY])
    summary |= {"Stream Requests": 0, "Non-Stream Requests": 20, "Avg TPOT (ms)": 0.0}
    files[SUMMARY] = json.dumps(summary).encode()

    (point,) = perf_reading.parse(files)

    assert not [name for name in point.metrics if name.startswith(("ttft", "tpot", "itl"))]
    assert point.metrics["output_tokens_per_s"] == 65.6837
    assert point.metrics["latency_p50_s"] == 1.8672


def test_where_every_request_failed_there_is_no_speed():
    points = perf_reading.parse(files_below(PERF / "nobody"))

    assert [(point.completed, point.failed) for point in points] == [(0, 3), (0, 3)]
    assert set(points[0].metrics) == {"concurrency", "requests", "failed_requests", "duration_s"}


def test_reports_say_what_was_asked_and_what_got_no_answer():
    reports = eval_reading.parse(files_below(EVAL / "nobody")).reports

    assert [(r.benchmark, r.score, r.requested, r.errored) for r in reports] == [
        ("choice_letters", None, 1, 1),
        ("short_answers", None, 9, 9),
    ]


def test_our_sum_over_the_questions_is_evalscope_s_score():
    evaluation = eval_reading.parse(files_below(EVAL / "limit16"))

    for report in evaluation.reports:
        scores = [row.score for row in evaluation.scored if row.benchmark == report.benchmark]
        assert len(scores) == report.requested
        assert sum(scores) / len(scores) == pytest.approx(report.score, abs=1e-4)
    # A subset may have underscores in its name.
    assert {row.subset for row in evaluation.scored} == {"choice_en", "short_en", "short_zh"}


def test_questions_come_in_the_order_in_which_they_were_asked():
    files = files_below(EVAL / "limit16")
    path = "eval/reviews/model/short_answers_short_en.jsonl"
    files[path] = b"".join(reversed(files[path].splitlines(keepends=True)))

    rows = eval_reading.parse(files).scored

    asked = [row.index for row in rows if row.subset == "short_en"]
    assert asked == sorted(asked) and len(asked) > 5


@pytest.mark.parametrize(
    ("score", "value"), [({"main_score_name": "acc"}, 1.0), ({"status": "excluded"}, None)]
)
def test_a_review_without_our_metadata_is_read_too(score, value):
    line = {
        "index": 0,
        "target": "4",
        "messages": [{"role": "user", "content": "2 + 2?"}],
        "sample_score": {"score": {"value": {"acc": 1.0}, "prediction": "4", **score}},
    }
    files = files_below(EVAL / "capture")
    files["reviews/smollm2/general_qa_x.jsonl"] = json.dumps(line).encode()

    (row,) = eval_reading.parse(files).scored

    assert (row.question, row.expected, row.answer, row.score) == ("2 + 2?", "4", "4", value)


# A name of benchmark_summary.json from 0.16 to 1.5, one since 1.9, ours, and the value of one run.
SUMMARIES = (
    ("Time taken for tests (s)", "Test Duration (s)", "duration_s", 9.3783),
    ("Number of concurrency", "Concurrency", "concurrency", 4),
    ("Succeed requests", "Success Requests", "requests", 19),
    ("Failed requests", "Failed Requests", "failed_requests", 1),
    ("Request throughput (req/s)", "Req Throughput (req/s)", "requests_per_s", 2.026),
    (
        "Output token throughput (tok/s)",
        "Output Throughput (tok/s)",
        "output_tokens_per_s",
        62.3995,
    ),
    ("Total token throughput (tok/s)", "Total Throughput (tok/s)", "total_tokens_per_s", 163.0897),
    ("Average latency (s)", "Avg Latency (s)", "latency_mean_s", 1.8177),
    ("Average input tokens per request", "Avg Input Tokens", "input_tokens_mean", 49.7),
    ("Average output tokens per request", "Avg Output Tokens", "output_tokens_mean", 30.8),
)
TIMES_MS = {"TTFT (ms)": 359.28, "TPOT (ms)": 49.22, "ITL (ms)": 47.8}
OLD_SUMMARY = {
    **{old: value for old, _new, _ours, value in SUMMARIES},
    "Average time to first token (s)": 0.35928,
    "Average time per output token (s)": 0.04922,
    "Average inter-token latency (s)": 0.0478,
}
MIDDLE_SUMMARY = {new: value for _old, new, _ours, value in SUMMARIES} | TIMES_MS
NEW_SUMMARY = {f"Avg {name}" if name in TIMES_MS else name: v for name, v in MIDDLE_SUMMARY.items()}


@pytest.mark.parametrize(
    "summary", [OLD_SUMMARY, MIDDLE_SUMMARY, NEW_SUMMARY], ids=["0.16 to 1.5", "1.9", "1.14"]
)
def test_each_generation_of_a_summary_says_the_same(summary):
    (point,) = perf_reading.parse({SUMMARY: json.dumps(summary).encode()})

    assert (point.concurrency, point.completed, point.failed) == (4, 19, 1)
    ours = {name: value for _old, _new, name, value in SUMMARIES}
    times = {"ttft_mean_ms": 359.28, "tpot_mean_ms": 49.22, "itl_mean_ms": 47.8}
    assert point.metrics == pytest.approx(ours | times)


def test_percentiles_in_seconds_become_milliseconds():
    rows = [
        {"Percentiles": "50%", "TTFT (s)": 0.336, "ITL (s)": 0.048, "Latency (s)": 1.867},
        {"Percentiles": "95%", "TTFT (s)": 0.5, "ITL (s)": 0.06, "Latency (s)": 1.9},
    ]
    columns = {name: [row[name] for row in rows] for name in rows[0]}

    for content in (rows, columns):
        files = {SUMMARY: json.dumps(OLD_SUMMARY).encode()}
        files[PERCENTILES] = json.dumps(content).encode()
        (point,) = perf_reading.parse(files)
        assert point.metrics["ttft_p50_ms"] == 336.0
        assert point.metrics["itl_p95_ms"] == 60.0
        assert point.metrics["latency_p50_s"] == 1.867


def without(data, *names):
    return {key: value for key, value in data.items() if key not in names}


@pytest.mark.parametrize(
    ("summary", "percentiles", "says"),
    [
        (b"{", None, "not JSON"),
        (b"[]", None, "JSON object"),
        (b"{}", None, "not a summary"),
        (b'{"Success Requests": "20", "Failed Requests": 0}', None, "not a number"),
        (without(OLD_SUMMARY, "Number of concurrency"), None, "not a summary"),
        (without(OLD_SUMMARY, "Time taken for tests (s)"), None, "not a summary"),
        (without(NEW_SUMMARY, "Output Throughput (tok/s)"), None, "no known output throughput"),
        (OLD_SUMMARY, {}, "does not hold percentiles"),
        (OLD_SUMMARY, {"a": [1]}, "does not hold percentiles"),
        (
            OLD_SUMMARY,
            {"Percentiles": ["50%", "90%"], "TTFT (s)": [0.3]},
            "columns differ in length",
        ),
        (OLD_SUMMARY, "x", "does not hold a list"),
    ],
)
def test_damaged_and_foreign_files_are_refused(summary, percentiles, says):
    files = {SUMMARY: summary if isinstance(summary, bytes) else json.dumps(summary).encode()}
    if percentiles is not None:
        files[PERCENTILES] = json.dumps(percentiles).encode()

    with pytest.raises(ParseError, match=says):
        perf_reading.parse(files)


# A report of 0.16 to 1.9: the score is at the top, metrics have a plain name, nothing says what
# failed.
OLD_REPORT = {
    "name": "DeepSeek-R1@math_500",
    "dataset_name": "math_500",
    "dataset_pretty_name": "MATH-500",
    "model_name": "DeepSeek-R1",
    "score": 0.9671,
    "metrics": [
        {
            "name": "AveragePass@1",
            "num": 243,
            "score": 0.9671,
            "macro_score": 0.97,
            "categories": [
                {
                    "name": ["default"],
                    "num": 243,
                    "score": 0.9671,
                    "macro_score": 0.97,
                    "subsets": [
                        {"name": "Level 1", "score": 0.9767, "num": 43},
                        {"name": "Level 2", "score": 0.965, "num": 200},
                    ],
                }
            ],
        }
    ],
    "analysis": "N/A",
}


def report_of(data):
    (report,) = eval_reading.parse({"reports/m/x.json": json.dumps(data).encode()}).reports
    return report


def test_an_older_report_has_its_score_at_the_top():
    report = report_of(OLD_REPORT)

    assert (report.benchmark, report.metric, report.score) == ("math_500", "AveragePass@1", 0.9671)
    assert (report.requested, report.errored) == (243, None)
    assert report.subsets == {"Level 1": (43, 0.9767), "Level 2": (200, 0.965)}
    uncounted = {"metrics": [without(OLD_REPORT["metrics"][0], "num")]}
    assert report_of(OLD_REPORT | uncounted).requested == 243
    assert report_of(OLD_REPORT | {"metrics": [], "score": 0.0}).score is None


def test_subsets_of_the_new_report_are_read_without_sums():
    path = EVAL / "limit16/eval/reports/model/short_answers.json"
    data = json.loads(path.read_bytes())
    total = {"name": "OVERALL", "num": 13, "score": 0.6154, "is_aggregate": True}
    data["metrics"][0]["categories"][0]["subsets"].append(total)

    assert report_of(data).subsets == {"short_en": (11, 0.7273), "short_zh": (2, 0.0)}


REPORT, REVIEW = "reports/smollm2/general_qa.json", "reviews/smollm2/general_qa_x.jsonl"


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("reviews/smollm2/other_x.jsonl", b"{}"),
        (REVIEW, b'{"index": 0}'),
        (REVIEW, b"\xff"),
        (REPORT, b'{"metrics": []}'),
        (REPORT, b"{}"),
        (REPORT, b"[]"),
        (REPORT, without(OLD_REPORT, "score")),
        (REPORT, without(OLD_REPORT, "metrics")),
        (REPORT, OLD_REPORT | {"metrics": [{"score": 0.5}]}),
        (REPORT, OLD_REPORT | {"score": "high"}),
    ],
)
def test_reviews_and_reports_of_another_version_are_refused(path, content):
    content = content if isinstance(content, bytes) else json.dumps(content).encode()

    with pytest.raises(ParseError):
        eval_reading.parse({**files_below(EVAL / "capture"), path: content})
    with pytest.raises(ParseError, match="wrote no report"):
        eval_reading.parse({})


def test_when_each_concurrency_began_is_read_of_a_real_run():
    windows = (PERF / "cold" / "windows.jsonl").read_bytes()

    assert perf_reading.began(windows) == {1: 1795756826.1403234, 2: 1795756828.5275526}
    assert (
        perf_reading.began(b'{"began": 1}\nnone\n[]\n{"concurrency": 1, "began": Infinity}') == {}
    )


def test_prompts_that_the_server_says_it_had_cached_are_hits():
    files = files_below(PERF / "cold")
    path = next(
        path for path in files if path.endswith("parallel_2_number_3/benchmark_summary.json")
    )
    summary = json.loads(files[path]) | {"KV Cache Hit Rate (%)": 12.5}

    cold, warm = (
        perf_reading.parse(files | more)[1].metrics
        for more in ({}, {path: json.dumps(summary).encode()})
    )

    assert "engine_prefix_hits" not in cold  # 0 is also what a server without such a figure gets
    assert warm["engine_prefix_hits"] == 0.125
