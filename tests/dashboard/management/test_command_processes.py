"""Commands of ``manage.py`` as processes, on folders and databases of their own."""

import os
import re
import subprocess
import sys

import pytest
from django.core.management import CommandError
from django.db import connection

from dashboard import __version__
from tests.dashboard.lib.commands import run
from tests.stack import ROOT, clean_environment


def test_a_reader_that_has_gone_is_no_fault_of_a_command(tmp_path):
    command = [sys.executable, "manage.py", "plan", "prepare-weights", "--stack", "guide"]
    environ = clean_environment() | {"DATA_DIR": str(tmp_path / "none")}
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run(
        command, cwd=ROOT, env=environ, stdout=writes, stderr=subprocess.PIPE, check=False
    )
    os.close(writes)

    assert (done.returncode, done.stderr) == (1, b"")
    assert not (tmp_path / "none").exists()


def in_a_folder(folder, *arguments, **environ):
    """A command with this ``DATA_DIR``, in a process of its own: exit code, output, errors."""
    environment = clean_environment() | {"DATA_DIR": str(folder)} | environ
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_the_version_is_that_of_the_dashboard(tmp_path):
    for argument in ("version", "--version"):
        assert in_a_folder(tmp_path, argument) == (0, f"{__version__}\n", "")


@pytest.mark.parametrize(("arguments", "is_there"), [(("log", "6"), False), (("log", "6"), True)])
def test_a_command_without_a_dashboard_fails_in_one_line(arguments, is_there, tmp_path):
    folder = tmp_path / "elsewhere"
    if is_there:
        folder.mkdir()

    code, out, errors = in_a_folder(folder, *arguments)

    assert (code, out, len(errors.splitlines())) == (1, "", 1)
    assert f"No dashboard has been started on DATA_DIR={folder}" in errors
    assert "make run" in errors
    assert folder.exists() == is_there
    assert not is_there or list(folder.iterdir()) == []


@pytest.mark.django_db
@pytest.mark.parametrize("arguments", [("plan", "prepare"), ("launch", "prepare"), ("tour",)])
def test_a_command_on_records_asks_for_a_dashboard(arguments, tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "vendor", "sqlite")
    monkeypatch.setitem(connection.settings_dict, "NAME", str(tmp_path / "none"))

    with pytest.raises(CommandError, match="No dashboard has been started"):
        run(*arguments)


def test_a_standalone_command_creates_no_data_folder(tmp_path):
    arguments = ("plan", "prepare-weights", "--stack", "guide")

    code, out, errors = in_a_folder(tmp_path / "none", *arguments, VALKEY_LISTEN="127.0.0.1:6380")

    assert (code, errors) == (0, "")
    assert out
    assert not (tmp_path / "none").exists()


def test_an_unusable_database_is_reported_in_one_line(tmp_path):
    (tmp_path / "empty.sqlite3").touch()
    urls = "postgres://me:hunter2@127.0.0.1:1/bench", f"sqlite:///{tmp_path}/empty.sqlite3"

    away, empty = (
        in_a_folder(tmp_path / "data", "log", "6", DATABASE_URL=url)[::2] for url in urls
    )

    assert (away[0], empty[0]) == (1, 1)
    assert (len(away[1].splitlines()), len(empty[1].splitlines())) == (1, 1)
    assert "Cannot reach the database" in away[1]
    assert "hunter2" not in away[1]
    assert "has no tables yet" in empty[1]


@pytest.mark.parametrize("page", ["client.md", "client.zh.md"])
def test_each_command_has_its_reason_in_the_docs(page):
    text = (ROOT / "docs/use" / page).read_text().rpartition("## ")[2]
    own = {path.stem for path in (ROOT / "dashboard/management/commands").glob("[a-z]*.py")}
    first_cells = re.findall(r"^\| (`[^|]*) \|", text, re.M)
    named = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}

    assert named == own | {"version"}  # a command of Django
