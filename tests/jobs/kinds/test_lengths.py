"""Requested and measured lengths, and the remark where they differ."""

import pytest

from jobs.base.messages import Message
from jobs.kinds import KINDS
from jobs.kinds.lib.load import asked_lengths, ignores_ends, length_remarks, measured_lengths
from jobs.metrics.measured import MOST_REQUESTS, RequestTimes
from jobs.tools.outputs.figures import MeasuredPoint
from jobs.tools.outputs.over_http_reading import outcome
from jobs.tools.vllm import reading as parser
from tests.jobs.lib.target import DATA

BOTH = {"input_tokens": 1024, "output_tokens": 1024}


def remarks(input_mean, output_mean, *, full=False, want=BOTH):
    points = [
        (1, {"input_tokens_mean": 1024.0, "output_tokens_mean": 1000.0}),
        (4, {"input_tokens_mean": input_mean, "output_tokens_mean": output_mean}),
    ]
    return length_remarks(want, points, full=full)


def test_the_lengths_of_a_real_run_are_means_over_its_requests():
    path = DATA / "vllm-0.7.2" / "benchmark_serving_ok.json"
    metrics = parser.parse_served("x", path.read_bytes()).metrics

    assert measured_lengths(metrics) == {"input_tokens": 20503 / 20, "output_tokens": 16.0}


def test_an_unreported_mean_comes_from_the_sum():
    assert measured_lengths({"output_tokens": 30.0, "requests": 3}) == {"output_tokens": 10.0}
    assert measured_lengths({"output_tokens": 30.0}) == {}


@pytest.mark.parametrize(
    ("kind", "params", "expected"),
    [
        ("benchmark-online", BOTH | {"dataset": "sonnet"}, BOTH),
        ("benchmark-online", BOTH | {"dataset": "sharegpt"}, {"output_tokens": 1024}),
        ("benchmark-latency", BOTH, BOTH),
        ("benchmark", {"output_tokens": 64}, {"output_tokens": 64}),
        ("evaluate", {"max_tokens": 64}, {"output_tokens": 64}),
        ("evaluate-opencompass", {"max_answer": 512}, {"output_tokens": 512}),
        ("evaluate", {}, {}),
        ("benchmark", {}, {}),
    ],
)
def test_what_was_asked_for_is_read_from_the_params(kind, params, expected):
    of = KINDS[kind]
    assert asked_lengths(of.lengths, params, answer_limit=of.answer_limit) == expected


def test_up_to_a_tenth_apart_or_unrequested_there_is_no_remark():
    assert remarks(1024 * 0.91, 1024 * 1.09) == []
    assert remarks(1.0, 1024.0, want={"output_tokens": 1024}) == []


def test_early_stops_are_remarked_at_the_furthest_point():
    (remark,) = remarks(1024.0, 272.11)

    assert remark.id == "lengths:output_ended"
    assert remark.args == {"asked": 1024, "measured": 272, "concurrency": 4}


@pytest.mark.parametrize(
    ("input_mean", "output_mean", "full", "message"),
    [
        (1024.0, 900.0, True, "lengths:output_cut"),
        (1024.0, 1500.0, False, "lengths:output_long"),
        (700.0, 1024.0, False, "lengths:input"),
        (1400.0, 1024.0, True, "lengths:input"),
    ],
)
def test_the_remark_has_the_cause(input_mean, output_mean, full, message):
    assert [one.id for one in remarks(input_mean, output_mean, full=full)] == [message]


def test_both_tools_words_for_full_answers_are_known():
    assert ignores_ends(["vllm", "--ignore-eos"])
    assert ignores_ends(["--extra-args", '{{"ignore_eos": true}}'])
    assert not ignores_ends(["vllm", "bench", "serve"])


def test_answers_cut_by_the_known_context_name_it():
    points = [(4, {"input_tokens_mean": 50.0, "output_tokens_mean": 462.0})]
    want = {"output_tokens": 5000}

    (cut,) = length_remarks(want, points, full=True, context=512)
    (other,) = length_remarks(want, points, full=True, context=8192)

    assert (cut.id, cut.args["context"]) == ("lengths:output_context", 512)
    assert other.id == "lengths:output_cut"


def point(concurrency, rate, completed, failed, requests=()):
    return MeasuredPoint(
        concurrency=concurrency,
        completed=completed,
        failed=failed,
        metrics={"output_tokens_per_s": rate},
        requests=requests,
    )


def headline(*points):
    measured = outcome(points, what="", tool="", remarks=()).measured
    return measured.metrics["concurrency"], measured.metrics["output_tokens_per_s"]


def test_a_point_with_failures_is_no_headline_unless_all_have_them():
    assert headline(point(1, 24.2, 2, 2), point(2, 8.8, 4, 0)) == (2, 8.8)
    assert headline(point(1, 24.2, 999, 1), point(2, 8.8, 4, 0)) == (1, 24.2)
    assert headline(point(1, 24.2, 2, 2), point(2, 8.8, 4, 4)) == (1, 24.2)


def test_more_requests_than_are_stored_are_not_taken():
    one, most = RequestTimes(1.0, 1.0, 1.0), MOST_REQUESTS
    points = [
        point(1, 24.2, most, 0, [one] * most),
        point(2, 8.8, most + 1, 0, [one] * (most + 1)),
    ]

    measured = outcome(points, what="", tool="", remarks=()).measured

    assert measured.requests == {1: points[0].requests}
    assert measured.remarks == [Message("figures:many_requests", {"most": most})]
