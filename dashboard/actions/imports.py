"""Import of results, for page, API and command: permission, change, audit entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from dashboard.security import audit_log
from dashboard.security.permissions import check
from dashboard.security.request import logged_in
from dashboard.text.import_words import Preview
from dashboard.text.messages import message
from jobs.base.errors import JobsError, LaunchError
from jobs.base.numbers import result_number
from jobs.base.units import GB, MB
from jobs.confined import Limits, NotDone, Pool, Task
from jobs.models import Import
from jobs.services import imports
from jobs.services.imports import About

Answer = TypeVar("Answer")


# Answer of an API call, with all questions.
ANSWER_BYTES = 64 * MB
READERS = Pool(Limits(memory=2 * GB, answer=ANSWER_BYTES, cpu_s=120, wall_s=300.0), most=2)


@dataclass(frozen=True, slots=True)
class Sent:
    """Files of an import: (name, content) each, pasted text, or those of a job."""

    files: Sequence[tuple[str, bytes]] = ()
    text: str = ""
    job: int | None = None


@dataclass(frozen=True, slots=True)
class By:
    """Number of the person who imports, and origin of the request (``audit_log.origin``)."""

    user: int
    origin: str


@dataclass(frozen=True, slots=True)
class Stored:
    """Results of a draft, by number, and those of them that are new."""

    results: Sequence[int]
    new: Sequence[int]


class Gone(JobsError):
    """A draft that is removed, or another person's."""

    id = "import:draft_gone"


_DRAFT = Task("dashboard.actions.import_tasks:make_draft", str, READERS)
_SHOWN = Task("dashboard.actions.import_tasks:show_draft", Preview, READERS)
_KEEP = Task("dashboard.actions.import_tasks:keep_draft", Stored, READERS)
_IMPORT = Task("dashboard.actions.import_tasks:import_files", dict[str, Any], READERS)


def make_draft(user: AbstractBaseUser, sent: Sent, about: About) -> str:
    """Store what somebody sent as a draft; return its id.

    Raises:
        PermissionDenied: ``user`` may not import.
        LaunchError: at ``files`` or ``job``: nothing can be imported, or read within the limits.
    """
    check(user, "result.import")
    return _within_limits(_DRAFT, _by(user), sent, about)


def show_draft(user: AbstractBaseUser, draft_id: str) -> Preview:
    """Return what a draft has.

    Raises:
        LaunchError: as :func:`make_draft`.
        Gone: there is no such draft of this person.
    """
    return _within_limits(_SHOWN, user.pk, draft_id)


def keep_draft(user: AbstractBaseUser, draft_id: str) -> Stored:
    """Store the results of a draft, and remove it.

    Raises:
        PermissionDenied: ``user`` may not import.
        LaunchError, Gone: as :func:`show_draft`.
    """
    check(user, "result.import")
    return _within_limits(_KEEP, _by(user), draft_id)


def import_files(
    user: AbstractBaseUser, sent: Sent, about: About, *, is_dry: bool
) -> dict[str, Any]:
    """Return what files have, as JSON; store it unless ``is_dry``.

    Raises:
        PermissionDenied: ``user`` may not import.
        LaunchError: a field is wrong, or as :func:`make_draft`.
    """
    check(user, "result.import")
    return _within_limits(_IMPORT, _by(user), sent, about, is_dry)


def _by(user: AbstractBaseUser) -> By:
    return By(user.pk, audit_log.current_origin())


def _within_limits(task: Task[Answer], *args: Any) -> Answer:
    try:
        return task(*args)
    except NotDone as error:
        raise LaunchError(message(error.message.id, error.message.args), "files") from error


def declare(user: AbstractBaseUser | AnonymousUser, row: Import, about: About) -> bool:
    """Replace what is declared of an import. False: nothing changed.

    Raises:
        PermissionDenied: ``user`` may not import.
        LaunchError: a field is wrong.
    """
    check(user, "result.declare")
    changed = imports.declare(row, about, logged_in(user))
    if changed:
        detail = {name: f"{old or '–'} → {new or '–'}" for name, (old, new) in changed.items()}
        audit_log.record(user, "result.declare", subject_of(row), **detail)
    return bool(changed)


def remove(user: AbstractBaseUser | AnonymousUser, row: Import) -> None:
    """Remove an import with its result and files.

    Raises:
        PermissionDenied: ``user`` is neither who imported it nor an administrator.
        Released: its result is signed off.
    """
    check(user, "result.remove", row)
    subject, detail = subject_of(row), detail_of(row)
    imports.remove(row)
    audit_log.record(user, "result.remove", subject, **detail)


def subject_of(row: Import) -> str:
    """Return the subject of an audit entry."""
    return f"result {result_number(row.result.pk)}"


def detail_of(row: Import) -> dict[str, str]:
    """Return the detail of an audit entry."""
    return {
        "file": row.name,
        "tool": f"{row.tool} {row.version}".strip(),
        "model": row.result.model_id,
        **{
            name: str(value)
            for name, value in asdict(imports.about_row(row)).items()
            if value and name != "model"
        },
    }
