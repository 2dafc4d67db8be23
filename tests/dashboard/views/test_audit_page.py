"""The audit log: page, filters, exports, API, and that entries only come."""

import ast
import csv
import io
import json
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import chain
from pathlib import Path

import pytest
from django.conf import settings as project
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.models import ProtectedError
from django.db.utils import IntegrityError
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from dashboard.api.auth import hashed
from dashboard.security import audit_log
from dashboard.text.audit_labels import ACTION_LABELS, DETAIL_LABELS, action_label, detail_pairs
from jobs.models import ApiToken, AppendOnlyError, AuditEntry
from jobs.queries import audit
from jobs.queries.audit import Filters
from tests.factories import make_deployment, make_host, make_job, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

LIST = reverse("audit")
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
def admin(client):
    user = make_user("ada", is_staff=True)
    client.force_login(user)
    return user


def entry(user=None, action="job.cancel", subject="job 900", at=NOON, **fields):
    return AuditEntry.objects.create(user=user, action=action, subject=subject, at=at, **fields)


def subjects(client, **query):
    page = client.get(LIST, query)
    return [row.entry.subject for row in page.context["rows"]]


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
    page = client.get(LIST).text
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

    assert not AuditEntry.objects.exists()


# Every recorded action has words


def recorded():
    """(file, action, details) of each call that records an action; None for what varies."""
    files = chain.from_iterable(
        (Path(project.BASE_DIR) / package).rglob("*.py") for package in ("dashboard", "jobs")
    )
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and is_record(node.func):
                assert isinstance(node.args[1], ast.Constant), (file, node.lineno)
                yield file, node.args[1].value, node.keywords


def is_record(function):
    if isinstance(function, ast.Attribute):
        return function.attr == "record" and ast.unparse(function.value) == "audit_log"
    return isinstance(function, ast.Name) and function.id == "record"


def constants(node):
    return [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]


def test_every_recorded_action_has_a_label():
    calls = list(recorded())

    assert len(calls) >= 30
    assert {action for _file, action, _details in calls} <= set(ACTION_LABELS)


def test_every_recorded_detail_has_a_label():
    for file, action, keywords in recorded():
        for keyword in keywords:
            if keyword.arg in (None, "pinned"):
                continue
            if keyword.arg != "did":
                assert keyword.arg in DETAIL_LABELS, (file, keyword.arg)
                continue
            for did in constants(keyword.value):
                assert f"{action}:{did}" in ACTION_LABELS or did == "change", (file, action, did)


def test_every_change_of_a_person_has_a_label(client, admin):
    other = make_user("eve")
    for wanted in ("admin", "member", "off", "on"):
        client.post(reverse("person-change", args=[other.pk]), {"set": wanted})

    labels = {action_label(one.action, one.detail) for one in AuditEntry.objects.all()}
    assert len(labels) == 4
    assert "Account changed" not in labels


def test_every_label_is_in_both_languages():
    with translation.override("zh-hans"):
        same = [
            key for key, label in {**ACTION_LABELS, **DETAIL_LABELS}.items() if str(label).isascii()
        ]
    assert same == []


def test_an_action_of_another_version_is_shown_by_its_name(client, admin):
    entry(action="moon.land", subject="moon", detail={"depth": [1, {"a": None}]})

    page = client.get(LIST).text

    assert "moon.land" in page
    assert "depth" in page


@pytest.mark.parametrize("detail", [[], "text", 7, {"did": ["x"]}, {"x": {"y": "z" * 50}}])
def test_no_detail_breaks_the_page(client, admin, detail):
    entry(action="user.manage", subject="user x", detail=detail)
    entry(action="job.pin", subject="job 99999999999999999999999", detail=detail)

    assert client.get(LIST).status_code == 200
    assert len(downloaded(client, "csv")[1].splitlines()) == 3
    assert client.get("/api/v1/audit").status_code == 200


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


# The page


def test_the_page_says_who_did_what_to_what_from_where(client, admin):
    job = make_job()
    deployment = make_deployment()
    make_host("far")
    entry(admin, "job.cancel", f"job {job.pk}", origin="192.0.2.7")
    entry(admin, "deployment.stop", f"deployment {deployment.pk}")
    entry(admin, "host.mark_lost", "host far")
    entry(admin, "user.manage", f"user {admin.pk}", detail={"did": "password"})

    page = client.get(LIST).text

    for text in ("Job cancelled", "192.0.2.7", "ada", "Host marked as lost", "Password reset"):
        assert text in page
    for address in (
        reverse("job-detail", args=[job.pk]),
        reverse("deployment-detail", args=[deployment.pk]),
        reverse("host-detail", args=["far"]),
        reverse("people"),
    ):
        assert f'href="{address}"' in page


def test_what_is_gone_has_no_link(client, admin):
    entry(admin, "job.cancel", "job 12345")
    entry(admin, "host.key", "host gone", detail={"did": "revoke"})

    page = client.get(LIST).text

    assert "Job #12345" in page
    assert "/jobs/12345/" not in page
    assert "/hosts/gone/" not in page


def test_the_page_asks_the_database_a_fixed_number_of_times(client, admin):
    def queries():
        with CaptureQueriesContext(connection) as asked:
            client.get(LIST)
        return len(asked)

    entry(admin, subject=f"job {make_job().pk}")
    few = queries()
    for _ in range(20):
        entry(make_user(), subject=f"job {make_job().pk}")

    assert queries() <= few + 1


def test_only_an_administrator_sees_it(client):
    client.force_login(make_user("eve"))

    for address in (LIST, reverse("audit-export", args=["csv"])):
        assert client.get(address).status_code == 403
    assert f'href="{LIST}"' not in client.get(reverse("job-list")).text


def test_an_administrator_finds_it_in_the_rail(client, admin):
    assert f'href="{LIST}"' in client.get(reverse("job-list")).text


def test_an_empty_log_says_what_it_will_hold(client, admin):
    page = client.get(LIST).text

    assert "No entries yet." in page
    assert 'class="filters"' not in page


def test_filters_find_person_action_and_words(client, admin):
    eve = make_user("eve")
    entry(admin, "job.cancel", "job 1", origin="192.0.2.7")
    entry(eve, "job.launch", "job 2", detail={"host": "va16-01"})
    entry(None, "host.add", "host far", origin="manage.py")

    assert subjects(client, person="eve") == ["job 2"]
    assert subjects(client, person=":none") == ["host far"]
    assert subjects(client, action="job.cancel") == ["job 1"]
    assert subjects(client, q="192.0.2") == ["job 1"]
    assert subjects(client, q="VA16") == ["job 2"]
    assert subjects(client, q="eve job") == ["job 2"]
    assert subjects(client, q="eve far") == []
    assert "No entry matches." in client.get(LIST, {"person": "nobody"}).text


def test_words_in_chinese_are_found_in_details(client, admin):
    entry(admin, "token.create", "token 1", detail={"name": "夜间比较"})
    entry(admin, "token.create", "token 2", detail={"name": "other"})

    assert subjects(client, q="夜间") == ["token 1"]


def test_days_are_those_of_the_viewer_and_both_included(client, admin):
    for day in range(4):
        entry(subject=f"job {day}", at=datetime(2026, 11, 24 + day, 23, 30, tzinfo=UTC))

    assert subjects(client, **{"from": "2026-11-25", "to": "2026-11-26"}) == ["job 2", "job 1"]
    client.cookies["tz"] = "Asia/Shanghai"  # half past seven of the next day
    assert subjects(client, **{"from": "2026-11-25", "to": "2026-11-26"}) == ["job 1", "job 0"]


@pytest.mark.parametrize("day", ["never", "2026-13-01", "0001-01-01", "9999-12-31", "2026"])
def test_a_day_that_is_none_gets_an_error_at_its_field(client, admin, day):
    entry()

    answer = client.get(LIST, {"from": day})

    assert answer.status_code == 422
    assert "Enter a day such as" in answer.text
    assert 'aria-describedby="e-from"' in answer.text
    assert client.get(reverse("audit-export", args=["csv"]), {"to": day}).status_code == 404


def test_a_span_that_ends_before_it_begins_is_refused(client, admin):
    answer = client.get(LIST, {"from": "2026-11-27", "to": "2026-11-26"})

    assert (answer.status_code, "before the first day" in answer.text) == (422, True)


def test_pages_hold_every_entry_once(client, admin):
    made = [
        entry(subject=f"job {number}", at=NOON - timedelta(minutes=number // 3)).pk
        for number in range(120)
    ]

    shown, after = [], ""
    for _ in range(3):
        page = client.get(LIST, {"after": after})
        shown += [row.entry.pk for row in page.context["rows"]]
        after = page.context["after"]

    assert after == ""
    assert sorted(shown) == sorted(made)
    moments = [AuditEntry.objects.get(pk=pk).at for pk in shown]
    assert moments == sorted(moments, reverse=True)


# Exports


def downloaded(client, format, **query):
    answer = client.get(reverse("audit-export", args=[format]), query)
    return answer, b"".join(answer).decode()


def test_the_csv_has_what_the_filters_find(client, admin):
    entry(admin, "job.cancel", "job 1", origin="192.0.2.7")
    entry(admin, "token.create", "token 1", detail={"name": "=HYPERLINK(1)", "scope": "read"})
    entry(make_user("@eve"), "job.launch", "job 2")

    answer, text = downloaded(client, "csv", q="token")
    lines = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))
    _answer, whole = downloaded(client, "csv")

    assert lines[0] == ["at", "person", "action", "label", "subject", "detail", "origin"]
    assert lines[1] == [
        "2026-11-27T12:00:00Z",
        "ada",
        "token.create",
        "API token created",
        "token 1",
        "name: =HYPERLINK(1), scope: read",
        "",
    ]
    assert len(lines) == 2
    assert "'@eve" in whole  # no formula for a spreadsheet
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="audit-')


def test_the_json_lines_are_whole_over_many_pages(client, admin, monkeypatch):
    monkeypatch.setattr(audit, "BATCH", 7)
    made = {entry(admin, detail={"n": number}).pk for number in range(20)}

    _answer, text = downloaded(client, "jsonl")

    rows = [json.loads(line) for line in text.splitlines()]
    assert {row["id"] for row in rows} == made
    assert rows[0].keys() == {
        *("id", "at", "person", "action", "label", "subject", "detail", "origin")
    }


def test_an_unknown_format_is_not_found(client, admin):
    assert client.get("/audit/entries.exe").status_code == 404


# API


def call(client, token, **query):
    return client.get("/api/v1/audit", query, headers={"authorization": f"Bearer {token}"})


def test_a_token_needs_the_scope_admin_of_an_administrator(client):
    ada, eve = make_user("ada", is_staff=True), make_user("eve")
    for user, scope in ((ada, "admin"), (ada, "read"), (ada, "launch"), (eve, "admin")):
        name = f"{user.username}-{scope}"
        ApiToken.objects.create(user=user, name=name, token_sha256=hashed(name), scope=scope)

    assert call(client, "ada-admin").status_code == 200
    for refused in ("ada-read", "ada-launch", "eve-admin"):
        assert call(client, refused).status_code == 403


def test_the_api_pages_and_filters(client, admin):
    for number in range(5):
        entry(admin, subject=f"job {number}", at=NOON + timedelta(hours=number))
    entry(admin, "host.add", "host far", at=NOON)

    first = client.get("/api/v1/audit", {"limit": 3, "action": "job.cancel"}).json()
    second = client.get(first["next"]).json()
    late = client.get("/api/v1/audit", {"since": "2026-11-27T15:00:00Z"}).json()
    early = client.get("/api/v1/audit", {"until": "2026-11-27T21:00:00+08:00"}).json()

    assert [row["subject"] for row in first["entries"]] == ["job 4", "job 3", "job 2"]
    assert [row["subject"] for row in second["entries"]] == ["job 1", "job 0"]
    assert second["next"] is None
    assert [row["subject"] for row in late["entries"]] == ["job 4", "job 3"]
    assert [row["subject"] for row in early["entries"]] == ["host far", "job 0"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("since", "yesterday"),
        ("until", "2026-11-27T12:00:00"),
        ("since", "0001-01-01T00:00:00+14:00"),
        ("before", "5~never"),
    ],
)
def test_the_api_names_the_field_at_fault(client, admin, field, value):
    answer = client.get("/api/v1/audit", {field: value})

    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])


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


def test_the_migration_marks_entries_of_commands():
    migration = import_module("jobs.migrations.0035_audit_origin")
    entry(subject="host far", detail={"by": "terminal"})
    entry(subject="token 1", detail={"by": "page"})
    entry(subject="job 1")
    # Without today's refusal of changes.
    apps = MigrationLoader(connection).project_state(("jobs", "0035_audit_origin")).apps

    migration.mark_commands(apps, None)

    origins = dict(AuditEntry.objects.values_list("subject", "origin"))
    assert origins == {"host far": "manage.py", "token 1": "", "job 1": ""}


def test_an_entry_that_comes_during_an_export_moves_no_other(admin):
    for number in range(5):
        entry(subject=f"job {number}", at=NOON + timedelta(minutes=number))
    first, after = audit.page(Filters(), size=3)
    entry(subject="job new", at=NOON + timedelta(hours=1))

    rest, _end = audit.page(Filters(), after, size=3)

    assert [one.subject for one in (*first, *rest)] == [f"job {n}" for n in (4, 3, 2, 1, 0)]
