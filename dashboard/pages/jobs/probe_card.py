"""Greedy probe: its verdict and prompts, which a confined worker reads from the output."""

from dataclasses import dataclass
from typing import Any, TypeVar

from django.utils.translation import gettext as _

from dashboard.text.messages import message
from jobs.base.errors import JobsError
from jobs.base.numbers import GB, MB
from jobs.confined import NotDone, Pool, Task, WorkerLimits
from jobs.models import Job
from jobs.queries.jobs.job_page import sides_of
from jobs.tools.greedy_probe.commands import KIND, OUTPUT

Answer = TypeVar("Answer")


class Unreadable(JobsError):
    """A job without a whole output, or with one that is no probe."""

    id = "probe:unreadable"


SHOWN = ("", "different", "equal", "failed")


@dataclass(frozen=True, slots=True)
class SideText:
    """Answer of one engine: ``common`` is equal in both, ``rest`` is not. ``margin``: in words."""

    title: str
    common: str
    rest: str
    error: str
    margin: str
    repeats: bool | None


@dataclass(frozen=True, slots=True)
class PromptRow:
    """One prompt. ``state``: "equal", "different" or "failed"; ``place`` in words, or ""."""

    number: int
    prompt: str
    state: str
    place: str
    sides: tuple[SideText, ...]


@dataclass(frozen=True, slots=True)
class ProbeText:
    """A probe in words. ``filters``: (value, count); ``after``: where the next page begins."""

    headline: str
    texts: tuple[str, ...]
    figures: tuple[tuple[str, str], ...]
    filters: tuple[tuple[str, int], ...] = ()
    rows: tuple[PromptRow, ...] = ()
    after: int | None = None


_READ_MAX = 64 * 1024 * 1024  # bytes of the output
# Its own: a large probe holds up no check of an endpoint.
_PROBES = Pool(
    WorkerLimits(memory=2 * GB, answer=32 * MB, cpu_s=20, wall_s=60.0), most=1, patience_s=5.0
)
_TASKS = "dashboard.pages.jobs.probe_tasks"
# Arguments after the job: those of the functions of these names.
VERDICT = Task(f"{_TASKS}:verdict", ProbeText, _PROBES)
PAGE = Task(f"{_TASKS}:page", ProbeText, _PROBES)
TABLE = Task(f"{_TASKS}:table", str, _PROBES)
JSON = Task(f"{_TASKS}:as_json", dict[str, Any], _PROBES)


def side_word(name: str) -> str:
    return _("Deployment") if name == "deployment" else _("Reference engine")


def read(job: Job, task: Task[Answer], *args: Any) -> Answer | None:
    """Return the answer of a task; None for other jobs, and without a readable output.
    Raises ``NotDone``: no worker is free, or its limits are exceeded."""
    if job.kind != KIND or job.removed_at is not None:
        return None
    known = job.outputs.filter(path=OUTPUT).first()
    if known is None or not known.is_whole or known.bytes > _READ_MAX:
        return None
    try:
        return task(job.pk, *args)
    except Unreadable:
        return None


def view(job: Job, task: Task[ProbeText], *args: Any) -> dict[str, Any] | None:
    """Return ``text``, the answer of a task, and ``sides``, the two engines; None as above."""
    try:
        text = read(job, task, *args)
    except NotDone as error:
        text = ProbeText(message(error.message.id, error.message.args), (), ())
    return None if text is None else {"sides": sides_of(job), "text": text}
