"""Content of a backup, and its signature: ``manifest.json`` and ``manifest.hmac``.

The manifest is written last, so only whole backups have one.
"""

import hashlib
import hmac
import json
from collections import Counter
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, NonNegativeInt, ValidationError

from jobs.base.errors import JobsError
from jobs.base.files import write_atomic

FORMAT = 2  # 1: neither a signature nor checksums of large files
FILE = "manifest.json"
# The manifest of the backup before, while the next one is written or after it was killed.
UNFINISHED = "unfinished.json"
# HMAC of the manifest's bytes. Its key stays in ``DATA_DIR``: see docs/decisions.
SIGNATURE = "manifest.hmac"
KEY = "secrets/backup_key"

Engine = Literal["sqlite", "postgresql"]


class BackupError(JobsError):
    """A backup or restore that cannot continue. The message says the cause and the action."""

    id = "backup"


class FileEntry(BaseModel):
    """``changed_ns``: since the epoch, in ``DATA_DIR``."""

    bytes: NonNegativeInt
    sha256: str
    changed_ns: int = 0


class DatabaseEntry(FileEntry):
    """The copy of the database."""

    engine: Engine
    file: str


class Manifest(BaseModel):
    """Content of a backup. Paths are relative to ``DATA_DIR``, and to the backup's folder.
    ``migrations``: applied ones, ``app.name``. ``rows``: rows per table of the copied database.
    ``links``: path -> target of symbolic links."""

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
        own = self.database.bytes if self.database else 0
        return own + sum(entry.bytes for entry in self.files.values())


def write(manifest: Manifest, folder: Path, key: str) -> None:
    raw = manifest.model_dump_json(indent=1).encode()
    write_atomic(folder / SIGNATURE, _signature(raw, key).encode(), mode=0o600)
    write_atomic(folder / FILE, raw, mode=0o600)


def read(path: Path, key: str) -> tuple[Manifest, bool]:
    """Return a manifest, and True if the key signed it. Raises BackupError: it is unreadable, or a
    newer version of the dashboard wrote it. Raises FileNotFoundError: there is none."""
    raw = path.read_bytes()
    try:
        content = json.loads(raw)
        version = content["format"] if isinstance(content, dict) else None
        if isinstance(version, int) and version > FORMAT:
            raise BackupError(
                f"{path} has format {version}, and this version reads formats up to {FORMAT}. "
                "Install the version that made the backup, or a newer one, then restore."
            )
        manifest = Manifest.model_validate(content)
    except (ValueError, KeyError, RecursionError, ValidationError) as error:
        raise BackupError(
            f"{path} is damaged: {str(error).splitlines()[0]}. Restore from another backup."
        ) from error
    named = Counter([*manifest.files, *manifest.links])
    for name in named:
        is_below_another = any(str(one) in named for one in PurePosixPath(name).parents)
        if not _is_plain(name) or named[name] > 1 or is_below_another:
            raise BackupError(f"{path} is damaged: it names {name!r}. Restore from another backup.")
    try:
        signature = path.with_name(SIGNATURE).read_text(errors="replace")
    except FileNotFoundError:
        signature = ""
    return manifest, hmac.compare_digest(signature.encode(), _signature(raw, key).encode())


def _is_plain(name: str) -> bool:
    """Return True for a relative path that stays in its folder and is written in one way only."""
    parts = PurePosixPath(name).parts
    return bool(name) and name == "/".join(parts) and ".." not in parts and "\0" not in name


def _signature(raw: bytes, key: str) -> str:
    return hmac.new(key.encode(), raw, hashlib.sha256).hexdigest()
