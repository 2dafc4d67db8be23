"""Import of results, for page, API and command; files are read in confined workers."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from django.contrib.auth.models import AbstractBaseUser

from dashboard.actions.action import Done, action
from dashboard.security import audit_log
from dashboard.security.permissions import check
from dashboard.text.import_words import ImportPreview
from dashboard.text.messages import message
from jobs.base.errors import JobsError, LaunchError
from jobs.base.numbers import GB, MB, result_number
from jobs.confined import NotDone, Pool, Task, WorkerLimits
from jobs.models import Import
from jobs.services import imports
from jobs.services.imports import About

T = TypeVar("T")

# Answer of an API call, with all questions.
ANSWER_BYTES = 64 * MB
READERS = Pool(
    WorkerLimits(memory=2 * GB, answer=ANSWER_BYTES, cpu_s=120, wall_s=300.0), most=2, runs=1
)


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


def _within_limits(task: Task[T]) -> Callable[..., T]:
    """Return ``task`` as a function of the person who imports and its other arguments.
    Raises ``LaunchError`` at ``files``: they cannot be read within the limits."""

    def run(user: AbstractBaseUser, *args: Any) -> T:
        check(user, "result.import")
        try:
            return task(By(user.pk, audit_log.current_origin()), *args)
        except NotDone as error:
            raise LaunchError(message(error.message.id, error.message.args), "files") from error

    return run


# Arguments and errors: the functions of these names.
make_draft = _within_limits(Task("dashboard.actions.import_tasks:make_draft", str, READERS))
show_draft = _within_limits(
    Task("dashboard.actions.import_tasks:show_draft", ImportPreview, READERS)
)
keep_draft = _within_limits(Task("dashboard.actions.import_tasks:keep_draft", Stored, READERS))
import_files = _within_limits(
    Task("dashboard.actions.import_tasks:import_files", dict[str, Any], READERS)
)


@action("result.declare")
def declare(user: AbstractBaseUser, row: Import, about: About) -> Done[bool]:
    """Replace what is declared of an import. False: nothing changed."""
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
