"""Remarks on results: warnings, notes, sign-offs, tags, known failures."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from dashboard.pages.shared.flags import flags
from dashboard.pages.shared.verdict import Marks
from dashboard.reports.document import Block, Listing, Paragraph
from dashboard.text.formatting import full_moment
from dashboard.text.known_failures import view_of
from dashboard.text.labels import result_name
from dashboard.text.messages import message
from jobs.models import Job, Note, Result, SignOff
from jobs.queries.results.organised import notes_of, sign_offs_of

_SETS = "evaluate:sets"  # has a table of its own


def warnings(results: Sequence[Result]) -> list[str]:
    """Return what limits the numbers of all results; of several, with their names."""
    by_text: dict[str, list[Result]] = {}
    for result in results:
        for flag in flags(result):
            by_text.setdefault(f"{capfirst(flag.word)}{_(': ')}{flag.why}", []).append(result)
    if len(results) == 1:
        return list(by_text)
    return [f"{names_of(those)}{_(': ')}{text}" for text, those in by_text.items()]


def names_of(results: Sequence[Result]) -> str:
    """Return results by their numbers: "res-1, res-2"."""
    return _(", ").join(map(result_name, results))


def sources(results: Sequence[Result]) -> str:
    """Return results with their jobs: "res-1 (job #5), res-2"; an import has no job."""
    text = _("%(result)s (job #%(job)s)")
    return _(", ").join(
        text % {"result": result_name(one), "job": one.job_id} if one.job_id else result_name(one)
        for one in results
    )


def remarks_of(result: Result) -> list[str]:
    """Return the remarks on how a result was measured, without those of its flags."""
    texts = (
        message(remark["id"], remark["args"]) for remark in result.remarks if remark["id"] != _SETS
    )
    stated = " ".join(flag.why for flag in flags(result))
    return [text for text in texts if text not in stated]


def organised(result: Result, marks: Marks, title: str = "") -> list[Block]:
    """Return what people added to a result: sign-offs, tags, notes."""
    items = [_sign_off(row) for row in sign_offs_of(result)]
    if marks.added.tags:
        tags = _(", ").join(tag.name for tag in marks.added.tags)
        items.append(_("Tags: %(tags)s") % {"tags": tags})
    items += [_note(row) for row in notes_of(result)]
    return [Listing(items, title)] if items else []


def known_failure(job: Job | None) -> list[str]:
    """Return cause and advice of the known failure of a job."""
    view = view_of(job) if job else None
    return [view.cause, view.advice] if view else []


def nothing() -> Paragraph:
    """Return the text of a report without remarks."""
    return Paragraph(_("No remarks."), "dim")


def _sign_off(row: SignOff) -> str:
    args = {
        "purpose": row.purpose,
        "by": row.created_by.get_username() if row.created_by else _("a removed account"),
        "at": full_moment(row.created_at),
    }
    if row.withdrawn_at is None:
        return _("Released: %(purpose)s (%(by)s, %(at)s)") % args
    args["withdrawn"] = full_moment(row.withdrawn_at)
    return _("Release withdrawn: %(purpose)s (%(by)s, %(at)s; withdrawn %(withdrawn)s)") % args


def _note(row: Note) -> str:
    by = row.created_by.get_username() if row.created_by else _("a removed account")
    args = {"by": by, "at": full_moment(row.edited_at or row.created_at), "text": row.text}
    return _("Note of %(by)s, %(at)s: %(text)s") % args
