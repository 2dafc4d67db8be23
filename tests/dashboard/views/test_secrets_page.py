"""Page on which administrators set and delete secrets; no page shows a value."""

from __future__ import annotations

import pytest
from django.urls import reverse

from jobs.models import AuditEntry, Job
from jobs.plans import Step
from jobs.services import secrets
from tests.factories import make_deployment, make_job, make_plan, make_user

pytestmark = pytest.mark.django_db

LIST, KEEP = reverse("secret-list"), reverse("secret-keep")
DELETE = reverse("secret-delete", args=["HF_TOKEN"])
VALUE = "hf_0123456789"


@pytest.fixture
def admin(client):
    client.force_login(make_user("ada", is_staff=True))
    return client


def keep(client, name="HF_TOKEN", value=VALUE, **more):
    return client.post(KEEP, {"name": name, "value": value}, **more)


def needing_token():
    """A plan with a step that is given the secret."""
    env = (("HF_TOKEN", "{secret:HF_TOKEN}"),)
    return make_plan(steps=(Step("fetch", ("hf", "download"), env=env),))


def test_a_secret_is_kept_and_never_shown_again(admin):
    answer = keep(admin, follow=True)

    assert secrets.values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}
    for page in (answer, admin.get(LIST), admin.get(f"{LIST}?name=HF_TOKEN"), admin.get(DELETE)):
        assert "HF_TOKEN" in page.content.decode()
        assert VALUE not in page.content.decode()


def test_the_record_says_what_was_done_and_no_value(admin):
    keep(admin)
    keep(admin, value="hf_another_one")
    admin.post(DELETE)

    entries = [(entry.subject, entry.detail) for entry in AuditEntry.objects.order_by("pk")]
    assert entries == [("secret HF_TOKEN", {"did": did}) for did in ("set", "replace", "delete")]


@pytest.mark.parametrize(
    ("name", "value", "field", "message"),
    [
        ("token", VALUE, "name", "Use capital letters, digits and underscores"),
        ("../X", VALUE, "name", "Use capital letters, digits and underscores"),
        ("HF_TOKEN", "hf_1234", "value", "Enter 8 to 4096 characters."),
        ("HF_TOKEN", "0123\n456789", "value", "Enter one line without leading or trailing spaces."),
    ],
)
def test_an_error_is_at_its_field_without_the_secret_s_value(admin, name, value, field, message):
    answer = keep(admin, name, value)

    page = answer.content.decode()
    assert answer.status_code == 422
    assert message in page.split(f'<div id="{field}-hint">')[1].split("</div>")[0]
    assert value not in page
    assert secrets.names() == []
    assert not AuditEntry.objects.exists()


def test_spaces_of_a_pasted_line_are_none_of_the_secret(admin):
    keep(admin, value=f"  {VALUE}\n")

    assert secrets.values(["HF_TOKEN"]) == {"HF_TOKEN": VALUE}


def test_deleting_asks_first_and_names_who_needs_it(admin):
    keep(admin)
    waiting = make_job(plan=needing_token())
    other = make_job()
    served = make_job(plan=needing_token(), state=Job.State.SUCCEEDED)
    deployment = make_deployment(job=served)

    page = admin.get(DELETE).content.decode()

    assert f'"/jobs/{waiting.pk}/"' in page
    assert f'"/deployments/{deployment.pk}/"' in page
    assert f'"/jobs/{other.pk}/"' not in page
    assert secrets.names() == ["HF_TOKEN"]
    admin.post(DELETE)
    assert secrets.names() == []


@pytest.mark.parametrize("name", ["NOBODYS", "..", "secret_key"])
def test_what_is_not_kept_cannot_be_deleted(admin, name):
    assert admin.post(reverse("secret-delete", args=[name])).status_code == 404


def test_a_member_sees_no_names_and_changes_nothing(admin, client):
    keep(admin)
    client.force_login(make_user())

    assert [client.get(LIST).status_code, client.get(DELETE).status_code] == [403, 403]
    assert [keep(client, "OTHER").status_code, client.post(DELETE).status_code] == [403, 403]
    assert secrets.names() == ["HF_TOKEN"]
    assert LIST not in client.get("/").content.decode()


def test_administrators_find_it_in_the_rail(admin):
    assert f'href="{LIST}"' in admin.get("/").content.decode()
