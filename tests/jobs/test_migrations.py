"""A database of the last version before 0.1.0 opens with all its data; an older one is refused."""

import gzip
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder

from jobs.access import secret_keys
from jobs.apps import LAST_BEFORE
from jobs.backup.database import unknown_migrations
from jobs.models import Conversation, Job, Note, Result, Secret

pytestmark = pytest.mark.django_db

# Made by the last version before 0.1.0: jobs, results, chats, imports, a secret and its key.
BEFORE = Path(__file__).parents[1] / "data" / "before-0.1.0"
NEW_TABLES = (
    *("jobs_limitrun", "jobs_reportwords", "jobs_gatewayuse", "jobs_chatshare"),
    *("jobs_gatewaybesidejob", "jobs_chatpreset", "jobs_chattag"),
)


@pytest.fixture
def before(tmp_path: Path, settings) -> Iterator[Path]:
    """A database of before in the place of the tests' own."""
    path = tmp_path / "before.sqlite3"
    path.write_bytes(gzip.decompress((BEFORE / "db.sqlite3.gz").read_bytes()))
    folder = Path(settings.DATA_DIR) / "secrets"
    shutil.copytree(BEFORE / "secrets", folder, dirs_exist_ok=True)
    ours, other = connections["default"], connections["default"].copy()
    if ours.vendor != "sqlite":
        pytest.skip("the database of before is of SQLite")
    other.settings_dict["NAME"] = str(path)
    connections["default"] = other
    try:
        yield path
    finally:
        other.close()
        connections["default"] = ours


def rows_of(path: Path) -> dict[str, int]:
    """Rows of each table of ``jobs``."""
    with closing(sqlite3.connect(path)) as opened:
        names = opened.execute(
            "SELECT name FROM sqlite_master WHERE name LIKE 'jobs!_%' ESCAPE '!'"
        )
        tables = [
            name
            for (name,) in names
            if opened.execute(
                "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", [name]
            ).fetchone()
        ]
        return {
            name: opened.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables
        }


def steps() -> set[str]:
    return {
        name for app, name in MigrationRecorder(connection).applied_migrations() if app == "jobs"
    }


def columns_of(vendor_connection) -> dict[str, object]:
    """Columns, indexes and constraints of each table of ``jobs``."""
    asked, found = vendor_connection.introspection, {}
    with vendor_connection.cursor() as cursor:
        for table in asked.table_names(cursor):
            if table.startswith("jobs_"):
                columns = asked.get_table_description(cursor, table)
                rules = asked.get_constraints(cursor, table)
                about = {
                    (one.name, str(one.type_code), one.null_ok, one.default) for one in columns
                }
                found[table] = (about, {name for name in rules if not name.startswith("__")})
    return found


def test_a_database_of_the_last_version_before_opens_with_all_its_data(before, client):
    rows = rows_of(before)
    assert rows["jobs_job"] == 35
    assert rows["jobs_result"] == 8

    call_command("migrate", verbosity=0)

    assert rows_of(before) == {**rows, **dict.fromkeys(NEW_TABLES, 0)}
    assert steps() == {
        *("0001_initial", "0002_sign_off_accepted", "0003_groups", "0004_limit_runs"),
        "0005_report_words",
        *("0006_faster_lists", "0007_measured_order", "0008_gateway", "0009_branches"),
        *("0010_chat_shares", "0011_gateway_limits", "0012_chat_presets"),
        *("0013_chat_tool_calls", "0014_chat_tags", "0015_gateway_held"),
    }
    assert Note.objects.get().text == "Measured twice."
    stored = Secret.objects.get(name="HF_TOKEN").encrypted
    assert secret_keys.decrypt("HF_TOKEN", stored, secret_keys.load()) == "hf_abcdefghijkl"
    client.force_login(User.objects.get())
    pages = [f"/jobs/{pk}/" for pk in Job.objects.values_list("pk", flat=True)]
    pages += [f"/playground/{pk}/" for pk in Conversation.objects.values_list("pk", flat=True)]
    for address in ("/", "/jobs/", "/results/", "/parity/", *pages):
        assert client.get(address).status_code == 200, address
    assert Result.objects.count() == 8


@pytest.fixture
def new_tables() -> dict[str, object]:
    """Tables of the tests' own database, which this run has made anew."""
    return columns_of(connection)


def test_its_tables_are_those_of_a_new_database(new_tables, before):
    call_command("migrate", verbosity=0)

    assert columns_of(connection) == new_tables
    assert len(new_tables) > 30


def test_an_older_database_is_refused_with_the_version_to_pass_through(before):
    MigrationRecorder(connection).migration_qs.filter(name=LAST_BEFORE).delete()
    done = steps()

    with pytest.raises(
        CommandError, match=r"its last step is 0055_.*last version before|version before 0\.1\.0"
    ) as refused:
        call_command("migrate", verbosity=0)

    assert f"does the steps up to {LAST_BEFORE}" in str(refused.value)
    assert steps() == done


def test_a_backup_of_the_last_version_before_is_known_and_an_older_one_is_not():
    names = ["auth.0001_initial", "jobs.0001_initial", "jobs.0055_audit_chain"]

    assert unknown_migrations([*names, f"jobs.{LAST_BEFORE}"]) == []
    assert unknown_migrations(names) == ["jobs.0055_audit_chain"]
