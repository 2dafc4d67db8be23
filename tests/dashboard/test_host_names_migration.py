"""Records of an installation stored by former names are found by the present ones."""

from __future__ import annotations

from importlib import import_module

import pytest

from jobs.models import AuditEntry, Job
from tests.factories import make_host, make_job
from tests.past import every_step

pytestmark = pytest.mark.django_db
migration = import_module("jobs.migrations.0031_host_names")
SIZES = {"weights": {"bytes": 5, "at": 1.0}}


@pytest.fixture
def apps():
    """Records as the migration had them: today's refuse changes of the audit log."""
    return every_step().project_state(("jobs", "0031_host_names")).apps


def stored(host, job):
    host.refresh_from_db()
    job.refresh_from_db()
    return host.load, job.removed_args, list(AuditEntry.objects.values_list("action", flat=True))


def test_keys_and_actions_are_renamed_and_back(apps):
    host = make_host("far", load={"load_1m": 0.5, "made": SIZES})
    job = make_job(host=host)
    Job.objects.filter(pk=job.pk).update(removed_args={"keep_for_s": 60.0})
    AuditEntry.objects.create(action="host.give_up", subject="host far")
    before = stored(host, job)

    migration.forwards(apps, None)

    assert stored(host, job) == (
        {"load_1m": 0.5, "disk_usage": SIZES},
        {"retention_age_s": 60.0},
        ["host.mark_lost"],
    )
    migration.backwards(apps, None)
    assert stored(host, job) == before


def test_a_size_limit_is_renamed_too(apps):
    job = make_job()
    Job.objects.filter(pk=job.pk).update(removed_args={"keep_within_bytes": 7})

    migration.forwards(apps, None)

    job.refresh_from_db()
    assert job.removed_args == {"retention_size_bytes": 7}
