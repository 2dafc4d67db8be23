"""Additions of people to results: tags, notes, sign-offs, baselines; saved views of the list."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from unicodedata import normalize

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.timezone import now
from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.models import Baseline, Note, Result, SavedView, SignOff, Tag
from jobs.queries.results.repeats import MOST, repeats_of

TAG_CHARS, NOTE_CHARS, PURPOSE_CHARS, VIEW_CHARS, QUERY_CHARS = 32, 4000, 120, 60, 1500
MOST_TAGS, MOST_NOTES, MOST_SIGN_OFFS = 12, 100, 50  # of a result
MOST_TAGGED = 200  # results at once
MOST_VIEWS = 50  # of a person
TAGS = "tags"

Person = AbstractBaseUser | None


def one_line(text: str, field: str, *, most: int) -> str:
    """One line of single spaces, in composed form (NFC). Raises ``LaunchError``."""
    line = " ".join(normalize("NFC", text).split())
    if not line:
        raise LaunchError(_("Enter a text."), field)
    if len(line) > most or not line.isprintable():
        raise LaunchError(_("Enter one line of at most %(most)s characters."), field, most=most)
    return line


def removed(row: Tag | Note | SavedView) -> bool:
    """Remove a row. False: it was removed already."""
    return bool(type(row)._default_manager.filter(pk=row.pk).delete()[0])


def parse_tags(text: str) -> list[str]:
    """Return the tags of a comma-separated text. Raises as :func:`clean_tags`."""
    return clean_tags(text.replace("，", ",").replace("、", ",").split(","))


def clean_tags(names: Iterable[str]) -> list[str]:
    """Tags, each once, in the spelling that is in use. Raises ``LaunchError``."""
    wanted = [one_line(name, TAGS, most=TAG_CHARS) for name in names if name.strip()]
    if not wanted:
        raise LaunchError(_("Enter a tag."), TAGS)
    if any("," in name for name in wanted):
        raise LaunchError(_("A tag has no comma."), TAGS)
    if len(wanted) > MOST_TAGS:
        raise _too_many_tags()
    known: dict[str, str] = {}
    for name in wanted:
        used = Tag.objects.filter(name__iexact=name).values_list("name", flat=True).first()
        known.setdefault(name.casefold(), used or name)
    return list(known.values())


def add_tags(result_ids: Sequence[int], names: Sequence[str], user: Person) -> list[int]:
    """Add tags to results; return the ids of those that got a new one. Raises ``LaunchError``."""
    if len(result_ids) > MOST_TAGGED:
        raise LaunchError(_("Select at most %(most)s results."), TAGS, most=MOST_TAGGED)
    with transaction.atomic():
        # Locked in one order: two requests do not exceed the limit together.
        rows = list(Result.objects.select_for_update().filter(pk__in=result_ids).order_by("pk"))
        present: dict[int, set[str]] = {row.pk: set() for row in rows}
        for pk, name in Tag.objects.filter(result__in=rows).values_list("result_id", "name"):
            present[pk].add(name)
        if any(len(there.union(names)) > MOST_TAGS for there in present.values()):
            raise _too_many_tags()
        new = [
            Tag(result_id=pk, name=name, created_by_id=_id(user))
            for pk, there in present.items()
            for name in names
            if name not in there
        ]
        Tag.objects.bulk_create(new)
    return list(dict.fromkeys(tag.result_id for tag in new))


def _too_many_tags() -> LaunchError:
    return LaunchError(_("A result has at most %(most)s tags.") % {"most": MOST_TAGS}, TAGS)


def _id(user: Person) -> int | None:
    return user.pk if user else None


def add_note(result: Result, text: str, user: Person) -> Note:
    """Raises ``LaunchError``: as of :func:`change_note`, or the result has too many notes."""
    cleaned = _lines(text)
    if result.notes.count() >= MOST_NOTES:
        full = _("A result has at most %(most)s notes. Remove one first.") % {"most": MOST_NOTES}
        raise LaunchError(full, "text")
    return Note.objects.create(result=result, text=cleaned, created_by_id=_id(user))


def change_note(note: Note, text: str, user: Person) -> bool:
    """Replace the text of a note. False: no change. Raises ``LaunchError``."""
    cleaned = _lines(text)
    if cleaned == note.text:
        return False
    edited = {"text": cleaned, "edited_at": now(), "edited_by_id": _id(user)}
    return bool(Note.objects.filter(pk=note.pk).update(**edited))


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


def sign_off(result: Result, purpose: str, user: Person) -> SignOff:
    """Release a result to someone, once for a purpose. Raises ``LaunchError``."""
    cleaned = one_line(purpose, "purpose", most=PURPOSE_CHARS)
    with transaction.atomic():
        Result.objects.select_for_update().get(pk=result.pk)
        rows = list(SignOff.objects.filter(result=result))
        if any(row.purpose == cleaned and row.withdrawn_at is None for row in rows):
            raise LaunchError(_("This result is signed off for this already."), "purpose")
        if len(rows) >= MOST_SIGN_OFFS:
            full = _("A result has at most %(most)s sign-offs.") % {"most": MOST_SIGN_OFFS}
            raise LaunchError(full, "purpose")
        return SignOff.objects.create(result=result, purpose=cleaned, created_by_id=_id(user))


def withdraw(row: SignOff, user: Person) -> bool:
    """Withdraw a sign-off, whose row stays. False: it was withdrawn already."""
    valid = SignOff.objects.filter(pk=row.pk, withdrawn_at=None)
    return bool(valid.update(withdrawn_at=now(), withdrawn_by_id=_id(user)))


def set_baseline(result: Result, user: Person) -> bool:
    """Make ``result`` the baseline of its subject. False: it is already. Raises ``LaunchError``."""
    if why := baseline_refusal(result):
        raise LaunchError(why, "result")
    with transaction.atomic():
        before = _locked_baseline(result.subject)
        if before is not None and before.result_id == result.pk:
            return False
        moment = now()
        if before is not None:
            _end(before, moment, user)
        latest = repeats_of(result).order_by("-created_at", "-pk")
        Baseline.objects.create(
            result=result,
            subject=result.subject,
            runs=[result.pk, *latest.values_list("pk", flat=True)[: MOST - 1]],
            created_by_id=_id(user),
            created_at=moment,
        )
    return True


def remove_baseline(result: Result, user: Person) -> bool:
    """End the baseline of a subject if ``result`` is it; its row stays. False: it is not."""
    with transaction.atomic():
        before = _locked_baseline(result.subject)
        if before is None or before.result_id != result.pk:
            return False
        _end(before, now(), user)
    return True


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


def _end(baseline: Baseline, moment: datetime, user: Person) -> None:
    Baseline.objects.filter(pk=baseline.pk).update(ended_at=moment, ended_by_id=_id(user))


def save_view(
    name: str, query: str, user: AbstractBaseUser, *, is_shared: bool = False
) -> SavedView:
    """Save filters, order and columns of the result list under a name. Raises ``LaunchError``."""
    cleaned = one_line(name, "name", most=VIEW_CHARS)
    mine = SavedView.objects.filter(created_by_id=user.pk)
    known = {"query": _query(query), "is_shared": is_shared}
    if mine.count() >= MOST_VIEWS:
        text = _("You have %(most)s saved views. Remove one first.") % {"most": MOST_VIEWS}
        raise LaunchError(text, "name")
    row, is_new = mine.get_or_create(name=cleaned, created_by_id=user.pk, defaults=known)
    if not is_new:
        raise LaunchError(_("You have a view of this name already."), "name")
    return row


def change_view(
    view: SavedView,
    *,
    name: str | None = None,
    query: str | None = None,
    is_shared: bool | None = None,
) -> SavedView:
    """Change parts of a view; None: stays. Raises ``LaunchError``."""
    if name is not None:
        view.name = one_line(name, "name", most=VIEW_CHARS)
        others = SavedView.objects.filter(created_by_id=view.created_by_id, name=view.name)
        if others.exclude(pk=view.pk).exists():
            raise LaunchError(_("You have a view of this name already."), "name")
    view.query = view.query if query is None else _query(query)
    view.is_shared = view.is_shared if is_shared is None else is_shared
    view.save(update_fields=["name", "query", "is_shared"])
    return view


def _query(query: str) -> str:
    if len(query) > QUERY_CHARS or not query.isascii() or not query.isprintable():
        text = _("These filters are too long to save: at most %(most)s characters.")
        raise LaunchError(text % {"most": QUERY_CHARS}, "query")
    return query
