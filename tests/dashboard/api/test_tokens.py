"""API tokens: what a scope allows, their page, and their commands."""

import re
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.management import CommandError
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from dashboard.security import login_throttle
from dashboard.security.counters import hashed
from dashboard.security.permissions import ACTIONS, LAUNCHES, allowed
from jobs.models import ApiToken, AuditEntry
from tests.dashboard.lib.commands import run
from tests.factories import make_user


def test_each_scope_holds_the_one_before():
    user = make_user(is_staff=True)
    reach = []
    for scope in ("read", "launch", "admin"):
        user.token_scope = scope
        reach.append({action for action in ACTIONS if allowed(user, action)})

    reads, launches, all_of_it = reach
    assert all(action.endswith(".view") for action in reads)
    assert launches - reads == LAUNCHES
    assert all_of_it == set(ACTIONS)


def test_many_unknown_tokens_from_one_address_are_answered_429(api, monkeypatch):
    cache.clear()
    monkeypatch.setattr(login_throttle, "TOKENS_OF_AN_ADDRESS", 2)
    client = Client(headers={"Authorization": "Bearer unknown"})

    answers = [client.get("/api/v1/jobs") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert (answers[0].json()["error"], answers[-1].json()["error"]) == ("token", "too_many")
    assert 0 < int(answers[-1].headers["Retry-After"]) <= login_throttle.WINDOW_S
    assert answers[0].headers["WWW-Authenticate"] == "Bearer"
    # A caller with a known token is not delayed by others.
    assert api.get("jobs").status_code == 200


@pytest.fixture
def ada(client):
    user = make_user("ada")
    client.force_login(user)
    return user


def test_a_token_is_made_on_the_page_and_shown_once(client, ada):
    given = {"name": "nightly", "scope": "launch", "days": "30"}

    made = client.post(reverse("token-create"), given)

    token = re.search(r'id="made">([^<]+)<', made.text)[1]
    row = ApiToken.objects.get()
    assert (row.user, row.name, row.scope) == (ada, "nightly", "launch")
    assert row.token_sha256 == hashed(token)
    assert timedelta(days=29) < row.expires_at - now() < timedelta(days=31)
    assert made.headers["Cache-Control"].split(", ").count("no-store") == 1
    assert token not in client.get(reverse("token-list")).text
    headers = {"Authorization": f"Bearer {token}"}
    assert Client(headers=headers).get("/api/v1/me").json()["scope"] == "launch"
    assert AuditEntry.objects.get().action == "token.create"


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"scope": "everything"}, {"scope": "admin"}, {"days": "-1"}]
)
def test_a_token_that_cannot_be_is_refused_at_its_field(client, ada, wrong):
    given = {"name": "nightly", "scope": "read", "days": ""} | wrong

    answer = client.post(reverse("token-create"), given)

    assert answer.status_code == 422
    assert list(answer.context["form"].errors) == list(wrong)
    assert "form-error" in answer.text
    assert not ApiToken.objects.exists()


def test_a_member_sees_and_revokes_their_own_only(client, ada):
    mine = ApiToken.objects.create(user=ada, name="mine", token_sha256="a" * 64)
    other = ApiToken.objects.create(user=make_user(), name="another's", token_sha256="b" * 64)

    assert list(client.get(reverse("token-list")).context["tokens"]) == [mine]
    assert client.get(reverse("token-revoke", args=[other.pk])).status_code == 404
    assert client.post(reverse("token-revoke", args=[other.pk])).status_code == 404
    assert client.get(reverse("token-revoke", args=[mine.pk])).status_code == 200
    client.post(reverse("token-revoke", args=[mine.pk]))

    assert list(ApiToken.objects.all()) == [other]
    assert AuditEntry.objects.get().action == "token.delete"


def test_limits_and_expiry_of_a_token_are_changed_by_page_and_api(client, ada):
    fields = {"name": "chat", "token_sha256": "a" * 64, "scope": "models"}
    row = ApiToken.objects.create(user=ada, token_budget=9, **fields)
    address = reverse("token-change", args=[row.pk])

    assert 'value="9"' in client.get(address).text
    wrong = client.post(address, {"days": "same", "token_budget": "0"})
    assert (wrong.status_code, "greater than or equal to 1" in wrong.text) == (422, True)
    given = {"days": "", "allowed_models": "b, a,", "requests_per_minute": "3"}
    assert client.post(address, given).url == reverse("token-list")
    row.refresh_from_db()
    assert (row.allowed_models, row.requests_per_minute) == (["a", "b"], 3)
    assert (row.token_budget, row.expires_at) == (None, None)

    changed = client.patch(
        reverse("api-token", args=[row.pk]),
        {"models": ["c"], "tokens_per_minute": 7},
        content_type="application/json",
    )
    assert changed.status_code == 200
    row.refresh_from_db()
    assert (row.allowed_models, row.tokens_per_minute, row.requests_per_minute) == (["c"], 7, 3)
    assert [one.action for one in AuditEntry.objects.all()] == ["token.change"] * 2


def test_a_token_of_another_scope_has_an_expiry_and_no_limits(client, ada):
    row = ApiToken.objects.create(user=ada, name="ci", token_sha256="a" * 64, scope="read")
    address = reverse("token-change", args=[row.pk])

    assert "token_budget" not in client.get(address).text
    client.post(address, {"days": "30", "token_budget": "5"})
    row.refresh_from_db()
    assert row.token_budget is None
    assert timedelta(days=29) < row.expires_at - now() < timedelta(days=31)
    refused = client.patch(
        reverse("api-token", args=[row.pk]), {"token_budget": 5}, content_type="application/json"
    )
    assert (refused.status_code, [*refused.json()["fields"]]) == (400, ["token_id"])


def test_an_administrator_sees_and_revokes_all_also_expired_ones(client):
    client.force_login(make_user("root", is_staff=True))
    fields = {"name": "old", "token_sha256": "a" * 64, "expires_at": now() - timedelta(days=1)}
    token = ApiToken.objects.create(user=make_user("lin"), **fields)

    listed = client.get(reverse("token-list")).text
    client.post(reverse("token-revoke", args=[token.pk]))

    assert "lin" in listed and "expired" in listed
    assert not ApiToken.objects.exists()


def test_from_a_terminal_tokens_are_made_listed_and_revoked():
    make_user("root", is_staff=True)
    make_user("lin")

    token = run("create_token", "lin", "--name", "ci").strip()
    row = ApiToken.objects.get()
    listed = run("list_tokens")

    assert (row.scope, row.name, row.token_sha256) == ("read", "ci", hashed(token))
    assert timedelta(days=89) < row.expires_at - now() < timedelta(days=91)
    number, user, scope, *_times, name = listed.splitlines()[1].split()
    assert (number, user, scope, name) == (str(row.pk), "lin", "read", "ci")
    assert token not in listed
    assert run("list_tokens", "root").splitlines()[1:] == []
    assert f"Token {row.pk} of lin is revoked" in run("revoke_token", str(row.pk))
    assert not ApiToken.objects.exists()
    with pytest.raises(CommandError, match="There is no token"):
        run("revoke_token", str(row.pk))
    with pytest.raises(CommandError, match="No user is named 'bob'"):
        run("create_token", "bob")


def test_a_token_from_a_terminal_may_do_more_for_ever():
    make_user("root", is_staff=True)

    run("create_token", "root", "--scope", "admin", "--expires", "never")

    row = ApiToken.objects.get()
    assert (row.scope, row.expires_at) == ("admin", None)


@pytest.mark.parametrize("when", ["0d", "soon", "2020-01-01", "2026-13-01", "99999999d", "-1d"])
def test_an_expiry_that_cannot_be_is_refused(when):
    make_user("root", is_staff=True)

    with pytest.raises(CommandError, match="--expires"):
        run("create_token", "root", f"--expires={when}")
    assert not ApiToken.objects.exists()


def test_the_document_names_each_operation_once_for_those_who_may_read_the_help(client, api):
    assert client.get(reverse("api-openapi")).status_code == 401
    shown = api.get("openapi.json").json()

    names = [one["operationId"] for path in shown["paths"].values() for one in path.values()]
    assert len(set(names)) == len(names) > 30
    assert shown["openapi"] == "3.1.0"
    assert "/api/v1/jobs/{job_id}/cancel" in shown["paths"]


def test_the_reference_fetches_nothing_from_elsewhere(client, ada):
    page = client.get(reverse("api-root")).text

    for address in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert address.startswith(("/", "#")), address
    script = re.search(r'src="(/api/v1/reference/[^"]+\.js)"', page)[1]
    sent = client.get(script)
    assert (sent.status_code, "immutable" in sent.headers["Cache-Control"]) == (200, True)
    assert b"SwaggerUIBundle" in sent.content
    other = script.replace("swagger-ui-bundle.js", "redoc.standalone.js")
    assert client.get(other).status_code == 404
