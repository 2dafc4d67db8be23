"""Hints to pages after a host's report."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from jobs import notifications
from jobs.models import Host
from jobs.services.intake.heartbeats import heartbeat
from tests.factories import heartbeat_body, make_host

pytestmark = pytest.mark.django_db
FULL = {"disk_free_bytes": 1, "disk_reserve_bytes": 10}


@pytest.fixture
def heard(monkeypatch):
    heard = []
    monkeypatch.setattr(notifications, "notify", lambda topic, name: heard.append((topic, name)))
    return heard


def test_a_report_of_measurements_alone_is_no_change_of_the_host(heard):
    host = make_host("quiet", protocol=Host.PROTOCOL)

    for percent in (3.0, 97.0):
        heartbeat(host, heartbeat_body(load={"cpu_percent": percent}))

    assert heard == []


def test_the_same_facts_with_another_free_space_are_no_change_of_the_host(heard):
    host = make_host("probed", protocol=Host.PROTOCOL)

    for free in (10, 10, 9):
        disk = {"total_bytes": 20, "free_bytes": free}
        facts = {"roots": {"weights": "/w"}, "disk": disk, "dies": [{"id": 0}], "stacks": ["guide"]}
        heartbeat(Host.objects.get(pk=host.pk), heartbeat_body(facts=facts))

    assert heard == [("host", "probed")]


@pytest.mark.parametrize(
    ("before", "report"),
    [
        ({"heartbeat_at": now() - timedelta(hours=1)}, {}),  # it was away
        ({"heartbeat_at": None}, {}),
        ({}, {"load": FULL}),
        ({"load": FULL}, {}),
        ({}, {"facts": {"roots": {"weights": "/w"}}}),
    ],
)
def test_pages_hear_that_a_host_changed(heard, before, report):
    host = make_host("changed", **{"protocol": Host.PROTOCOL, **before})

    heartbeat(host, heartbeat_body(**report))

    assert heard == [("host", "changed")]
