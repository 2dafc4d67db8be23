"""Energy per output token from the power of the dies; requests of each point."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from jobs.base.messages import Message
from jobs.metrics.measured import Measurement, RequestTimes
from jobs.models import JobStep, PointBlock, PointRequests
from jobs.plans import Step
from jobs.services.outcomes import outcomes
from jobs.services.outcomes.engine_windows import with_energy
from tests.factories import make_job, make_plan

pytestmark = pytest.mark.django_db


def measured_job(*watts):
    """A job with a step of 20 s from 1000 and a reading every five seconds."""
    plan = make_plan(kind="benchmark-online", steps=(Step("measure-4", ("x",)),))
    job = make_job(plan=plan)
    at = datetime.fromtimestamp(1000, tz=UTC)
    JobStep.objects.filter(job=job).update(started_at=at, duration_s=20.0)
    rows = [[1000.0 + 5 * index, {"power_w": power}] for index, power in enumerate(watts)]
    PointBlock.objects.create(job=job, offset=0, watch="dies", rows=rows)
    return job


def measurement(**metrics):
    values = {"output_tokens_per_s": 50.0, **metrics}
    return Measurement(type="benchmark", what="", tool="", metrics=values, points=[(4, values)])


def test_energy_is_mean_power_over_the_rate():
    measured = with_energy(measured_job(100.0, 200.0, 300.0, 200.0, 200.0), measurement())

    assert measured.points[0][1]["power_mean_w"] == 200.0
    assert measured.points[0][1]["energy_per_token_j"] == 4.0
    assert measured.metrics["energy_per_token_j"] == 4.0


def test_the_start_of_the_tool_is_left_out():
    idle_first = measured_job(10.0, 10.0, 300.0, 300.0, 300.0)

    measured = with_energy(idle_first, measurement(duration_s=10.0))

    assert measured.points[0][1]["power_mean_w"] == 300.0


def test_one_reading_gives_no_energy():
    measured = with_energy(measured_job(100.0), measurement())

    assert "energy_per_token_j" not in measured.points[0][1]


def test_a_host_without_power_changes_nothing():
    given = measurement()

    assert with_energy(make_job(), given) is given


def test_requests_of_a_point_are_kept():
    rows = [RequestTimes(100.0, 20.0, 2.0), RequestTimes(110.0, None, float("nan"))]
    job = make_job(state="running", kind="benchmark")
    measured = replace(measurement(), requests={4: rows})

    ended = {"log_bytes": 0, "log_sha256": "", "duration_s": 1.0}
    outcomes.apply(job, ended, outcomes.Verdict("succeeded", Message("x"), measured=measured))

    (kept,) = PointRequests.objects.filter(point__concurrency=4)
    assert kept.rows == [[100.0, 20.0, 2.0], [110.0, None, None]]
