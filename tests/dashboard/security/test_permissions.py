from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.urls import get_resolver

from dashboard import consumers
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


def test_every_view_asks_for_a_right_or_is_open_for_a_reason():
    for route, pattern in every_pattern(get_resolver().url_patterns):
        if pattern.name in OPEN:
            continue
        if route.startswith("api/v1/host/"):
            assert pattern.callback.for_hosts, route
        elif route.startswith("api/v1/") and pattern.name not in PAGES_OF_THE_API:
            # Each operation of an address, and each way to authenticate.
            assert pattern.callback.rights_actions, route
            assert set(pattern.callback.rights_actions) <= set(ACTIONS), route
        else:
            assert pattern.callback.rights_action in ACTIONS, route


def test_every_socket_asks_for_a_right():
    for pattern in consumers.websocket_urlpatterns:
        consumer = pattern.callback.consumer_class
        # All of them ask in one place, which none replaces.
        assert issubclass(consumer, consumers.PageSocket)
        assert consumer._permitted is consumers.PageSocket._permitted
        assert consumer.subject is not consumers.PageSocket.subject
    assert consumers.allowed is allowed


def test_each_role_may_do_what_the_action_needs():
    admin, member = make_user(is_staff=True), make_user()
    theirs, own = SimpleNamespace(created_by_id=-1), SimpleNamespace(created_by_id=admin.pk)
    for action, need in ACTIONS.items():
        assert allowed(AnonymousUser(), action) == (need is Need.ANYONE), action
        assert allowed(member, action) == (need is not Need.ADMIN), action
        assert allowed(admin, action, theirs) == (need is not Need.SELF), action
        assert allowed(admin, action, own), action


@pytest.mark.parametrize(
    ("action", "of"),
    [
        ("job.cancel", lambda person: make_job(created_by=person)),
        ("job.unpin", lambda person: Pin(1, person and person.pk)),
    ],
)
def test_a_member_may_change_what_is_their_own_only(action, of):
    owner, other, admin = make_user(), make_user(), make_user(is_staff=True)
    theirs, of_nobody = of(owner), of(None)

    assert [allowed(user, action, theirs) for user in (owner, other, admin)] == [True, False, True]
    assert [allowed(user, action, of_nobody) for user in (owner, admin)] == [False, True]


def test_a_closed_account_may_do_nothing():
    assert not allowed(make_user(is_active=False, is_staff=True), "job.view")


def test_an_action_that_does_not_exist_is_a_mistake_of_ours():
    with pytest.raises(KeyError):
        requires("job.dance")
    with pytest.raises(KeyError):
        allowed(AnonymousUser(), "job.dance")
