"""EvalScope's files, as it really wrote them."""

from __future__ import annotations

import json

import pytest

from jobs.errors import ParseError
from jobs.parsers import evalscope_eval, evalscope_perf
from tests.jobs.target import DATA, files_below

PERF, EVAL = DATA / "evalscope-1.14-perf", DATA / "evalscope-1.14-eval"
SUMMARY = "parallel_4_number_20/benchmark_summary.json"
PERCENTILES = "parallel_4_number_20/benchmark_percentile.json"


def test_a_point_has_rates_means_and_percentiles():
    (point,) = evalscope_perf.parse(files_below(PERF / "capture"))

    assert (point.concurrency, point.completed, point.failed) == (4, 20, 0)
    wanted = {
        "output_tokens_per_s": 65.6837,
        "total_tokens_per_s": 171.6734,
        "requests_per_s": 2.1326,
        "ttft_mean_ms": 359.28,
        "ttft_p50_ms": 336.0685,
        "ttft_p99_ms": 678.0928,
        "tpot_p90_ms": 52.8842,
        "itl_p99_ms": 201.5015,
        "latency_p50_s": 1.8672,
        "duration_s": 9.3783,
    }
    assert {name: point.metrics[name] for name in wanted} == wanted


def test_points_come_by_concurrency_whatever_the_order_of_files():
    files = files_below(PERF / "levels")

    points = evalscope_perf.parse(dict(reversed(list(files.items()))))

    assert [point.concurrency for point in points] == [1, 2, 4]


def test_a_point_without_percentiles_keeps_its_means():
    files = files_below(PERF / "capture")
    del files[PERCENTILES]

    (point,) = evalscope_perf.parse(files)

    assert "ttft_p50_ms" not in point.metrics
    assert point.metrics["ttft_mean_ms"] == 359.28


def test_where_every_request_failed_there_is_no_speed():
    points = evalscope_perf.parse(files_below(PERF / "nobody"))

    assert [(point.completed, point.failed) for point in points] == [(0, 3), (0, 3)]
    assert set(points[0].metrics) == {"concurrency", "requests", "failed_requests", "duration_s"}


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (SUMMARY, b"{"),
        (SUMMARY, b"[]"),
        (SUMMARY, b"{}"),
        (SUMMARY, b'{"Success Requests": "20", "Failed Requests": 0}'),
        (PERCENTILES, b"{}"),
    ],
)
def test_another_tool_s_files_are_refused(path, content):
    with pytest.raises(ParseError):
        evalscope_perf.parse({**files_below(PERF / "capture"), path: content})


def test_reports_say_what_was_asked_and_what_got_no_answer():
    reports = evalscope_eval.parse(files_below(EVAL / "nobody")).reports

    assert [(r.benchmark, r.score, r.requested, r.errored) for r in reports] == [
        ("choice_letters", None, 1, 1),
        ("short_answers", None, 9, 9),
    ]


def test_the_reports_of_evalscope_s_own_benchmarks_are_read():
    reports = evalscope_eval.parse(files_below(EVAL / "capture")).reports

    assert [(r.benchmark, r.metric, r.score) for r in reports] == [
        ("general_mcq", "accuracy", 0.05),
        ("general_qa", "bleu", reports[1].score),
    ]


def test_our_sum_over_the_questions_is_evalscope_s_score():
    evaluation = evalscope_eval.parse(files_below(EVAL / "limit16"))

    for report in evaluation.reports:
        scores = [row.score for row in evaluation.scored if row.benchmark == report.benchmark]
        assert len(scores) == report.requested
        assert sum(scores) / len(scores) == pytest.approx(report.score, abs=1e-4)


def test_a_subset_may_have_underscores_in_its_name():
    evaluation = evalscope_eval.parse(files_below(EVAL / "limit16"))

    assert {row.subset for row in evaluation.scored} == {"choice_en", "short_en", "short_zh"}


def test_questions_come_in_the_order_in_which_they_were_asked():
    files = files_below(EVAL / "limit16")
    path = "eval/reviews/model/short_answers_short_en.jsonl"
    files[path] = b"".join(reversed(files[path].splitlines(keepends=True)))

    rows = evalscope_eval.parse(files).scored

    asked = [row.index for row in rows if row.subset == "short_en"]
    assert asked == sorted(asked) and len(asked) > 5


def review(**score):
    line = {
        "index": 0,
        "target": "4",
        "messages": [{"role": "user", "content": "2 + 2?"}],
        "sample_score": {"score": {"value": {"acc": 1.0}, "prediction": "4", **score}},
    }
    files = files_below(EVAL / "capture")
    files["reviews/smollm2/general_qa_x.jsonl"] = json.dumps(line).encode()
    (row,) = evalscope_eval.parse(files).scored
    return row


def test_a_review_without_our_metadata_is_read_too():
    row = review(main_score_name="acc")

    assert (row.question, row.expected, row.answer, row.score) == ("2 + 2?", "4", "4", 1.0)


def test_a_score_that_evalscope_leaves_out_is_none():
    assert review(status="excluded").score is None


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("reviews/smollm2/other_x.jsonl", b"{}"),
        ("reviews/smollm2/general_qa_x.jsonl", b'{"index": 0}'),
        ("reviews/smollm2/general_qa_x.jsonl", b"\xff"),
        ("reports/smollm2/general_qa.json", b'{"metrics": []}'),
    ],
)
def test_reviews_and_reports_of_another_version_are_refused(path, content):
    with pytest.raises(ParseError):
        evalscope_eval.parse({**files_below(EVAL / "capture"), path: content})
