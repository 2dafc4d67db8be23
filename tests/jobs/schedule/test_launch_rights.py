"""Rights per host: who is refused, where, and in which words."""

import pytest
from django.utils.timezone import now

from jobs.access.accounts import set_active, set_role
from jobs.base.errors import LaunchError
from jobs.launch.again import retry_job
from jobs.launch.launch import InvalidParams, launch, preview
from jobs.models import Account, Host, Job
from jobs.schedule import dispatch, launch_rights
from jobs.schedule.deployments import restart_deployment
from tests.factories import make_deployment, make_host, make_job, make_user
from tests.refusals import refused_at

RAW = {"what": "weights"}


@pytest.fixture
def ada():
    return make_user("ada")


@pytest.fixture
def eve():
    return make_user("eve")


@pytest.fixture
def host(ada):
    made = make_host("far", slots=8)
    launch_rights.restrict(made.pk, [ada])
    made.refresh_from_db()
    return made


def test_only_listed_people_and_administrators_may_launch(host, ada, eve):
    people = (make_user(is_staff=True), ada, eve, None)
    assert [launch_rights.may_launch(host, user) for user in people] == [True, True, False, False]

    launch_rights.restrict(host.pk, [])

    host.refresh_from_db()
    assert [launch_rights.may_launch(host, user) for user in people] == [True, False, False, False]
    assert launch_rights.may_launch(make_host(), eve)  # open to all members at first


def test_a_launch_token_carries_no_right_of_an_administrator(host):
    root = make_user(is_staff=True)

    root.token_scope = "launch"
    assert not launch_rights.may_launch(host, root)
    assert launch_rights.open_hosts([host], root) == []
    root.token_scope = "admin"
    assert launch_rights.may_launch(host, root)


@pytest.mark.postgresql
def test_the_hosts_for_a_person_keep_their_order(host, ada, eve):
    other = make_host("near")

    assert launch_rights.open_hosts([other, host], ada) == [other, host]
    assert launch_rights.open_hosts([other, host], eve) == [other]
    assert launch_rights.open_hosts([other, host], None) == [other]
    assert launch_rights.open_hosts([host], make_user(is_staff=True)) == [host]


def test_a_change_is_told_from_none(host, ada):
    assert launch_rights.restrict(host.pk, [ada]) == (["ada"], False)
    assert launch_rights.restrict(host.pk, None) == (["ada"], True)
    assert launch_rights.launcher_names(Host.objects.get()) is None


def test_a_preview_and_a_launch_name_the_host_field(host, ada, eve):
    seen = preview("prepare", RAW, host, user=eve)
    with pytest.raises(InvalidParams) as refused:
        launch("prepare", RAW, host=host, user=eve)

    assert seen.plan is None
    assert seen.errors["host"].startswith("You may not launch on far.")
    assert set(refused.value.fields) == {"host"}
    assert not Job.objects.exists()
    assert preview("prepare", RAW, host, user=ada).plan is not None


def test_a_viewer_launches_nowhere():
    viewer = make_user(role="viewer")

    assert "viewer" in preview("prepare", RAW, make_host(), user=viewer).errors[""]


def test_a_retry_of_anothers_job_is_refused(host, ada, eve):
    job = launch("prepare", RAW, host=host, user=ada)
    Job.objects.filter(pk=job.pk).update(state="failed", finished_at=now())

    with refused_at("host"):
        retry_job(job.pk, eve)

    assert retry_job(job.pk, ada).repeats == job


def test_a_restart_is_refused_to_its_owner_too(host, ada):
    deployment = make_deployment(
        job=make_job(host=host, kind="deploy", state="succeeded"), state="stopped", created_by=ada
    )
    launch_rights.restrict(host.pk, [])

    with pytest.raises(LaunchError, match="You may not launch on far"):
        restart_deployment(deployment.pk, ada)


@pytest.mark.parametrize(
    ("meanwhile", "state", "why"),
    [
        (lambda host, user: None, "starting", "job:sent"),
        (lambda host, user: launch_rights.restrict(host.pk, []), "failed", "job:launch_right_host"),
        (lambda _, user: set_role(user, Account.Role.VIEWER), "failed", "job:launch_right_role"),
        (lambda _, user: set_active(user, active=False), "failed", "job:launch_right_role"),
        (lambda *_: Job.objects.update(created_by=None), "failed", "job:launch_right_nobody"),
    ],
)
def test_a_queued_job_starts_only_while_its_person_may(host, ada, meanwhile, state, why):
    job = launch("prepare", RAW, host=host, user=ada)
    meanwhile(host, ada)

    dispatch.run()

    job.refresh_from_db()
    assert (job.state, job.message_id, job.message_args["host"]) == (state, why, "far")
    named = ("job:launch_right_host", "job:launch_right_role")
    assert job.message_args.get("person") == ("ada" if why in named else None)
