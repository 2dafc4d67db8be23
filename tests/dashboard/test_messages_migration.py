"""Messages that were kept in JSON under the names of before."""

from __future__ import annotations

from importlib import import_module

import pytest

from jobs.models import Job, Preflight
from tests.factories import make_job
from tests.past import models_of

pytestmark = pytest.mark.django_db
migration = import_module("jobs.migrations.0028_messages_in_json")

OLD = {"check": "shm()", "sentence_id": "check:shm_small", "sentence_args": {"free": "64 MB"}}
NEW = {"check": "shm()", "message_id": "check:shm_small", "message_args": {"free": "64 MB"}}


@pytest.fixture
def apps():
    return models_of("0028_messages_in_json")


def kept() -> Job:
    return make_job(
        message_id="wait:confirm",
        message_args={"by": "ada", "found": [OLD]},
        needs_confirmation=[OLD],
        confirmed=[{**OLD, "by": "ada", "at": "2026-01-02"}],
    )


def test_confirmations_are_migrated_to_the_new_names(apps):
    job = kept()
    finding = {"name": "shm", "level": "warn", **OLD}
    look = Preflight.objects.create(host=job.host, job=job, plan={}, findings=[finding])

    migration.to_today(apps, None)

    job.refresh_from_db()
    look.refresh_from_db()
    assert (job.needs_confirmation, job.confirmed) == (
        [NEW],
        [{**NEW, "by": "ada", "at": "2026-01-02"}],
    )
    assert (job.message_id, job.message_args) == ("wait:confirm", {"by": "ada", "found": [NEW]})
    assert look.findings == [{"name": "shm", "level": "warn", **NEW}]


def test_the_backward_migration_restores_the_old_rows(apps):
    job = kept()
    migration.to_today(apps, None)

    migration.to_before(apps, None)

    job.refresh_from_db()
    assert (job.needs_confirmation, job.message_args["found"]) == ([OLD], [OLD])


def test_a_row_without_such_names_is_not_written(apps, django_assert_num_queries):
    make_job(message_args={"host": "here"})
    with django_assert_num_queries(len(migration.COLUMNS)):
        migration.to_today(apps, None)
