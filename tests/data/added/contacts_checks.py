"""Contacts as any other row of a team: page, API, audit log."""

import pytest
from django.urls import reverse

from dashboard.text.audit import ACTION_LABELS
from jobs.models import AuditEntry
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client):
    client.force_login(make_user("lin"))
    return client


def add(page, name="Wang", note="racks"):
    return page.post(reverse("contact-add"), {"name": name, "note": note})


def test_one_who_is_added_is_on_page_api_and_audit_log(page):
    assert add(page).status_code == 302

    assert "Wang" in page.get(reverse("contact-list")).text
    (row,) = page.get(reverse("api-contacts")).json()["contacts"]
    assert (row["name"], row["note"], row["created_by"]) == ("Wang", "racks", "lin")
    entry = AuditEntry.objects.get(action="contact.add")
    assert (entry.subject, entry.detail["name"]) == (f"contact {row['id']}", "Wang")
    assert str(ACTION_LABELS[entry.action]) == "Contact added"


def test_a_removal_is_undone(page):
    add(page)
    (row,) = page.get(reverse("api-contacts")).json()["contacts"]
    removed = page.post(reverse("contact-remove", args=[row["id"]]), follow=True)
    assert page.get(reverse("api-contacts")).json()["contacts"] == []
    assert reverse("contact-restore", args=[row["id"]]) in removed.text

    page.post(reverse("contact-restore", args=[row["id"]]))

    assert len(page.get(reverse("api-contacts")).json()["contacts"]) == 1


def test_a_name_exists_once(page):
    add(page)

    assert add(page).status_code == 422


def test_one_of_somebody_else_is_not_changed(page, client):
    add(page)
    (row,) = page.get(reverse("api-contacts")).json()["contacts"]
    client.force_login(make_user("ann"))

    assert client.post(reverse("contact-remove", args=[row["id"]])).status_code == 403
