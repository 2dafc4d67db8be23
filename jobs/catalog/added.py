"""Models that a team adds as files in a folder: reloaded on change, without a restart.

An unreadable file does not hide others: its name and error are reported.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock

from jobs.catalog.folder_files import locked, mode_of, write
from jobs.catalog.loader import SHIPPED, by_size, read_model
from jobs.catalog.schema import ZooModel

SUFFIX = ".yaml"
_ENDINGS = (SUFFIX, ".yml")  # files with the second suffix give no model, but a problem
MOST_BYTES = 64 * 1024
MOST_FILES = 500

_Signature = tuple[int, int, int]  # inode, mtime in ns, size


@dataclass(frozen=True, slots=True)
class Problem:
    """Invalid model file: ``reason`` is one line of English and may quote the file."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Content of a folder at one time."""

    models: Mapping[str, ZooModel]
    problems: tuple[Problem, ...] = ()


class Folder:
    """Files of a folder. Thread-safe; the folder may appear and disappear."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._seen: dict[str, _Signature] | str | None = None
        self._read: dict[str, tuple[_Signature, ZooModel | Problem]] = {}
        self._reading = Reading(SHIPPED)

    def reading(self) -> Reading:
        """Return the catalogue with the folder's models. Lists the folder once."""
        now = _read_folder(self.path)
        with self._lock:
            if now != self._seen:
                self._reading = self._build(now)
                self._seen = now
            return self._reading

    def _build(self, now: dict[str, _Signature] | str) -> Reading:
        if isinstance(now, str):
            return Reading(SHIPPED, (Problem(str(self.path), now),))
        for name, signature in now.items():
            if name not in self._read or self._read[name][0] != signature:
                self._read[name] = (signature, _read(self.path / name))
        self._read = {name: self._read[name] for name in now}
        items = [self._read[name][1] for name in sorted(now)]
        models = [item for item in items if isinstance(item, ZooModel)]
        problems = tuple(item for item in items if isinstance(item, Problem))
        return Reading(by_size([*SHIPPED.values(), *models]) if models else SHIPPED, problems)


class Changed(ValueError):
    """The file changed since the version that the new text is based on."""


def version_of(content: bytes) -> str:
    """Return the version of a file's text."""
    return sha256(content).hexdigest()


def save(folder: Path, text: str, onto: str | None = None) -> ZooModel:
    """Save a model under its id; an existing one is replaced.

    ``onto``: version of the file that the text is based on; None: any version.

    Raises:
        Changed: the file changed meanwhile.
        ValueError: the error in the text.
        OSError: the folder cannot be written.
    """
    if len(text.encode()) > MOST_BYTES:
        raise ValueError(_TOO_LARGE)
    model = _checked(text, stem=None)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{model.id}{SUFFIX}"
    with locked(folder):
        now = path.read_bytes() if path.is_file() else None
        if onto is not None and (now is None or version_of(now) != onto):
            raise Changed(f"{path.name} has changed meanwhile")
        mode = mode_of(path)
        if now is not None:
            write(_before(folder, model.id), now, mode)
        # Undo still restores the deleted model of this id, not the new one.
        write(path, text.encode(), mode)
    return model


def remove(folder: Path, model_id: str) -> bool:
    """Remove an added model from the catalogue; False: no added model of this id."""
    path = folder / f"{model_id}{SUFFIX}"
    if path.parent != folder or model_id in SHIPPED or not path.is_file():
        return False
    with locked(folder):
        path.replace(_before(folder, model_id))
    return True


def undo(folder: Path, model_id: str) -> bool:
    """Restore a model's file from before its last change or removal.

    A second call redoes the change. False: no earlier version.
    """
    path, before = folder / f"{model_id}{SUFFIX}", _before(folder, model_id)
    if path.parent != folder or not before.is_file():
        return False
    with locked(folder):
        now, mode = path.read_bytes() if path.is_file() else None, mode_of(path)
        before.replace(path)
        if now is not None:
            write(before, now, mode)
    return True


def is_removed(folder: Path, model_id: str) -> bool:
    """Return True if a model was removed and undo would restore it."""
    path = folder / f"{model_id}{SUFFIX}"
    return path.parent == folder and not path.exists() and _before(folder, model_id).is_file()


def read_text(folder: Path, name: str) -> str | None:
    """Return the text of a file of the folder, valid or not; None: unreadable."""
    path = folder / name
    if path.parent != folder or path.is_symlink() or not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)[:MOST_BYTES].decode("utf-8", errors="replace")


def discard(folder: Path, name: str) -> bool:
    """Delete an invalid file. False: no such file."""
    path = folder / name
    if path.parent != folder or name.startswith(".") or not name.endswith(_ENDINGS):
        return False
    if not (path.is_symlink() or path.is_file()):
        return False
    path.unlink()
    return True


def _before(folder: Path, model_id: str) -> Path:
    """Return the path of the backup of a model's file: not a valid model name."""
    return folder / f".{model_id}.before"


_TOO_LARGE = f"larger than {MOST_BYTES // 1024} KiB"


def _read_folder(path: Path) -> dict[str, _Signature] | str:
    """Return a signature per file; a text: why the folder cannot be read."""
    signatures = {}
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.endswith(_ENDINGS) and not entry.name.startswith("."):
                    signatures[entry.name] = _signature(entry)
                if len(signatures) > MOST_FILES:
                    return f"more than {MOST_FILES} files"
    except FileNotFoundError:
        return {}
    except OSError as error:
        return error.strerror or "cannot be read"
    return signatures


def _signature(entry: os.DirEntry[str]) -> _Signature:
    """Return the signature of a file; zeros for a deleted file, which fails on reading."""
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return (0, 0, 0)
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def _read(path: Path) -> ZooModel | Problem:
    try:
        # Follow no links to other files of this machine, and never block on a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return Problem(path.name, "not a plain file")
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            return Problem(path.name, _TOO_LARGE)
        return _checked(content.decode("utf-8"), stem=path.name.removesuffix(SUFFIX))
    except OSError as error:
        return Problem(path.name, error.strerror or "cannot be read")
    except ValueError as error:
        return Problem(path.name, str(error))


def _checked(text: str, *, stem: str | None) -> ZooModel:
    model = read_model(text, stem)
    if model.id in SHIPPED:
        raise ValueError(f"the catalogue already has a model {model.id}")
    return model
