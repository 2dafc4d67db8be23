"""A host of an earlier protocol gets nothing, and its page says that it must be updated."""

import pytest
from django.urls import reverse

from jobs.host.base import client as host_client
from jobs.models import Host
from tests.factories import make_job, make_plan, make_user

pytestmark = pytest.mark.django_db


def test_host_and_dashboard_speak_one_protocol():
    assert host_client.PROTOCOL == Host.PROTOCOL


def test_an_outdated_host_is_refused_and_logged_once(caller, caplog):
    caller.headers["X-Protocol"] = "1"

    answers = [caller.post("heartbeat", {}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [426] * 3
    assert answers[0].json()["upgrade_to"] == 2
    assert caplog.text.count("this-computer speaks host protocol 1: update it to 2") == 1


@pytest.mark.parametrize("protocol", ["0", "3", "x", "9" * 400, ""])
def test_a_protocol_of_no_earlier_host_is_refused_and_not_noted(caller, protocol):
    caller.headers["X-Protocol"] = protocol

    assert caller.post("heartbeat", {}).status_code == 426
    caller.host.refresh_from_db()
    assert not caller.host.is_outdated


def test_its_queue_waits_until_it_is_updated(caller, kind, client):
    queued = make_job(host=caller.host, plan=make_plan(kind="fake"))
    client.force_login(make_user("ada"))
    caller.headers["X-Protocol"] = "1"

    caller.post("heartbeat", {})

    page = client.get(reverse("host-detail", args=[caller.host.name])).text
    assert "This host runs an earlier version." in page
    queued.refresh_from_db()
    assert queued.state == "queued"

    caller.headers["X-Protocol"] = "2"
    caller.beat()
    queued.refresh_from_db()
    assert queued.state == "starting"
