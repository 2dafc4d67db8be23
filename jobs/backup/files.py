"""Copies of folders that change meanwhile: incremental, and equal to one moment of each file.

A file is copied when its size or its time of change differs from the copy's, as with ``cp -au``.
Unlike with ``cp -au`` the copy loses what the folder has lost: a raw log that stayed in the copy
would hide the packed log that took its place.
"""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from jobs.backup.manifest import BackupError, FileEntry
from jobs.base.files import open_regular
from jobs.logstore.files import BESIDE

CHUNK_BYTES = 1024 * 1024
MOST_PASSES = 20
# A draft takes its place under another name, or is written again.
DRAFT_SUFFIXES = (".log.new", ".log.zst.new")
DRAFT_OF_COPY = ".backup-part"


@dataclass(slots=True)
class Mirrored:
    """Files and links of a mirror, and how many were copied or removed this time."""

    files: dict[str, FileEntry] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    copied: int = 0
    copied_bytes: int = 0
    removed: int = 0


def mirror(
    source: Path,
    target: Path,
    folder: str,
    known: Mapping[str, FileEntry],
    left_out: frozenset[str] = frozenset(),
    *,
    is_scratch: bool = False,
) -> Mirrored:
    """Make ``target/folder`` equal to ``source/folder``. ``known``: entries of the last backup.
    ``is_scratch``: names come and go all the time, and one walk is enough. Raises ``BackupError``:
    names keep changing; ``OSError``: a file cannot be read or written. The folder is walked until
    no name of one walk is missing in the next. A log that is packed during a walk is otherwise in
    no list: its old name is gone, its new name came too late."""
    result = Mirrored()
    before: set[str] = set()
    for number in range(MOST_PASSES):
        known = {**known, **result.files}
        result.files, result.links = {}, {}
        names: set[str] = set()
        vanished = False
        for root, paths in walk(source / folder):
            copied = target / root.relative_to(source)
            if copied.is_symlink() or copied.is_file():
                copied.unlink()  # through a link the copy would be written into the source
            copied.mkdir(parents=True, exist_ok=True, mode=0o700)
            for path in paths:
                name = path.relative_to(source).as_posix()
                if name in left_out or name.endswith(DRAFT_SUFFIXES):
                    continue
                try:
                    _copy(path, target / name, name, known, result)
                except FileNotFoundError:
                    vanished = True
                    continue
                names.add(name)
        if is_scratch or (number and not vanished and before <= names):
            result.removed = _remove_others(target, folder, names)
            return result
        before = names
    raise BackupError(
        f"Files in {source / folder} were renamed during {MOST_PASSES} copies in a row. "
        "Run the backup again later."
    )


def walk(folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Yield folders with their files and links; none if ``folder`` is missing. Side files come
    before their log: an index must never describe bytes that the log's copy lacks."""

    def fail(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for root, folders, names in os.walk(folder, onerror=fail):
        links = [name for name in folders if Path(root, name).is_symlink()]
        ordered = sorted([*names, *links], key=lambda name: (not name.endswith(BESIDE), name))
        yield Path(root), [Path(root, name) for name in ordered]


def _copy(
    source: Path, target: Path, name: str, known: Mapping[str, FileEntry], result: Mirrored
) -> None:
    """Copy a file or link if it differs. Sockets and pipes have no content to copy."""
    status = source.lstat()
    if stat.S_ISLNK(status.st_mode):
        result.links[name] = named = str(source.readlink())
        if target.is_symlink() and str(target.readlink()) == named:
            return
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        target.symlink_to(named)
    elif stat.S_ISREG(status.st_mode):
        with source.open("rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            entry = known.get(name)
            if _is_same(target, status, entry):
                if entry is not None and entry.changed_ns == status.st_mtime_ns:
                    result.files[name] = entry
                    return
                result.files[name] = entry_of(file.fileno(), status)
                # Nothing vouches for the copy: the disk or others may have changed it.
                with open_regular(target) as copy:
                    if entry_of(copy, status) == result.files[name]:
                        return
            result.files[name] = _copy_file(file.fileno(), target, status)
            result.copied += 1
            result.copied_bytes += result.files[name].bytes


def _is_same(target: Path, status: os.stat_result, entry: FileEntry | None) -> bool:
    """Return True if the copy has the size and time of the file. A file system with coarse times
    rounds those of the copy: then the manifest has them."""
    try:
        copy = target.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(copy.st_mode) or copy.st_size != status.st_size:
        return False
    times = [copy.st_mtime_ns]
    if entry is not None and entry.bytes == status.st_size:
        times.append(entry.changed_ns)
    return status.st_mtime_ns in times


def _copy_file(fd: int, target: Path, status: os.stat_result) -> FileEntry:
    """Copy the first ``status.st_size`` bytes of a file, with its times and its owner's rights. A
    log that grows meanwhile is later than its copy, and is copied again the next time."""
    draft = target.with_name(f".{target.name}{DRAFT_OF_COPY}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(draft, flags, 0o600), "wb") as copy:
        entry = entry_of(fd, status, copy)
        copy.flush()
        os.fchmod(copy.fileno(), status.st_mode & stat.S_IRWXU)
        os.utime(copy.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    draft.replace(target)
    return entry


def copy_checked(source: Path, target: Path, wanted: FileEntry) -> None:
    """Copy a file of a backup. Raises BackupError: its bytes are not those of the manifest."""
    with open_regular(source) as fd:
        if _copy_file(fd, target, os.fstat(fd)).sha256 != wanted.sha256:
            raise BackupError(f"{source} changed during the restore. Restore again.")


def _remove_others(target: Path, folder: str, names: set[str]) -> int:
    """Remove files of the copy that its source no longer has, and folders without files."""
    removed = 0
    for root, folders, files in os.walk(target / folder, topdown=False):
        for name in (*files, *[name for name in folders if Path(root, name).is_symlink()]):
            path = Path(root, name)
            if path.relative_to(target).as_posix() not in names:
                path.unlink()
                removed += 1
        if not any(Path(root).iterdir()):
            Path(root).rmdir()
    return removed


def entry_of(fd: int, status: os.stat_result, copy: BinaryIO | None = None) -> FileEntry:
    """Return the entry of the first ``status.st_size`` bytes; ``copy`` gets these bytes."""
    digest, size = hashlib.sha256(), 0
    while data := os.pread(fd, min(CHUNK_BYTES, status.st_size - size), size):
        digest.update(data)
        if copy is not None:
            copy.write(data)
        size += len(data)
    return FileEntry(bytes=size, sha256=digest.hexdigest(), changed_ns=status.st_mtime_ns)
