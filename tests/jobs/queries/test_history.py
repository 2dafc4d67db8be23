"""History of a measurement: periods and what moved; verdicts on results vs the baseline."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from dashboard.actions.results import set_baseline
from jobs.models import Baseline, Result
from jobs.queries.comparison.history import history, verdicts
from jobs.services.outcomes import identity
from jobs.statistics import wilson
from tests.comparing import OTHER
from tests.factories import make_deployment, make_evaluation
from tests.measuring import measured, runs, served

pytestmark = pytest.mark.django_db

LONGER = ("/e/llama/bin/python", "serve.py", "--ctx", "8192", "--port", "{port}")


def words(period):
    return {part.name: (part.was, part.now) for part in period.parts}


@pytest.mark.postgresql
def test_runs_of_one_identity_are_one_period(host):
    first, *_others, last = runs(served(host), 100, 101, 99)

    (period,) = history(last.pk).periods

    assert (len(period.runs), period.mean, period.parts) == (3, 100, ())
    assert period.interval.low < 100 < period.interval.high
    assert period.runs[0] == first


def test_a_changed_argument_is_named_where_the_value_moves(host):
    runs(served(host), 100, 101, 99)
    last = runs(served(host, LONGER), 80, 81, 79)[-1]

    first, second = history(last.pk).periods

    assert words(second) == {"--ctx": ("4096", "8192")}
    assert (second.base, second.change.verdict) == (first, "worse")
    assert second.change.relative == pytest.approx(-0.2, abs=0.001)


@pytest.mark.parametrize(("before", "after"), [((100, 102, 98), (99, 101, 97)), ((100,), (80,))])
def test_a_small_move_or_few_runs_are_not_significant(host, before, after):
    runs(served(host), *before)
    last = runs(served(host, OTHER), *after)[-1]

    change = history(last.pk).periods[1].change

    assert (change.verdict, change.is_short) == ("cannot_tell", len(after) == 1)
    assert change.relative == pytest.approx(after[0] / before[0] - 1, abs=0.001)


def test_a_new_version_of_the_tool_is_not_comparable(host):
    deployment = served(host)
    runs(deployment, 100)
    (last,) = runs(deployment, 80, tool="evalscope 2.0")

    second = history(last.pk).periods[1]

    assert words(second)["tool"] == ("evalscope 1.14.1", "evalscope 2.0")
    assert (second.is_barred, second.change) == (True, None)


@pytest.mark.parametrize("fields", [{"tool": "guidellm 0.8"}, {"requests": 100}])
def test_another_tool_or_workload_has_a_history_of_its_own(host, fields):
    deployment = served(host)
    runs(deployment, 100)
    (last,) = runs(deployment, 80, **fields)

    assert [period.runs for period in history(last.pk).periods] == [[last]]


def test_a_new_kernel_starts_a_period(host):
    deployment = served(host)
    runs(deployment, 100)
    (last,) = runs(deployment, 80)
    facts = {**last.run_context, "host": {**last.run_context["host"], "kernel": "6.8"}}
    Result.objects.filter(pk=last.pk).update(run_context=facts)

    assert words(history(last.pk).periods[1]) == {"kernel": (None, "6.8")}


def test_a_disturbed_run_is_shown_and_does_not_count(host):
    deployment = served(host)
    first, second = runs(deployment, 100, 50)
    Result.objects.filter(pk=second.pk).update(disturbed=True)

    found = history(first.pk)

    assert found.periods[0].values == [100]
    assert found.values[second.pk] == 50


def test_a_period_without_values_is_no_base(host):
    runs(served(host), 100)
    (spoilt,) = runs(served(host, OTHER), 10)
    Result.objects.filter(pk=spoilt.pk).update(incomplete=True)
    (last,) = runs(served(host), 90)

    first, second, third = history(last.pk).periods

    assert (second.mean, third.base, third.parts) == (None, first, [])


def test_metric_and_concurrency_can_be_chosen(host):
    result = measured(served(host), points=((1, 50.0), (4, 150.0)))

    by_rate, by_latency = history(result.pk), history(result.pk, "ttft_p50_ms", 1)

    assert (by_rate.metric, by_rate.concurrency) == ("output_tokens_per_s", 4)
    assert (by_latency.metric, by_latency.values[result.pk]) == ("ttft_p50_ms", 180)
    assert (history(result.pk, "x", 3).metric, by_rate.concurrencies) == (by_rate.metric, [1, 4])


def evaluated(host, right, argv=OTHER, deployment=None):
    scores = [1.0] * right + [0.0] * (100 - right)
    of = {"params": {"questions": "basics"}, "deployment": deployment or served(host, argv)}
    return make_evaluation(scores, host=host, **of)


def test_accuracies_are_paired_by_question(host):
    evaluated(host, 100)
    last = evaluated(host, 80, LONGER)

    found = history(last.pk)

    assert (found.metric, found.concurrency) == ("accuracy", None)
    assert found.periods[1].change.verdict == "worse"
    assert found.periods[1].interval.low < 0.8 < found.periods[1].interval.high


def test_equal_repeats_keep_the_interval_of_their_questions(host):
    deployment = served(host)
    for _run in range(3):
        last = evaluated(host, 80, deployment=deployment)
    Result.objects.update(fingerprint="one")

    (period,) = history(last.pk).periods

    assert len(period.values) == 3
    assert period.interval == wilson(80, 100)


def test_tokens_of_an_evaluation_have_a_history(host):
    deployment = served(host)
    for tokens in (900.0, 1000.0):
        last = evaluated(host, 80, deployment=deployment)
        last.metrics["tokens_per_correct"] = tokens
        last.fingerprint = "one"
        last.save()

    found = history(last.pk, "tokens_per_correct")

    assert found.metrics == ["accuracy", "tokens_per_correct"]
    assert found.periods[0].values == [900.0, 1000.0]


def test_a_result_without_a_subject_is_alone(host):
    (result,) = runs(served(host), 100)
    Result.objects.filter(pk=result.pk).update(subject="", fingerprint="")

    assert [period.runs for period in history(result.pk).periods] == [[result]]


@pytest.mark.postgresql
def test_a_long_history_takes_as_many_queries_as_a_short_one(host):
    deployment = served(host)
    first = runs(deployment, 100)[0]
    with CaptureQueriesContext(connection) as short:
        history(first.pk)
    for number in range(6):
        runs(served(host, (*OTHER, "--n", str(number))), 100, 101)

    with CaptureQueriesContext(connection) as long:
        found = history(first.pk)

    assert len(found.periods) == 7
    assert len(long) == len(short)


def test_periods_follow_the_time_of_the_runs(host):
    early, late = runs(served(host), 100)[0], runs(served(host, OTHER), 90)[0]
    Result.objects.filter(pk=late.pk).update(created_at=early.created_at - timedelta(days=1))

    assert [period.runs for period in history(early.pk).periods] == [[late], [early]]


def test_verdicts_of_old_evaluations_are_filled_at_the_next_start(host):
    result = evaluated(host, 80)
    wanted = result.verdicts
    Result.objects.update(verdicts="", identity={**result.identity, "schema": 3})

    identity.keep_missing()

    result.refresh_from_db()
    assert result.verdicts == wanted != ""


def verdict(result):
    return verdicts([result]).get(result.pk)


def judged(host, base_rates, rates):
    """The verdict on runs of other engine arguments, with these rates of both."""
    base = runs(served(host), *base_rates)
    set_baseline(None, base[0])
    return verdict(runs(served(host, OTHER), *rates)[0])


def test_eight_per_cent_less_is_a_regression(host):
    found = judged(host, (100, 101, 99), (92, 93, 91))

    assert found.state == "worse"
    assert found.change.relative == pytest.approx(-0.08, abs=0.001)
    assert found.change.low < -0.08 < found.change.high < 0
    assert (len(found.base_runs), len(found.runs), found.concurrency) == (3, 3, 1)


@pytest.mark.parametrize(
    ("rates", "state"), [((99, 100, 98), "cannot_tell"), ((108, 109, 107), "better")]
)
def test_a_change_is_judged_by_its_interval(host, rates, state):
    found = judged(host, (100, 101, 99), rates)

    assert found.state == state
    assert (found.change.low < 0 < found.change.high) == (state == "cannot_tell")


@pytest.mark.parametrize(
    ("base_rates", "rates", "more"),
    [((100,), (92,), (2, 2)), ((100, 101, 99), (92, 93), (0, 1)), ((100,), (92, 93, 91), (2, 0))],
)
def test_too_few_runs_cannot_tell(host, base_rates, rates, more):
    found = judged(host, base_rates, rates)

    assert (found.state, found.more) == ("cannot_tell", more)
    assert found.change.low is None
    assert found.change.relative < -0.05


def test_a_run_of_the_baseline_is_not_judged_by_itself(host):
    base = runs(served(host), 100, 101, 99)
    set_baseline(None, base[1])

    assert [verdict(run).state for run in base] == ["own", "own", "own"]


@pytest.mark.postgresql
def test_later_repeats_fill_the_baseline_up_to_three(host):
    deployment = served(host)
    first = runs(deployment, 100)[0]
    set_baseline(None, first)
    second, third, fourth = runs(deployment, 101, 99, 80)

    assert [verdict(run).state for run in (second, third)] == ["own", "own"]
    assert verdict(fourth).state == "cannot_tell"
    assert verdict(fourth).base_runs == [first.pk, second.pk, third.pk]


def test_a_later_run_of_the_same_identity_can_regress(host):
    deployment = served(host)
    set_baseline(None, runs(deployment, 100, 101, 99)[0])

    later = runs(deployment, 80, 81, 79)

    assert [verdict(run).state for run in later] == ["worse"] * 3


@pytest.mark.parametrize("flag", Result.UNCOUNTED)
def test_an_uncounted_run_is_not_judged_and_not_pooled(host, flag):
    set_baseline(None, runs(served(host), 100, 101, 99)[0])
    other = runs(served(host, OTHER), 92, 93, 91, 300)
    Result.objects.filter(pk=other[3].pk).update(**{flag: True})

    assert verdict(Result.objects.get(pk=other[3].pk)).state == "uncounted"
    assert len(verdict(other[0]).runs) == 3


@pytest.mark.parametrize("change", [{"requests": 100}, {"tool": "evalscope 2"}])
def test_another_workload_or_tool_has_no_verdict(host, change):
    set_baseline(None, runs(served(host), 100)[0])

    assert verdict(runs(served(host, OTHER), 92, **change)[0]) is None


def test_other_answer_lengths_are_not_comparable(host):
    base = measured(served(host), more={"output_tokens_mean": 100.0})
    set_baseline(None, base)

    other = measured(served(host, OTHER), more={"output_tokens_mean": 60.0})

    assert verdict(other).state == "not_comparable"


def test_a_concurrency_that_was_not_measured_is_not_comparable(host):
    set_baseline(None, measured(served(host), points=((1, 50.0), (4, 90.0))))

    assert verdict(measured(served(host, OTHER), points=((1, 50.0),))).state == "not_comparable"


def scored(host, scores):
    of = {"params": {"questions": "basics"}, "deployment": make_deployment(host=host)}
    return make_evaluation(scores, host=host, **of)


@pytest.mark.parametrize(
    ("wrong", "state"), [(0, "cannot_tell"), (1, "cannot_tell"), (20, "worse")]
)
def test_an_accuracy_is_paired_by_question(host, wrong, state):
    base = scored(host, [1.0] * 100)
    set_baseline(None, base)

    found = verdict(scored(host, [0.0] * wrong + [1.0] * (100 - wrong)))

    assert (found.state, found.metric) == (state, "accuracy")
    assert found.change.absolute == pytest.approx(-wrong / 100)


def test_a_removed_baseline_judges_nothing(host):
    base = runs(served(host), 100)[0]
    set_baseline(None, base)
    other = runs(served(host, OTHER), 92)[0]
    Baseline.objects.update(ended_at=now())

    assert verdict(other) is None


def test_runs_before_the_baseline_was_set_belong_to_it(host):
    base = runs(served(host), 100, 101, 99, 102)
    set_baseline(None, base[0])
    runs(base[0].deployment, 98)

    found = verdict(runs(served(host, OTHER), 92)[0])

    assert len(found.base_runs) == 4
