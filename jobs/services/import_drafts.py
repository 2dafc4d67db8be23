"""Uploads between preview and import, in ``DATA_DIR/import-drafts/<id>``.

No record and not in a backup. A draft goes after a day, or when its owner has newer ones.
"""

from __future__ import annotations

import json
import re
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from jobs.services.imports import About, Origin, not_stored
from jobs.services.intake.limits import DiskReserved, check_disk

KEPT_S = 24 * 3600
MOST = 5  # drafts of one person
_ABOUT = "about.json"
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Draft:
    """Files of one upload, or of a folder on a host (``origin``)."""

    id: str
    files: Mapping[str, bytes]
    about: About
    origin: Origin | None = None


def save(
    user_id: int, files: Mapping[str, bytes], about: About, origin: Origin | None = None
) -> str:
    """Store a draft and return its id; older drafts go.

    Raises:
        LaunchError: at ``files``: the disk is broken, full, or has only its reserve left.
    """
    _clean(user_id)
    number = uuid.uuid4().hex
    folder = _root() / number
    try:
        check_disk(sum(map(len, files.values())))
        folder.mkdir(parents=True, mode=0o750)
        for index, content in enumerate(files.values()):
            (folder / str(index)).write_bytes(content)
        known = {
            "user": user_id,
            "paths": list(files),
            "about": asdict(about),
            "origin": asdict(origin) if origin else None,
        }
        (folder / _ABOUT).write_text(json.dumps(known), encoding="utf-8")
    except (OSError, DiskReserved) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise not_stored(error) from error
    return number


def load(user_id: int, draft_id: str, *, with_files: bool = True) -> Draft | None:
    """Return a draft of this person; None if there is none."""
    known = _about(draft_id)
    if known is None or known["user"] != user_id:
        return None
    folder = _root() / draft_id
    paths = known["paths"] if with_files else ()
    try:
        files = {path: (folder / str(index)).read_bytes() for index, path in enumerate(paths)}
    except OSError:  # removed meanwhile
        return None
    origin = known.get("origin")  # drafts of an older version have none
    # Drafts of an older version have two fields.
    about = About(**known.get("about", {name: known.get(name, "") for name in ("device", "model")}))
    return Draft(draft_id, files, about, Origin(**origin) if origin else None)


def remove(draft: Draft) -> None:
    """Remove a draft."""
    shutil.rmtree(_root() / draft.id, ignore_errors=True)


def _root() -> Path:
    return Path(settings.DATA_DIR, "import-drafts")


def _about(draft_id: str) -> dict[str, Any] | None:
    if not _ID.fullmatch(draft_id):
        return None
    try:
        known = json.loads((_root() / draft_id / _ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return known if isinstance(known, dict) else None


def _clean(user_id: int) -> None:
    """Remove drafts that are a day old, and those of the person above ``MOST``."""
    root = _root()
    folders = [one for one in root.iterdir() if one.is_dir()] if root.is_dir() else []
    newest = sorted(((_time(one), one) for one in folders), reverse=True)
    own = 0
    for at, folder in newest:
        known = _about(folder.name)
        own += known is not None and known.get("user") == user_id
        is_old = time.time() - at > KEPT_S
        if is_old or (known is not None and known.get("user") == user_id and own >= MOST):
            shutil.rmtree(folder, ignore_errors=True)


def _time(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:
        return 0.0
