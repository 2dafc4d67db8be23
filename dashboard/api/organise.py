"""Tags, notes, sign-offs and baselines of results; saved views of their list."""

from typing import Any, TypeVar

from django.http import HttpRequest, QueryDict
from django.shortcuts import get_object_or_404
from pydantic import Field, StrictBool

from dashboard.actions import results as actions
from dashboard.api import base
from dashboard.api.base import (
    ApiAnswer,
    Asked,
    Created,
    Json,
    Operations,
    Time,
    about,
    listing,
    read,
)
from dashboard.pages.results.results import kept
from dashboard.pages.shared.addresses import ResultId
from dashboard.pages.shared.marks import as_data, marks_of
from jobs.base.numbers import result_number
from jobs.models import Note, Result, SavedView, SignOff, Tag
from jobs.queries.results.listing import baseline_history, notes_of, sign_offs_of, views_for

_Row = TypeVar("_Row", Tag, Note, SignOff)

_AT = "results/{typed_result:result_id}"
tags, notes = Operations("Results", f"{_AT}/tags"), Operations("Results", f"{_AT}/notes")
sign_offs = Operations("Results", f"{_AT}/sign-offs")
baseline = Operations("Results", f"{_AT}/baseline")
views = Operations("Results", "result-views")


def _result(result_id: int) -> Result:
    return get_object_or_404(Result, pk=result_id)


def _of_result(model: type[_Row], result_id: int, **fields: Any) -> _Row:
    """Return a row of a result. The result first: a number too large for a column finds none."""
    return get_object_or_404(model, result=_result(result_id), **fields)


# Tags


class TagsAnswer(ApiAnswer):
    """All tags of a result."""

    tags: list[str]


class TagsAsked(Asked):
    """Tags to add to a result."""

    tags: list[str]


@tags.on("POST ", "result.tag", "api-result-tags", TagsAnswer, 413, 422)
def tag_result(request: HttpRequest, result_id: ResultId, asked: TagsAsked) -> Json:
    """Add tags to a result. The spelling in use is kept; a result has at most 12 tags."""
    actions.tag(request.user, [_result(result_id).pk], asked.tags)
    return _tags(result_id)


@tags.on("DELETE /{path:tag}", "result.untag", "api-result-tag", TagsAnswer)
def untag_result(request: HttpRequest, result_id: ResultId, tag: str) -> Json:
    """Remove a tag from a result. Own tags; administrators: any."""
    actions.untag(request.user, _of_result(Tag, result_id, name=tag))
    return _tags(result_id)


def _tags(result_id: int) -> Json:
    return {"tags": list(Tag.objects.filter(result=result_id).values_list("name", flat=True))}


# Notes


class NoteAnswer(Created):
    """A note."""

    id: int
    text: str
    edited_by: str | None = read("edited_by.username")
    edited_at: Time | None


Notes = listing("Notes", "All notes of a result, oldest first.", "notes", NoteAnswer)


class NoteAsked(Asked):
    """Text of a note."""

    text: str


@notes.on("GET ", "result.view", "api-result-notes", Notes)
def list_notes(request: HttpRequest, result_id: ResultId) -> Json:
    """List the notes of a result. Oldest first."""
    return {"notes": [NoteAnswer.of(row) for row in notes_of(_result(result_id))], "next": None}


@notes.on("POST ", "result.note", "api-result-notes", NoteAnswer, 201, 413, 422)
def add_note(request: HttpRequest, result_id: ResultId, asked: NoteAsked) -> Json:
    """Add a note to a result. Text with line breaks, at most 4,000 characters."""
    return NoteAnswer.of(actions.note(request.user, _result(result_id), asked.text))


@notes.on("PATCH /{int:note_id}", "result.change_note", "api-result-note", NoteAnswer, 413, 422)
def edit_note(request: HttpRequest, result_id: ResultId, note_id: int, asked: NoteAsked) -> Json:
    """Edit a note. Own notes; administrators: any."""
    actions.change_note(request.user, _of_result(Note, result_id, pk=note_id), asked.text)
    return NoteAnswer.of(get_object_or_404(Note, pk=note_id))


@notes.on("DELETE /{int:note_id}", "result.change_note", "api-result-note", NoteAnswer)
def remove_note(request: HttpRequest, result_id: ResultId, note_id: int) -> Json:
    """Remove a note. Own notes; administrators: any."""
    row = _of_result(Note, result_id, pk=note_id)
    shown = NoteAnswer.of(row)
    if not actions.remove_note(request.user, row):
        raise base.missing()
    return shown


# Sign-offs


class SignOffAnswer(Created):
    """A sign-off."""

    id: int
    purpose: str
    accepted: list[str] = about("limits of the result that the person accepted, such as simulated")
    withdrawn_by: str | None = read("withdrawn_by.username")
    withdrawn_at: Time | None = about("null: valid")


SignOffs = listing(
    "SignOffs",
    "All sign-offs of a result, withdrawn ones included, newest first.",
    "sign_offs",
    SignOffAnswer,
)


class SignOffAsked(Asked):
    """Purpose of a sign-off: to whom the result is released. ``accept``: each of the result's
    flags simulated, incomplete, disturbed, loaded."""

    purpose: str
    accept: list[str] = Field(default_factory=list, max_length=8)


@sign_offs.on("GET ", "result.view", "api-result-sign-offs", SignOffs)
def list_sign_offs(request: HttpRequest, result_id: ResultId) -> Json:
    """List the sign-offs of a result. Newest first, withdrawn ones included."""
    rows = sign_offs_of(_result(result_id))
    return {"sign_offs": [SignOffAnswer.of(row) for row in rows], "next": None}


@sign_offs.on("POST ", "result.sign_off", "api-result-sign-offs", SignOffAnswer, 201, 413, 422)
def sign_off_result(request: HttpRequest, result_id: ResultId, asked: SignOffAsked) -> Json:
    """Sign a result off. Record that the result was released, and to whom."""
    result = _result(result_id)
    return SignOffAnswer.of(actions.sign_off(request.user, result, asked.purpose, asked.accept))


@sign_offs.on(
    "POST /{int:sign_off_id}/withdraw", "result.withdraw", "api-result-withdraw", SignOffAnswer
)
def withdraw_sign_off(request: HttpRequest, result_id: ResultId, sign_off_id: int) -> Json:
    """Withdraw a sign-off. Own sign-offs; administrators: any. It stays in the history."""
    actions.withdraw(request.user, _of_result(SignOff, result_id, pk=sign_off_id))
    return SignOffAnswer.of(get_object_or_404(SignOff, pk=sign_off_id))


# Baselines


class BaselineRow(ApiAnswer):
    """A baseline of the subject."""

    result: base.ResultNumber = read("result_id", then=result_number)
    set_by: str | None = read("created_by.username")
    set_at: Time = read("created_at")
    ended_by: str | None = read("ended_by.username")
    ended_at: Time | None = about("null: current")


class BaselineAnswer(ApiAnswer):
    """Baselines of the result's subject, newest first, and the verdict on the result."""

    baseline: base.ResultNumber | None = read(
        "current.result_id", "result that is the baseline now", then=result_number
    )
    vs_baseline: dict[str, Any] | None
    history: list[BaselineRow] = read(lambda known: [BaselineRow.of(row) for row in known.rows])


def _baseline(result: Result) -> Json:
    verdict = marks_of([result])[result.pk].verdict
    return BaselineAnswer.of(baseline_history(result), vs_baseline=as_data(verdict))


@baseline.on("GET ", "result.view", "api-result-baseline", BaselineAnswer)
def read_baseline(request: HttpRequest, result_id: ResultId) -> Json:
    """Read the baseline of a result's subject. With the verdict on the result and earlier
    baselines."""
    return _baseline(_result(result_id))


@baseline.on("PUT ", "result.baseline", "api-result-baseline", BaselineAnswer, 422)
def set_baseline(request: HttpRequest, result_id: ResultId) -> Json:
    """Set a result as baseline. Replaces the baseline of its subject; 422 for a result that cannot
    be one."""
    result = _result(result_id)
    actions.set_baseline(request.user, result)
    return _baseline(result)


@baseline.on("DELETE ", "result.baseline", "api-result-baseline", BaselineAnswer)
def remove_baseline(request: HttpRequest, result_id: ResultId) -> Json:
    """Remove a baseline. Nothing changes if the result is not the baseline."""
    result = _result(result_id)
    actions.remove_baseline(request.user, result)
    return _baseline(result)


# Saved views


class ViewAnswer(Created):
    """A saved view; its page is ``/results/?QUERY``."""

    id: int
    name: str
    query: str
    shared: bool = read("is_shared")


Views = listing("Views", "Own saved views, then those that others share.", "views", ViewAnswer)


class ViewAsked(Asked):
    """A view of the result list: filters, order, rows and columns of its address."""

    name: str
    query: str = about("query of the page's address, such as model=…&order=-made", "")
    shared: StrictBool = False


class ViewChange(Asked):
    """Parts of a saved view to change; null: stays."""

    name: str | None = None
    query: str | None = None
    shared: StrictBool | None = None


@views.on("GET ", "result.view", "api-result-views", Views)
def list_views(request: HttpRequest) -> Json:
    """List saved views. Own ones, then shared ones, by name."""
    user: Any = request.user
    return {"views": [ViewAnswer.of(row) for row in views_for(user)], "next": None}


@views.on("POST ", "result.save_view", "api-result-views", ViewAnswer, 201, 413, 422)
def save_view(request: HttpRequest, asked: ViewAsked) -> Json:
    """Save a view. Parts of the query that are no filter, order, grouping or columns are left
    out."""
    query = kept(QueryDict(asked.query))
    row = actions.save_view(request.user, asked.name, query, is_shared=asked.shared)
    return ViewAnswer.of(row)


@views.on("PATCH /{int:view_id}", "result.change_view", "api-result-view", ViewAnswer, 413, 422)
def change_view(request: HttpRequest, view_id: int, asked: ViewChange) -> Json:
    """Change a saved view. Own views; administrators: any."""
    row = get_object_or_404(SavedView, pk=view_id)
    query = None if asked.query is None else kept(QueryDict(asked.query))
    changed = actions.change_view(
        request.user, row, name=asked.name, query=query, is_shared=asked.shared
    )
    return ViewAnswer.of(changed)


@views.on("DELETE /{int:view_id}", "result.change_view", "api-result-view", ViewAnswer)
def remove_view(request: HttpRequest, view_id: int) -> Json:
    """Remove a saved view. Own views; administrators: any."""
    row = get_object_or_404(SavedView, pk=view_id)
    shown = ViewAnswer.of(row)
    if not actions.remove_view(request.user, row):
        raise base.missing()
    return shown
