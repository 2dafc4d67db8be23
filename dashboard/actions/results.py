"""Changes that people make to results: tags, notes, sign-offs, baselines, saved views."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import AbstractBaseUser

from dashboard.actions.action import Done, action
from jobs.base.numbers import result_number
from jobs.models import Note, Result, SavedView, SignOff, Tag
from jobs.services import results

_SHOWN = 200  # characters of a text in the audit log
_NAMED = 50  # results of one entry


def _change(is_done: bool, result_id: int, **detail: Any) -> Done[bool]:
    """Return a change of a result; not done: nothing changed."""
    return Done(is_done, f"result {result_number(result_id)}" if is_done else "", **detail)


@action("result.tag")
def tag(user: AbstractBaseUser, result_ids: Sequence[int], names: Sequence[str]) -> Done[int]:
    """Add tags to results; return how many got a new one."""
    wanted = results.clean_tags(names)
    changed = results.add_tags(result_ids, wanted, user)
    if not changed:
        return Done(0)
    named = [result_number(pk) for pk in sorted(changed)[:_NAMED]]
    return Done(len(changed), f"result {result_number(changed[0])}", tags=wanted, results=named)


@action("result.untag")
def untag(user: AbstractBaseUser, row: Tag) -> Done[bool]:
    """Remove a tag from its result. False: it was removed already, as below."""
    return _change(results.removed(row), row.result_id, tags=[row.name])


@action("result.note")
def note(user: AbstractBaseUser, result: Result, text: str) -> Done[Note]:
    """Add a note. Raises ``LaunchError``: the text is refused."""
    row = results.add_note(result, text, user)
    return Done(row, f"result {result_number(result.pk)}", text=row.text[:_SHOWN])


@action("result.change_note")
def change_note(user: AbstractBaseUser, row: Note, text: str) -> Done[bool]:
    """Replace the text of a note. False: it is the same, or the note was removed."""
    about = {"before": row.text[:_SHOWN], "text": text.strip()[:_SHOWN]}
    is_done = results.change_note(row, text, user)
    return _change(is_done, row.result_id, did="edit", **about)


@action("result.change_note")
def remove_note(user: AbstractBaseUser, row: Note) -> Done[bool]:
    return _change(results.removed(row), row.result_id, did="delete", text=row.text[:_SHOWN])


@action("result.sign_off")
def sign_off(user: AbstractBaseUser, result: Result, purpose: str) -> Done[SignOff]:
    """Sign a result off. Raises ``LaunchError``: the purpose is refused."""
    row = results.sign_off(result, purpose, user)
    return Done(row, f"result {result_number(result.pk)}", purpose=row.purpose)


@action("result.withdraw")
def withdraw(user: AbstractBaseUser, row: SignOff) -> Done[bool]:
    """Withdraw a sign-off. False: it was withdrawn already."""
    return _change(results.withdraw(row, user), row.result_id, purpose=row.purpose)


@action("result.baseline")
def set_baseline(user: AbstractBaseUser, result: Result) -> Done[bool]:
    """Make a result the baseline of its subject. False: it is already."""
    return _change(results.set_baseline(result, user), result.pk, did="set")


@action("result.baseline")
def remove_baseline(user: AbstractBaseUser, result: Result) -> Done[bool]:
    """End the baseline that a result is. False: it is not."""
    return _change(results.remove_baseline(result, user), result.pk, did="remove")


@action("result.save_view")
def save_view(user: AbstractBaseUser, name: str, query: str, *, is_shared: bool) -> Done[SavedView]:
    """Save a view of the result list. Raises ``LaunchError``: name or query is refused."""
    row = results.save_view(name, query, user, is_shared=is_shared)
    return Done(row, f"view {row.name}", **_about(row))


@action("result.change_view")
def change_view(user: AbstractBaseUser, row: SavedView, /, **changed: Any) -> Done[SavedView]:
    """Change ``name``, ``query`` or ``is_shared`` of a saved view; None: it stays."""
    before = row.name
    results.change_view(row, **changed)
    return Done(row, f"view {row.name}", did="change", before=before, **_about(row))


@action("result.change_view")
def remove_view(user: AbstractBaseUser, row: SavedView) -> Done[bool]:
    is_done = results.removed(row)
    return Done(is_done, f"view {row.name}" if is_done else "", did="delete", **_about(row))


def _about(row: SavedView) -> dict[str, Any]:
    return {"name": row.name, "query": row.query[:_SHOWN], "shared": row.is_shared}
