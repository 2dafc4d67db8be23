"""Idempotency keys: a request runs once, also when its repeats arrive at the same moment."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from dashboard.actions.action import OtherRequest, run_once
from jobs.base.errors import LaunchError
from jobs.models import Host, IdempotencyKey
from jobs.services.upkeep import reaper
from tests.factories import make_host, make_user
from tests.threads import together

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


def add_host():
    return make_host().pk


@pytest.mark.django_db(transaction=True)
def test_twelve_at_the_same_moment_run_once():
    ada = make_user()

    answers = together(*[lambda: run_once(ada, "key", "request", add_host)] * 12)

    assert answers == [Host.objects.get().pk] * 12


@pytest.mark.django_db(transaction=True)
def test_a_failed_request_leaves_its_key_and_nothing_else():
    ada = make_user()

    def fail():
        add_host()
        raise LaunchError("no")

    with pytest.raises(LaunchError):
        run_once(ada, "key", "request", fail)
    assert (Host.objects.count(), IdempotencyKey.objects.count()) == (0, 0)

    run_once(ada, "key", "request", add_host)

    assert Host.objects.count() == 1


def test_a_key_of_another_request_is_refused():
    ada = make_user()
    run_once(ada, "key", "request", add_host)

    with pytest.raises(OtherRequest):
        run_once(ada, "key", "other", add_host)

    assert Host.objects.count() == 1


def test_people_do_not_share_a_key():
    for name in ("ada", "bob"):
        run_once(make_user(name), "key", "request", add_host)

    assert Host.objects.count() == 2


def test_a_key_is_kept_for_a_day():
    ada = make_user()
    run_once(ada, "key", "request", add_host)

    reaper.reap(now() + timedelta(hours=23))
    assert IdempotencyKey.objects.count() == 1

    reaper.reap(now() + timedelta(hours=25))
    assert IdempotencyKey.objects.count() == 0
