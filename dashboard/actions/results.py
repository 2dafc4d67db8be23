"""Additions of people to results: tags, notes, sign-offs, baselines; saved views; report words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from unicodedata import normalize

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from django.utils.timezone import now
from django.utils.translation import gettext as _

from dashboard.actions.action import Done, action
from dashboard.text.labels import limit_words
from jobs.base.errors import LaunchError
from jobs.base.numbers import result_number
from jobs.base.validation_errors import one_line
from jobs.models import Baseline, ChatTag, Note, ReportWords, Result, SavedView, SignOff, Tag
from jobs.queries.results.repeats import MOST, repeats_of

TAG_CHARS, NOTE_CHARS, PURPOSE_CHARS, VIEW_CHARS, QUERY_CHARS = 32, 4000, 120, 60, 1500
MOST_TAGS, MOST_NOTES, MOST_SIGN_OFFS = 12, 100, 50  # of a result
MOST_TAGGED = 200  # results at once
MOST_VIEWS = 50  # of a person
TAGS = "tags"
_SHOWN = 200  # characters of a text in the audit log
_NAMED = 50  # results of one entry

Person = AbstractBaseUser | None


def _change(is_done: bool, result_id: int, **detail: Any) -> Done[bool]:
    """Return a change of a result; not done: nothing changed."""
    return Done(is_done, f"result {result_number(result_id)}", **detail)


def _id(user: Person) -> int | None:
    return user.pk if user else None


def _delete(row: Tag | Note | SavedView) -> bool:
    """Remove a row. False: it was removed already."""
    return bool(type(row)._default_manager.filter(pk=row.pk).delete()[0])


def parse_tags(text: str) -> list[str]:
    """Return the tags of a comma-separated text. Raises as :func:`clean_tags`."""
    return clean_tags(split_tags(text))


def split_tags(text: str) -> list[str]:
    return text.replace("，", ",").replace("、", ",").split(",")


def clean_tags(names: Iterable[str], used: QuerySet[Any] | None = None) -> list[str]:
    """Tags, each once, in the spelling that is in use. ``used``: other tags than those of results.
    Raises ``LaunchError``."""
    tags = Tag.objects.all() if used is None else used
    wanted = [one_line(name, TAGS, most=TAG_CHARS) for name in names if name.strip()]
    if not wanted:
        raise LaunchError(_("Enter a tag."), TAGS)
    if any("," in name for name in wanted):
        raise LaunchError(_("A tag has no comma."), TAGS)
    _check_count(wanted)
    known: dict[str, str] = {}
    for name in wanted:
        spelled = tags.filter(name__iexact=name).values_list("name", flat=True).first()
        known.setdefault(name.casefold(), spelled or name)
    return list(known.values())


def clean_chat_tags(names: Iterable[str], user_id: int) -> list[str]:
    """Tags of a person's chat, as :func:`clean_tags`; there may be none."""
    given = [name for name in names if name.strip()]
    used = ChatTag.objects.filter(conversation__user=user_id)
    return clean_tags(given, used) if given else []


def _check_count(names: Iterable[str]) -> None:
    if len(list(names)) > MOST_TAGS:
        raise LaunchError(_("At most %(most)s tags."), TAGS, most=MOST_TAGS)


@action("result.tag")
def tag(user: Person, result_ids: Sequence[int], names: Sequence[str]) -> Done[int]:
    """Add tags to results; return how many got a new one. Raises ``LaunchError``."""
    names = clean_tags(names)
    if len(result_ids) > MOST_TAGGED:
        raise LaunchError(_("Select at most %(most)s results."), TAGS, most=MOST_TAGGED)
    with transaction.atomic():
        # Locked in one order: two requests do not exceed the limit together.
        rows = list(Result.objects.select_for_update().filter(pk__in=result_ids).order_by("pk"))
        present: dict[int, set[str]] = {row.pk: set() for row in rows}
        for pk, name in Tag.objects.filter(result__in=rows).values_list("result_id", "name"):
            present[pk].add(name)
        for there in present.values():
            _check_count(there.union(names))
        new = [
            Tag(result_id=pk, name=name, created_by_id=_id(user))
            for pk, there in present.items()
            for name in names
            if name not in there
        ]
        Tag.objects.bulk_create(new)
    changed = sorted({one.result_id for one in new})
    if not changed:
        return Done(0)
    named = [result_number(pk) for pk in changed[:_NAMED]]
    return Done(len(changed), f"result {named[0]}", tags=names, results=named)


@action("result.untag")
def untag(user: Person, row: Tag) -> Done[bool]:
    """Remove a tag from its result. False: it was removed already, as below."""
    return _change(_delete(row), row.result_id, tags=[row.name])


@action("result.note")
def note(user: Person, result: Result, text: str) -> Done[Note]:
    """Raises ``LaunchError``: as of :func:`change_note`, or the result has too many notes."""
    cleaned = _lines(text)
    if result.notes.count() >= MOST_NOTES:
        full = _("A result has at most %(most)s notes. Remove one first.")
        raise LaunchError(full, "text", most=MOST_NOTES)
    row = Note.objects.create(result=result, text=cleaned, created_by_id=_id(user))
    return Done(row, f"result {result_number(result.pk)}", text=cleaned[:_SHOWN])


@action("result.change_note")
def change_note(user: Person, row: Note, text: str) -> Done[bool]:
    """Replace the text of a note. False: it is the same, or the note was removed. Raises
    ``LaunchError``."""
    cleaned = _lines(text)
    if cleaned == row.text:
        return Done(False)
    edited = {"text": cleaned, "edited_at": now(), "edited_by_id": _id(user)}
    is_done = bool(Note.objects.filter(pk=row.pk).update(**edited))
    about = {"before": row.text[:_SHOWN], "text": cleaned[:_SHOWN]}
    return _change(is_done, row.result_id, did="edit", **about)


@action("result.change_note")
def remove_note(user: Person, row: Note) -> Done[bool]:
    return _change(_delete(row), row.result_id, did="delete", text=row.text[:_SHOWN])


def _lines(text: str) -> str:
    """Return the text of a note with its line breaks, in composed form (NFC)."""
    whole = normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n").strip()
    if not whole:
        raise LaunchError(_("Enter a text."), "text")
    if len(whole) > NOTE_CHARS:
        raise LaunchError(_("Enter at most %(most)s characters."), "text", most=NOTE_CHARS)
    if not whole.replace("\n", "").replace("\t", "").isprintable():
        raise LaunchError(_("Remove the control characters."), "text")
    return whole


@action("result.sign_off")
def sign_off(
    user: Person, result: Result, purpose: str, accept: Sequence[str] = ()
) -> Done[SignOff]:
    """Release a result to someone, once for a purpose. ``accept``: each of the result's ``limits``,
    which the person knows. Raises ``LaunchError``."""
    cleaned = one_line(purpose, "purpose", most=PURPOSE_CHARS)
    if missing := [name for name in result.limits if name not in accept]:
        why = _("Accept each flag of this result to sign it off: %(limits)s.")
        raise LaunchError(why, "accept", limits=limit_words(missing))
    with transaction.atomic():
        Result.objects.select_for_update().get(pk=result.pk)
        rows = list(SignOff.objects.filter(result=result))
        if any(row.purpose == cleaned and row.withdrawn_at is None for row in rows):
            raise LaunchError(_("This result is signed off for this already."), "purpose")
        if len(rows) >= MOST_SIGN_OFFS:
            full = _("A result has at most %(most)s sign-offs.")
            raise LaunchError(full, "purpose", most=MOST_SIGN_OFFS)
        fields = {"purpose": cleaned, "accepted": result.limits}
        made = SignOff.objects.create(result=result, **fields, created_by_id=_id(user))
    return Done(made, f"result {result_number(result.pk)}", **fields)


@action("result.withdraw")
def withdraw(user: Person, row: SignOff) -> Done[bool]:
    """Withdraw a sign-off, whose row stays. False: it was withdrawn already."""
    valid = SignOff.objects.filter(pk=row.pk, withdrawn_at=None)
    is_done = bool(valid.update(withdrawn_at=now(), withdrawn_by_id=_id(user)))
    return _change(is_done, row.result_id, purpose=row.purpose)


@action("result.baseline")
def set_baseline(user: Person, result: Result) -> Done[bool]:
    """Make ``result`` the baseline of its subject. False: it is already. Raises ``LaunchError``."""
    if why := baseline_refusal(result):
        raise LaunchError(why, "result")
    with transaction.atomic():
        before = _locked_baseline(result.subject)
        if before is not None and before.result_id == result.pk:
            return Done(False)
        moment = now()
        if before is not None:
            Baseline.objects.filter(pk=before.pk).update(ended_at=moment, ended_by_id=_id(user))
        latest = repeats_of(result).order_by("-created_at", "-pk")
        Baseline.objects.create(
            result=result,
            subject=result.subject,
            runs=[result.pk, *latest.values_list("pk", flat=True)[: MOST - 1]],
            created_by_id=_id(user),
            created_at=moment,
        )
    return _change(True, result.pk, did="set")


@action("result.baseline")
def remove_baseline(user: Person, result: Result) -> Done[bool]:
    """End the baseline of a subject if ``result`` is it; its row stays. False: it is not."""
    with transaction.atomic():
        before = _locked_baseline(result.subject)
        if before is None or before.result_id != result.pk:
            return Done(False)
        Baseline.objects.filter(pk=before.pk).update(ended_at=now(), ended_by_id=_id(user))
    return _change(True, result.pk, did="remove")


def baseline_refusal(result: Result) -> str:
    """Return why ``result`` cannot be a baseline; "" when it can."""
    if not result.subject:
        return _("Parts of the workload are unknown, so no other result is comparable.")
    if result.incomplete:
        return _("An incomplete result cannot be the baseline.")
    if result.disturbed:
        return _("A disturbed result cannot be the baseline.")
    return _("A result of a loaded host cannot be the baseline.") if result.loaded else ""


def _locked_baseline(subject: str) -> Baseline | None:
    """Return the baseline of the subject; the lock on its first result keeps it until commit."""
    if not subject:
        return None
    Result.objects.select_for_update().filter(subject=subject).order_by("pk").first()
    return Baseline.objects.filter(subject=subject, ended_at=None).first()


@action("result.report")
def keep_words(
    user: Person, subject: str, about: tuple[str, str], words: Mapping[str, Any]
) -> Done[None]:
    """Keep the words of a report for the team. ``about``: its kind, and SHA-256 of its records."""
    kind, records = about
    row = ReportWords.objects.filter(kind=kind, records=records).first()
    if row is not None and row.words == words:
        return Done(None)
    changed = {"words": words, "changed_at": now(), "changed_by_id": _id(user)}
    ReportWords.objects.update_or_create(kind=kind, records=records, defaults=changed)
    shown = {"title": words["heading"], "text": words["summary"][:_SHOWN]}
    return Done(None, subject, **shown)


@action("result.save_view")
def save_view(
    user: AbstractBaseUser, name: str, query: str, *, is_shared: bool = False
) -> Done[SavedView]:
    """Save filters, order and columns of the result list under a name. Raises ``LaunchError``."""
    cleaned = one_line(name, "name", most=VIEW_CHARS)
    mine = SavedView.objects.filter(created_by_id=user.pk)
    known = {"query": _query(query), "is_shared": is_shared}
    if mine.count() >= MOST_VIEWS:
        text = _("You have %(most)s saved views. Remove one first.")
        raise LaunchError(text, "name", most=MOST_VIEWS)
    row, is_new = mine.get_or_create(name=cleaned, created_by_id=user.pk, defaults=known)
    if not is_new:
        raise LaunchError(_("You have a view of this name already."), "name")
    return Done(row, f"view {row.name}", **_about(row))


@action("result.change_view")
def change_view(
    user: AbstractBaseUser,
    view: SavedView,
    /,
    *,
    name: str | None = None,
    query: str | None = None,
    is_shared: bool | None = None,
) -> Done[SavedView]:
    """Change parts of a view; None: stays. Raises ``LaunchError``."""
    before = view.name
    if name is not None:
        view.name = one_line(name, "name", most=VIEW_CHARS)
        others = SavedView.objects.filter(created_by_id=view.created_by_id, name=view.name)
        if others.exclude(pk=view.pk).exists():
            raise LaunchError(_("You have a view of this name already."), "name")
    view.query = view.query if query is None else _query(query)
    view.is_shared = view.is_shared if is_shared is None else is_shared
    view.save(update_fields=["name", "query", "is_shared"])
    return Done(view, f"view {view.name}", did="change", before=before, **_about(view))


@action("result.change_view")
def remove_view(user: AbstractBaseUser, row: SavedView) -> Done[bool]:
    return Done(_delete(row), f"view {row.name}", did="delete", **_about(row))


def _query(query: str) -> str:
    if len(query) > QUERY_CHARS or not query.isascii() or not query.isprintable():
        text = _("These filters are too long to save: at most %(most)s characters.")
        raise LaunchError(text, "query", most=QUERY_CHARS)
    return query


def _about(row: SavedView) -> dict[str, Any]:
    return {"name": row.name, "query": row.query[:_SHOWN], "shared": row.is_shared}
