"""The copy of the database, and the database made from it. A copy has no sessions: a session row is
all that a cookie needs to log in. SQLite is copied in one read transaction, so writers go on.
PostgreSQL is copied by its own program ``pg_dump``."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import psycopg
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from psycopg.conninfo import make_conninfo

from jobs.apps import LAST_BEFORE
from jobs.backup.files import copy_checked, entry_of
from jobs.backup.manifest import BackupError, DatabaseEntry, Engine
from jobs.base.files import open_regular

FILES: Mapping[Engine, str] = {"sqlite": "db.sqlite3", "postgresql": "database.dump"}
# Tables whose rows stay out of every copy.
EMPTIED = ("django_session",)
SHOWN_LINES = 5  # of a program's error
_PG_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = ANY (current_schemas(false))"


class BackupContents(NamedTuple):
    """Rows per table, and applied migrations as ``app.name``."""

    rows: dict[str, int]
    migrations: list[str]


def engine() -> Engine:
    return cast(Engine, connection.vendor)


def copy(folder: Path) -> tuple[DatabaseEntry, BackupContents]:
    """Copy the database into ``folder`` while others use it, without rows of ``EMPTIED``."""
    path = folder / FILES[engine()]
    draft = path.with_name(f"{path.name}.part")
    _make_private(draft)
    contents = _copy_sqlite(draft) if engine() == "sqlite" else _dump_postgresql(draft)
    draft.replace(path)
    with open_regular(path) as fd:
        entry = entry_of(fd, os.fstat(fd))
    return DatabaseEntry(engine=engine(), file=path.name, **entry.model_dump()), contents


def refuse_unless_empty() -> None:
    """Raise ``BackupError`` if the database has tables, or cannot be reached."""
    if engine() == "sqlite":
        path = Path(connection.settings_dict["NAME"])
        if path.exists():
            raise BackupError(f"{path} exists. Move it away, then restore: mv {path} {path}.old")
        return
    name = connection.settings_dict["NAME"]
    with _postgresql() as server:
        if server.execute(_PG_TABLES).fetchone() is not None:
            raise BackupError(
                f"The database {name} has tables. Make an empty one, then restore: "
                f"dropdb {name} && createdb {name}"
            )


def fill(source: Path, entry: DatabaseEntry) -> BackupContents:
    """Make the database of the settings, which is empty; return what it has now."""
    if engine() == "sqlite":
        path = Path(connection.settings_dict["NAME"])
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        copy_checked(source / entry.file, path, entry)
        with closing(_sqlite(path)) as opened:
            return _contents_of_sqlite(opened)
    options = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
    _run("pg_restore", *options, f"--dbname={_conninfo()}", str(source / entry.file))
    with _postgresql() as server:
        return _contents_of_postgresql(server)


def unknown_migrations(names: list[str]) -> list[str]:
    """Return those of these migrations that this version of the dashboard does not have."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    known = {f"{app}.{name}" for app, name in loader.disk_migrations}
    if f"jobs.{LAST_BEFORE}" in names:  # this version takes its steps over
        names = [name for name in names if not name.startswith("jobs.")]
    return sorted(set(names) - known)


def _copy_sqlite(draft: Path) -> BackupContents:
    """Copy the database, remove rows, then write ``draft`` with ``VACUUM INTO``: deleted rows stay
    in free pages of a file, and plain ``VACUUM`` needs space in ``/tmp``."""
    source = Path(connection.settings_dict["NAME"])
    whole = draft.with_name(f"{draft.name}.whole")
    try:
        _make_private(whole)
        with closing(_sqlite(source)) as live, closing(_sqlite(whole)) as copied:
            live.backup(copied)
            copied.execute("PRAGMA journal_mode=DELETE")  # one file, without a -wal beside it
            for table in EMPTIED:
                copied.execute(f'DELETE FROM "{table}"')  # noqa: S608 -- names of ours
            copied.commit()
            copied.execute("VACUUM INTO ?", (str(draft),))
        with closing(_sqlite(draft)) as written:
            problem = written.execute("PRAGMA quick_check(1)").fetchone()[0]
            if problem != "ok":
                raise BackupError(f"The database {source} is damaged: {problem}. See its disk.")
            return _contents_of_sqlite(written)
    except sqlite3.Error as error:
        raise BackupError(f"Cannot copy the database {source}: {error}.") from error
    finally:
        whole.unlink(missing_ok=True)


def _make_private(path: Path) -> None:
    """Make an empty file of mode 0600, in place of what a killed backup left."""
    path.unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _sqlite(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=30)


def _contents_of_sqlite(opened: sqlite3.Connection) -> BackupContents:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    return _contents(lambda text: opened.execute(text).fetchall(), query)


def _contents_of_postgresql(server: psycopg.Connection[Any]) -> BackupContents:
    return _contents(lambda text: server.execute(text.encode()).fetchall(), _PG_TABLES)


def _contents(ask: Callable[[str], list[Any]], tables: str) -> BackupContents:
    names = sorted(name for (name,) in ask(tables))
    counts = {name: f'SELECT count(*) FROM "{name}"' for name in names}  # noqa: S608 -- ours
    rows = {name: ask(count)[0][0] for name, count in counts.items()}
    migrations = ask("SELECT app, name FROM django_migrations")
    return BackupContents(rows, sorted(f"{app}.{name}" for app, name in migrations))


def _dump_postgresql(draft: Path) -> BackupContents:
    """Dump and count in one snapshot: what is counted is what the dump has."""
    with _postgresql() as server:
        server.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        server.read_only = True
        snapshot = server.execute("SELECT pg_export_snapshot()").fetchone()
        assert snapshot is not None  # noqa: S101 -- for mypy
        left_out = [f"--exclude-table-data={table}" for table in EMPTIED]
        options = ("--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot[0]}")
        _run("pg_dump", *options, *left_out, f"--file={draft}", f"--dbname={_conninfo()}")
        contents = _contents_of_postgresql(server)
        contents.rows.update(dict.fromkeys(set(EMPTIED) & set(contents.rows), 0))
        return contents


@contextmanager
def _postgresql() -> Iterator[psycopg.Connection[Any]]:
    """A connection of its own: Django's may be within a transaction."""
    try:
        with psycopg.connect(_conninfo(), password=_password() or None) as server:
            yield server
    except psycopg.Error as error:
        name = connection.settings_dict["NAME"]
        raise BackupError(f"Cannot read the database {name}: {error}") from error


def _conninfo() -> str:
    """Return the address of the database without its password: others see a command line."""
    row, names = connection.settings_dict, ("name", "user", "host", "port")
    words = {"dbname" if name == "name" else name: row[name.upper()] for name in names}
    return make_conninfo(**{name: word for name, word in words.items() if word}, **row["OPTIONS"])


def _password() -> str:
    return str(connection.settings_dict["PASSWORD"] or "")


def _run(program: str, *arguments: str) -> None:
    path = shutil.which(program)
    if path is None:
        raise BackupError(
            f"{program} is missing: PostgreSQL is copied by its own programs. Install those of "
            f"the server's version {_server_version()}, such as "
            f"apt install postgresql-client-{_server_version()}, or add their folder to PATH. "
            "Then run this command again."
        )
    password = {"PGPASSWORD": _password()} if _password() else {}
    done = subprocess.run(
        [path, "--no-password", *arguments],
        env={**os.environ, **password},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode != 0:
        said = "\n".join(done.stderr.decode(errors="replace").strip().splitlines()[-SHOWN_LINES:])
        raise BackupError(f"{program} failed with exit code {done.returncode}:\n{said}")


def _server_version() -> int:
    with _postgresql() as server:
        return server.info.server_version // 10_000
