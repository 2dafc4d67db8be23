"""Notes about a result."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.utils.timezone import now
from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.models import Note, Result
from jobs.services.results.texts import lines

LONGEST, MOST = 4000, 100


def add(result: Result, text: str, user: AbstractBaseUser | None) -> Note:
    """Add a note.

    Raises:
        LaunchError: the text is empty or too long, or the result has too many notes.
    """
    cleaned = lines(text, "text", most=LONGEST)
    if result.notes.count() >= MOST:
        full = _("A result has at most %(most)s notes. Remove one first.") % {"most": MOST}
        raise LaunchError(full, "text")
    return Note.objects.create(result=result, text=cleaned, created_by_id=user.pk if user else None)


def change(note: Note, text: str, user: AbstractBaseUser | None) -> bool:
    """Replace the text of a note. False: it is the same, or the note was removed.

    Raises:
        LaunchError: the text is empty or too long.
    """
    cleaned = lines(text, "text", most=LONGEST)
    if cleaned == note.text:
        return False
    edited = {"text": cleaned, "edited_at": now(), "edited_by_id": user.pk if user else None}
    return bool(Note.objects.filter(pk=note.pk).update(**edited))


def remove(note: Note) -> bool:
    """Remove a note. False: it was removed already."""
    return bool(Note.objects.filter(pk=note.pk).delete()[0])
