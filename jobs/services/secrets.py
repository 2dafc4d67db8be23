"""Secrets for jobs: a file each in ``DATA_DIR/secrets/jobs/``, mode 0600.

Rows and plans store names only. A host receives the secrets of its job's plan with the job.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from jobs import plans
from jobs.errors import LaunchError
from jobs.plans import Plan

_NAME = re.compile(r"^[A-Z][A-Z0-9_]{1,63}$")
SHORTEST = 8  # a shorter one would match any log and be no secret
LONGEST = 4096


def names() -> list[str]:
    """Return names of stored secrets, sorted."""
    folder = _folder()
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if _NAME.match(path.name))


def kept() -> list[tuple[str, datetime]]:
    """Return (name, time last set) of each secret, by name."""
    return [
        (name, datetime.fromtimestamp((_folder() / name).stat().st_mtime, tz=UTC))
        for name in names()
    ]


def keep(name: str, value: str) -> None:
    """Store a secret, replacing one with the same name.

    Raises:
        LaunchError: invalid name or value; ``field`` says which.
    """
    if not _NAME.match(name):
        message = _("Use capital letters, digits and underscores, such as HF_TOKEN.")
        raise LaunchError(message, "name")
    if not SHORTEST <= len(value) <= LONGEST:
        limits = {"shortest": SHORTEST, "longest": LONGEST}
        raise LaunchError(_("Enter %(shortest)s to %(longest)s characters.") % limits, "value")
    if not value.isprintable() or value != value.strip():
        raise LaunchError(_("Enter one line without leading or trailing spaces."), "value")
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = folder / f".{name}.{os.getpid()}"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(value)
    draft.replace(folder / name)


def forget(name: str) -> bool:
    """Delete a secret. False: unknown name."""
    if name not in names():
        return False
    (_folder() / name).unlink(missing_ok=True)
    return True


def values(wanted: Iterable[str]) -> dict[str, str]:
    """Return name -> secret, of stored ones."""
    there = set(names())
    return {
        name: (_folder() / name).read_text(encoding="utf-8") for name in wanted if name in there
    }


def missing(plan: Plan) -> list[str]:
    """Return names of the plan's secrets that do not exist."""
    wanted = plans.secrets(plan)
    there = set(names()) if wanted else set()
    return [name for name in wanted if name not in there]


def check(plan: Plan, params: Mapping[str, Any]) -> None:
    """Refuse a plan that names a secret which does not exist.

    Raises:
        LaunchError: at the field of ``params`` that names it, else at the deployment that uses it.
    """
    for name in missing(plan):
        fields = [field for field, value in params.items() if value == name]
        field = next(iter(fields), "deployment" if "deployment" in params else "")
        message = _("Secret %(name)s does not exist. Ask an administrator to add it under Secrets.")
        raise LaunchError(message % {"name": name}, field)


def _folder() -> Path:
    return Path(settings.DATA_DIR) / "secrets" / "jobs"
