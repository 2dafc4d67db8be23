"""Backup and restore: database, logs, outputs, secrets, models of the team.
Here: the copy of the database, the copy of the files, the manifest that describes both.
Not here: the commands (`dashboard.management`), who may run them.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.utils.timezone import now

from jobs.backup import database, files, manifest
from jobs.backup.files import Mirrored
from jobs.backup.manifest import FILE, KEY, UNFINISHED, BackupError, FileEntry, Manifest
from jobs.base.files import open_regular, opened, write_atomic
from jobs.queries.hosts import instance_id

__all__ = ["KEY", "BackupError", "Manifest", "Mirrored", "create", "restore"]

# In this order, all after the database.
FOLDERS = ("secrets", "catalog", "outputs", "imports", "logs")
HOST_FOLDER = "host"
# Keys that sign sessions and the backup itself: docs/decisions.
LEFT_OUT = frozenset({"secrets/secret_key", KEY})
MARK = "restoring"  # is in DATA_DIR until all is there: a start would make an empty database
SHOWN = 5


def create(
    target: Path, key: str, *, with_host: bool, progress: Callable[[str, Mirrored], None]
) -> Manifest:
    """Copy database and files into ``target``; only what changed, if it has an earlier backup.
    ``key`` signs the manifest. Raises ``BackupError``: the folder is unsuitable, or a copy is
    impossible; ``OSError``: a disk is full or broken.

    The database comes first, then the files. A byte of a log or output is on disk before a row
    names it, and is never changed afterwards, so each row of the copied database has its bytes in
    the copied files. The files may have more: a host that sends to the restored dashboard learns
    the sizes from there. Only retention may remove a file between the two copies.

    The manifest is written last. A backup that was killed has none, and the next one completes it.
    """
    data_dir = Path(settings.DATA_DIR)
    with _claimed(target, data_dir, key) as known:
        made = Manifest(made_at=now(), instance=str(instance_id()), data_dir=str(data_dir))
        made.database, contents = database.copy(target)
        made.rows, made.migrations = contents.rows, contents.migrations
        for folder in (*FOLDERS, *([HOST_FOLDER] if with_host else [])):
            is_scratch = folder == HOST_FOLDER
            copied = files.mirror(data_dir, target, folder, known, LEFT_OUT, is_scratch=is_scratch)
            made.files |= copied.files
            made.links |= copied.links
            progress(folder, copied)
        os.sync()  # a manifest never describes bytes that a power cut can still take
        manifest.write(made, target, key)
        (target / UNFINISHED).unlink(missing_ok=True)
        return made


@contextmanager
def _claimed(target: Path, data_dir: Path, key: str) -> Iterator[Mapping[str, FileEntry]]:
    """Hold ``target`` for one backup; yield entries of the backup before, if this key signed it."""
    if target.resolve().is_relative_to(data_dir.resolve()):
        raise BackupError(f"{target} is in DATA_DIR={data_dir}. Choose a folder outside.")
    if target.exists() and not target.is_dir():
        raise BackupError(f"{target} is no folder. Choose a new or an empty folder.")
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    with opened(target, os.O_RDONLY | os.O_DIRECTORY) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(
                f"Another backup writes into {target}. Wait until it has ended."
            ) from None
        yield _begin(target, key)


def _begin(target: Path, key: str) -> Mapping[str, FileEntry]:
    finished, unfinished = target / FILE, target / UNFINISHED
    if not finished.exists() and not unfinished.exists():
        if any(target.iterdir()):
            raise BackupError(f"{target} is not empty and no backup. Choose a new or empty folder.")
        unfinished.touch(mode=0o600)
        return {}
    before, is_signed = None, False
    with suppress(FileNotFoundError):
        before, is_signed = manifest.read(finished, key)
    if before is None and unfinished.stat().st_size:
        before, is_signed = manifest.read(unfinished, key)
    if before is not None and before.instance != str(instance_id()):
        raise BackupError(f"{target} has a backup of another dashboard. Choose another folder.")
    if finished.exists():
        finished.replace(unfinished)
    return before.files if before is not None and is_signed else {}


def restore(source: Path, key: str | None, *, progress: Callable[[str], None]) -> Manifest:
    """Check the backup in ``source``, then copy it into an empty ``DATA_DIR`` and database. ``key``
    signed the backup, and signs later ones. None: the manifest is trusted unsigned. Everything is
    checked before the first byte is written. After an error nothing is left behind, except in a
    PostgreSQL database whose rows differ from the manifest's. Raises ``BackupError``: the backup is
    damaged or unsuitable, or something is in its place; ``OSError``: a disk is full or broken."""
    made = _read(source, key)
    data_dir = Path(settings.DATA_DIR)
    _refuse_unless_empty(data_dir)
    database.refuse_unless_empty()
    progress(f"Checking {len(made.files)} files and the database")
    damaged = list(_damaged(source, made))
    if damaged:
        shown = "\n".join(f"  {line}" for line in damaged[:SHOWN])
        more = f"\n  and {len(damaged) - SHOWN} more" if len(damaged) > SHOWN else ""
        raise BackupError(
            f"The backup in {source} is damaged, nothing was restored:\n{shown}{more}\n"
            "Restore from another backup."
        )
    progress(f"Copying into {data_dir}")
    with _all_or_nothing(data_dir):
        for name in (*made.files, *made.links):
            place = data_dir / name
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            if name in made.files:
                files.copy_checked(source / name, place, made.files[name])
            else:
                place.symlink_to(made.links[name])  # fails if anything is there
        if key is not None:
            (data_dir / KEY).parent.mkdir(exist_ok=True, mode=0o700)
            write_atomic(data_dir / KEY, key.encode(), mode=0o600)
        rows = database.fill(source, _database(made)).rows
        differ = sorted(table for table, _count in rows.items() ^ made.rows.items())
        if differ:
            tables = ", ".join(list(dict.fromkeys(differ))[:SHOWN])
            raise BackupError(
                f"The restored database differs from the manifest in {tables}. "
                "Restore from another backup."
            )
    return made


def _read(source: Path, key: str | None) -> Manifest:
    try:
        made, is_signed = manifest.read(source / FILE, key or "")
    except (FileNotFoundError, NotADirectoryError):
        if (source / UNFINISHED).exists():
            raise BackupError(
                f"The last backup into {source} did not end. Complete it where the dashboard is: "
                f"manage.py backup {source}. Or restore from another backup."
            ) from None
        raise BackupError(
            f"{source} is no backup: {FILE} is missing. Name the folder that manage.py backup made."
        ) from None
    if key is not None and not is_signed:
        raise BackupError(
            f"{source / FILE} is not what a backup with this key wrote, nothing was restored. "
            "Name the key of that dashboard, or restore from another backup."
        )
    engine = _database(made).engine
    if engine != database.engine():
        name, action = {
            "sqlite": ("SQLite", "Unset DATABASE_URL"),
            "postgresql": ("PostgreSQL", "Set DATABASE_URL to an empty database of PostgreSQL"),
        }[engine]
        raise BackupError(f"The backup is of {name}. {action}, then restore.")
    if unknown := database.unknown_migrations(made.migrations):
        raise BackupError(
            f"A newer version of the dashboard made the backup: it has {unknown[-1]}. "
            "Install that version or a newer one, then restore."
        )
    return made


def _database(made: Manifest) -> manifest.DatabaseEntry:
    if made.database is None or "/" in made.database.file:
        raise BackupError("The manifest names no database. Restore from another backup.")
    return made.database


def _refuse_unless_empty(data_dir: Path) -> None:
    """Allow folders without files, such as those of mounted disks."""
    if data_dir.exists() and not data_dir.is_dir():
        raise BackupError(f"DATA_DIR={data_dir} is no folder. Set another one.")
    if (data_dir / MARK).exists():
        raise BackupError(
            f"An earlier restore into DATA_DIR={data_dir} did not end. Empty the folder, then "
            "restore again."
        )
    for _root, paths in files.walk(data_dir):
        if paths:
            raise BackupError(
                f"DATA_DIR={data_dir} is not empty: it has {paths[0]}. Stop the "
                f"dashboard, move the folder away, then restore: mv {data_dir} {data_dir}.old"
            )


def _damaged(source: Path, made: Manifest) -> Iterator[str]:
    own = _database(made)
    for name, wanted in {**made.files, own.file: own}.items():
        try:
            with open_regular(source / name) as fd:
                there = files.entry_of(fd, os.fstat(fd))
        except OSError as error:
            yield f"{name}: {error.strerror}"
            continue
        if there.bytes != wanted.bytes:
            yield f"{name}: {there.bytes} bytes instead of {wanted.bytes}"
        elif there.sha256 != wanted.sha256:
            yield f"{name}: its SHA-256 is {there.sha256[:12]}… instead of {wanted.sha256[:12]}…"


@contextmanager
def _all_or_nothing(data_dir: Path) -> Iterator[None]:
    """Remove what was written into the empty ``data_dir`` if anything fails."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    (data_dir / MARK).touch(mode=0o600)
    try:
        yield
        os.sync()
    except BaseException:
        for path in data_dir.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        raise
    (data_dir / MARK).unlink()
