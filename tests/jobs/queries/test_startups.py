"""Start-ups of the deployments of a model."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from jobs.models import DeploymentEvent
from jobs.queries.engines import startups
from tests.factories import make_artifact, make_deployment, make_host, make_job, make_weights

pytestmark = pytest.mark.django_db


def started(deployment, *seconds, at=None):
    """Runs of the deployment that became ready after so many seconds; None: never."""
    at = at or now()
    for run, after in enumerate(seconds, 1):
        events = [("loading", at)] + ([("ready", at + timedelta(seconds=after))] if after else [])
        for state, moment in events:
            DeploymentEvent.objects.create(deployment=deployment, run=run, state=state, at=moment)
        at += timedelta(hours=1)


@pytest.mark.postgresql
def test_each_ready_run_has_its_time_and_rate():
    host = make_host()
    one = make_deployment(host=host, artifact=make_artifact(host=host, bytes=30_000_000_000))
    started(one, 60, None, 30)

    newest, oldest = startups(one)

    assert (newest.run, newest.seconds, newest.bytes_per_s) == (3, 30.0, 1e9)
    assert (oldest.run, oldest.seconds, oldest.bytes_per_s) == (1, 60.0, 5e8)


def test_deployments_of_the_same_model_are_listed():
    one, same, other = make_deployment(), make_deployment(), make_deployment(model_id="other")
    for index, deployment in enumerate((one, same, other)):
        started(deployment, 10, at=now() + timedelta(minutes=index))

    assert [start.deployment for start in startups(one)] == [same, one]


def test_weights_of_the_job_are_the_size():
    host = make_host()
    weights = make_weights(host=host, bytes=20_000_000_000)
    job = make_job(host=host, state="succeeded", inputs={"weights": {"id": weights.pk}})
    one = make_deployment(job=job)
    started(one, 10)

    (start,) = startups(one)

    assert start.bytes_per_s == 2e9


def test_a_server_that_recovers_is_no_start():
    one = make_deployment()
    started(one, 10)
    later = now() + timedelta(hours=5)
    DeploymentEvent.objects.create(deployment=one, run=1, state="ready", at=later)

    (start,) = startups(one)

    assert (start.seconds, start.bytes_per_s) == (10.0, None)
