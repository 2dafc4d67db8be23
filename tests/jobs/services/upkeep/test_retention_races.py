"""Retention while people and hosts use the same files at the same moment."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from jobs import logstore
from jobs.models import Deployment, Job
from jobs.schedule import deployments
from jobs.services.intake import streams
from jobs.services.upkeep import retention
from tests.factories import make_host, make_user, stored
from tests.kept import LOG, ended, over
from tests.threads import together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

TRIES = 8


@pytest.fixture(autouse=True)
def limits(settings):
    settings.RETENTION_AGE_S, settings.RETENTION_SIZE_BYTES = 86400.0, None


def test_of_a_pin_and_a_removal_at_once_one_comes_too_late():
    user, host = make_user(), make_host()
    for _ in range(TRIES):
        job = ended(host=host)
        retention.measure_job(job.pk)

        pinned, removed = together(
            lambda pk=job.pk: retention.pin(pk, user), retention.apply_retention
        )

        job.refresh_from_db()
        there = logstore.store().size(f"job/{job.pk}") > 0
        assert (pinned, removed) in ((True, 0), (False, 1))
        assert (job.pinned_at is not None, job.removed_at is None, there) == (pinned,) * 3


def test_two_rounds_at_once_remove_each_once():
    host = make_host()
    jobs = [ended(host=host) for _ in range(6)]

    removed = together(retention.apply_retention, retention.apply_retention)

    assert sum(removed) == len(jobs)
    assert not Job.objects.exclude(stored_bytes=0).exists()


def test_a_server_started_during_removal_is_not_removed():
    for _ in range(TRIES):
        server = over()
        Job.objects.filter(pk=server.job_id).update(finished_at=now() - timedelta(days=3))

        together(
            lambda pk=server.pk: deployments.restart_deployment(pk, None),
            retention.apply_retention,
        )

        assert stored(server, "state", "removed_at") == ("waiting", None)
        Deployment.objects.all().delete()


def test_late_data_during_a_removal_leaves_no_file():
    host = make_host()
    for _ in range(TRIES):
        job = ended(host=host, state="lost")
        retention.measure_job(job.pk)
        row = Job.objects.get(pk=job.pk)

        def send(row=row):
            return streams.append_log(row, offset=len(LOG), data=b"three\n")

        together(send, retention.apply_retention)
        retention.apply_retention()

        assert stored(job, "log_bytes", "stored_bytes") == (len(LOG) + 6, 0)
        assert logstore.store().disk_bytes(f"job/{job.pk}") == 0
