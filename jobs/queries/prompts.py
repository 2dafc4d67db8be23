"""Prompt sets of the team: to choose from, to read, and by checksum."""

from __future__ import annotations

import json
from functools import cache

from django.db.models import QuerySet

from jobs.kinds.lib.base import TeamPrompts
from jobs.models import PromptSet


def prompt_sets() -> QuerySet[PromptSet]:
    """Return the sets that are offered, by name, without their prompts."""
    return PromptSet.objects.filter(removed_at=None).select_related("created_by").defer("text")


def prompt_set(set_id: int) -> PromptSet | None:
    """Return a set, also a removed one; None: unknown."""
    return PromptSet.objects.select_related("created_by").filter(pk=set_id).first()


def set_with(sha256: str) -> PromptSet | None:
    """Return the newest set with these prompts, one that is not removed before others."""
    rows = PromptSet.objects.filter(sha256=sha256).defer("text").order_by("-pk")
    return next(iter(sorted(rows, key=lambda row: row.removed_at is not None)), None)


def prompts_in(text: str) -> list[str]:
    """Return the prompts of a set's text."""
    return [json.loads(line)["prompt"] for line in text.split("\n") if line]


def team_prompts() -> tuple[TeamPrompts, ...]:
    """Return the sets that are offered, for kinds."""
    rows = PromptSet.objects.filter(removed_at=None)
    return tuple(_for_kinds(*row) for row in rows.values_list("pk", "name", "prompts", "longest"))


def _for_kinds(set_id: int, name: str, count: int, longest: int) -> TeamPrompts:
    @cache  # a matrix plans each cell
    def read() -> list[str]:
        return prompts_in(PromptSet.objects.values_list("text", flat=True).get(pk=set_id))

    return TeamPrompts(name, count, longest, read)
