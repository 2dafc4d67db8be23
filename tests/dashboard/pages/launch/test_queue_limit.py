"""Limit of queued jobs per host (``QUEUE_LIMIT``), for every kind of launch."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from jobs.base.errors import LaunchError
from jobs.launch import again, launch
from jobs.models import Job
from tests.factories import make_host, make_job, make_user

pytestmark = pytest.mark.django_db
RAW = {"what": "weights"}
MESSAGE = "The queue of here is full: 2 jobs (QUEUE_LIMIT). Cancel some"


@pytest.fixture
def host(settings):
    """Its line is full; it starts nothing."""
    settings.QUEUE_LIMIT = 2
    host = make_host("here", draining=True)
    for _ in range(2):
        make_job(host=host)
    return host


@pytest.fixture
def admin(client):
    user = make_user("admin", is_staff=True)
    client.force_login(user)
    return user


def count():
    return Job.objects.filter(state="queued").count()


def test_the_form_says_what_to_do(client, host, admin):
    answer = client.post(reverse("launch-form", args=["prepare"]), {"host": "here", **RAW})

    assert answer.status_code == 422
    assert MESSAGE in answer.content.decode()
    assert count() == 2


def test_the_api_and_the_command_say_the_same(client, host, admin):
    body = {"kind": "prepare", "host": "here", "params": RAW}
    answer = client.post("/api/v1/jobs", json.dumps(body), content_type="application/json")

    assert (answer.status_code, answer.json()["error"]) == (422, "launch")
    assert MESSAGE in answer.json()["message"]
    with pytest.raises(CommandError, match="QUEUE_LIMIT"):
        call_command("launch", "prepare", "--host", "here", "--set", "what=weights")
    assert count() == 2


def test_the_limit_covers_retries_and_whole_chains(host, settings):
    old = make_job(host=host, state="succeeded", kind="prepare", params=RAW)
    with pytest.raises(LaunchError, match="QUEUE_LIMIT"):
        again.retry_job(old.pk, None)

    settings.QUEUE_LIMIT = 4  # the tour has five
    with pytest.raises(LaunchError, match="QUEUE_LIMIT"):
        launch.launch_tour(host, None)
    assert count() == 2


def test_only_queued_jobs_of_the_host_count(host):
    Job.objects.filter(pk=Job.objects.first().pk).update(state="running")
    launch.launch("prepare", RAW, host=host, user=None)

    launch.launch("prepare", RAW, host=make_host("there", draining=True), user=None)

    assert count() == 3
