"""``manifest.json``: what a backup contains. It is written last, so only whole backups have one."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, NonNegativeInt, ValidationError

from jobs.errors import JobsError

FORMAT = 1
FILE = "manifest.json"
# The manifest of the backup before, while the next one is written or after it was killed.
UNFINISHED = "unfinished.json"

Engine = Literal["sqlite", "postgresql"]


class BackupError(JobsError):
    """A backup or restore that cannot continue. The message says the cause and the action."""

    id = "backup"


class FileEntry(BaseModel):
    """A copied file. ``sha256`` is empty for a large file, whose size alone is checked.

    ``changed_ns``: time of its last change in ``DATA_DIR``, nanoseconds since the epoch.
    """

    bytes: NonNegativeInt
    sha256: str = ""
    changed_ns: int = 0


class DatabaseEntry(FileEntry):
    """The copy of the database."""

    engine: Engine
    file: str


class Manifest(BaseModel):
    """Content of a backup. Paths are relative to ``DATA_DIR``, and to the backup's folder.

    ``migrations``: applied ones, ``app.name``. ``rows``: rows per table of the copied database.
    ``links``: path -> target of symbolic links.
    """

    format: int = FORMAT
    made_at: datetime
    instance: str
    data_dir: str
    database: DatabaseEntry | None = None
    migrations: list[str] = []
    rows: dict[str, int] = {}
    files: dict[str, FileEntry] = {}
    links: dict[str, str] = {}

    @property
    def bytes(self) -> int:
        """Return the total size of database and files, bytes."""
        own = self.database.bytes if self.database else 0
        return own + sum(entry.bytes for entry in self.files.values())


def write(manifest: Manifest, path: Path) -> None:
    """Write the manifest as a private file, whole or not at all."""
    draft = path.with_name(f"{path.name}.part")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(manifest.model_dump_json(indent=1))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def read(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        BackupError: it is unreadable, or a newer version of the dashboard wrote it.
        FileNotFoundError: there is none.
    """
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        raw = json.loads(text)
        version = raw["format"] if isinstance(raw, dict) else None
        if isinstance(version, int) and version > FORMAT:
            raise BackupError(
                f"{path} has format {version}, and this version reads formats up to {FORMAT}. "
                "Install the version that made the backup, or a newer one, then restore."
            )
        manifest = Manifest.model_validate(raw)
    except (ValueError, KeyError, RecursionError, ValidationError) as error:
        raise BackupError(
            f"{path} is damaged: {str(error).splitlines()[0]}. Restore from another backup."
        ) from error
    for name in (*manifest.files, *manifest.links):
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\0" in name:
            raise BackupError(f"{path} is damaged: it names {name!r}. Restore from another backup.")
    return manifest
