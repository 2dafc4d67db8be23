"""Offers of pages to a role, the page People, and passwords that end tokens."""

import re

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from dashboard.security.counters import hashed
from dashboard.security.permissions import ACTIONS, Need
from jobs.models import Account, ApiToken, AuditEntry
from tests import pages, sample_data
from tests.dashboard.lib.caller import Caller
from tests.dashboard.lib.routes import offered_in
from tests.factories import make_host, make_user

SECRET = "quite-long-7"


def of_role(role, name=""):
    client = Client()
    client.force_login(make_user(name, role=role))
    return client


@pytest.fixture
def root(client):
    client.force_login(make_user("root", is_staff=True))
    return client


def role_of(name):
    return Account.objects.get(user__username=name).role


def test_no_page_offers_what_a_role_may_not_do():
    """Rows are of an administrator, or nobody's: a member may change none of them."""
    make_user(is_staff=True)
    made, client = sample_data.make(), Client()

    offered = {}
    for role in ("viewer", "member"):
        client.force_login(make_user(role=role))
        answers = [client.get(path.format(**made), follow=True) for path in pages.ALL_PATHS]
        offered[role] = offered_in(answer.text for answer in answers if answer.status_code == 200)

    needs = {role: {ACTIONS[right] for right in offered[role].values()} for role in offered}
    assert not needs["viewer"] & {Need.MEMBER, Need.OWNER, Need.OWN, Need.ADMIN}
    assert not needs["member"] & {Need.OWNER, Need.OWN, Need.ADMIN}
    assert {"launch", "job-retry", "matrix-resume", "matrix-cell-run"} <= offered["member"].keys()


def test_the_overview_tells_a_viewer_why_there_is_no_tour():
    make_host("this-computer")

    page = of_role("viewer").get("/").text

    assert "Your role, viewer, does not allow launching." in page
    assert "/tour/" not in page


def test_a_refused_request_is_answered_in_words():
    answer = of_role("viewer").get(reverse("launch-form", args=["prepare"]))

    assert answer.status_code == 403
    assert "Viewers cannot launch or change anything." in answer.text


def test_people_shows_and_changes_roles(root):
    make_user("eve")
    person = User.objects.get(username="eve")

    for role in ("viewer", "admin", "member"):
        root.post(reverse("person-change", args=[person.pk]), {"set": role})

        assert role_of("eve") == role == shown_role(root, person)
    assert AuditEntry.objects.latest("pk").detail == {"did": "member", "before": "admin"}


@pytest.mark.parametrize("role", ["", "owner"])
def test_a_person_is_not_added_with_an_unknown_role(root, role):
    data = {"username": "eve", "role": role, "password1": SECRET, "password2": SECRET}

    answer = root.post(reverse("person-add"), data)

    assert answer.status_code == 422
    assert "form-error" in answer.text
    assert not User.objects.filter(username="eve").exists()


def test_a_viewer_makes_tokens_of_the_scope_read_only():
    viewer = of_role("viewer", "vera")
    asked = {"name": "mine", "days": "30"}

    assert viewer.post(reverse("token-create"), {**asked, "scope": "launch"}).status_code == 422
    assert viewer.post(reverse("token-create"), {**asked, "scope": "read"}).status_code == 200
    assert ApiToken.objects.get().scope == "read"


def test_a_token_made_on_the_server_for_a_viewer_has_the_scope_read():
    make_user("vera", role="viewer")

    with pytest.raises(CommandError, match="scope read only"):
        call_command("create_token", "vera", "--scope", "launch")
    call_command("create_token", "vera")

    assert ApiToken.objects.get().scope == "read"


@pytest.mark.parametrize("scope", ["read", "launch", "admin"])
def test_the_api_tells_who_calls(scope):
    caller = Caller(make_user("vera", role="viewer"))
    ApiToken.objects.update(scope=scope)

    assert caller.get("me").json() == {"name": "vera", "role": "viewer", "scope": scope}


def test_a_role_is_set_by_a_command(capsys):
    make_user("root", is_staff=True)
    make_user("eve")

    call_command("set_role", "eve", "viewer")
    call_command("set_role", "eve", "viewer")

    assert role_of("eve") == "viewer"
    assert capsys.readouterr().out == "eve: viewer\neve is viewer already.\n"
    entry = AuditEntry.objects.get()
    assert (entry.origin, entry.detail) == ("manage.py", {"did": "viewer", "before": "member"})


def test_the_command_keeps_the_last_administrator():
    make_user("root", is_staff=True)

    with pytest.raises(CommandError, match="root is the last administrator"):
        call_command("set_role", "root", "member")


@pytest.mark.parametrize(("ticked", "left"), [({}, 1), ({"revoke_tokens": "on"}, 0)])
def test_a_new_password_ends_tokens_if_asked_for(client, ticked, left):
    user = make_user("eve", password=SECRET)
    ApiToken.objects.create(user=user, name="t", token_sha256=hashed("x"))
    ApiToken.objects.create(user=make_user(), name="of another", token_sha256=hashed("y"))
    other = Client()
    other.force_login(user)
    client.force_login(user)
    new = {"old_password": SECRET, "new_password1": "another-8x", "new_password2": "another-8x"}

    answer = client.post(reverse("password"), {**new, **ticked}, follow=True)

    assert "Password changed." in answer.text
    assert user.api_tokens.count() == left
    assert ApiToken.objects.count() == left + 1
    assert AuditEntry.objects.latest("pk").detail == {"tokens": 1 - left}
    # Other sessions end in any case, one's own goes on.
    assert [one.get(reverse("job-list")).status_code for one in (other, client)] == [302, 200]


@pytest.mark.parametrize(("ticked", "left"), [({}, 1), ({"revoke_tokens": "on"}, 0)])
def test_a_reset_password_ends_sessions_and_tokens_if_asked_for(root, ticked, left):
    user = make_user("eve")
    ApiToken.objects.create(user=user, name="t", token_sha256=hashed("x"))
    theirs = Client()
    theirs.force_login(user)

    root.post(
        reverse("person-password", args=[user.pk]),
        {"new_password1": "another-8x", "new_password2": "another-8x", **ticked},
    )

    assert user.api_tokens.count() == left
    assert theirs.get(reverse("overview")).status_code == 302
    assert Client().login(username="eve", password="another-8x")


def test_an_upgrade_that_gave_no_role_shows_the_least(root):
    make_user("eve")
    Account.objects.filter(user__username="eve").delete()

    assert shown_role(root, User.objects.get(username="eve")) == "viewer"


def shown_role(root, person):
    form = root.get(reverse("people")).text.partition(f"/people/{person.pk}/change/")[2]
    return re.search(r'<option value="(\w+)" selected>', form.partition("</form>")[0])[1]
