"""Models of the catalogue: included ones, and those of a team, as files in a folder, which are read
again when they change. An unreadable file is reported and hides no others."""

import os
import stat
from collections.abc import ItemsView, Iterable, Iterator, Mapping, ValuesView
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock

from jobs.catalog.files import load_folder, locked, mode_of, read_as, write
from jobs.catalog.schema import ZooModel

SUFFIX = ".yaml"
_ENDINGS = (SUFFIX, ".yml")  # files with the second suffix give no model, but a problem
MOST_BYTES = 64 * 1024
MOST_FILES = 500
_TOO_LARGE = f"larger than {MOST_BYTES // 1024} KiB"

_Signature = tuple[int, int, int]  # inode, mtime in ns, size


def load_models(folder: Path) -> dict[str, ZooModel]:
    return _by_size(load_folder(folder, ZooModel))


def _by_size(models: Iterable[ZooModel]) -> dict[str, ZooModel]:
    return {m.id: m for m in sorted(models, key=lambda m: (m.parameters, m.id))}


SHIPPED = load_models(Path(__file__).parent / "models")


@dataclass(frozen=True, slots=True)
class ModelProblem:
    """Invalid model file: ``reason`` is one line of English and may quote the file."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class LibraryReading:
    """All models at one time, and the invalid files by name."""

    models: Mapping[str, ZooModel]
    problems: tuple[ModelProblem, ...] = ()


class ModelChanged(ValueError):
    """The file changed since the version that the new text is based on."""


def version_of(content: bytes) -> str:
    return sha256(content).hexdigest()


class Library(Mapping[str, ZooModel]):
    """Models by id, smallest first: included ones and those of ``folder``, which may appear and
    disappear. Thread-safe. A call lists the folder once; :meth:`reading` keeps one listing."""

    def __init__(self, folder: Path | None = None) -> None:
        self._lock = Lock()
        self.configure(folder)

    def configure(self, folder: Path | None) -> None:
        with self._lock:
            self._folder = folder
            self._seen: dict[str, _Signature] | str | None = None
            self._read: dict[str, tuple[_Signature, ZooModel | ModelProblem]] = {}
            self._reading = LibraryReading(SHIPPED)

    def reading(self) -> LibraryReading:
        folder = self._folder
        if folder is None:
            return LibraryReading(SHIPPED)
        now = _signatures(folder)
        with self._lock:
            if now != self._seen:
                self._reading, self._seen = self._build(folder, now), now
            return self._reading

    def _build(self, folder: Path, now: dict[str, _Signature] | str) -> LibraryReading:
        if isinstance(now, str):
            return LibraryReading(SHIPPED, (ModelProblem(str(folder), now),))
        for name, signature in now.items():
            if name not in self._read or self._read[name][0] != signature:
                self._read[name] = (signature, _read(folder / name))
        self._read = {name: self._read[name] for name in now}
        items = [self._read[name][1] for name in sorted(now)]
        models = [item for item in items if isinstance(item, ZooModel)]
        problems = tuple(item for item in items if isinstance(item, ModelProblem))
        return LibraryReading(
            _by_size([*SHIPPED.values(), *models]) if models else SHIPPED, problems
        )

    @property
    def problems(self) -> tuple[ModelProblem, ...]:
        return self.reading().problems

    def is_added(self, model_id: str) -> bool:
        return model_id not in SHIPPED and model_id in self

    def save(self, text: str, onto: str | None = None) -> ZooModel:
        """Save a model from YAML under its id, also over an added one. ``onto``: version of the
        file that the text is based on; None: any. Raises ``ModelChanged``; ``ValueError``: the
        error in the text, in one line; ``OSError``: the folder cannot be written, or none is
        configured."""
        folder = self._writable()
        if len(text.encode()) > MOST_BYTES:
            raise ValueError(_TOO_LARGE)
        model = _checked(text, stem=None)
        folder.mkdir(parents=True, exist_ok=True)
        path, before = _paths(folder, model.id)
        with locked(folder):
            now = path.read_bytes() if path.is_file() else None
            if onto is not None and (now is None or version_of(now) != onto):
                raise ModelChanged(f"{path.name} has changed meanwhile")
            mode = mode_of(path)
            if now is not None:
                write(before, now, mode)
            # Undo still restores the deleted model of this id, not the new one.
            write(path, text.encode(), mode)
        return model

    def remove(self, model_id: str) -> bool:
        """Remove an added model; False: no added model of this id."""
        folder = self._writable()
        path, before = _paths(folder, model_id)
        if path.parent != folder or model_id in SHIPPED or not path.is_file():
            return False
        with locked(folder):
            path.replace(before)
        return True

    def undo(self, model_id: str) -> bool:
        """Restore the file before its last change or removal, or redo. False: there is none."""
        folder = self._writable()
        path, before = _paths(folder, model_id)
        if path.parent != folder or not before.is_file():
            return False
        with locked(folder):
            now, mode = path.read_bytes() if path.is_file() else None, mode_of(path)
            before.replace(path)
            if now is not None:
                write(before, now, mode)
        return True

    def is_removed(self, model_id: str) -> bool:
        """Return True if an added model was removed and undo would restore it."""
        if model_id in SHIPPED or self._folder is None:
            return False
        path, before = _paths(self._folder, model_id)
        return path.parent == self._folder and not path.exists() and before.is_file()

    def text_of(self, file: str) -> str | None:
        """Return the text of a file of the folder, valid or not; None: unreadable."""
        if self._folder is None:
            return None
        path = self._folder / file
        if path.parent != self._folder or path.is_symlink() or not path.is_file():
            return None
        with path.open("rb") as opened:
            return opened.read(MOST_BYTES + 1)[:MOST_BYTES].decode("utf-8", errors="replace")

    def discard(self, file: str) -> bool:
        if file not in {problem.file for problem in self.problems}:
            return False
        folder = self._writable()
        path = folder / file
        if path.parent != folder or not (path.is_symlink() or path.is_file()):
            return False
        path.unlink()
        return True

    def _writable(self) -> Path:
        if self._folder is None:
            raise FileNotFoundError("no folder for added models is configured")
        return self._folder

    def __getitem__(self, model_id: str) -> ZooModel:
        return self.reading().models[model_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self.reading().models)

    def __len__(self) -> int:
        return len(self.reading().models)

    def values(self) -> ValuesView[ZooModel]:
        return self.reading().models.values()

    def items(self) -> ItemsView[str, ZooModel]:
        return self.reading().models.items()


def _paths(folder: Path, model_id: str) -> tuple[Path, Path]:
    """Return a model's file, and its backup, whose name is not a valid model's."""
    return folder / f"{model_id}{SUFFIX}", folder / f".{model_id}.before"


def _signatures(path: Path) -> dict[str, _Signature] | str:
    """Return a signature per file of the folder; a text: why the folder cannot be read."""
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


def _read(path: Path) -> ZooModel | ModelProblem:
    try:
        # Follow no links to other files of this machine, and never block on a pipe.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return ModelProblem(path.name, "not a plain file")
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            return ModelProblem(path.name, _TOO_LARGE)
        return _checked(content.decode("utf-8"), stem=path.name.removesuffix(SUFFIX))
    except OSError as error:
        return ModelProblem(path.name, error.strerror or "cannot be read")
    except ValueError as error:
        return ModelProblem(path.name, str(error))


def _checked(text: str, *, stem: str | None) -> ZooModel:
    model = read_as(ZooModel, text, stem)
    if model.id in SHIPPED:
        raise ValueError(f"the catalogue already has a model {model.id}")
    return model


MODELS = Library()
