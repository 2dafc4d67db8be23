"""Headline of a benchmark over HTTP."""

from jobs.base.messages import Message
from jobs.metrics.measured import MOST_REQUESTS, RequestTimes
from jobs.tools.outputs.figures import Point
from jobs.tools.outputs.over_http_reading import outcome


def point(concurrency, rate, completed, failed, requests=()):
    return Point(
        concurrency=concurrency,
        completed=completed,
        failed=failed,
        metrics={"output_tokens_per_s": rate},
        requests=requests,
    )


def headline(*points):
    measured = outcome(points, what="", tool="", remarks=()).measured
    return measured.metrics["concurrency"], measured.metrics["output_tokens_per_s"]


def test_a_point_with_failures_is_no_headline():
    assert headline(point(1, 24.2, 2, 2), point(2, 8.8, 4, 0)) == (2, 8.8)
    assert headline(point(1, 24.2, 999, 1), point(2, 8.8, 4, 0)) == (1, 24.2)


def test_without_a_point_that_holds_its_load_the_fastest_is_the_headline():
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
