"""Additions of people to results, read for many results at once."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import Count, Q

from jobs.models import Baseline, Note, Result, SavedView, SignOff, Tag

MOST_SUGGESTED = 200
MOST_BASELINES = 20  # shown of a subject


@dataclass(frozen=True, slots=True)
class Organised:
    """Tags, valid sign-offs and notes of a result; ``is_baseline``: it is the current one."""

    tags: Sequence[Tag] = ()
    sign_offs: Sequence[SignOff] = ()
    notes: int = 0
    is_baseline: bool = False


NONE = Organised()


def organised(results: Iterable[Result], *, with_tags: bool = True) -> dict[int, Organised]:
    """Return what people added, by result id, in four queries for any number of results."""
    numbers = [result.pk for result in results]
    tags: dict[int, list[Tag]] = defaultdict(list)
    for tag in Tag.objects.filter(result__in=numbers) if with_tags else ():
        tags[tag.result_id].append(tag)
    signed: dict[int, list[SignOff]] = defaultdict(list)
    valid = SignOff.objects.filter(result__in=numbers, withdrawn_at=None)
    for row in valid.select_related("created_by"):
        signed[row.result_id].append(row)
    counted = Note.objects.filter(result__in=numbers).order_by().values_list("result_id")
    notes = dict(counted.annotate(n=Count("pk")))
    current = Baseline.objects.filter(result__in=numbers, ended_at=None)
    baselines = set(current.values_list("result_id", flat=True))
    return {
        pk: Organised(tags.get(pk, ()), signed.get(pk, ()), notes.get(pk, 0), pk in baselines)
        for pk in numbers
    }


def notes_of(result: Result) -> list[Note]:
    return list(result.notes.select_related("created_by", "edited_by"))


def sign_offs_of(result: Result) -> list[SignOff]:
    return list(result.sign_offs.select_related("created_by", "withdrawn_by"))


@dataclass(frozen=True, slots=True)
class BaselineHistory:
    """Baselines of a subject, newest first; ``current`` is None when there is none.

    ``undo`` is the result of the state before the last change; ``undo_sets``: as baseline, else it
    would be none.
    """

    rows: Sequence[Baseline]
    current: Baseline | None
    undo: Result | None
    undo_sets: bool


def baseline_history(result: Result) -> BaselineHistory:
    if not result.subject:
        return BaselineHistory((), None, None, undo_sets=False)
    found = Baseline.objects.filter(subject=result.subject)
    rows = list(found.select_related("result", "created_by", "ended_by")[:MOST_BASELINES])
    if not rows:
        return BaselineHistory((), None, None, undo_sets=False)
    last = rows[0]
    if last.ended_at is not None:
        return BaselineHistory(rows, None, last.result, undo_sets=True)
    replaced = next((row for row in rows[1:] if row.ended_at == last.created_at), None)
    if replaced is not None:
        return BaselineHistory(rows, last, replaced.result, undo_sets=True)
    return BaselineHistory(rows, last, last.result, undo_sets=False)


def tag_names() -> list[str]:
    """Return the tags in use, the most frequent first."""
    rows = Tag.objects.order_by().values_list("name").annotate(n=Count("pk")).order_by("-n", "name")
    return [name for name, _count in rows[:MOST_SUGGESTED]]


def views_for(user: AbstractBaseUser) -> list[SavedView]:
    """Return the saved views that ``user`` sees: their own, then shared ones, by name."""
    visible = SavedView.objects.filter(Q(created_by_id=user.pk) | Q(is_shared=True))
    rows = list(visible.select_related("created_by"))
    return sorted(rows, key=lambda view: (view.created_by_id != user.pk, view.name, view.pk))
