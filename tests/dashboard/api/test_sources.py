"""The API of permitted sources."""

import pytest

from jobs.models import AuditEntry, Source
from tests.dashboard.lib.caller import Caller
from tests.factories import make_user, permit_source

pytestmark = pytest.mark.django_db
GIT = {"type": "git", "address": "https://git.example/team", "note": "ours"}


def test_a_source_is_added_listed_and_removed(admin):
    made = admin.post("sources", GIT)
    row = Source.objects.get()
    more = {"special": "", "added_by": "ada", "added_at": row.created_at.isoformat()}
    shown = {**GIT, "id": row.pk, **more}
    assert (made.status_code, made.json()) == (201, shown)
    listed = admin.get("sources").json()
    assert (listed["sources"], listed["next"]) == ([shown], None)
    hub = {"type": "hub", "address": "https://hf-mirror.com", "origin": "Deployment guide"}
    assert hub in listed["included"]

    assert admin.send("delete", f"sources/{row.pk}").json() == shown

    assert admin.send("delete", f"sources/{row.pk}").status_code == 404
    assert not Source.objects.exists()
    assert [one.detail["did"] for one in AuditEntry.objects.order_by("pk")] == ["add", "delete"]


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"type": "svn"}, "type", "Choose the type."),
        ({"address": "https://git.example/../x"}, "address", "Enter a web address such as"),
    ],
)
def test_an_error_is_at_its_field(admin, change, field, words):
    answer = admin.post("sources", {**GIT, **change})

    assert answer.status_code == 422
    assert words in answer.json()["fields"][field]


def test_a_member_reads_and_changes_nothing():
    row, member = permit_source(GIT["address"]), Caller(make_user("lin"))

    assert member.get("sources").json()["sources"][0]["address"] == GIT["address"]

    answers = [member.post("sources", GIT), member.send("delete", f"sources/{row.pk}")]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert Source.objects.count() == 1


@pytest.mark.parametrize("scope", ["read", "launch"])
def test_an_administrator_s_token_of_another_scope_changes_nothing(admin, scope):
    admin.user.api_tokens.update(scope=scope)

    assert admin.get("sources").status_code == 200
    assert admin.post("sources", GIT).status_code == 403
