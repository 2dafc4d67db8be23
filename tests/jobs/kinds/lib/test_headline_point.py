"""Headline of a benchmark over HTTP."""

from types import SimpleNamespace

from jobs.kinds.lib.over_http import outcome


def point(concurrency, rate, completed, failed):
    metrics = {"output_tokens_per_s": rate}
    return SimpleNamespace(
        concurrency=concurrency, completed=completed, failed=failed, metrics=metrics, left_out=()
    )


def headline(*points):
    measured = outcome(points, what="", tool="", remarks=()).measured
    return measured.metrics["concurrency"], measured.metrics["output_tokens_per_s"]


def test_a_point_with_failures_is_no_headline():
    assert headline(point(1, 24.2, 2, 2), point(2, 8.8, 4, 0)) == (2, 8.8)
    assert headline(point(1, 24.2, 999, 1), point(2, 8.8, 4, 0)) == (1, 24.2)


def test_without_a_point_that_holds_its_load_the_fastest_is_the_headline():
    assert headline(point(1, 24.2, 2, 2), point(2, 8.8, 4, 4)) == (1, 24.2)
