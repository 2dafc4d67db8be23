"""Tags of results: free words, several results at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.models import Result, Tag
from jobs.services.results.texts import one_line

LONGEST, MOST = 32, 12
MOST_RESULTS = 200  # at once
FIELD = "tags"


def parse(text: str) -> list[str]:
    """Return the tags of a comma-separated text, each once.

    Raises:
        LaunchError: a tag is too long, there are too many, or there is none.
    """
    return clean(text.replace("，", ",").replace("、", ",").split(","))


def clean(names: Iterable[str]) -> list[str]:
    """Return the tags, each once, in the spelling that is in use.

    Raises:
        LaunchError: a tag is too long, there are too many, or there is none.
    """
    wanted = [one_line(name, FIELD, most=LONGEST) for name in names if name.strip()]
    if not wanted:
        raise LaunchError(_("Enter a tag."), FIELD)
    if any("," in name for name in wanted):
        raise LaunchError(_("A tag has no comma."), FIELD)
    if len(wanted) > MOST:
        raise LaunchError(_too_many(), FIELD)
    known: dict[str, str] = {}
    for name in wanted:
        used = Tag.objects.filter(name__iexact=name).values_list("name", flat=True).first()
        known.setdefault(name.casefold(), used or name)
    return list(known.values())


def add(
    result_ids: Sequence[int], names: Sequence[str], user: AbstractBaseUser | None
) -> list[int]:
    """Add tags to results; return the ids of those that got a new one.

    Raises:
        LaunchError: a result would have too many tags, or too many results are selected.
    """
    if len(result_ids) > MOST_RESULTS:
        text = _("Select at most %(most)s results.") % {"most": MOST_RESULTS}
        raise LaunchError(text, FIELD)
    with transaction.atomic():
        # Locked in one order: two requests do not exceed the limit together.
        rows = list(Result.objects.select_for_update().filter(pk__in=result_ids).order_by("pk"))
        present: dict[int, set[str]] = {row.pk: set() for row in rows}
        for pk, name in Tag.objects.filter(result__in=rows).values_list("result_id", "name"):
            present[pk].add(name)
        if any(len(there.union(names)) > MOST for there in present.values()):
            raise LaunchError(_too_many(), FIELD)
        new = [
            Tag(result_id=pk, name=name, created_by_id=user.pk if user else None)
            for pk, there in present.items()
            for name in names
            if name not in there
        ]
        Tag.objects.bulk_create(new)
    return list(dict.fromkeys(tag.result_id for tag in new))


def remove(tag: Tag) -> bool:
    """Remove a tag from its result. False: it was removed already."""
    return bool(Tag.objects.filter(pk=tag.pk).delete()[0])


def _too_many() -> str:
    return _("A result has at most %(most)s tags.") % {"most": MOST}
