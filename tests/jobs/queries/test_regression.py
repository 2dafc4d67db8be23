"""Verdicts on results vs the baseline of their subject."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from dashboard.actions.results import set_baseline
from jobs.models import Baseline, Result
from jobs.queries.comparison.history import verdicts
from tests.comparing import OTHER
from tests.factories import make_deployment, make_evaluation
from tests.measuring import measured, runs, served

pytestmark = pytest.mark.django_db


def verdict(result):
    return verdicts([result]).get(result.pk)


def judged(host, base_rates, rates):
    """The verdict on runs of other engine arguments, with these rates of both."""
    base = runs(served(host), *base_rates)
    set_baseline(None, base[0])
    return verdict(runs(served(host, OTHER), *rates)[0])


def test_eight_per_cent_less_is_a_regression(host):
    found = judged(host, (100, 101, 99), (92, 93, 91))

    assert found.state == "regressed"
    assert found.change.relative == pytest.approx(-0.08, abs=0.001)
    assert found.change.low < -0.08 < found.change.high < 0
    assert (len(found.base_runs), len(found.runs), found.concurrency) == (3, 3, 1)


@pytest.mark.parametrize(
    ("rates", "state"), [((99, 100, 98), "same"), ((108, 109, 107), "improved")]
)
def test_a_change_is_judged_by_its_interval(host, rates, state):
    found = judged(host, (100, 101, 99), rates)

    assert found.state == state
    assert (found.change.low < 0 < found.change.high) == (state == "same")


@pytest.mark.parametrize(
    ("base_rates", "rates", "more"),
    [((100,), (92,), (2, 2)), ((100, 101, 99), (92, 93), (0, 1)), ((100,), (92, 93, 91), (2, 0))],
)
def test_too_few_runs_cannot_tell(host, base_rates, rates, more):
    found = judged(host, base_rates, rates)

    assert (found.state, found.more) == ("unknown", more)
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
    assert verdict(fourth).state == "unknown"
    assert verdict(fourth).base_runs == [first.pk, second.pk, third.pk]


def test_a_later_run_of_the_same_identity_can_regress(host):
    deployment = served(host)
    set_baseline(None, runs(deployment, 100, 101, 99)[0])

    later = runs(deployment, 80, 81, 79)

    assert [verdict(run).state for run in later] == ["regressed"] * 3


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

    assert verdict(other).state == "barred"


def test_a_concurrency_that_was_not_measured_is_not_comparable(host):
    set_baseline(None, measured(served(host), points=((1, 50.0), (4, 90.0))))

    assert verdict(measured(served(host, OTHER), points=((1, 50.0),))).state == "barred"


def evaluated(host, scores):
    of = {"params": {"questions": "basics"}, "deployment": make_deployment(host=host)}
    return make_evaluation(scores, host=host, **of)


@pytest.mark.parametrize(("wrong", "state"), [(0, "same"), (1, "same"), (20, "regressed")])
def test_an_accuracy_is_paired_by_question(host, wrong, state):
    base = evaluated(host, [1.0] * 100)
    set_baseline(None, base)

    found = verdict(evaluated(host, [0.0] * wrong + [1.0] * (100 - wrong)))

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


@pytest.mark.postgresql
def test_verdicts_of_a_list_take_few_queries(host):
    for argv in ((), ("--a",), ("--b",)):
        runs(served(host, (*OTHER, *argv)), 100, 101)
    rows = list(Result.objects.prefetch_related("points"))
    set_baseline(None, rows[-1])

    with CaptureQueriesContext(connection) as asked:
        found = verdicts(rows)

    assert len(found) == 6
    assert len(asked) <= 7
