"""The public API's data sets of evaluations: read only."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest
from ninja import Router
from pydantic import Field

from dashboard.api.answers import Answer, answers
from dashboard.api.auth import caller
from jobs.catalog import QUESTION_SETS
from jobs.catalog.data_sets import DATA_SETS, DataSet
from jobs.catalog.question_sets import TeamSet

router = Router(tags=["Data sets"])


class PartAnswer(Answer):
    """A set of OpenCompass."""

    name: str
    questions: int
    version: str = Field(description="hash of the prompt")


class DataSetAnswer(Answer):
    """A data set."""

    id: str
    name: str
    about: str
    origin: str = Field(description="public, included or team")
    questions: int
    languages: list[str]
    licence: str | None = Field(description="null: not known")
    metric: str
    key: str | None = Field(description="value of the field questions of a job; null: none")
    sha256: str | None = Field(description="of the questions, where this dashboard has them")
    opencompass: str | None = Field(description="name in evaluate-opencompass")
    evalscope: str | None = Field(description="name in evaluate-evalscope")
    parts: list[PartAnswer]
    removed: bool


class DataSetsAnswer(Answer):
    """All data sets: the catalogue's, then the team's."""

    data_sets: list[DataSetAnswer]
    next: str | None


@router.get(
    "questions",
    auth=caller("questions.view"),
    **answers(DataSetsAnswer),
    url_name="api-questions",
    summary="List data sets of evaluations",
)
def list_data_sets(request: HttpRequest) -> dict[str, Any]:
    """List the catalogue's data sets, and the team's in use."""
    team = [one for one in QUESTION_SETS.team() if not one.removed_at]
    rows = [*map(_public, DATA_SETS.values()), *map(team_answer, team)]
    return {"data_sets": rows, "next": None}


@router.get(
    "questions/{str:set_id}",
    auth=caller("questions.view"),
    **answers(DataSetAnswer),
    url_name="api-question-set",
    summary="Get a data set",
)
def get_data_set(request: HttpRequest, set_id: str) -> dict[str, Any]:
    """Get one data set, removed ones of the team too."""
    if set_id in DATA_SETS:
        return _public(DATA_SETS[set_id])
    team_set = QUESTION_SETS.of_team(set_id)
    if team_set is None:
        raise Http404(set_id)
    return team_answer(team_set)


def _public(data_set: DataSet) -> dict[str, Any]:
    own = QUESTION_SETS.included[data_set.included] if data_set.included else None
    return {
        "id": data_set.id,
        "name": data_set.name,
        "about": data_set.about,
        "origin": "included" if own else "public",
        "questions": data_set.questions,
        "languages": list(data_set.languages),
        "licence": data_set.licence,
        "metric": data_set.metric,
        "key": data_set.included,
        "sha256": own.sha256 if own else None,
        "opencompass": data_set.opencompass.name if data_set.opencompass else None,
        "evalscope": data_set.evalscope.name if data_set.evalscope else None,
        "parts": [part.model_dump() for part in data_set.parts],
        "removed": False,
    }


def team_answer(team_set: TeamSet) -> dict[str, Any]:
    """Return a set of the team as the API answers it."""
    return {
        "id": team_set.id,
        "name": team_set.name,
        "about": team_set.note,
        "origin": "team",
        "questions": team_set.current.questions,
        "languages": [],
        "licence": None,
        "metric": "accuracy",
        "key": team_set.key,
        "sha256": team_set.current.sha256,
        "opencompass": None,
        "evalscope": None,
        "parts": [],
        "removed": bool(team_set.removed_at),
    }
