"""Conclusions from made curves: the right shape, knee, limit and next step."""

import pytest

from jobs.metrics.measured import RequestTimes
from jobs.queries.results.conclusion import AdvisedStep, conclude
from jobs.queries.results.curve import CurvePoint, Requests, ServingLimit, curve
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
LIMITED = (*RISING, point(8, 192))
DEPLOYMENT, STACK = ServingLimit(4, "deployment"), ServingLimit(4, "stack")


def case(name, points, shape, best, recommended, first_steps, limits=()):
    return pytest.param(points, limits, (shape, best, recommended), first_steps, id=name)


@pytest.mark.parametrize(
    ("points", "limits", "expected", "steps"),
    [
        # 198 is within 5 % of 203, 160 is not.
        case("saturating", SATURATING, "saturated", 16, 8, [AdvisedStep("use", n=8)]),
        case("rising", RISING, "rising", 4, 4, [AdvisedStep("measure_higher", (8, 16))]),
        case(
            "flat from 1", FLAT, "flat", 2, 1, [AdvisedStep("use", n=1), AdvisedStep("repeat", n=2)]
        ),
        case(
            *("flat above 1", (point(4, 60), point(8, 61)), "flat", 8, 4),
            [AdvisedStep("use", n=4), AdvisedStep("measure_lower", (1, 2))],
        ),
        case(
            *("failing", FAILING, "fails", 8, 8),
            [AdvisedStep("failures"), AdvisedStep("measure_between", (16,))],
        ),
        case(
            "one failure of many requests",
            (point(1, 50, requests=1000), point(2, 90, failed=1, requests=999)),
            *("rising", 2, 2, [AdvisedStep("measure_higher", (4, 8))]),
        ),
        case(
            *("one point", (point(4, 160),), "single", 4, 4),
            [AdvisedStep("measure_more", (1, 2, 8, 16))],
        ),
        case(
            *("falling", (point(1, 50), point(2, 90), point(4, 60)), "falls", 2, 2),
            [AdvisedStep("use", n=2)],
        ),
        case(
            *("limit reached", LIMITED, "limited", 8, 4, [AdvisedStep("raise_limit", n=8)]),
            limits=[DEPLOYMENT],
        ),
        case(
            *("published limit", LIMITED, "limited", 8, 4, [AdvisedStep("stack_limit", n=4)]),
            limits=[ServingLimit(64, "deployment"), STACK],
        ),
        case(
            *("limit above the knee", SATURATING, "saturated", 16, 8, [AdvisedStep("use", n=8)]),
            limits=[ServingLimit(64, "deployment")],
        ),
        case(
            *(
                "nothing above a limit",
                RISING[:2],
                "rising",
                2,
                2,
                [AdvisedStep("measure_higher", (4,))],
            ),
            limits=[STACK],
        ),
    ],
)
def test_a_curve_has_a_shape_a_recommendation_and_next_steps(points, limits, expected, steps):
    found = concluded(*points, limits=limits)

    assert (found.shape, found.best.concurrency, found.recommended.concurrency) == expected
    assert found.steps[: len(steps)] == steps
    assert (found.limit is not None) == (found.shape == "limited")
    failing = [one for one in points if one[1]["failed_requests"] > 1]
    assert (found.failing.concurrency if found.failing else None) == (failing or [(None,)])[0][0]


def test_a_flat_curve_from_one_asks_for_no_measurement():
    assert not [step for step in concluded(*FLAT).steps if step.id.startswith("measure")]


@pytest.mark.parametrize(
    ("points", "level", "is_known", "binding", "best"),
    [
        (SATURATING, Level("easy", {"ttft_p90_ms": 60_000.0}), True, False, 16),
        (SATURATING, FAST, True, True, 4),  # 8 has a TTFT p90 of 800 ms
        (SATURATING, Level("end", {"latency_p99_s": 3.0}), False, False, None),
        ((point(8, 90), point(16, 170)), FAST, True, True, None),
    ],
    ids=["never binds", "bounds the best", "not measured", "held by none"],
)
def test_a_level_bounds_the_best(points, level, is_known, binding, best):
    found = concluded(*points, level=level)

    assert (found.level.is_known, found.level.is_binding) == (is_known, binding)
    assert (found.level.best.point.concurrency if found.level.best else None) == best
    assert found.best.concurrency == 16
    assert (AdvisedStep("measure_lower", (1, 4)) in found.steps) == (binding and best is None)


def test_no_usable_point_gives_no_best():
    found = concluded(point(1, 50, failed=300), point(2, 90, failed=300))

    assert (found.shape, found.best, found.steps) == ("none", None, [AdvisedStep("failures")])


def test_a_full_cache_and_a_queue_are_named():
    waits = {"engine_queue_mean_ms": 900.0, "ttft_mean_ms": 1000.0}

    full = concluded(point(1, 50), point(2, 98, engine_kv_cache_peak=0.99, **waits))
    queued = concluded(point(1, 50), point(2, 98, **waits))

    assert full.is_cache_full and AdvisedStep("kv_cache") in full.steps
    assert queued.is_queued and AdvisedStep("queue") in queued.steps


def repeated(low, high):
    """Runs at concurrency 4 and 8 with these rates."""
    return conclude(curve([[point(4, a), point(8, b)] for a, b in zip(low, high, strict=True)]))


def test_noise_of_repeats_widens_the_knee_but_never_by_a_tenth():
    close = repeated((88.0, 97.0, 92.0), (95.0, 104.0, 101.0))

    assert close.best.interval("output_tokens_per_s") is not None
    assert close.recommended.concurrency == 4
    assert concluded(point(4, 92.3), point(8, 100.0)).recommended.concurrency == 8
    assert repeated((60.0, 99.0, 85.0), (80.0, 120.0, 101.0)).recommended.concurrency == 8


@pytest.mark.parametrize(
    ("repeats", "noisy"),
    [
        ([(50, 95), (50.1, 100), (50.2, 105)], 2),
        ([(50, 97), (50.1, 100), (50.2, 103)], None),
        ([(17, 900), (20, 900), (23, 900)], None),  # far below the best rate
        ([(20, 80), (80, 80)], None),  # two runs say nothing
    ],
)
def test_an_interval_beyond_a_tenth_is_noise(repeats, noisy):
    noisiest = conclude(curve([[point(1, a), point(2, b)] for a, b in repeats])).noisiest

    assert (noisiest.concurrency if noisiest else None) == noisy


def test_repeats_at_other_concurrencies_extend_the_curve():
    found = conclude(curve([[point(1, 50), point(2, 98)], [point(4, 99)]]))

    assert (found.shape, found.recommended.concurrency) == ("saturated", 2)


def test_missing_runs_for_an_interval_are_counted():
    assert AdvisedStep("repeat", n=2) in concluded(*RISING).steps
    assert not [s for s in conclude(curve([RISING] * 3)).steps if s.id == "repeat"]


def test_percentiles_of_few_requests_ask_for_more():
    strict = Level("strict", {"ttft_p99_ms": 900.0})
    few = [point(c, 50 * c, requests=20, ttft_p99_ms=100.0) for c in (1, 2)]
    enough = [point(c, 50 * c, requests=400, ttft_p99_ms=100.0) for c in (1, 2)]

    assert AdvisedStep("requests", n=368) in concluded(*few, level=strict).steps
    assert not [s for s in concluded(*enough, level=strict).steps if s.id == "requests"]


def test_goodput_counts_requests_within_all_limits():
    level = Level("good", {"ttft_p90_ms": 500.0, "tpot_p90_ms": 50.0}, goodput=0.9)
    slow, quick = RequestTimes(900.0, 20.0, 3.0), RequestTimes(100.0, 20.0, 2.0)
    metrics = point(1, 50)[1]

    held = CurvePoint(1, [metrics], Requests.of([quick] * 95 + [slow] * 5))
    missed = CurvePoint(1, [metrics], Requests.of([quick] * 80 + [slow] * 20))
    untold = CurvePoint(1, [metrics], Requests.of([RequestTimes(100.0, None, None)] * 10))

    assert conclude([held], level=level).level.best.goodput.value == pytest.approx(0.95)
    assert conclude([missed], level=level).level.best is None
    assert not conclude([untold], level=level).level.is_known


def test_failed_requests_are_not_within_a_level():
    level = Level("good", {"ttft_p90_ms": 500.0}, goodput=0.9)
    metrics = point(1, 50, failed=1, requests=99)[1]
    quick = RequestTimes(100.0, 20.0, 2.0)

    found = conclude([CurvePoint(1, [metrics], Requests.of([quick] * 99))], level=level)

    assert found.level.best.goodput.value == pytest.approx(0.99)


def test_points_without_a_limit_are_not_on_the_curve():
    assert [one.concurrency for one in curve([[point(0, 90), point(2, 50)]])] == [2]


def timed(*ttfts):
    """Points whose TTFT p90 are these; None: not measured."""
    points = [point(number, 99 + number) for number in range(1, len(ttfts) + 1)]
    pairs = zip(points, ttfts, strict=True)
    return [(number, {**metrics, "ttft_p90_ms": ttft}) for (number, metrics), ttft in pairs]


@pytest.mark.parametrize(
    ("ttfts", "recommended", "ids"),
    [
        # Concurrency 1 is as fast as the best and misses, 2 meets.
        ((900.0, 300.0), 2, {"use"}),
        ((900.0, 950.0), None, {"level"}),
        ((None, 900.0), None, set()),  # the lowest is unknown, and is not said to miss
        ((None, None), 1, {"use"}),  # an unknown level keeps the knee
    ],
)
def test_only_a_point_that_holds_the_level_is_recommended(ttfts, recommended, ids):
    found = concluded(*timed(*ttfts), level=FAST)

    assert (found.recommended.concurrency if found.recommended else None) == recommended
    assert found.knee.concurrency == 1
    assert {step.id for step in found.steps} & {"use", "level"} == ids
    assert len(found.level.unknown) == ttfts.count(None)
