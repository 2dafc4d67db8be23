"""Models that a team adds as files in a folder: read anew when a file changes, without a restart.

A file that cannot be read hides no other: it is told, with its name and what is wrong with it.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from uuid import uuid4

from jobs.catalog.loader import SHIPPED, by_size, read_model
from jobs.catalog.schema import ZooModel

SUFFIX = ".yaml"
_ENDINGS = (SUFFIX, ".yml")  # the second one gives no model, but is told of
MOST_BYTES = 64 * 1024
MOST_FILES = 500

_Signature = tuple[int, int, int]  # inode, mtime in ns, size


@dataclass(frozen=True, slots=True)
class Problem:
    """A file that gives no model: ``reason`` is one line of English; it may quote the file."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a folder held at one moment."""

    models: Mapping[str, ZooModel]
    problems: tuple[Problem, ...] = ()


class Folder:
    """The files of one folder. Safe to use from several threads; a folder may come and go."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._seen: dict[str, _Signature] | str | None = None
        self._read: dict[str, tuple[_Signature, ZooModel | Problem]] = {}
        self._reading = Reading(SHIPPED)

    def reading(self) -> Reading:
        """The catalogue with the folder's models in it. Costs one look at the folder."""
        now = _look(self.path)
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
        found = [self._read[name][1] for name in sorted(now)]
        models = [item for item in found if isinstance(item, ZooModel)]
        problems = tuple(item for item in found if isinstance(item, Problem))
        return Reading(by_size([*SHIPPED.values(), *models]) if models else SHIPPED, problems)


class Changed(ValueError):
    """A file is no longer what the text that should replace it was made from."""


def version_of(content: bytes) -> str:
    """What tells one text of a file from another."""
    return sha256(content).hexdigest()


def save(folder: Path, text: str, onto: str | None = None) -> ZooModel:
    """Keep a model that a person wrote, under its own id; one that is there is replaced.

    ``onto``: the version of the file that the text was made from; None: whatever is there.

    Raises:
        Changed: the file is another one by now.
        ValueError: what is wrong with the text.
        OSError: the folder cannot be written.
    """
    if len(text.encode()) > MOST_BYTES:
        raise ValueError(_TOO_LARGE)
    model = _checked(text, stem=None)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{model.id}{SUFFIX}"
    with _alone(folder):
        now = path.read_bytes() if path.is_file() else None
        if onto is not None and (now is None or version_of(now) != onto):
            raise Changed(f"{path.name} has changed meanwhile")
        mode = _mode(path)
        if now is not None:
            _write(_before(folder, model.id), now, mode)
        # What was deleted under this id stays what undo puts back, instead of the new one.
        _write(path, text.encode(), mode)
    return model


def remove(folder: Path, model_id: str) -> bool:
    """Take an added model out of the catalogue; False: it has none of that id there."""
    path = folder / f"{model_id}{SUFFIX}"
    if path.parent != folder or model_id in SHIPPED or not path.is_file():
        return False
    with _alone(folder):
        path.replace(_before(folder, model_id))
    return True


def undo(folder: Path, model_id: str) -> bool:
    """Put back what a model's file held before it was last changed or taken out.

    Once more puts the change back. False: nothing is known of it.
    """
    path, before = folder / f"{model_id}{SUFFIX}", _before(folder, model_id)
    if path.parent != folder or not before.is_file():
        return False
    with _alone(folder):
        now, mode = path.read_bytes() if path.is_file() else None, _mode(path)
        before.replace(path)
        if now is not None:
            _write(before, now, mode)
    return True


def is_removed(folder: Path, model_id: str) -> bool:
    """Whether a model was taken out, and undo would put it back."""
    path = folder / f"{model_id}{SUFFIX}"
    return path.parent == folder and not path.exists() and _before(folder, model_id).is_file()


def read_text(folder: Path, name: str) -> str | None:
    """What a file of the folder holds, whether it is a model or not; None: it cannot be read."""
    path = folder / name
    if path.parent != folder or path.is_symlink() or not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)[:MOST_BYTES].decode("utf-8", errors="replace")


def discard(folder: Path, name: str) -> bool:
    """Delete a file that gives no model. False: there is none of that name."""
    path = folder / name
    if path.parent != folder or name.startswith(".") or not name.endswith(_ENDINGS):
        return False
    if not (path.is_symlink() or path.is_file()):
        return False
    path.unlink()
    return True


def _before(folder: Path, model_id: str) -> Path:
    """Where the last text of a model's file is kept: a name that is no model's."""
    return folder / f".{model_id}.before"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else, of this process or another dashboard's, changes the folder's files meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # some shares lock no folder: then two may meet, as ever
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _mode(path: Path) -> int | None:
    """Who may do what with the file; None: there is none."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return None


def _write(path: Path, content: bytes, mode: int | None) -> None:
    """The file, whole or as it was. A new one is for all to read, as far as the umask lets them."""
    part = path.with_name(f".{uuid4().hex}.part")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(part, flags, 0o644), "wb") as file:
            if mode is not None:
                os.fchmod(file.fileno(), mode)
            file.write(content)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


_TOO_LARGE = f"larger than {MOST_BYTES // 1024} KiB"


def _look(path: Path) -> dict[str, _Signature] | str:
    """What identifies the content of each file; a text: why the folder cannot be read."""
    found = {}
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.endswith(_ENDINGS) and not entry.name.startswith("."):
                    found[entry.name] = _signature(entry)
                if len(found) > MOST_FILES:
                    return f"more than {MOST_FILES} files"
    except FileNotFoundError:
        return {}
    except OSError as error:
        return error.strerror or "cannot be read"
    return found


def _signature(entry: os.DirEntry[str]) -> _Signature:
    """Zeros for a file that has gone meanwhile: reading it says so."""
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return (0, 0, 0)
    return (status.st_ino, status.st_mtime_ns, status.st_size)


def _read(path: Path) -> ZooModel | Problem:
    try:
        # Not through a link to some other file of this machine, and not from a pipe, for ever.
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
        raise ValueError(f"the catalogue has a model {model.id} already")
    return model
