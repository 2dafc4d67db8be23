"""What the audit log records, in which words; its chain, and that entries are only added."""

import ast
import json
import os
import socket
import stat
from functools import cache
from io import StringIO
from itertools import chain
from logging.config import DictConfigurator
from pathlib import Path
from time import monotonic

import pytest
from django.conf import settings as project
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import ProtectedError
from django.db.utils import IntegrityError
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import translation

from dashboard.actions.rows import LevelForm, PromptForm
from dashboard.config import env
from dashboard.config.env import read_audit_export
from dashboard.security import audit_log
from dashboard.text.audit import ACTION_LABELS, DETAIL_LABELS, action_label, detail_pairs
from jobs.models import AppendOnlyError, AuditEntry, Instance
from jobs.queries import audit
from jobs.queries.audit import ChainBroken
from tests.factories import make_host, make_user
from tests.threads import together

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(client):
    user = make_user("ada", is_staff=True)
    client.force_login(user)
    return user


def entry(user=None, action="job.cancel", subject="job 900", **fields):
    return AuditEntry.objects.create(user=user, action=action, subject=subject, **fields)


# What is recorded


def drain(client, **headers):
    address = reverse("host-drain", args=[make_host("far").name])
    client.post(address, {"draining": "1"}, REMOTE_ADDR="192.0.2.7", headers=headers)


def test_an_entry_has_the_address_of_its_request_and_no_forwarded_one(client, admin):
    drain(client, **{"x-forwarded-for": "203.0.113.9"})

    made = AuditEntry.objects.get()
    assert (made.user, made.action, made.origin) == (admin, "host.change", "192.0.2.7")


def test_an_entry_of_a_command_says_so(client, admin, capsys):
    call_command("add_host", "far")

    assert AuditEntry.objects.get().origin == "manage.py"
    page = client.get(reverse("audit")).text
    assert "manage.py on the server" in page
    assert "no account" in page


def test_the_address_of_one_request_is_not_that_of_the_next_command(client, admin):
    drain(client)

    audit_log.record(admin, "job.pin", "job 1", pinned=True)

    assert AuditEntry.objects.order_by("-pk")[0].origin == "manage.py"


# Every recorded action has words


# Of rows that a team edits: ``dashboard.actions.rows`` records one of these for each area.
ROWS = ("add", "change", "change:delete", "change:undo")
VARIES = ("action", "name")


@cache
def recorded():
    """(file, action, details) of each call that records an action; None for what varies."""
    return list(_recorded())


def _recorded():
    files = chain.from_iterable(
        (Path(project.BASE_DIR) / package).rglob("*.py") for package in ("dashboard", "jobs")
    )
    for file in files:
        text = file.read_text()
        if "record" not in text and "@action" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                yield from _recorded_by_actions(file, node)
            if not isinstance(node, ast.Call):
                continue
            if is_record(node.func) and ast.unparse(node.args[1]) not in VARIES:
                assert isinstance(node.args[1], ast.Constant), (file, node.lineno)
                yield file, node.args[1].value, node.keywords


def _recorded_by_actions(file, function):
    """Entries of a change: ``@action("job.cancel")`` returns ``Done(value, subject, …)``."""
    calls = [node for node in ast.walk(function) if isinstance(node, ast.Call)]
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "action":
            if isinstance(decorator.args[0], ast.JoinedStr):
                continue  # see ROWS
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
    values = [one.value for one in ast.walk(node) if isinstance(one, ast.Constant)]
    return [value for value in values if isinstance(value, str)]


# Beside changes with ``@action``: logins, requests of hosts and strangers, commands.
BY_HAND = {
    *("dashboard/actions/action.py", "dashboard/security/audit_log.py", "dashboard/middleware.py"),
    *("dashboard/pages/account.py", "dashboard/pages/launch/launch.py"),
    "dashboard/pages/launch/pipeline.py",
    *("dashboard/intake/ingest.py", "dashboard/chat/relay.py"),
}


def test_a_change_of_a_page_or_of_the_api_is_an_action():
    called = {
        str(file.relative_to(project.BASE_DIR))
        for file in Path(project.BASE_DIR, "dashboard").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and is_record(node.func)
    }

    assert {name for name in called if "/commands/" not in name} == BY_HAND


def test_every_recorded_action_has_a_label():
    calls = recorded()

    assert len(calls) >= 30
    assert {action for _file, action, _details in calls} <= set(ACTION_LABELS)
    rows = {f"{form.area}.{name}" for form in (LevelForm, PromptForm) for name in ROWS}
    assert rows <= set(ACTION_LABELS)


def test_every_recorded_detail_has_a_label():
    for file, action, keywords in recorded():
        for keyword in keywords:
            if keyword.arg == "did":
                for did in constants(keyword.value):
                    is_known = f"{action}:{did}" in ACTION_LABELS or did == "change"
                    assert is_known, (file, action, did)
            elif keyword.arg not in (None, "pinned", "actor", "key"):
                assert keyword.arg in DETAIL_LABELS, (file, keyword.arg)


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


@pytest.mark.postgresql
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


@pytest.mark.postgresql
def test_an_entry_never_takes_the_place_of_another(admin):
    made = entry(admin)

    with pytest.raises(IntegrityError), transaction.atomic():
        AuditEntry(pk=made.pk, action="job.pin", subject="job 2").save()

    assert AuditEntry.objects.get().subject == "job 900"


def test_a_person_with_entries_stays(admin):
    entry(admin)

    with pytest.raises(ProtectedError):
        User.objects.filter(pk=admin.pk).delete()


TABLE = AuditEntry._meta.db_table


def filled(count=4):
    """Entries with all that a detail may hold; their numbers."""
    user = make_user("ada")
    details = {"name": "夜间\n", "tags": ["b", "a"], "tp": 32, "shared": True, "note": None}
    for number in range(count):
        audit_log.record(user if number % 2 else None, "job.pin", f"job {number}", **details)
    return list(AuditEntry.objects.order_by("pk").values_list("pk", flat=True))


def sql(statement, *args):
    with connection.cursor() as cursor:
        cursor.execute(statement.replace("TABLE", TABLE), args or None)


def verify(*arguments):
    out = StringIO()
    call_command("verify_audit", *map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.mark.postgresql
def test_an_untouched_log_is_whole():
    assert verify() == "0 entries, none changed or missing\n"

    filled()

    assert verify() == "4 entries, none changed or missing\n"


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("statement", "words"),
    [
        *(
            (f"UPDATE TABLE SET {change} WHERE id = {{1}}", r"entry {1} \(")
            for change in (
                *("action = 'job.cancel'", "subject = 'job 7'", "detail = '{{}}'"),
                *("origin = '192.0.2.1'", "user_id = NULL", "at = '2020-01-01 00:00:00+00:00'"),
            )
        ),
        ("DELETE FROM TABLE WHERE id = {1}", r"entry {2} \(job.pin, job 2"),
        ("DELETE FROM TABLE WHERE id = {3}", "after the last one, 3 in all, are missing"),
        (
            "INSERT INTO TABLE (action, subject, detail, at, origin, digest) "
            "VALUES ('job.pin', 'job 1', '{{}}', '2030-01-01 00:00:00+00:00', '', '')",
            "does not follow",
        ),
    ],
)
def test_a_changed_removed_or_added_entry_is_named(statement, words):
    numbers = filled()
    sql(statement.format(*numbers))

    with pytest.raises(CommandError, match=words.format(*numbers)):
        verify()


def test_a_blanked_end_of_the_chain_is_noticed():
    sql("DELETE FROM TABLE WHERE id = %s", filled()[-1])
    Instance.objects.update(audit_head="")

    with pytest.raises(CommandError, match="digest of the last entry, 3 in all, was removed"):
        verify()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_writers_at_once_make_one_chain():
    def writer(name):
        return lambda: [audit_log.record(None, "job.pin", f"job {name}") for _ in range(10)]

    together(*[writer(name) for name in range(6)])

    assert audit.verify() == 60


# The second place


@pytest.fixture
def exported():
    """Write entries to the place of the setting, until the end of the test."""
    before = list(audit_log._export.handlers)

    def to(setting):
        (described,) = env.audit_handlers(read_audit_export(setting)).values()
        handler = DictConfigurator({"version": 1}).configure_handler(described)
        audit_log._export.handlers[:] = [handler]

    yield to
    audit_log._export.handlers[:] = before


@pytest.mark.django_db(transaction=True)
def test_a_file_gets_each_entry_and_the_log_must_have_it(exported, tmp_path):
    file, moved = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    exported(str(file))
    numbers = filled(2)
    file.rename(moved)
    audit_log.record(None, "job.pin", "job 2")

    lines = [json.loads(line) for path in (moved, file) for line in path.read_text().splitlines()]
    assert [line["id"] for line in lines[:2]] == numbers
    assert lines[1]["person"] == "ada" and lines[1]["detail"]["name"] == "夜间\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert verify(moved).splitlines()[1] == f"{moved}: 2 entries, all in the log"


@pytest.mark.django_db(transaction=True)
def test_an_exported_entry_that_the_log_lacks_is_named(exported, tmp_path):
    """An exported line shows that the whole chain was rewritten."""
    file = tmp_path / "audit.jsonl"
    exported(str(file))
    first, second = filled(2)
    sql("DELETE FROM TABLE WHERE id = %s", second)
    Instance.objects.update(audit_head=AuditEntry.objects.get(pk=first).digest)

    assert audit.verify() == 1
    with pytest.raises(CommandError, match=f"entry {second} of the file is not in the database"):
        verify(file)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_an_entry_that_is_rolled_back_is_not_exported_and_leaves_no_gap(exported, tmp_path):
    filled()
    exported(str(tmp_path / "audit.jsonl"))
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        audit_log.record(None, "job.pin", "job 1")
        raise ZeroDivisionError

    assert not (tmp_path / "audit.jsonl").exists()
    audit_log.record(None, "job.pin", "job 2")
    assert audit.verify() == 5


@pytest.mark.django_db(transaction=True)
def test_a_syslog_gets_each_entry(exported):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        exported(f"syslog:127.0.0.1:{server.getsockname()[1]}")
        audit_log.record(None, "job.pin", "job 1")
        received = server.recv(65536).decode()

    priority, _space, line = received.partition("vacc-audit: ")
    assert (priority, json.loads(line)["subject"]) == ("<86>", "job 1")


@pytest.mark.django_db(transaction=True)
def test_a_place_that_cannot_be_written_keeps_no_entry_out(exported, tmp_path, capsys):
    exported(str(tmp_path / "missing" / "audit.jsonl"))

    audit_log.record(None, "job.pin", "job 1")

    assert audit.verify() == 1
    assert "No such file or directory" in capsys.readouterr().err


@pytest.mark.django_db(transaction=True)
def test_a_syslog_that_takes_nothing_holds_no_request_up(exported, tmp_path, monkeypatch, capsys):
    place = str(tmp_path / "log")
    monkeypatch.setattr(env, "LOCAL_SYSLOG", place)
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other,
    ):
        server.bind(place)
        exported("syslog")
        other.connect(place)
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            for _ in range(100_000):
                other.send(b"line")
        began = monotonic()
        audit_log.record(None, "job.pin", "job 1")

    assert monotonic() - began < 10
    assert audit.verify() == 1
    assert "TimeoutError" in capsys.readouterr().err


@pytest.mark.django_db(transaction=True)
def test_an_error_of_the_second_place_leaves_the_answer_as_it_is(exported, tmp_path, monkeypatch):
    exported(str(tmp_path / "audit.jsonl"))
    monkeypatch.setattr(audit_log, "plain", lambda _entry: 1 / 0)

    with transaction.atomic():
        audit_log.record(None, "job.pin", "job 1")

    assert audit.verify() == 1


@pytest.mark.django_db(transaction=True)
def test_an_exported_entry_asks_for_no_account(exported, tmp_path):
    exported(str(tmp_path / "audit.jsonl"))
    user = make_user("ada")

    with CaptureQueriesContext(connection) as asked:
        audit_log.record(user, "job.pin", "job 1")

    assert not [one["sql"] for one in asked if "auth_user" in one["sql"]]


@pytest.mark.parametrize("text", ["", "[1]\n", '{"id": 1}\n', "no JSON\n", None])
def test_a_file_that_is_no_export_is_refused(tmp_path, text):
    file = tmp_path / "other"
    if text is not None:
        file.write_text(text)
    if text == "":
        assert "0 entries" in verify(file)
        return

    with pytest.raises(CommandError, match=r"no export|Cannot read"):
        verify(file)


@pytest.mark.parametrize("setting", ["syslog:", "syslog:localhost", "syslog:1.2.3.4", os.sep])
def test_a_place_that_is_none_is_refused(setting):
    with pytest.raises(ValueError, match=r"address and a port|file"):
        read_audit_export(setting)


def test_a_downloaded_log_can_be_compared_with_the_database(client, tmp_path):
    client.force_login(make_user("root", is_staff=True))
    filled()
    file = tmp_path / "entries.jsonl"
    answer = client.get("/api/v1/audit")
    file.write_text("".join(json.dumps(one) + "\n" for one in answer.json()["entries"]))

    assert audit.compare(file.open()) == 4
    sql("UPDATE TABLE SET digest = 'x' WHERE action = 'job.pin'")
    with pytest.raises(ChainBroken):
        audit.compare(file.open())
