"""Changes that people make to results, for pages and API: change and audit entry.

The caller has checked the permission, because pages and API refuse in different ways.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from dashboard.security import audit_log
from dashboard.security.request import logged_in
from jobs.base.numbers import result_number
from jobs.models import Note, Result, SavedView, SignOff, Tag
from jobs.services.results import baselines, notes, saved_views, sign_offs, tags

_SHOWN = 200  # characters of a text in the audit log
_NAMED = 50  # results of one entry
User = AbstractBaseUser | AnonymousUser


def tag(user: User, result_ids: Sequence[int], names: Sequence[str]) -> int:
    """Add tags to results; return how many got a new one.

    Raises:
        LaunchError: a tag or the selection is refused; ``field`` names it.
    """
    wanted = tags.clean(names)
    changed = tags.add(result_ids, wanted, logged_in(user))
    if changed:
        named = [result_number(pk) for pk in sorted(changed)[:_NAMED]]
        audit_log.record(user, "result.tag", _subject(changed[0]), tags=wanted, results=named)
    return len(changed)


def untag(user: User, row: Tag) -> bool:
    """Remove a tag from its result. False: it was removed already."""
    if not tags.remove(row):
        return False
    audit_log.record(user, "result.untag", _subject(row.result_id), tags=[row.name])
    return True


def note(user: User, result: Result, text: str) -> Note:
    """Add a note.

    Raises:
        LaunchError: the text is refused.
    """
    row = notes.add(result, text, logged_in(user))
    audit_log.record(user, "result.note", _subject(result.pk), text=row.text[:_SHOWN])
    return row


def change_note(user: User, row: Note, text: str) -> bool:
    """Replace the text of a note. False: it is the same, or the note was removed.

    Raises:
        LaunchError: the text is refused.
    """
    if not notes.change(row, text, logged_in(user)):
        return False
    about = {"before": row.text[:_SHOWN], "text": text.strip()[:_SHOWN]}
    audit_log.record(user, "result.change_note", _subject(row.result_id), did="edit", **about)
    return True


def remove_note(user: User, row: Note) -> bool:
    """Remove a note. False: it was removed already."""
    if not notes.remove(row):
        return False
    about = {"text": row.text[:_SHOWN]}
    audit_log.record(user, "result.change_note", _subject(row.result_id), did="delete", **about)
    return True


def sign_off(user: User, result: Result, purpose: str) -> SignOff:
    """Sign a result off.

    Raises:
        LaunchError: the purpose is refused.
    """
    row = sign_offs.add(result, purpose, logged_in(user))
    audit_log.record(user, "result.sign_off", _subject(result.pk), purpose=row.purpose)
    return row


def withdraw(user: User, row: SignOff) -> bool:
    """Withdraw a sign-off. False: it was withdrawn already."""
    if not sign_offs.withdraw(row, logged_in(user)):
        return False
    audit_log.record(user, "result.withdraw", _subject(row.result_id), purpose=row.purpose)
    return True


def set_baseline(user: User, result: Result) -> bool:
    """Make a result the baseline of its subject. False: it is already.

    Raises:
        LaunchError: it cannot be one.
    """
    if not baselines.set_baseline(result, logged_in(user)):
        return False
    audit_log.record(user, "result.baseline", _subject(result.pk), did="set")
    return True


def remove_baseline(user: User, result: Result) -> bool:
    """End the baseline that a result is. False: it is not."""
    if not baselines.remove_baseline(result, logged_in(user)):
        return False
    audit_log.record(user, "result.baseline", _subject(result.pk), did="remove")
    return True


def save_view(user: AbstractBaseUser, name: str, query: str, *, is_shared: bool) -> SavedView:
    """Save a view of the result list.

    Raises:
        LaunchError: name or query is refused.
    """
    row = saved_views.save(name, query, user, is_shared=is_shared)
    audit_log.record(user, "result.save_view", f"view {row.name}", **_about(row))
    return row


def change_view(
    user: User,
    row: SavedView,
    *,
    name: str | None = None,
    query: str | None = None,
    is_shared: bool | None = None,
) -> SavedView:
    """Change parts of a saved view.

    Raises:
        LaunchError: name or query is refused.
    """
    before = row.name
    saved_views.change(row, name=name, query=query, is_shared=is_shared)
    about = {"before": before, **_about(row)}
    audit_log.record(user, "result.change_view", f"view {row.name}", did="change", **about)
    return row


def remove_view(user: User, row: SavedView) -> bool:
    """Remove a saved view. False: it was removed already."""
    if not saved_views.remove(row):
        return False
    about = _about(row)
    audit_log.record(user, "result.change_view", f"view {row.name}", did="delete", **about)
    return True


def _subject(pk: int) -> str:
    """Return a result as the subject of an entry."""
    return f"result {result_number(pk)}"


def _about(row: SavedView) -> dict[str, Any]:
    return {"name": row.name, "query": row.query[:_SHOWN], "shared": row.is_shared}
