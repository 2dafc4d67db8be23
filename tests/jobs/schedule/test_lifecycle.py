from datetime import UTC, datetime

import pytest

from jobs.base.messages import Message
from jobs.models import Job
from jobs.schedule import lifecycle
from jobs.schedule.lifecycle import ClaimRefused
from tests.factories import make_deployment, make_host, make_job, make_user, stored
from tests.threads import together

DONE = Message("done")


def claimed_job(**fields) -> Job:
    job = make_job(**fields)
    assert lifecycle.lease_job(job.pk, values={"job": str(job.pk)})
    return lifecycle.claim_job(job.pk, host=job.host, claim_id="nonce")


def claims(job: Job, nonce: str = "nonce") -> str:
    """The nonce; "" when the claim is refused."""
    try:
        return lifecycle.claim_job(job.pk, host=job.host, claim_id=nonce).claim_id
    except ClaimRefused:
        return ""


@pytest.mark.postgresql
def test_the_first_verdict_on_a_job_stands():
    job = make_job()

    assert lifecycle.finish_job(job.pk, "cancelled", message=Message("first", {"by": "me"}))
    assert not lifecycle.finish_job(job.pk, "succeeded", message=DONE)

    job.refresh_from_db()
    assert (job.state, job.message_id, job.message_args) == ("cancelled", "first", {"by": "me"})


def test_a_job_is_not_finished_into_an_open_state():
    job = make_job()

    with pytest.raises(ValueError, match="running does not finish a job"):
        lifecycle.finish_job(job.pk, "running", message=DONE)


def test_a_lease_fills_the_slots_and_names_the_host():
    job = make_job()

    assert lifecycle.lease_job(job.pk, values={"job": "1"})

    job.refresh_from_db()
    assert (job.state, job.values, job.message_id) == ("starting", {"job": "1"}, "job:sent")
    assert job.dispatched_at is not None


def test_a_host_gets_no_more_jobs_than_it_has_slots():
    host = make_host(slots=2)
    jobs = [make_job(host=host) for _ in range(3)]

    leased = [lifecycle.lease_job(job.pk, values={}) for job in jobs]

    assert leased == [True, True, False]


@pytest.mark.parametrize(
    ("host", "job"), [({"draining": True}, {}), ({}, {"cancel_asked_at": datetime.now(UTC)})]
)
def test_a_drained_host_gets_no_job_and_none_gets_a_cancelled_one(host, job):
    assert not lifecycle.lease_job(make_job(host=make_host(**host), **job).pk, values={})


def test_the_same_claim_again_gets_the_same_job():
    job = claimed_job()

    again = lifecycle.claim_job(job.pk, host=job.host, claim_id="nonce")

    assert (again.claim_token, again.claimed_at) == (job.claim_token, job.claimed_at)


@pytest.mark.parametrize(
    ("made", "claim_id", "state"),
    [
        (lambda: claimed_job(), "another", "starting"),
        (lambda: make_job(), "nonce", "queued"),
        (lambda: make_job(state="starting"), "", "starting"),
    ],
)
def test_a_second_an_early_and_an_empty_claim_are_refused(made, claim_id, state):
    job = made()

    with pytest.raises(ClaimRefused) as refused:
        lifecycle.claim_job(job.pk, host=job.host, claim_id=claim_id)

    assert refused.value.state == state


def test_a_host_cannot_claim_the_job_of_another():
    job = make_job(state="starting")

    with pytest.raises(Job.DoesNotExist):
        lifecycle.claim_job(job.pk, host=make_host(), claim_id="nonce")


def test_a_start_keeps_the_values_of_dashboard_and_host():
    job = claimed_job()
    at = datetime(2026, 1, 2, tzinfo=UTC)

    assert lifecycle.start_job(job.pk, values={"port": "20000"}, at=at)
    assert not lifecycle.start_job(job.pk, values={"port": "1"}, at=at)

    assert stored(job, "state", "started_at") == ("running", at)
    assert job.values == {"job": str(job.pk), "port": "20000"}


@pytest.mark.parametrize("is_sent", [False, True])
def test_a_job_that_no_host_has_taken_is_cancelled_at_once(is_sent):
    job, user = make_job(), make_user("ada")
    if is_sent:
        lifecycle.lease_job(job.pk, values={})

    assert lifecycle.ask_cancel(job.pk, user)

    assert stored(job, "state", "cancelled_by") == ("cancelled", user)
    assert job.message_args == {"user": "ada"}
    assert not claims(job)


def test_a_running_job_is_asked_to_stop_and_keeps_its_state_and_who_asked_first():
    job, first = claimed_job(), make_user()

    assert lifecycle.ask_cancel(job.pk, first)
    assert lifecycle.ask_cancel(job.pk, make_user())

    assert stored(job, "state", "cancelled_by") == ("starting", first)
    assert job.cancel_asked_at is not None


def test_a_closed_job_cannot_be_cancelled():
    job = make_job(state="failed")

    assert not lifecycle.ask_cancel(job.pk, make_user())


@pytest.mark.postgresql
def test_dependents_of_an_unsuccessful_job_are_cancelled():
    host = make_host()
    first, second, third = (make_job(host=host, product={"type": "weights"}) for _ in range(3))
    second.after.add(first)
    third.after.add(second)

    lifecycle.finish_job(first.pk, "failed", message=DONE)

    assert (stored(second, "state"), stored(third, "state")) == ("cancelled", "cancelled")
    assert second.message_args == {"job": first.pk, "state": "failed"}
    assert third.message_args == {"job": second.pk, "state": "cancelled"}


def test_what_comes_after_a_job_that_succeeded_stays_queued():
    first, second = make_job(), make_job()
    second.after.add(first)

    lifecycle.finish_job(first.pk, "succeeded", message=DONE)

    assert stored(second, "state") == "queued"


@pytest.mark.parametrize(
    ("before", "end", "after"),
    [("loading", "failed", "stopping"), ("waiting", "cancelled", "stopped")],
)
def test_a_deploy_job_that_does_not_succeed_leaves_no_server(before, end, after):
    deployment = make_deployment(job=make_job(state="running"), state=before)

    lifecycle.finish_job(deployment.job_id, end, message=DONE)

    assert stored(deployment, "state", "wanted") == (after, False)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_many_leases_at_once_no_more_win_than_slots():
    host = make_host(slots=2)
    jobs = [make_job(host=host) for _ in range(6)]

    won = together(*(lambda pk=job.pk: lifecycle.lease_job(pk, values={}) for job in jobs))

    assert won.count(True) == 2
    assert Job.objects.filter(state="starting").count() == 2


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_many_claims_at_once_one_wins():
    job = make_job()
    lifecycle.lease_job(job.pk, values={})

    won = together(*(lambda nonce=str(n): claims(job, nonce) for n in range(6)))

    assert [nonce for nonce in won if nonce] == [stored(job, "claim_id")]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_claim_and_a_cancel_at_once_do_not_both_have_the_job():
    job, user = make_job(), make_user()
    lifecycle.lease_job(job.pk, values={})

    claimed, asked = together(lambda: claims(job), lambda: lifecycle.ask_cancel(job.pk, user))

    job.refresh_from_db()
    assert asked
    assert (job.state == "starting") == bool(claimed)
    assert job.cancel_asked_at is not None


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_of_two_verdicts_at_once_one_stands():
    job = make_job(state="running")

    won = together(
        lambda: lifecycle.finish_job(job.pk, "failed", message=DONE),
        lambda: lifecycle.finish_job(job.pk, "lost", message=DONE),
    )

    job.refresh_from_db()
    assert sorted(won) == [False, True]
    assert job.state == ("failed" if won[0] else "lost")
