"""Conclusions from made curves: the right shape, knee, limit and next step."""

import pytest

from jobs.metrics.measured import RequestTimes
from jobs.queries.results.conclusion import Step, conclude
from jobs.queries.results.curve import CurvePoint, Limit, curve
from jobs.queries.results.levels import Level

FAST = Level("fast", {"ttft_p90_ms": 500.0, "tpot_p90_ms": 50.0})


def point(concurrency, rate, *, failed=0, requests=100, **metrics):
    return concurrency, {
        "output_tokens_per_s": rate,
        "requests": requests,
        "failed_requests": failed,
        "ttft_p90_ms": 100.0 * concurrency,
        "tpot_p90_ms": 20.0 + concurrency,
        **metrics,
    }


def concluded(*points, **options):
    return conclude(curve([points]), **options)


SATURATING = (point(1, 50), point(2, 95), point(4, 160), point(8, 198), point(16, 203))
RISING = (point(1, 50), point(2, 98), point(4, 190))
FLAT = (point(1, 60), point(2, 61), point(4, 59), point(8, 60))
FAILING = (point(4, 150), point(8, 230), point(32, 240, failed=40))


def test_a_saturating_curve_names_its_knee():
    found = concluded(*SATURATING)

    assert found.shape == "saturated"
    assert found.best.concurrency == 16
    assert found.recommended.concurrency == 8  # 198 is within 5 % of 203, 160 is not
    assert Step("use", n=8) in found.steps


def test_a_rising_curve_asks_for_more_concurrency():
    found = concluded(*RISING)

    assert (found.shape, found.best.concurrency, found.recommended.concurrency) == ("rising", 4, 4)
    assert found.steps[0] == Step("measure_higher", (8, 16))


def test_a_flat_curve_recommends_the_lowest():
    found = concluded(*FLAT)

    assert (found.shape, found.recommended.concurrency) == ("flat", 1)
    assert not [step for step in found.steps if step.id.startswith("measure")]


def test_a_flat_curve_above_one_asks_for_lower():
    found = concluded(point(4, 60), point(8, 61))

    assert found.shape == "flat"
    assert Step("measure_lower", (1, 2)) in found.steps


def test_a_failing_curve_concludes_below_the_failures():
    found = concluded(*FAILING)

    assert (found.shape, found.best.concurrency) == ("fails", 8)
    assert found.failing.concurrency == 32
    assert found.steps[:2] == [Step("failures"), Step("measure_between", (16,))]


def test_one_failure_of_many_requests_is_no_failing_point():
    found = concluded(point(1, 50, requests=1000), point(2, 90, failed=1, requests=999))

    assert (found.shape, found.best.concurrency) == ("rising", 2)


def test_a_level_that_never_binds_keeps_the_best():
    easy = Level("easy", {"ttft_p90_ms": 60_000.0})

    found = concluded(*SATURATING, level=easy)

    assert not found.level.is_binding
    assert found.level.best.point is found.best


def test_a_level_bounds_the_best():
    found = concluded(*SATURATING, level=FAST)

    assert found.level.is_binding
    assert found.level.best.point.concurrency == 4  # 8 has a TTFT p90 of 800 ms
    assert found.best.concurrency == 16


def test_a_level_without_measured_percentiles_is_unknown():
    found = concluded(*SATURATING, level=Level("end", {"latency_p99_s": 3.0}))

    assert not found.level.is_known
    assert found.level.best is None


def test_a_level_that_no_point_holds_asks_for_less_load():
    found = concluded(point(8, 90), point(16, 170), level=FAST)

    assert found.level.best is None
    assert Step("measure_lower", (1, 4)) in found.steps


def test_one_point_proves_no_saturation():
    found = concluded(point(4, 160))

    assert (found.shape, found.recommended.concurrency) == ("single", 4)
    assert found.steps[0] == Step("measure_more", (1, 2, 8, 16))


def test_a_limit_of_the_deployment_is_not_saturation():
    found = concluded(*RISING, point(8, 192), limits=[Limit(4, "deployment")])

    assert (found.shape, found.limit.most) == ("limited", 4)
    assert found.steps[0] == Step("raise_limit", n=8)


def test_a_limit_above_the_knee_does_not_bind():
    found = concluded(*SATURATING, limits=[Limit(64, "deployment")])

    assert (found.shape, found.limit) == ("saturated", None)


def test_a_published_limit_cannot_be_raised():
    found = concluded(*RISING, limits=[Limit(64, "deployment"), Limit(4, "stack")])

    assert (found.shape, found.steps[0]) == ("limited", Step("stack_limit", n=4))


def test_no_concurrency_above_a_limit_is_proposed():
    found = concluded(point(1, 50), point(2, 98), limits=[Limit(4, "stack")])

    assert found.steps[0] == Step("measure_higher", (4,))


def test_a_curve_that_falls_recommends_its_top():
    found = concluded(point(1, 50), point(2, 90), point(4, 60))

    assert (found.shape, found.recommended.concurrency) == ("falls", 2)


def test_no_usable_point_gives_no_best():
    found = concluded(point(1, 50, failed=300), point(2, 90, failed=300))

    assert (found.shape, found.best, found.steps) == ("none", None, [Step("failures")])


def test_a_full_cache_and_a_queue_are_named():
    waits = {"engine_queue_mean_ms": 900.0, "ttft_mean_ms": 1000.0}

    full = concluded(point(1, 50), point(2, 98, engine_kv_cache_peak=0.99, **waits))
    queued = concluded(point(1, 50), point(2, 98, **waits))

    assert full.is_cache_full and Step("kv_cache") in full.steps
    assert queued.is_queued and Step("queue") in queued.steps


def test_noise_of_repeats_widens_the_knee():
    low = [point(4, rate) for rate in (88.0, 97.0, 92.0)]
    high = [point(8, rate) for rate in (95.0, 104.0, 101.0)]

    repeated = conclude(curve([[a, b] for a, b in zip(low, high, strict=True)]))
    alone = concluded(point(4, 92.3), point(8, 100.0))

    assert repeated.best.interval("output_tokens_per_s") is not None
    assert repeated.recommended.concurrency == 4
    assert alone.recommended.concurrency == 8


@pytest.mark.parametrize(("rates", "noisy"), [((95, 100, 105), 2), ((97, 100, 103), None)])
def test_an_interval_beyond_a_tenth_is_noise(rates, noisy):
    repeats = [[point(1, 50 + 0.1 * run), point(2, rate)] for run, rate in enumerate(rates)]

    noisiest = conclude(curve(repeats)).noisiest

    assert (noisiest.concurrency if noisiest else None) == noisy


def test_noise_far_below_the_best_rate_decides_nothing():
    repeats = [[point(1, rate), point(2, 900)] for rate in (17, 20, 23)]

    assert conclude(curve(repeats)).noisiest is None


def test_two_runs_say_nothing_about_noise():
    assert conclude(curve([[point(1, 20)], [point(1, 80)]])).noisiest is None


def test_noise_never_hides_a_gap_of_a_tenth():
    low = [point(4, rate) for rate in (60.0, 99.0, 85.0)]
    high = [point(8, rate) for rate in (80.0, 120.0, 101.0)]

    found = conclude(curve([[a, b] for a, b in zip(low, high, strict=True)]))

    assert found.recommended.concurrency == 8


def test_repeats_at_other_concurrencies_extend_the_curve():
    found = conclude(curve([[point(1, 50), point(2, 98)], [point(4, 99)]]))

    assert (found.shape, found.recommended.concurrency) == ("saturated", 2)


def test_missing_runs_for_an_interval_are_counted():
    assert Step("repeat", n=2) in concluded(*RISING).steps
    assert not [s for s in conclude(curve([RISING] * 3)).steps if s.id == "repeat"]


def test_percentiles_of_few_requests_ask_for_more():
    strict = Level("strict", {"ttft_p99_ms": 900.0})
    few = [point(c, 50 * c, requests=20, ttft_p99_ms=100.0) for c in (1, 2)]
    enough = [point(c, 50 * c, requests=400, ttft_p99_ms=100.0) for c in (1, 2)]

    assert Step("requests", n=368) in concluded(*few, level=strict).steps
    assert not [s for s in concluded(*enough, level=strict).steps if s.id == "requests"]


def test_goodput_counts_requests_within_all_limits():
    level = Level("good", {"ttft_p90_ms": 500.0, "tpot_p90_ms": 50.0}, goodput=0.9)
    slow, quick = RequestTimes(900.0, 20.0, 3.0), RequestTimes(100.0, 20.0, 2.0)
    metrics = point(1, 50)[1]

    held = CurvePoint(1, [metrics], requests=[quick] * 95 + [slow] * 5)
    missed = CurvePoint(1, [metrics], requests=[quick] * 80 + [slow] * 20)
    untold = CurvePoint(1, [metrics], requests=[RequestTimes(100.0, None, None)] * 10)

    assert conclude([held], level=level).level.best.goodput.value == pytest.approx(0.95)
    assert conclude([missed], level=level).level.best is None
    assert not conclude([untold], level=level).level.is_known


def test_failed_requests_are_not_within_a_level():
    level = Level("good", {"ttft_p90_ms": 500.0}, goodput=0.9)
    metrics = point(1, 50, failed=1, requests=99)[1]
    quick = RequestTimes(100.0, 20.0, 2.0)

    found = conclude([CurvePoint(1, [metrics], requests=[quick] * 99)], level=level)

    assert found.level.best.goodput.value == pytest.approx(0.99)


def test_points_without_a_limit_are_not_on_the_curve():
    assert [one.concurrency for one in curve([[point(0, 90), point(2, 50)]])] == [2]


def timed(concurrency, rate, ttft=None, **more):
    """A point whose TTFT p90 is ``ttft``; None: not measured."""
    number, metrics = point(concurrency, rate, **more)
    metrics.pop("ttft_p90_ms")
    return number, metrics if ttft is None else {**metrics, "ttft_p90_ms": ttft}


def test_a_point_that_misses_the_level_is_never_recommended():
    # Concurrency 1 is as fast as the best and misses, 2 meets.
    found = concluded(timed(1, 100, 900.0), timed(2, 101, 300.0), level=FAST)

    assert (found.recommended.concurrency, found.knee.concurrency) == (2, 1)
    assert Step("use", n=2) in found.steps


def test_no_point_is_recommended_where_none_meets_the_level():
    found = concluded(timed(1, 100, 900.0), timed(2, 101, 950.0), level=FAST)

    assert found.recommended is None
    assert Step("level") in found.steps
    assert not [step for step in found.steps if step.id == "use"]


def test_an_unknown_lowest_concurrency_is_not_said_to_miss():
    found = concluded(timed(1, 100), timed(2, 101, 900.0), level=FAST)

    assert [one.point.concurrency for one in found.level.unknown] == [1]
    assert found.recommended is None
    assert Step("level") not in found.steps


def test_an_unknown_level_keeps_the_knee():
    found = concluded(timed(1, 100), timed(2, 101), level=FAST)

    assert found.recommended.concurrency == 1
