"""The public API of an evaluation's questions: as a file, or saved as a question set."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from ninja import Query, Router, Status
from pydantic import BaseModel, BeforeValidator, Field

from dashboard.actions import question_sets as actions
from dashboard.api.answers import answers
from dashboard.api.auth import caller
from dashboard.api.sets.questions import DataSetAnswer, team_answer
from dashboard.pages.answers.question_export import Export, export
from dashboard.pages.shared.addresses import ResultId
from dashboard.text.labels import result_name
from jobs.base.errors import LaunchError
from jobs.base.numbers import result_number
from jobs.catalog.questions_schema import jsonl
from jobs.models import Result

router = Router(tags=["Results"])


class ListedAsked(BaseModel):
    """Filters as in the address of the reader; empty: all answers."""

    show: str = Field("", max_length=200, description="such as changed or incorrect,cut")
    base: Annotated[ResultId | None, BeforeValidator(lambda text: text or None)] = Field(
        None, description="result against which answers changed: res-15"
    )
    set: str = Field("", max_length=200)
    category: str = Field("", max_length=200)
    q: str = Field("", max_length=200, description="text in question, reasoning or answer")


class SetAsked(ListedAsked):
    """A new question set of the listed questions."""

    id: str = Field(max_length=100, description="of the new set: lower-case letters, digits, -")
    name: str = Field("", max_length=200)
    note: str = Field("", max_length=1000)


@router.get(
    "results/{typed_result:result_id}/questions",
    auth=caller("result.view"),
    **answers(None, 422),
    url_name="api-result-questions",
    summary="Download questions of an evaluation",
)
def read_result_questions(
    request: HttpRequest, result_id: ResultId, query: Query[ListedAsked]
) -> HttpResponse:
    """JSON lines in the form that an upload accepts. Questions of a set of this dashboard only."""
    own = _listed(result_id, query).own
    questions = own.questions if own else ()
    return HttpResponse(jsonl(questions), content_type="text/plain; charset=utf-8")


@router.post(
    "results/{typed_result:result_id}/questions",
    auth=caller("questions.change"),
    **answers(DataSetAnswer, 413, 422, status=201),
    url_name="api-result-questions",
    summary="Save questions of an evaluation as a set",
)
def save_result_questions(
    request: HttpRequest, result_id: ResultId, asked: SetAsked
) -> Status[dict[str, Any]]:
    """A new set of the team, such as of the changed answers; it can be launched by its key."""
    found = _listed(result_id, asked)
    meta = {"id": asked.id, "name": asked.name, "note": asked.note or found.proposed["note"]}
    questions = found.own.questions if found.own else ()
    return Status(201, team_answer(actions.save(request.user, meta, questions, onto=None)))


def _listed(result_id: int, asked: ListedAsked) -> Export:
    result = get_object_or_404(Result.objects.select_related("job"), pk=result_id)
    if result.type != Result.Type.EVALUATION:
        raise LaunchError(
            _("%(name)s is a benchmark. Choose an evaluation.") % {"name": result_name(result)}
        )
    query = QueryDict(mutable=True)
    query.setlist("show", [name.strip() for name in asked.show.split(",") if name.strip()])
    if asked.base is not None:
        query["base"] = result_number(asked.base)
    for name in ("set", "category", "q"):
        if value := getattr(asked, name):
            query[name] = value
    found = export(query, result)
    if found.own is None:
        raise LaunchError(found.problem)
    return found
