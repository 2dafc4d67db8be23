"""What the audit log records, in which words, and that entries are only added."""

import ast
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from django.conf import settings as project
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import transaction
from django.db.models import ProtectedError
from django.db.utils import IntegrityError
from django.urls import reverse
from django.utils import translation

from dashboard.security import audit_log
from dashboard.security.counters import hashed
from dashboard.text.audit import ACTION_LABELS, DETAIL_LABELS, action_label, detail_pairs
from jobs.models import ApiToken, AppendOnlyError, AuditEntry
from tests.factories import make_host, make_job, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


@pytest.fixture
def admin(client):
    user = make_user("ada", is_staff=True)
    client.force_login(user)
    return user


def entry(user=None, action="job.cancel", subject="job 900", **fields):
    return AuditEntry.objects.create(user=user, action=action, subject=subject, **fields)


# What is recorded


def test_an_entry_has_the_address_of_the_request(client, admin):
    host = make_host("far")

    client.post(reverse("host-drain", args=[host.name]), {"draining": "1"}, REMOTE_ADDR="192.0.2.7")

    made = AuditEntry.objects.get()
    assert (made.user, made.action, made.origin) == (admin, "host.change", "192.0.2.7")


def test_a_forwarded_address_that_no_proxy_vouches_for_does_not_count(client, admin):
    client.post(
        reverse("host-drain", args=[make_host("far").name]),
        {"draining": "1"},
        REMOTE_ADDR="192.0.2.7",
        headers={"x-forwarded-for": "203.0.113.9"},
    )

    assert AuditEntry.objects.get().origin == "192.0.2.7"


def test_an_entry_of_a_token_has_the_address_of_its_request(client):
    user = make_user("robot")
    ApiToken.objects.create(user=user, name="t", token_sha256=hashed("secret"), scope="launch")
    job = make_job(created_by=user)

    client.post(
        f"/api/v1/jobs/{job.pk}/cancel",
        headers={"authorization": "Bearer secret"},
        REMOTE_ADDR="2001:db8::7",
    )

    assert AuditEntry.objects.get().origin == "2001:db8::7"


def test_an_entry_of_a_command_says_so(client, admin, capsys):
    call_command("add_host", "far")

    assert AuditEntry.objects.get().origin == "manage.py"
    page = client.get(reverse("audit")).text
    assert "manage.py on the server" in page
    assert "no account" in page


def test_the_address_of_one_request_is_not_that_of_the_next_command(client, admin):
    client.post(
        reverse("host-drain", args=[make_host("far").name]),
        {"draining": "1"},
        REMOTE_ADDR="192.0.2.7",
    )

    audit_log.record(admin, "job.pin", "job 1", pinned=True)

    assert AuditEntry.objects.order_by("-pk")[0].origin == "manage.py"


def test_a_login_is_recorded(client):
    user = make_user("eve", password="correct horse battery")

    client.post(
        reverse("login"),
        {"username": "eve", "password": "correct horse battery"},
        REMOTE_ADDR="192.0.2.8",
    )

    made = AuditEntry.objects.get()
    assert (made.user, made.action, made.origin) == (user, "account.login", "192.0.2.8")


def test_a_wrong_password_is_no_login(client):
    make_user("eve", password="correct horse battery")

    client.post(reverse("login"), {"username": "eve", "password": "wrong"})

    assert AuditEntry.objects.get().action == "account.refused"


# Every recorded action has words


REMOVALS = ast.parse("record(name='', did=('delete', 'undo'))", mode="eval").body.keywords


VARIES = ("self.action", "action", "name")


@cache
def recorded():
    """(file, action, details) of each call that records an action; None for what varies."""
    return list(_recorded())


def _recorded():
    files = chain.from_iterable(
        (Path(project.BASE_DIR) / package).rglob("*.py") for package in ("dashboard", "jobs")
    )
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef):
                yield from _recorded_by_actions(file, node)
            if not isinstance(node, ast.Call):
                continue
            if ast.unparse(node.func) == "Removable":  # records its action itself
                yield file, node.args[0].value, REMOVALS
            elif is_record(node.func) and ast.unparse(node.args[1]) not in VARIES:
                assert isinstance(node.args[1], ast.Constant), (file, node.lineno)
                yield file, node.args[1].value, node.keywords


def _recorded_by_actions(file, function):
    """Entries of a change: ``@action("job.cancel")`` returns ``Done(value, subject, …)``."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "action":
            for call in calls:
                at = {"Done": 1, "done.add": 0}.get(ast.unparse(call.func))
                if at is not None and len(call.args) > at:
                    yield file, decorator.args[0].value, call.keywords


RECORDS = ("record", "record_often")


def is_record(function):
    if isinstance(function, ast.Attribute):
        return function.attr in RECORDS and ast.unparse(function.value) == "audit_log"
    return isinstance(function, ast.Name) and function.id in RECORDS


def constants(node):
    return [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]


def test_every_recorded_action_has_a_label():
    calls = recorded()

    assert len(calls) >= 30
    assert {action for _file, action, _details in calls} <= set(ACTION_LABELS)


def test_every_recorded_detail_has_a_label():
    for file, action, keywords in recorded():
        for keyword in keywords:
            if keyword.arg in (None, "pinned", "actor", "key"):
                continue
            if keyword.arg != "did":
                assert keyword.arg in DETAIL_LABELS, (file, keyword.arg)
                continue
            for did in constants(keyword.value):
                assert f"{action}:{did}" in ACTION_LABELS or did == "change", (file, action, did)


def test_every_change_of_a_person_has_a_label(client, admin):
    other = make_user("eve")
    for wanted in ("admin", "viewer", "member", "off", "on"):
        client.post(reverse("person-change", args=[other.pk]), {"set": wanted})

    labels = {action_label(one.action, one.detail) for one in AuditEntry.objects.all()}
    assert len(labels) == 5
    assert "Account changed" not in labels


def test_every_label_is_in_both_languages():
    with translation.override("zh-hans"):
        same = [
            key for key, label in {**ACTION_LABELS, **DETAIL_LABELS}.items() if str(label).isascii()
        ]
    assert same == []


def test_details_are_in_words():
    pairs = detail_pairs(
        {"did": "add", "is_staff": False, "kind": "benchmark", "repeats": 5, "bytes": 2_500_000}
    )

    assert pairs == [
        ("admin", "no"),
        ("kind", "Benchmark"),
        ("retry of", "#5"),
        ("size", "2.50 MB"),
    ]


# Only added


def test_no_entry_is_changed_or_deleted(admin):
    made = entry(admin)
    made.subject = "job 2"

    for change in (
        made.save,
        made.delete,
        AuditEntry.objects.all().delete,
        lambda: AuditEntry.objects.update(subject="job 2"),
        lambda: AuditEntry.objects.bulk_update([made], ["subject"]),
        lambda: AuditEntry.objects.update_or_create(pk=made.pk, defaults={"subject": "job 2"}),
        lambda: AuditEntry.objects.bulk_create(
            [made], update_conflicts=True, update_fields=["subject"], unique_fields=["id"]
        ),
        lambda: AuditEntry._base_manager.filter(pk=made.pk).update(subject="job 2"),
        lambda: AuditEntry._base_manager.filter(pk=made.pk).delete(),
    ):
        with pytest.raises(AppendOnlyError):
            change()

    assert AuditEntry.objects.get().subject == "job 900"


def test_an_entry_never_takes_the_place_of_another(admin):
    made = entry(admin)

    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEntry(pk=made.pk, action="job.pin", subject="job 2").save()

    assert AuditEntry.objects.get().subject == "job 900"


def test_a_person_with_entries_stays(admin):
    entry(admin)

    with pytest.raises(ProtectedError):
        User.objects.filter(pk=admin.pk).delete()
