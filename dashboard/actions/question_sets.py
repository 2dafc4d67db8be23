"""Changes of a team's question sets, for pages: permission, change, audit entry."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.utils.timezone import now
from django.utils.translation import gettext as _

from dashboard.security import audit_log
from dashboard.security.permissions import check
from dashboard.security.request import logged_in
from jobs.base.errors import LaunchError
from jobs.base.sanitize import sanitize_text
from jobs.catalog import QUESTION_SETS, Question
from jobs.catalog.data_sets import DATA_SETS
from jobs.catalog.question_sets import (
    ID,
    LONGEST_NAME,
    LONGEST_NOTE,
    MOST_SETS,
    Changed,
    TeamSet,
)

User = AbstractBaseUser | AnonymousUser
_PAGES = frozenset({"add"})  # addresses in place of a set's id


def save(
    user: User,
    meta: Mapping[str, str],
    questions: tuple[Question, ...],
    *,
    onto: str | None,
) -> TeamSet:
    """Add a set, or a version of one. ``onto``: see ``QuestionSets.save``.

    Raises:
        PermissionDenied: ``user`` is no member.
        LaunchError: a wrong or missing part; ``field`` names it.
    """
    check(user, "questions.change")
    given = _meta(meta, is_new=onto is None)
    person = logged_in(user)
    try:
        team_set = QUESTION_SETS.save(
            given,
            questions,
            at=now().isoformat(timespec="seconds"),
            by=person.get_username() if person else "",
            onto=onto,
        )
    except Changed:
        if onto is None:
            message = _("A set with this ID exists, maybe a removed one. Choose another ID.")
            raise LaunchError(message, "id") from None
        message = _("Not saved: the set was changed after you opened it. Open it again.")
        raise LaunchError(message, "") from None
    except OSError as error:
        message = _("Not saved: %(reason)s.") % {"reason": error.strerror or error}
        raise LaunchError(message, "") from error
    did = "add" if onto is None else "change"
    _record(user, team_set.id, did, version=team_set.current.short)
    return team_set


def remove(user: User, set_id: str) -> bool:
    """Take a set out of use, which can be undone; its results and versions stay. False: unknown.

    Raises:
        PermissionDenied: ``user`` is no member.
    """
    check(user, "questions.change")
    done = QUESTION_SETS.mark_removed(set_id, now().isoformat(timespec="seconds"))
    if done:
        _record(user, set_id, "delete")
    return done


def restore(user: User, set_id: str) -> bool:
    """Take a removed set back into use. False: unknown.

    Raises:
        PermissionDenied: ``user`` is no member.
    """
    check(user, "questions.change")
    done = QUESTION_SETS.mark_removed(set_id, "")
    if done:
        _record(user, set_id, "undo")
    return done


def _meta(meta: Mapping[str, str], *, is_new: bool) -> dict[str, str]:
    set_id = meta.get("id", "").strip()
    name = sanitize_text(meta.get("name", "").strip()) or set_id
    note = sanitize_text(meta.get("note", "").strip())
    if not ID.fullmatch(set_id) or set_id in _PAGES:
        message = _("Use up to 32 lower-case letters, digits and dashes; begin with a letter.")
        raise LaunchError(message, "id")
    if is_new and (set_id in DATA_SETS or set_id in QUESTION_SETS.included):
        raise LaunchError(_("The catalogue has a data set with this ID. Choose another."), "id")
    if is_new and len(QUESTION_SETS.team()) >= MOST_SETS:
        raise LaunchError(_("At most %(most)d sets.") % {"most": MOST_SETS}, "id")
    for field, text, most in (("name", name, LONGEST_NAME), ("note", note, LONGEST_NOTE)):
        if len(text) > most:
            message = _("At most %(max_length)s characters.") % {"max_length": most}
            raise LaunchError(message, field)
    return {"id": set_id, "name": name, "note": note}


def _record(user: User, set_id: str, did: str, **more: str) -> None:
    audit_log.record(user, "questions.change", f"questions {set_id}", did=did, **more)
