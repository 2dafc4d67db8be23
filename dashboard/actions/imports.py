"""Import of results, for page, API and command; files are read in confined workers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from django.contrib.auth.models import AbstractBaseUser

from dashboard.actions.action import Done, action
from dashboard.security import audit_log
from dashboard.security.permissions import check
from dashboard.text.import_words import Preview
from dashboard.text.messages import message
from jobs.base.errors import JobsError, LaunchError
from jobs.base.numbers import GB, MB, result_number
from jobs.confined import Limits, NotDone, Pool, Task
from jobs.models import Import
from jobs.services import imports
from jobs.services.imports import About

T = TypeVar("T")

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
    """Store what somebody sent as a draft; return its id. Raises ``LaunchError``: at ``files`` or
    ``job``: nothing can be imported, or read within the limits."""
    return _within_limits(user, _DRAFT, sent, about)


def show_draft(user: AbstractBaseUser, draft_id: str) -> Preview:
    """Return what a draft has. Raises ``LaunchError``: as :func:`make_draft`; ``Gone``: there is no
    such draft of this person."""
    return _within_limits(user, _SHOWN, draft_id)


def keep_draft(user: AbstractBaseUser, draft_id: str) -> Stored:
    """Store the results of a draft, and remove it. Raises as :func:`show_draft`."""
    return _within_limits(user, _KEEP, draft_id)


def import_files(
    user: AbstractBaseUser, sent: Sent, about: About, *, is_dry: bool
) -> dict[str, Any]:
    """Return what files have, as JSON; store it unless ``is_dry``. Raises ``LaunchError``: a field
    is wrong, or as :func:`make_draft`."""
    return _within_limits(user, _IMPORT, sent, about, is_dry)


def _within_limits(user: AbstractBaseUser, task: Task[T], *args: Any) -> T:
    check(user, "result.import")
    try:
        return task(By(user.pk, audit_log.current_origin()), *args)
    except NotDone as error:
        raise LaunchError(message(error.message.id, error.message.args), "files") from error


@action("result.declare")
def declare(user: AbstractBaseUser, row: Import, about: About) -> Done[bool]:
    """Replace what is declared of an import. False: nothing changed. Raises ``LaunchError``: a
    field is wrong."""
    changed = imports.declare(row, about, user)
    if not changed:
        return Done(False)
    detail = {name: f"{old or '–'} → {new or '–'}" for name, (old, new) in changed.items()}
    return Done(True, subject_of(row), **detail)


@action("result.remove")
def remove(user: AbstractBaseUser, row: Import) -> Done[None]:
    """Remove an import with its result and files. Raises ``Released``: its result is signed off."""
    subject, detail = subject_of(row), detail_of(row)
    imports.remove(row)
    return Done(None, subject, **detail)


def subject_of(row: Import) -> str:
    return f"result {result_number(row.result.pk)}"


def detail_of(row: Import) -> dict[str, str]:
    about = asdict(imports.about_row(row)) | {"model": row.result.model_id}
    return {
        "file": row.name,
        "tool": f"{row.tool} {row.version}".strip(),
        **{name: str(value) for name, value in about.items() if value or name == "model"},
    }
