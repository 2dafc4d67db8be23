"""Fill an empty ``DATA_DIR`` and an empty database from a backup."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from jobs.backup import database, manifest
from jobs.backup.files import copy_checked, entry_of, open_regular
from jobs.backup.manifest import FILE, KEY, UNFINISHED, BackupError, Manifest
from jobs.base.files import write_atomic

MARK = "restoring"  # is in DATA_DIR until all is there: a start would make an empty database
SHOWN = 5


def restore(source: Path, key: str | None, *, progress: Callable[[str], None]) -> Manifest:
    """Check the backup in ``source``, then copy it into ``DATA_DIR`` and the database.

    ``key`` signed the backup, and signs later ones. None: the manifest is trusted unsigned.
    Everything is checked before the first byte is written. After an error nothing is left behind,
    except in a PostgreSQL database whose rows differ from the manifest's.

    Raises:
        BackupError: the backup is damaged or unsuitable, or something is in its place.
        OSError: a disk is full or broken.
    """
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
        _copy_files(source, data_dir, made)
        if key is not None:
            (data_dir / KEY).parent.mkdir(exist_ok=True, mode=0o700)
            write_atomic(data_dir / KEY, key.encode(), mode=0o600)
        contents = database.fill(source, _database(made))
        if contents.rows != made.rows:
            tables = sorted(
                name
                for name in {*contents.rows, *made.rows}
                if contents.rows.get(name) != made.rows.get(name)
            )
            raise BackupError(
                f"The restored database differs from the manifest in {', '.join(tables[:SHOWN])}. "
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
    if made.format < manifest.FORMAT:
        raise BackupError(
            f"An earlier version made the backup in {source}, without checksums of large files. "
            "Restore with that version, then upgrade."
        )
    if key is not None and not is_signed:
        raise BackupError(
            f"{source / FILE} is not what a backup with this key wrote, nothing was restored. "
            "Name the key of that dashboard, or restore from another backup."
        )
    engine = _database(made).engine
    if engine != database.engine():
        name = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[engine]
        action = (
            "Unset DATABASE_URL"
            if engine == "sqlite"
            else "Set DATABASE_URL to an empty database of PostgreSQL"
        )
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
    for root, folders, names in os.walk(data_dir):
        found = [*names, *(name for name in folders if Path(root, name).is_symlink())]
        if found:
            raise BackupError(
                f"DATA_DIR={data_dir} is not empty: it has {Path(root, found[0])}. Stop the "
                f"dashboard, move the folder away, then restore: mv {data_dir} {data_dir}.old"
            )


def _damaged(source: Path, made: Manifest) -> Iterator[str]:
    """Yield a line for each file that is not as the manifest says."""
    own = _database(made)
    for name, wanted in {**made.files, own.file: own}.items():
        try:
            with open_regular(source / name) as fd:
                there = entry_of(fd, os.fstat(fd))
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


def _copy_files(source: Path, data_dir: Path, made: Manifest) -> None:
    for name, wanted in made.files.items():
        place = data_dir / name
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        copy_checked(source / name, place, wanted)
    for name, named in made.links.items():
        place = data_dir / name
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        place.symlink_to(named)  # fails if anything is there
