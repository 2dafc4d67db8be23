"""End of a row: throughput no longer rises, and requests take longer."""

import pytest

from jobs.services.outcomes.outcomes import only_queues


def point(concurrency, rate, seconds, **more):
    return concurrency, {"output_tokens_per_s": rate, "latency_mean_s": seconds, **more}


def test_a_flat_rate_with_longer_latency_only_queues():
    reason = only_queues([point(8, 101, 4.0), point(4, 100, 2.0), point(1, 40, 1.0)])

    assert reason.id == "matrix:only_queues"
    assert reason.args == {"at": 8, "below": 4, "percent": 1}


@pytest.mark.parametrize(
    "points",
    [
        [point(4, 100, 2.0)],
        [point(4, 100, 2.0), point(8, 104, 4.0)],  # the gain counts
        [point(4, 100, 2.0), point(8, 100, 2.0)],  # the same latency: the client was the limit
        [point(4, 0, 2.0), point(8, 0, 4.0)],  # no rate
        [(4, {"output_tokens_per_s": 100}), (8, {"output_tokens_per_s": 100})],  # no latency
        [(4, {"latency_mean_s": 1}), (8, {"latency_mean_s": 2})],
    ],
)
def test_more_load_may_help(points):
    assert only_queues(points) is None


def test_ttft_counts_where_no_latency_is_known():
    slow = [(4, {"output_tokens_per_s": 9, "ttft_mean_ms": 10})]
    slow += [(8, {"output_tokens_per_s": 8, "ttft_mean_ms": 90})]

    assert only_queues(slow).args == {"at": 8, "below": 4, "percent": -11}
