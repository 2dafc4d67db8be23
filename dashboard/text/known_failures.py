"""A known failure as people read it: what it is, what to do, where it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dashboard.text.formatting import joined
from jobs.catalog.known_failures import KNOWN_FAILURES, KnownFailure, Severity
from jobs.models import Deployment, Job

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
    kept = (record.message_args or {}).get("failure")
    failure, args = _read(kept)
    if failure is None or not isinstance(kept, dict):
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


def _read(kept: Any) -> tuple[KnownFailure | None, _Filled]:
    """Return the arguments of a stored message, valid for any content from hosts or older
    versions."""
    if not isinstance(kept, dict) or not isinstance(kept.get("args") or {}, dict):
        return None, _Filled()
    return KNOWN_FAILURES.get(str(kept.get("id"))), _Filled(kept.get("args") or {})


class _Filled(dict[str, Any]):
    """Arguments for the placeholders; a missing one becomes "?", never an error."""

    def __missing__(self, key: str) -> str:
        return "?"
