"""The public API's prompt sets: prompts that the team uploaded for benchmarks."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest
from ninja import Router, Status
from pydantic import Field

from dashboard.actions import prompts as actions
from dashboard.api.answers import Answer, Time, answers
from dashboard.api.auth import caller
from dashboard.api.requests import PromptSetAsked
from dashboard.api.serializers import created
from jobs.base.errors import LaunchError
from jobs.models import PromptSet
from jobs.queries.prompts import prompt_set, prompt_sets, prompts_in

router = Router(tags=["Prompts"])


class PromptSetAnswer(Answer):
    """A prompt set of the team."""

    id: int
    name: str = Field(description="value of the field prompts of a benchmark")
    language: str
    count: int = Field(description="number of prompts")
    bytes: int
    longest_tokens: int = Field(description="of the longest prompt, estimated")
    sha256: str = Field(description="of its JSON lines; the identity of a result has it too")
    removed: bool
    created_by: str | None
    created_at: Time


class PromptSetWhole(PromptSetAnswer):
    """A prompt set with its prompts."""

    prompts: list[str]


class PromptSets(Answer):
    """All prompt sets, by name."""

    prompt_sets: list[PromptSetAnswer]
    next: str | None


@router.get(
    "prompts",
    auth=caller("prompts.view"),
    **answers(PromptSets),
    url_name="api-prompts",
    summary="List prompt sets",
)
def list_prompt_sets(request: HttpRequest) -> dict[str, Any]:
    """By name, without removed ones."""
    return {"prompt_sets": [_shape(row) for row in prompt_sets()], "next": None}


@router.post(
    "prompts",
    auth=caller("prompts.add"),
    **answers(PromptSetAnswer, 413, 422, status=201),
    url_name="api-prompts",
    summary="Add a prompt set",
)
def add_prompt_set(request: HttpRequest, asked: PromptSetAsked) -> Status[dict[str, Any]]:
    """Check the JSON lines, then store them."""
    content = asked.text.encode()
    try:
        row = actions.add(request.user, asked.name, asked.language, "text", content)
    except LaunchError as error:
        raise LaunchError(str(error), "text" if error.field == "file" else error.field) from None
    return Status(201, _shape(row))


@router.get(
    "prompts/{int:prompt_set_id}",
    auth=caller("prompts.view"),
    **answers(PromptSetWhole),
    url_name="api-prompt-set",
    summary="Read a prompt set",
)
def read_prompt_set(request: HttpRequest, prompt_set_id: int) -> dict[str, Any]:
    """With its prompts, also a removed one."""
    row = _find(prompt_set_id)
    return {**_shape(row), "prompts": prompts_in(row.text)}


@router.delete(
    "prompts/{int:prompt_set_id}",
    auth=caller("prompts.change"),
    **answers(PromptSetAnswer),
    url_name="api-prompt-set",
    summary="Remove a prompt set",
)
def remove_prompt_set(request: HttpRequest, prompt_set_id: int) -> dict[str, Any]:
    """Forms no longer offer it; results keep it. The page of prompt sets restores it."""
    actions.ROWS.remove(request.user, _find(prompt_set_id))
    return _shape(_find(prompt_set_id))


def _find(prompt_set_id: int) -> PromptSet:
    row = prompt_set(prompt_set_id)
    if row is None:
        raise Http404(prompt_set_id)
    return row


def _shape(row: PromptSet) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "language": row.language,
        "count": row.prompts,
        "bytes": row.bytes,
        "longest_tokens": row.longest,
        "sha256": row.sha256,
        "removed": row.removed_at is not None,
        **created(row),
    }
