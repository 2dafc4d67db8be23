"""Preflights before a job starts: red blocks, amber needs confirmation, silence waits."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from dashboard.actions.jobs import confirm
from jobs.models import Job, Preflight
from jobs.plans import Check, Plan, Step
from jobs.queries import overview
from jobs.schedule import dispatch, preflights
from tests.factories import make_host, make_job, make_plan, make_user, stored
from tests.jobs.lib.dies import DIES
from tests.jobs.lib.queued import FREE, dispatched, job_of, started, why

SHM = Check("shm", (("bytes", "34"),), asks=True)
ROOM = Check("disk", (("path", "/a"), ("bytes", "9")), asks=True)


@pytest.fixture
def job():
    plan = Plan(kind="prepare", steps=(Step("a", ("true",)),), checks=(SHM, ROOM))
    return make_job(host=make_host(slots=2), plan=plan, created_by=make_user("ada"))


def finding(name, level, **args):
    message = "check:shm_small" if name == "shm" else "check:disk_full"
    return {"name": name, "level": level, "message_id": message, "message_args": args}


def answer_checks(job, *, shm="ok", disk="ok", free="1 GB"):
    """Answer the host's preflight of a job."""
    dispatch.run()
    asked = Preflight.objects.filter(job=job, done_at=None).first()
    room = finding("disk", disk, path="/a", free=free, wanted="9 GB")
    preflights.answer(asked, [finding("shm", shm, total="1 GB", wanted="34 GB"), room])
    job.refresh_from_db()


def looked_long_ago():
    Preflight.objects.update(done_at=now() - timedelta(minutes=3))


def test_a_warning_waits_for_the_owner_s_confirmation(job):
    answer_checks(job, shm="warn")

    assert dispatch.run() == 0

    why = dispatch.why_waiting(job)
    assert (why.id, why.args["by"]) == ("wait:confirm", "ada")
    assert [item["check"] for item in job.open_confirmations] == ["shm(bytes=34)"]


def test_a_confirmation_starts_the_job_and_has_its_user(job):
    answer_checks(job, shm="warn")

    assert confirm(make_user("eve", is_staff=True), job, None)

    assert stored(job, "state", "open_confirmations") == (Job.State.STARTING, [])
    kept = {"check": "shm(bytes=34)", "by": "eve", "message_id": "check:shm_small"}
    assert kept.items() <= job.confirmed[0].items()


@pytest.mark.parametrize(
    ("before", "after", "opens"),
    [
        ({"shm": "warn"}, {"shm": "warn", "disk": "warn"}, ["disk(path=/a, bytes=9)"]),
        # A new figure of a confirmed check.
        ({"disk": "warn", "free": "5 GB"}, {"disk": "warn", "free": "4 GB"}, []),
    ],
)
def test_only_new_findings_need_a_new_confirmation(job, before, after, opens):
    answer_checks(job, **before)
    preflights.confirm(job.pk, job.open_confirmations, make_user())
    looked_long_ago()

    answer_checks(job, **after)

    assert [item["check"] for item in job.open_confirmations] == opens
    assert dispatch.run() == (not opens)


def test_a_yes_to_one_of_two_leaves_the_other_to_be_asked(job):
    answer_checks(job, shm="warn", disk="warn")

    preflights.confirm(job.pk, job.open_confirmations[:1], make_user())

    job.refresh_from_db()
    assert [item["check"] for item in job.open_confirmations] == ["disk(path=/a, bytes=9)"]
    assert dispatch.run() == 0


def test_a_job_goes_on_asking_while_its_host_looks_again_until_its_warning_is_fixed(job):
    answer_checks(job, shm="warn")
    looked_long_ago()
    dispatch.run()
    assert Preflight.objects.filter(job=job, done_at=None).count() == 1
    assert dispatch.why_waiting(job).id == "wait:confirm"

    answer_checks(job)

    assert job.open_confirmations == []
    assert dispatch.run() == 1


@pytest.mark.postgresql
def test_a_job_that_waits_for_long_keeps_only_its_last_answers(job):
    for _ in range(4):
        answer_checks(job, shm="warn")
        looked_long_ago()

    assert Preflight.objects.filter(job=job).count() == 2


def test_a_job_that_asks_holds_no_other_up(job):
    answer_checks(job, shm="warn")
    other = make_job(host=job.host)

    assert dispatch.run() == 1

    assert stored(other, "state") == Job.State.STARTING


def test_what_stops_is_not_asked(job):
    answer_checks(job, shm="warn", disk="failed")

    dispatch.run()

    assert stored(job, "state", "message_id") == (Job.State.FAILED, "check:disk_full")
    assert job.open_confirmations == []


def test_a_job_that_has_started_takes_no_yes(job):
    answer_checks(job)
    dispatch.run()

    assert not preflights.confirm(job.pk, [{"check": "shm(bytes=34)"}], make_user())


@pytest.mark.parametrize("name", ["shm", "shm(bytes=34)", "all"])
def test_a_yes_beforehand_may_name_a_check_its_object_or_all(job, name):
    confirmed = preflights.confirmation([{"check": name}], make_user())
    Job.objects.filter(pk=job.pk).update(confirmed=confirmed)

    answer_checks(job, shm="warn")

    assert job.open_confirmations == []
    assert dispatch.run() == 1


def test_a_yes_for_a_chain_is_kept_with_the_jobs_it_concerns():
    plan = Plan(kind="prepare", steps=(Step("a", ("true",)),), checks=(SHM, Check("docker")))
    names = ("shm(bytes=34)", "disk(path=/b)", "docker", "all")
    given = preflights.confirmation([{"check": name} for name in names], None)

    kept = [item["check"] for item in preflights.confirmed_for(plan, given)]

    assert kept == ["shm(bytes=34)", "all"]


@pytest.mark.postgresql
def test_jobs_that_ask_come_first_among_those_that_wait(job):
    first = make_job(host=make_host(heartbeat_at=None), created_at=now() - timedelta(hours=1))
    answer_checks(job, shm="warn")

    shown, _every = overview.waiting(None)
    assert [item.pk for item in shown] == [job.pk, first.pk]
    assert overview.counts(None, now())["needs_confirmation"] == 1


def test_queries_do_not_grow_with_unconfirmed_jobs(job):
    def queries(count):
        Job.objects.exclude(pk=job.pk).delete()
        for _ in range(count):
            plan = Plan(kind="prepare", steps=(Step("a", ("true",)),), checks=(SHM, ROOM))
            asks = make_job(host=job.host, plan=plan, created_by=job.created_by)
            answer_checks(asks, shm="warn")
        with CaptureQueriesContext(connection) as asked:
            dispatch.run()
        assert Job.objects.exclude(needs_confirmation=[]).count() == count
        return len(asked)

    Job.objects.filter(pk=job.pk).update(state="succeeded", finished_at=now())
    assert queries(3) == queries(15)


def test_a_job_keeps_dies_and_slot_during_its_preflight(host):
    plan = make_plan(steps=DIES.steps, dies=6, checks=(Check("iommu"),))
    big, small = make_job(host=host, plan=plan), job_of(host, 4)

    assert dispatched() == set()
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
    assert dispatched() == set()
    Preflight.objects.all().delete()
    asked_ago(exclusive, 65, 35, 5)

    dispatch.run()

    later = job_of(host)
    assert dispatched() == {other.pk, later.pk}
    assert why(exclusive) == "wait:exclusive_jobs"


def test_a_late_preflight_answer_still_starts_the_job(host):
    job = make_job(host=host, plan=CHECKED)
    asked_ago(job, 45)
    late = preflights.latest(job.pk)
    dispatch.run()
    assert preflights.latest(job.pk) != late

    preflights.answer(late, [])
    assert dispatched() == {job.pk}


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
