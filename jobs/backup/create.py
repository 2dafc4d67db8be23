"""Copy this dashboard into a folder, while it runs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from django.conf import settings
from django.utils.timezone import now

from jobs.backup import database, manifest
from jobs.backup.files import Mirrored, mirror
from jobs.backup.manifest import FILE, KEY, UNFINISHED, BackupError, FileEntry, Manifest
from jobs.queries.instance import instance_id

# In this order, all after the database.
FOLDERS = ("secrets", "catalog", "outputs", "imports", "logs")
HOST_FOLDER = "host"
# Keys that sign sessions and the backup itself: docs/decisions.
LEFT_OUT = frozenset({"secrets/secret_key", KEY})

Progress = Callable[[str, Mirrored], None]


def create(target: Path, key: str, *, with_host: bool, progress: Progress) -> Manifest:
    """Copy database and files into ``target``; only what changed, if it has an earlier backup.

    ``key`` signs the manifest.

    Order: the database first, then the files. A byte of a log or output is on disk before a row
    names it, and is never changed afterwards. Each row of the earlier copy of the database
    therefore has its bytes in the later copy of the files. The files may have more: a host that
    sends to the restored dashboard learns the sizes from there, and continues behind them. Only
    retention may remove a file between the two copies.

    The manifest is written last. A backup that was killed has none, and the next one completes it.

    Raises:
        BackupError: the folder is unsuitable, or a copy is impossible. The message says what to do.
        OSError: a disk is full or broken.
    """
    data_dir = Path(settings.DATA_DIR)
    with _claimed(target, data_dir, key) as known:
        made = Manifest(made_at=now(), instance=str(instance_id()), data_dir=str(data_dir))
        made.database, contents = database.copy(target)
        made.rows, made.migrations = contents.rows, contents.migrations
        for folder in (*FOLDERS, *([HOST_FOLDER] if with_host else [])):
            is_scratch = folder == HOST_FOLDER
            copied = mirror(data_dir, target, folder, known, LEFT_OUT, is_scratch=is_scratch)
            made.files |= copied.files
            made.links |= copied.links
            progress(folder, copied)
        os.sync()  # a manifest never describes bytes that a power cut can still take
        manifest.write(made, target, key)
        (target / UNFINISHED).unlink(missing_ok=True)
        return made


@contextmanager
def _claimed(target: Path, data_dir: Path, key: str) -> Iterator[Mapping[str, FileEntry]]:
    """Hold ``target`` for one backup; yield entries of the backup before, if this key signed it.

    Raises:
        BackupError: the folder has other content, another dashboard's backup, or is in use.
    """
    if target.resolve().is_relative_to(data_dir.resolve()):
        raise BackupError(f"{target} is in DATA_DIR={data_dir}. Choose a folder outside.")
    if target.exists() and not target.is_dir():
        raise BackupError(f"{target} is no folder. Choose a new or an empty folder.")
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupError(
                f"Another backup writes into {target}. Wait until it has ended."
            ) from None
        yield _begin(target, key)
    finally:
        os.close(lock)


def _begin(target: Path, key: str) -> Mapping[str, FileEntry]:
    if not (target / FILE).exists() and not (target / UNFINISHED).exists():
        if any(target.iterdir()):
            raise BackupError(f"{target} is not empty and no backup. Choose a new or empty folder.")
        (target / UNFINISHED).touch(mode=0o600)
        return {}
    before, is_signed = None, False
    with suppress(FileNotFoundError):
        before, is_signed = manifest.read(target / FILE, key)
    if before is None and (target / UNFINISHED).stat().st_size:
        before, is_signed = manifest.read(target / UNFINISHED, key)
    if before is not None and before.instance != str(instance_id()):
        raise BackupError(f"{target} has a backup of another dashboard. Choose another folder.")
    if (target / FILE).exists():
        (target / FILE).replace(target / UNFINISHED)
    return before.files if before is not None and is_signed else {}
