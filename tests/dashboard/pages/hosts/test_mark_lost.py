"""The page on which an administrator says that a host does not come back."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils.timezone import now

from jobs.models import AuditEntry
from tests.factories import make_host, make_job, make_user

pytestmark = pytest.mark.django_db

MARK_LOST = reverse("host-mark-lost", args=["far"])


@pytest.fixture
def job():
    return make_job(
        state="running", host=make_host("far", heartbeat_at=now() - timedelta(minutes=5))
    )


def test_it_asks_first_and_names_what_will_be_lost(admin, job):
    shown = admin.get(MARK_LOST).content.decode()

    assert reverse("job-detail", args=[job.pk]) in shown
    assert "Mark host far as lost?" in shown
    job.refresh_from_db()
    assert job.state == "running"


def test_only_administrators_can_mark_an_offline_host_lost(admin, job, client):
    page = reverse("host-detail", args=["far"])
    assert MARK_LOST in admin.get(page).content.decode()

    client.force_login(make_user())

    assert MARK_LOST not in client.get(page).content.decode()


def test_its_jobs_are_lost_and_the_audit_has_the_user(admin, job):
    admin.post(MARK_LOST)

    job.refresh_from_db()
    entry = AuditEntry.objects.get()
    assert job.state == "lost"
    assert (entry.user.username, entry.action, entry.subject) == (
        "ada",
        "host.mark_lost",
        "host far",
    )
    assert entry.detail == {"lost": 1}


def test_a_member_gives_nothing_up(client, job):
    client.force_login(make_user())

    assert (client.get(MARK_LOST).status_code, client.post(MARK_LOST).status_code) == (403, 403)
    job.refresh_from_db()
    assert job.state == "running"


def test_a_host_that_answers_again_keeps_its_jobs(admin, job):
    job.host.heartbeat_at = now()
    job.host.save()

    assert "danger" not in admin.get(MARK_LOST).content.decode()
    shown = admin.post(MARK_LOST, follow=True).content.decode()

    job.refresh_from_db()
    assert job.state == "running"
    assert "Not marked as lost" in shown
    assert not AuditEntry.objects.exists()
