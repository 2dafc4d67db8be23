"""A host is let in with its own key alone."""

from __future__ import annotations

import pytest
from django.test import Client

from jobs.base.errors import LaunchError
from jobs.models import Host
from jobs.queries.instance import instance_id
from jobs.services import hosts
from tests.factories import make_job

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


def status(key: str, path: str = "jobs/1/streams") -> int:
    """Return the intake's status for a request with this key; 404: the key is known."""
    headers = {
        "Authorization": f"Bearer {key}",
        "X-Protocol": "2",
        "X-Instance": instance_id(),
    }
    return Client().get(f"/api/v1/host/{path}", headers=headers).status_code


def test_a_new_host_logs_in_with_the_key_shown_once():
    host, made = hosts.add("va16-01")

    assert status(made.key) == 404
    assert made.key not in str(Host.objects.filter(pk=host.pk).values())


@pytest.mark.parametrize("key", ["", "x", " "])
def test_no_host_logs_in_without_a_key(key):
    hosts.add("va16-01")

    assert status(key) == 401


def test_after_a_new_key_the_old_one_is_refused():
    host, old = hosts.add("va16-01")

    new = hosts.new_key(host.pk)

    assert (status(old.key), status(new.key)) == (401, 404)


def test_a_revoked_key_is_refused():
    host, made = hosts.add("va16-01")

    assert hosts.revoke_key(host.pk) is True
    assert hosts.revoke_key(host.pk) is False

    assert status(made.key) == 401
    assert status("") == 401


def test_a_host_does_not_see_the_jobs_of_another():
    _, made = hosts.add("va16-01")
    other, _ = hosts.add("va16-02")
    job = make_job(host=other)

    assert status(made.key, f"jobs/{job.pk}/streams") == 404


@pytest.mark.parametrize("name", ["", "VA16", "a_b", "-a", "a-", "a" * 64, "a b", "a/../b"])
def test_a_name_that_cannot_be_a_host_is_refused(name):
    with pytest.raises(LaunchError) as caught:
        hosts.add(name)

    assert caught.value.field == "name"


def test_two_hosts_have_two_names():
    hosts.add("va16-01")

    with pytest.raises(LaunchError, match="of this name"):
        hosts.add("va16-01")
