"""Import of results, for page, API and command: permission, change, audit entry."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from dashboard.security import audit_log
from dashboard.security.permissions import check
from dashboard.security.request import logged_in
from jobs.imports import Recognised
from jobs.models import Import
from jobs.numbers import result_number
from jobs.services import imports
from jobs.services.imports import About, Kept, Origin


def keep(
    user: AbstractBaseUser | AnonymousUser,
    files: Mapping[str, bytes],
    recognised: Recognised,
    about: About,
    origin: Origin | None = None,
) -> list[Kept]:
    """Store the recognised results. ``origin``: None for an upload.

    Raises:
        PermissionDenied: ``user`` may not import.
        LaunchError: a field is wrong.
    """
    check(user, "result.import")
    stored: list[Kept] = []
    for reading in recognised.readings:
        (one,) = imports.keep(files, [reading], about, user=logged_in(user), origin=origin)
        if one.is_new:
            subject = _subject(one.row)
            audit_log.record(user, "result.import", subject, **_detail(one.row), **_from(origin))
        stored.append(one)
    return stored


def remove(user: AbstractBaseUser | AnonymousUser, row: Import) -> None:
    """Remove an import with its result and files.

    Raises:
        PermissionDenied: ``user`` is neither who imported it nor an administrator.
        Released: its result is signed off.
    """
    check(user, "result.remove", row)
    subject, detail = _subject(row), _detail(row)
    imports.remove(row)
    audit_log.record(user, "result.remove", subject, **detail)


def _subject(row: Import) -> str:
    return f"result {result_number(row.result.pk)}"


def _detail(row: Import) -> dict[str, str]:
    return {
        "file": row.name,
        "tool": f"{row.tool} {row.version}".strip(),
        "device": row.device,
        "model": row.result.model_id,
    }


def _from(origin: Origin | None) -> dict[str, str]:
    if origin is None:
        return {}
    return {"host": origin.host, "folder": origin.folder, "job": f"#{origin.job}"}
