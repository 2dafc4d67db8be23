from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.urls import get_resolver

from dashboard.consumers import sockets
from dashboard.security.permissions import ACTIONS, Need, allowed, requires
from jobs.services.upkeep.retention import Pin
from tests.dashboard.lib.routes import every_pattern
from tests.factories import make_job, make_user

pytestmark = pytest.mark.django_db

# Open to strangers, each with its reason.
OPEN = {
    "login": "how one stops being a stranger",
    "logout": "changes nobody's session but one's own",
    "set_language": "the login page offers both languages",
    "jsi18n": "words of the pages' scripts, the login page's too",
}

# Pages for people below the API's address, beside its operations.
PAGES_OF_THE_API = {"api-root", "api-reference-file"}


VIEWS = [
    pytest.param(route, pattern, id=pattern.name or route)
    for route, pattern in every_pattern(get_resolver().url_patterns)
]


@pytest.mark.parametrize(("route", "pattern"), VIEWS)
def test_every_view_asks_for_a_right_or_is_open_for_a_reason(route, pattern):
    if pattern.name in OPEN:
        return

    if route.startswith("api/v1/host/"):
        assert pattern.callback.for_hosts
    elif route.startswith("api/v1/") and pattern.name not in PAGES_OF_THE_API:
        # Each operation of an address, and each way to authenticate.
        assert pattern.callback.rights_actions
        assert set(pattern.callback.rights_actions) <= set(ACTIONS)
    else:
        assert pattern.callback.rights_action in ACTIONS


def test_every_socket_asks_for_a_right():
    for pattern in sockets.websocket_urlpatterns:
        consumer = pattern.callback.consumer_class
        # All of them ask in one place, which none replaces.
        assert issubclass(consumer, sockets.PageSocket)
        assert consumer._permitted is sockets.PageSocket._permitted
        assert consumer.subject is not sockets.PageSocket.subject
    assert sockets.allowed is allowed


@pytest.mark.parametrize("action", ACTIONS)
def test_a_stranger_may_do_only_what_is_open_to_anyone(action):
    assert allowed(AnonymousUser(), action) == (ACTIONS[action] is Need.ANYONE)


@pytest.mark.parametrize("action", ACTIONS)
def test_an_admin_may_do_all_but_what_is_one_persons_alone(action):
    admin = make_user(is_staff=True)

    is_allowed = allowed(admin, action, SimpleNamespace(created_by_id=-1))
    assert is_allowed == (ACTIONS[action] is not Need.SELF)
    assert allowed(admin, action, SimpleNamespace(created_by_id=admin.pk))


@pytest.mark.parametrize("action", ACTIONS)
def test_a_member_may_do_all_but_what_is_an_admins(action):
    assert allowed(make_user(), action) == (ACTIONS[action] is not Need.ADMIN)


def test_a_member_may_cancel_their_own_job_only():
    owner, other = make_user(), make_user()
    job = make_job(created_by=owner)

    assert allowed(owner, "job.cancel", job)
    assert not allowed(other, "job.cancel", job)
    assert allowed(make_user(is_staff=True), "job.cancel", job)


def test_a_member_may_take_their_own_pin_away_only():
    owner, other = make_user(), make_user()
    pin, of_nobody = Pin(1, owner.pk), Pin(1, None)

    assert allowed(owner, "job.unpin", pin)
    assert not allowed(other, "job.unpin", pin)
    assert not allowed(other, "job.unpin", of_nobody)
    assert allowed(make_user(is_staff=True), "job.unpin", of_nobody)


def test_a_closed_account_may_do_nothing():
    assert not allowed(make_user(is_active=False, is_staff=True), "job.view")


def test_an_object_without_an_owner_is_an_admins():
    assert not allowed(make_user(), "job.cancel", make_job(created_by=None))


def test_an_action_that_does_not_exist_is_a_mistake_of_ours():
    with pytest.raises(KeyError):
        requires("job.dance")
    with pytest.raises(KeyError):
        allowed(AnonymousUser(), "job.dance")
