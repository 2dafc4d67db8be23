"""Client against engine: agreement, warm-up, other clients, and a delay of a proxy."""

import pytest

from jobs.queries.results.conclusion import judged, side_of
from jobs.queries.results.curve import curve


def by_both(concurrency, *, tokens=1000, engine=1000, ttft=100.0, engine_ttft=90.0, **more):
    return concurrency, {
        "output_tokens_per_s": 50.0,
        "requests": 20,
        "failed_requests": 0,
        "output_tokens": tokens,
        "duration_s": 20.0,
        "ttft_mean_ms": ttft,
        "engine_output_tokens": engine,
        "engine_ttft_mean_ms": engine_ttft,
        **more,
    }


def compared(*points, warm_ups=0, has_others=False):
    return judged([side_of(one, warm_ups, has_others=has_others) for one in curve([points])])


def verdict(*args, **options):
    known = {name: options.pop(name) for name in ("warm_ups", "has_others") if name in options}
    return compared(by_both(*args, **options), **known).sides[0].tokens


@pytest.mark.parametrize(
    ("engine", "options", "said"),
    [
        # Three per cent of the tokens agree.
        *((1030, {}, "agree"), (970, {}, "agree"), (1040, {}, "differ"), (960, {}, "differ")),
        (1200, {"warm_ups": 4}, "warm_up"),
        (1050, {"engine_requests": 21}, "warm_up"),
        (1400, {"warm_ups": 4}, "differ"),
        (900, {"warm_ups": 4}, "differ"),
        (1300, {"failed_requests": 6}, "failed"),
        (1300, {"has_others": True}, "others"),
        (700, {"has_others": True}, "differ"),
        # Missing readings at the end.
        (900, {"engine_gap_s": 2.0}, "short"),
        (900, {"engine_gap_s": 0.1}, "differ"),
    ],
)
def test_tokens_of_both_agree_or_differ_for_a_cause(engine, options, said):
    assert verdict(1, engine=engine, **options) == said


def test_a_short_delay_is_near():
    found = compared(by_both(1), by_both(4))

    assert (found.delay, found.delay_ms) == ("near", 10.0)


def test_a_proxy_delay_of_300_ms_is_found():
    through_proxy = [
        by_both(c, ttft=300.0 + 8.0 * c + 90.0 * c, engine_ttft=90.0 * c) for c in (1, 2, 4)
    ]

    found = compared(*through_proxy)

    assert found.delay == "constant"
    assert 300 <= found.delay_ms <= 340


@pytest.mark.parametrize(
    ("times", "said"),
    [
        *(([(400.0, 95.0)], "once"), ([(10.0, 400.0)], "less"), ([(10_400.0, 10_000.0)], "near")),
        ([(110.0, 90.0), (1500.0, 300.0)], "grows"),
    ],
)
def test_a_delay_is_judged(times, said):
    """``times``: TTFT of client and engine at each concurrency."""
    points = [by_both(n, ttft=own, engine_ttft=engine) for n, (own, engine) in enumerate(times, 1)]

    assert compared(*points).delay == said


def test_an_engine_without_ttft_has_tokens_only():
    concurrency, metrics = by_both(1)
    del metrics["engine_ttft_mean_ms"]

    found = compared((concurrency, metrics))

    assert (found.delay, found.sides[0].tokens) == ("unknown", "agree")


def test_tokens_of_the_client_follow_from_its_mean():
    concurrency, metrics = by_both(1, output_tokens_mean=50.0)
    del metrics["output_tokens"]

    assert compared((concurrency, metrics)).sides[0].client_tokens == 1000.0


def test_an_engine_that_reports_nothing_gives_no_comparison():
    assert compared((1, {"output_tokens_per_s": 50.0})) is None
