"""Changes of a team's question sets."""

from collections.abc import Mapping
from typing import Any

from django.utils.timezone import now
from django.utils.translation import gettext as _

from dashboard.actions.action import Done, action
from jobs.base.errors import LaunchError
from jobs.base.sanitize import sanitize_text
from jobs.catalog import QUESTION_SETS, Question
from jobs.catalog.data_sets import DATA_SETS
from jobs.catalog.questions import (
    ID,
    LONGEST_NAME,
    LONGEST_NOTE,
    MOST_SETS,
    QuestionsChanged,
    TeamSet,
)
from jobs.models import Host, Preflight
from jobs.plans import Plan
from jobs.schedule import preflights

_PAGES = frozenset({"add"})  # addresses in place of a set's id


@action("questions.check")
def check(user: Any, host: Host, set_id: str, looked_for: Plan) -> Done[Preflight]:
    """Have a host look for the files of a set."""
    asked = preflights.ask(host, looked_for.to_json(), {}, user=user)
    return Done(asked, f"host {host.name}", set=set_id)


@action("questions.change")
def save(
    user: Any, meta: Mapping[str, str], questions: tuple[Question, ...], *, onto: str | None
) -> Done[TeamSet]:
    """Add a set, or a version of one. ``onto``: see ``QuestionSets.save``."""
    given = _meta(meta, is_new=onto is None)
    at, by = now().isoformat(timespec="seconds"), user.get_username() if user else ""
    try:
        team_set = QUESTION_SETS.save(given, questions, at=at, by=by, onto=onto)
    except QuestionsChanged:
        if onto is None:
            message = _("A set with this ID exists, maybe a removed one. Choose another ID.")
            raise LaunchError(message, "id") from None
        message = _("Not saved: someone changed the set after you opened it. Open the set again.")
        raise LaunchError(message, "") from None
    except OSError as error:
        message = _("Not saved: %(reason)s.") % {"reason": error.strerror or error}
        raise LaunchError(message, "") from error
    did, version = "add" if onto is None else "change", team_set.current.short
    return Done(team_set, f"questions {team_set.id}", did=did, version=version)


@action("questions.change")
def mark(user: Any, set_id: str, *, is_removed: bool) -> Done[bool]:
    """Take a set out of use, or back; its results and versions stay. False: unknown."""
    at = now().isoformat(timespec="seconds") if is_removed else ""
    did = "delete" if is_removed else "undo"
    return Done(QUESTION_SETS.mark_removed(set_id, at), f"questions {set_id}", did=did)


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
