"""The fleet: what stands for a model, stale and missing values."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now, timedelta

from dashboard.actions.results import set_baseline
from jobs.models import Baseline, Deployment, Environment, Host, Result, SignOff
from jobs.queries.fleet import STALE_DAYS, Stale, fleet, whole_days
from tests.comparing import OTHER
from tests.factories import make_artifact, make_evaluation
from tests.measuring import FACTS, measured, served

pytestmark = pytest.mark.django_db


def cell_of(found, stack="guide"):
    return next(one for row in found.rows for one in row.cells if one.stack == stack)


def test_the_latest_accepted_result_counts(host):
    deployment = served(host, stack="guide")
    _old, latest = (measured(deployment, points=((1, rate), (4, 90.0))) for rate in (50.0, 60.0))

    speed = cell_of(fleet()).speed

    assert (speed.result, speed.value, speed.concurrency) == (latest, 90.0, 4)
    assert speed.stale == []


def sampled(deployment, rate, requests, **marks):
    result = measured(deployment, points=((1, rate),))
    metrics = {**result.metrics, "requests": requests}
    Result.objects.filter(pk=result.pk).update(metrics=metrics, **marks)
    return result


def evaluated(host, *scores, **metrics):
    result = make_evaluation(scores, host=host, params={"stack": "guide"})
    result.metrics |= metrics
    result.save()


@pytest.mark.parametrize("mark", Result.UNCOUNTED)
def test_a_later_run_that_does_not_count_replaces_no_clean_one(host, mark):
    deployment = served(host, stack="guide")
    clean = sampled(deployment, 101.0, 200)
    sampled(deployment, 11.1, 600, **{mark: True})

    speed = cell_of(fleet()).speed

    assert (speed.result, speed.value) == (clean, 101.0)


def test_a_later_run_of_fewer_requests_replaces_no_larger_one(host):
    deployment = served(host, stack="guide")
    large = sampled(deployment, 101.0, 200)
    sampled(deployment, 140.0, 6)

    assert cell_of(fleet()).speed.result == large
    same = sampled(deployment, 99.0, 200)
    assert cell_of(fleet()).speed.result == same


@pytest.mark.postgresql
def test_a_sign_off_or_baseline_stands_before_larger_runs(host):
    deployment = served(host, stack="guide")
    signed, base = sampled(deployment, 90.0, 50), sampled(deployment, 91.0, 40)
    sampled(deployment, 101.0, 500)
    row = SignOff.objects.create(result=signed, purpose="customer")
    assert cell_of(fleet()).speed.result == signed

    set_baseline(None, base)
    assert cell_of(fleet()).speed.result == base  # the newer of both

    Baseline.objects.update(ended_at=now())
    assert cell_of(fleet()).speed.result == signed
    SignOff.objects.filter(pk=row.pk).update(withdrawn_at=now())
    assert cell_of(fleet()).speed.value == 101.0


def test_of_two_sign_offs_the_later_one_stands(host):
    deployment = served(host, stack="guide")
    older, newer = sampled(deployment, 90.0, 50), sampled(deployment, 91.0, 40)
    for result in (newer, older):
        SignOff.objects.create(result=result, purpose="customer")

    assert cell_of(fleet()).speed.result == older


def test_of_evaluations_the_one_with_the_most_questions_stands_with_its_interval(host):
    evaluated(host, 1, 0, 1, 0, 1, 0, 1)
    evaluated(host, 1, 1, 1)

    accuracy = cell_of(fleet()).accuracy

    assert accuracy.result.metrics["questions"] == 7
    assert accuracy.interval.low < accuracy.value < accuracy.interval.high


@pytest.mark.parametrize("mark", ["loaded", "simulated"])
def test_a_lesser_result_shows_without_a_better_one_only(host, mark):
    deployment = served(host, stack="guide")
    better, lesser = sampled(deployment, 50.0, 6), sampled(deployment, 50.0, 6, **{mark: True})
    assert cell_of(fleet()).speed.result == better

    Result.objects.filter(pk=better.pk).update(**{mark: True})

    assert cell_of(fleet()).speed.result == lesser


@pytest.mark.postgresql
def test_models_are_rows_and_stacks_are_columns(host):
    measured(served(host, stack="guide"))
    measured(served(host, OTHER, stack="current"))

    found = fleet()

    assert list(found.stacks) == ["current", "guide", "llama.cpp"]
    (row,) = found.rows
    assert [one.is_known for one in row.cells] == [True, True, True]  # the artifacts are compiled
    assert [one.speed is not None for one in row.cells] == [True, True, False]


def test_an_artifact_alone_misses_speed_and_accuracy(host):
    artifact = make_artifact(host=host)
    make_artifact(host=host, label="old", deleted_at=now())

    found = fleet()

    assert (found.missing, len(found.rows)) == (2, 1)
    assert cell_of(found, "llama.cpp").artifact == artifact


def test_a_ready_deployment_is_known_and_a_stopped_one_is_not(host):
    running, stopped = served(host, stack="guide"), served(host, OTHER, stack="current")
    Deployment.objects.filter(pk=stopped.pk).update(state="stopped")

    found = fleet()

    assert cell_of(found).deployment == running
    assert "current" not in found.stacks


def test_a_result_of_before_is_stale(host):
    measured(served(host, stack="guide"))
    Result.objects.update(created_at=now() - timedelta(days=40))

    assert [one.why for one in cell_of(fleet()).speed.stale] == ["age"]
    assert cell_of(fleet(90)).speed.stale == []
    assert fleet().stale == 1


def test_another_driver_makes_a_speed_stale(host):
    Host.objects.update(facts={**FACTS, "driver": "3.2"})
    host.refresh_from_db()
    measured(served(host, stack="guide"))
    Host.objects.update(facts={**FACTS, "driver": "3.3"})

    assert cell_of(fleet()).speed.stale == [Stale("driver", "3.2", "3.3")]
    Host.objects.update(facts={"driver": ["3.3"], "cpu": "x"})  # wrong facts
    assert cell_of(fleet()).speed.stale == []


def test_a_reinstalled_environment_makes_a_result_stale(host):
    measured(served(host, stack="guide"))
    Environment.objects.filter(name="llama").update(fingerprint="new pins")

    assert cell_of(fleet()).speed.stale == [Stale("environment", "llama")]


def test_a_replaced_image_makes_older_results_stale(host):
    old, new = (measured(served(host, stack=stack)) for stack in ("guide", "current"))
    for result, number in ((old, "sha256:1"), (new, "sha256:2")):
        result.run_context = {**result.run_context, "images": {"vllm": number}}
        result.save()

    assert [one.why for one in cell_of(fleet()).speed.stale] == ["image"]
    assert cell_of(fleet(), "current").speed.stale == []


def test_a_regression_shows_in_its_cell(host):
    base = [measured(served(host, stack="guide"), points=((1, r),)) for r in (100, 101, 99)]
    set_baseline(None, base[0])
    for rate in (80, 81, 79):
        measured(served(host, stack="current"), points=((1, rate),))

    found = fleet()

    assert cell_of(found, "current").speed.verdict.state == "worse"
    assert found.regressed == 1


def test_an_evaluation_that_left_questions_out_is_not_shown(host):
    for planned in (3.0, 9.0):
        evaluated(host, 1, 1, 0, planned_questions=planned)

    assert cell_of(fleet()).accuracy.result.metrics["planned_questions"] == 3


def test_the_fleet_takes_the_same_queries_for_more_results(host):
    measured(served(host, stack="guide"))
    with CaptureQueriesContext(connection) as few:
        fleet()
    for stack in ("current", "vllm-cpu"):
        measured(served(host, stack=stack))

    with CaptureQueriesContext(connection) as more:
        fleet()

    assert len(more) == len(few)


def test_an_empty_fleet_has_no_rows():
    assert fleet().rows == []


@pytest.mark.parametrize("days", [None, 0, 10**6])
def test_days_out_of_bounds_are_the_default(days):
    assert whole_days(days) == STALE_DAYS
