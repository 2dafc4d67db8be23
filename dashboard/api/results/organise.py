"""The public API of what people add to results: tags, notes, sign-offs, baselines."""

from __future__ import annotations

from typing import Any, TypeVar

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Status
from pydantic import Field

from dashboard.actions import results as actions
from dashboard.api.answers import Answer, ResultNumber, Time, answers
from dashboard.api.auth import caller, must
from dashboard.api.errors import missing
from dashboard.api.requests import NoteAsked, SignOffAsked, TagsAsked
from dashboard.pages.shared.addresses import ResultId
from dashboard.pages.shared.verdict import as_data, marks_of
from jobs.base.numbers import result_number
from jobs.models import Baseline, Note, Result, SignOff, Tag
from jobs.queries.results.organised import baseline_history, notes_of, sign_offs_of

_Row = TypeVar("_Row", Tag, Note, SignOff)

router = Router(tags=["Results"])


class TagsAnswer(Answer):
    """All tags of a result."""

    tags: list[str]


class NoteAnswer(Answer):
    """A note."""

    id: int
    text: str
    created_by: str | None
    created_at: Time
    edited_by: str | None
    edited_at: Time | None


class Notes(Answer):
    """All notes of a result, oldest first."""

    notes: list[NoteAnswer]
    next: str | None


class SignOffAnswer(Answer):
    """A sign-off."""

    id: int
    purpose: str
    created_by: str | None
    created_at: Time
    withdrawn_by: str | None
    withdrawn_at: Time | None = Field(description="null: valid")


class SignOffs(Answer):
    """All sign-offs of a result, withdrawn ones included, newest first."""

    sign_offs: list[SignOffAnswer]
    next: str | None


class BaselineRow(Answer):
    """A baseline of the subject."""

    result: ResultNumber
    set_by: str | None
    set_at: Time
    ended_by: str | None
    ended_at: Time | None = Field(description="null: current")


class BaselineAnswer(Answer):
    """Baselines of the result's subject, newest first, and the verdict on the result."""

    baseline: ResultNumber | None = Field(description="result that is the baseline now")
    vs_baseline: dict[str, Any] | None
    history: list[BaselineRow]


@router.post(
    "results/{typed_result:result_id}/tags",
    auth=caller("result.tag"),
    **answers(TagsAnswer, 413, 422),
    url_name="api-result-tags",
    summary="Add tags to a result",
)
def tag_result(request: HttpRequest, result_id: ResultId, asked: TagsAsked) -> dict[str, Any]:
    """The spelling in use is kept; a result has at most 12 tags."""
    result = get_object_or_404(Result, pk=result_id)
    actions.tag(request.user, [result.pk], asked.tags)
    return _tags(result_id)


@router.delete(
    "results/{typed_result:result_id}/tags/{path:tag}",
    auth=caller("result.untag"),
    **answers(TagsAnswer),
    url_name="api-result-tag",
    summary="Remove a tag from a result",
)
def untag_result(request: HttpRequest, result_id: ResultId, tag: str) -> dict[str, Any]:
    """Own tags; administrators: any."""
    row = _of_result(Tag, result_id, name=tag)
    must(request.user, "result.untag", row)
    actions.untag(request.user, row)
    return _tags(result_id)


@router.get(
    "results/{typed_result:result_id}/notes",
    auth=caller("result.view"),
    **answers(Notes),
    url_name="api-result-notes",
    summary="List the notes of a result",
)
def list_notes(request: HttpRequest, result_id: ResultId) -> dict[str, Any]:
    """Oldest first."""
    result = get_object_or_404(Result, pk=result_id)
    return {"notes": [_note(row) for row in notes_of(result)], "next": None}


@router.post(
    "results/{typed_result:result_id}/notes",
    auth=caller("result.note"),
    **answers(NoteAnswer, 413, 422, status=201),
    url_name="api-result-notes",
    summary="Add a note to a result",
)
def add_note(request: HttpRequest, result_id: ResultId, asked: NoteAsked) -> Status[dict[str, Any]]:
    """Text with line breaks, at most 4,000 characters."""
    result = get_object_or_404(Result, pk=result_id)
    return Status(201, _note(actions.note(request.user, result, asked.text)))


@router.patch(
    "results/{typed_result:result_id}/notes/{int:note_id}",
    auth=caller("result.change_note"),
    **answers(NoteAnswer, 413, 422),
    url_name="api-result-note",
    summary="Edit a note",
)
def edit_note(
    request: HttpRequest, result_id: ResultId, note_id: int, asked: NoteAsked
) -> dict[str, Any]:
    """Own notes; administrators: any."""
    row = _of_result(Note, result_id, pk=note_id)
    must(request.user, "result.change_note", row)
    actions.change_note(request.user, row, asked.text)
    return _note(get_object_or_404(Note, pk=note_id))


@router.delete(
    "results/{typed_result:result_id}/notes/{int:note_id}",
    auth=caller("result.change_note"),
    **answers(NoteAnswer),
    url_name="api-result-note",
    summary="Remove a note",
)
def remove_note(request: HttpRequest, result_id: ResultId, note_id: int) -> dict[str, Any]:
    """Own notes; administrators: any."""
    row = _of_result(Note, result_id, pk=note_id)
    must(request.user, "result.change_note", row)
    shown = _note(row)
    if not actions.remove_note(request.user, row):
        raise missing()
    return shown


@router.get(
    "results/{typed_result:result_id}/sign-offs",
    auth=caller("result.view"),
    **answers(SignOffs),
    url_name="api-result-sign-offs",
    summary="List the sign-offs of a result",
)
def list_sign_offs(request: HttpRequest, result_id: ResultId) -> dict[str, Any]:
    """Newest first, withdrawn ones included."""
    result = get_object_or_404(Result, pk=result_id)
    return {"sign_offs": [_sign_off(row) for row in sign_offs_of(result)], "next": None}


@router.post(
    "results/{typed_result:result_id}/sign-offs",
    auth=caller("result.sign_off"),
    **answers(SignOffAnswer, 413, 422, status=201),
    url_name="api-result-sign-offs",
    summary="Sign a result off",
)
def sign_off_result(
    request: HttpRequest, result_id: ResultId, asked: SignOffAsked
) -> Status[dict[str, Any]]:
    """Record that the result was released, and to whom."""
    result = get_object_or_404(Result, pk=result_id)
    return Status(201, _sign_off(actions.sign_off(request.user, result, asked.purpose)))


@router.post(
    "results/{typed_result:result_id}/sign-offs/{int:sign_off_id}/withdraw",
    auth=caller("result.withdraw"),
    **answers(SignOffAnswer),
    url_name="api-result-withdraw",
    summary="Withdraw a sign-off",
)
def withdraw_sign_off(
    request: HttpRequest, result_id: ResultId, sign_off_id: int
) -> dict[str, Any]:
    """Own sign-offs; administrators: any. It stays in the history."""
    row = _of_result(SignOff, result_id, pk=sign_off_id)
    must(request.user, "result.withdraw", row)
    actions.withdraw(request.user, row)
    return _sign_off(get_object_or_404(SignOff, pk=sign_off_id))


@router.get(
    "results/{typed_result:result_id}/baseline",
    auth=caller("result.view"),
    **answers(BaselineAnswer),
    url_name="api-result-baseline",
    summary="Read the baseline of a result's subject",
)
def read_baseline(request: HttpRequest, result_id: ResultId) -> dict[str, Any]:
    """With the verdict on the result and earlier baselines."""
    return _baseline(get_object_or_404(Result, pk=result_id))


@router.put(
    "results/{typed_result:result_id}/baseline",
    auth=caller("result.baseline"),
    **answers(BaselineAnswer, 422),
    url_name="api-result-baseline",
    summary="Set a result as baseline",
)
def set_baseline(request: HttpRequest, result_id: ResultId) -> dict[str, Any]:
    """Replaces the baseline of its subject; 422 for a result that cannot be one."""
    result = get_object_or_404(Result, pk=result_id)
    actions.set_baseline(request.user, result)
    return _baseline(result)


@router.delete(
    "results/{typed_result:result_id}/baseline",
    auth=caller("result.baseline"),
    **answers(BaselineAnswer),
    url_name="api-result-baseline",
    summary="Remove a baseline",
)
def remove_baseline(request: HttpRequest, result_id: ResultId) -> dict[str, Any]:
    """Nothing changes if the result is not the baseline."""
    result = get_object_or_404(Result, pk=result_id)
    actions.remove_baseline(request.user, result)
    return _baseline(result)


def _of_result(model: type[_Row], result_id: int, **fields: Any) -> _Row:
    """Return a row of a result. The result first: a number too large for a column finds none."""
    return get_object_or_404(model, result=get_object_or_404(Result, pk=result_id), **fields)


def _tags(result_id: int) -> dict[str, Any]:
    rows = Tag.objects.filter(result=result_id)
    return {"tags": list(rows.values_list("name", flat=True))}


def _note(row: Note) -> dict[str, Any]:
    return {
        "id": row.pk,
        "text": row.text,
        "created_by": _name(row.created_by),
        "created_at": row.created_at.isoformat(),
        "edited_by": _name(row.edited_by),
        "edited_at": row.edited_at.isoformat() if row.edited_at else None,
    }


def _sign_off(row: SignOff) -> dict[str, Any]:
    return {
        "id": row.pk,
        "purpose": row.purpose,
        "created_by": _name(row.created_by),
        "created_at": row.created_at.isoformat(),
        "withdrawn_by": _name(row.withdrawn_by),
        "withdrawn_at": row.withdrawn_at.isoformat() if row.withdrawn_at else None,
    }


def _baseline(result: Result) -> dict[str, Any]:
    history = baseline_history(result)
    return {
        "baseline": result_number(history.current.result_id) if history.current else None,
        "vs_baseline": as_data(marks_of([result])[result.pk].verdict),
        "history": [_baseline_row(row) for row in history.rows],
    }


def _baseline_row(row: Baseline) -> dict[str, Any]:
    return {
        "result": result_number(row.result_id),
        "set_by": _name(row.created_by),
        "set_at": row.created_at.isoformat(),
        "ended_by": _name(row.ended_by),
        "ended_at": row.ended_at.isoformat() if row.ended_at else None,
    }


def _name(user: Any) -> str | None:
    return user.get_username() if user else None
