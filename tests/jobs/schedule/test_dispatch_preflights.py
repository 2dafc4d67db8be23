"""Jobs whose host checks them first: what they keep meanwhile, and what a late answer does."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from jobs.models import Preflight
from jobs.plans import Check
from jobs.schedule import dispatch, preflights
from tests.factories import make_host, make_job, make_plan
from tests.jobs.lib.dies import DIES
from tests.jobs.lib.queued import FREE, job_of, started, why

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


@pytest.fixture
def host():
    return make_host(slots=9, facts={"dies": [{"id": number} for number in range(8)]})


def test_a_job_keeps_dies_and_slot_during_its_preflight(host):
    plan = make_plan(steps=DIES.steps, dies=6, checks=(Check("iommu"),))
    big, small = make_job(host=host, plan=plan), job_of(host, 4)

    dispatch.run()

    assert started() == set()
    assert (why(big), why(small)) == ("wait:preflight", "wait:kept")


def test_a_host_checks_no_more_jobs_than_it_has_slots():
    host = make_host(slots=2)
    plan = make_plan(steps=FREE.steps, checks=(Check("iommu"),))
    jobs = [make_job(host=host, plan=plan) for _ in range(5)]

    dispatch.run()

    assert [why(job) for job in jobs] == ["wait:preflight"] * 2 + ["wait:before"] * 3


CHECKED = make_plan(steps=FREE.steps, checks=(Check("iommu"),))


def asked_ago(job, *seconds):
    """Its host was asked so long ago, and has answered nothing."""
    for ago in seconds:
        asked = preflights.ask(job.host, job.plan, {}, job=job)
        Preflight.objects.filter(pk=asked.pk).update(asked_at=now() - timedelta(seconds=ago))


def test_an_overdue_preflight_blocks_no_other_job(host):
    exclusive, other = make_job(host=host, plan=CHECKED, exclusive=True), job_of(host)
    asked_ago(exclusive, 20)
    dispatch.run()
    assert started() == set()
    Preflight.objects.all().delete()
    asked_ago(exclusive, 65, 35, 5)

    dispatch.run()

    later = job_of(host)
    dispatch.run()

    assert started() == {other.pk, later.pk}
    assert why(exclusive) == "wait:exclusive_jobs"


def test_a_late_preflight_answer_still_starts_the_job(host):
    job = make_job(host=host, plan=CHECKED)
    asked_ago(job, 45)
    late = preflights.latest(job.pk)
    dispatch.run()
    assert preflights.latest(job.pk) != late

    preflights.answer(late, [])
    dispatch.run()

    assert started() == {job.pk}


def test_first_and_last_unanswered_requests_are_kept(host):
    job = make_job(host=host, plan=CHECKED)
    asked_ago(job, 500)
    preflights.answer(preflights.latest(job.pk), [])

    asked_ago(job, 400, 300, 200, 100)

    ages = [(now() - one.asked_at).total_seconds() for one in Preflight.objects.all()]
    assert ages == pytest.approx([100, 400, 500], abs=50)  # the test itself may take some


def test_a_silent_host_gets_few_preflight_requests():
    host = make_host(slots=2)
    for job in [make_job(host=host, plan=CHECKED) for _ in range(30)][:20]:
        asked_ago(job, 100)
    free = job_of(host)

    dispatch.run()

    assert Preflight.objects.values("job").distinct().count() == 20
    assert started() == {free.pk}
