"""Known failures and stalled jobs in words: what it is, what to do, where it shows."""

from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.timezone import now
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from dashboard.text.formatting import Arguments, joined
from jobs.catalog.known_failures import KNOWN_FAILURES, KnownFailure, Severity
from jobs.kinds import KINDS
from jobs.models import Deployment, Job
from jobs.queries.jobs.progress import stalled_since

# Actions besides fixing the cause.
_NEXT: dict[Severity, str | Promise] = {
    "error": _("Fix the cause first: a retry with the same settings would fail again."),
    "transient": _("Possibly temporary: retry unchanged."),
    "warning": _("The job continued. Its numbers are unreliable until the cause is fixed."),
}


@dataclass(frozen=True, slots=True)
class FailureView:
    """For a card beside the failing line. ``on_host``: it is fixed there. ``where`` is "" for the
    record's own log, "server" for that of a job's deployment, else the path of an output; ``line``
    counts from 1, None where no line shows it.
    """

    id: str
    cause: str
    advice: str
    next: str
    severity: Severity
    where: str
    line: int | None
    offset: int | None
    on_host: bool = False


def view_of(record: Job | Deployment) -> FailureView | None:
    """The known failure that ended a job or a server; None where none is known."""
    kept: Any = (record.message_args or {}).get("failure")
    failure, args = _read(kept)
    if failure is None:
        return None
    line, offset = kept.get("line"), kept.get("offset")
    return FailureView(
        id=failure.id,
        cause=gettext(failure.cause) % args,
        advice=gettext(failure.advice) % args,
        next=str(_NEXT[failure.severity]),
        severity=failure.severity,
        where=str(kept.get("where") or ""),
        line=line if isinstance(line, int) else None,
        offset=offset if isinstance(offset, int) else None,
        on_host=failure.on_host,
    )


def words_of(kept: Any) -> str:
    """Cause and advice in one line, for the end of a sentence; "" where none is known any more."""
    failure, args = _read(kept)
    return joined(gettext(failure.cause) % args, gettext(failure.advice) % args) if failure else ""


def _read(kept: Any) -> tuple[KnownFailure | None, Arguments]:
    """Return failure and arguments of any stored content: it is from hosts or older versions."""
    if not isinstance(kept, dict) or not isinstance(kept.get("args") or {}, dict):
        return None, Arguments()
    return KNOWN_FAILURES.get(str(kept.get("id"))), Arguments(kept.get("args") or {})


def stalled_text(job: Job) -> str:
    """Return how long a job has been stalled, and what to do; "" if not stalled.
    It may resume at any time, so nothing ends it."""
    since = stalled_since(job)
    if since is None:
        return ""
    minutes = int((now() - since).total_seconds() // 60)
    state = ngettext(
        "Stalled: no output for %(minutes)s minute.",
        "Stalled: no output for %(minutes)s minutes.",
        minutes,
    )
    todo = gettext("Some tools print nothing while working. Check the log and the host's load.")
    kind = KINDS.get(job.kind)
    if kind and kind.brings:
        todo = gettext(
            "The job resumes once the remote side responds. Otherwise cancel and retry: "
            "downloaded data is kept."
        )
    return joined(state % {"minutes": minutes}, todo)
