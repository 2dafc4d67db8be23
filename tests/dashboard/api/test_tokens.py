"""API tokens: what a scope allows, their page, and their commands."""

import json
import re
from datetime import timedelta
from io import StringIO

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from dashboard.security import login_throttle
from dashboard.security.counters import hashed
from dashboard.security.permissions import ACTIONS, LAUNCHES, allowed
from jobs.models import ApiToken, AuditEntry
from tests.factories import make_deployment, make_job, make_user

pytestmark = pytest.mark.django_db


def call(user, scope, path, body=None, *, method="post"):
    """Return the answer to a request with a token of this scope."""
    ApiToken.objects.update_or_create(
        token_sha256=hashed("key"), defaults={"user": user, "name": "t", "scope": scope}
    )
    headers, client = {"Authorization": "Bearer key"}, Client()
    if method == "get":
        return client.get(f"/api/v1/{path}", headers=headers)
    data = json.dumps(body)
    return client.post(f"/api/v1/{path}", data, content_type="application/json", headers=headers)


def run(*arguments):
    """Standard output of a command."""
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.mark.parametrize(("scope", "status"), [("launch", 403), ("admin", 200)])
def test_only_the_scope_admin_carries_what_an_administrator_may(scope, status):
    root = make_user("root", is_staff=True)
    job, server = make_job(created_by=make_user()), make_deployment(created_by=make_user())

    assert call(root, scope, f"jobs/{job.pk}/cancel").status_code == status
    answer = call(root, scope, f"deployments/{server.pk}/stop")
    assert (answer.status_code, answer.json().get("error")) == (
        status,
        "scope" if scope == "launch" else None,
    )


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


def test_many_unknown_tokens_from_one_address_are_answered_429(monkeypatch):
    cache.clear()
    monkeypatch.setattr(login_throttle, "TOKENS_OF_AN_ADDRESS", 2)
    ada, client = make_user("ada"), Client(headers={"Authorization": "Bearer unknown"})

    answers = [client.get("/api/v1/jobs") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert answers[0].json()["error"] == "token"
    assert 0 < int(answers[-1].headers["Retry-After"]) <= login_throttle.WINDOW_S
    assert answers[-1].json()["error"] == "too_many"
    # A caller with a known token is not delayed by others.
    assert call(ada, "read", "jobs", method="get").status_code == 200


def test_a_refused_caller_gets_the_way_to_authenticate():
    assert Client().get("/api/v1/jobs").headers["WWW-Authenticate"] == "Bearer"


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
    assert (
        Client(headers={"Authorization": f"Bearer {token}"}).get("/api/v1/jobs").status_code == 200
    )
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


def test_an_administrator_sees_and_revokes_all(client):
    client.force_login(make_user("root", is_staff=True))
    token = ApiToken.objects.create(user=make_user("lin"), name="t", token_sha256="a" * 64)

    assert "lin" in client.get(reverse("token-list")).text
    client.post(reverse("token-revoke", args=[token.pk]))

    assert not ApiToken.objects.exists()


def test_the_list_says_what_has_expired(client, ada):
    fields = {"name": "old", "token_sha256": "a" * 64, "expires_at": now() - timedelta(days=1)}
    ApiToken.objects.create(user=ada, **fields)

    assert "expired" in client.get(reverse("token-list")).text


def test_from_a_terminal_tokens_are_made_listed_and_revoked():
    make_user("root", is_staff=True)
    make_user("lin")

    token = run(
        "create_token", "lin", "--scope", "read", "--expires", "90d", "--name", "ci"
    ).strip()
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


def test_a_token_reads_for_90_days_unless_more_is_asked_for():
    make_user("root", is_staff=True)

    run("create_token", "root")
    run("create_token", "root", "--scope", "admin", "--expires", "never")

    reads, admin = ApiToken.objects.order_by("pk")
    assert reads.scope == "read"
    assert timedelta(days=89) < reads.expires_at - now() < timedelta(days=91)
    assert (admin.scope, admin.expires_at) == ("admin", None)


@pytest.mark.parametrize("when", ["0d", "soon", "2020-01-01", "2026-13-01", "99999999d", "-1d"])
def test_an_expiry_that_cannot_be_is_refused(when):
    make_user("root", is_staff=True)

    with pytest.raises(CommandError, match="--expires"):
        run("create_token", "root", f"--expires={when}")
    assert not ApiToken.objects.exists()


def test_the_document_is_for_those_who_may_read_the_help(client):
    address = reverse("api-openapi")

    assert client.get(address).status_code == 401
    assert call(make_user(), "read", "openapi.json", method="get").json()["openapi"] == "3.1.0"


def test_the_document_names_each_operation_once(client, ada):
    paths = client.get(reverse("api-openapi")).json()["paths"]
    names = [one["operationId"] for path in paths.values() for one in path.values()]

    assert len(set(names)) == len(names) > 30
    assert "/api/v1/jobs/{job_id}/cancel" in paths


def test_the_reference_fetches_nothing_from_elsewhere(client, ada):
    page = client.get(reverse("api-root")).text

    for address in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert address.startswith(("/", "#")), address
    script = re.search(r'src="(/api/v1/reference/[^"]+\.js)"', page)[1]
    sent = client.get(script)
    assert (sent.status_code, "immutable" in sent.headers["Cache-Control"]) == (200, True)
    assert b"SwaggerUIBundle" in sent.content
    assert (
        client.get(script.replace("swagger-ui-bundle.js", "redoc.standalone.js")).status_code == 404
    )
