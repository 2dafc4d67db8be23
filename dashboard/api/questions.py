"""The public API's data sets of evaluations: read only."""

from django.http import Http404, HttpRequest
from pydantic import Field

from dashboard.api.base import Answer, Json, Operations, listing, read
from jobs.catalog import QUESTION_SETS
from jobs.catalog.data_sets import DATA_SETS, DataSet
from jobs.catalog.questions import TeamSet

operations = Operations("Data sets", "questions")


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
    opencompass: str | None = read("opencompass.name", "name in evaluate-opencompass")
    evalscope: str | None = read("evalscope.name", "name in evaluate-evalscope")
    parts: list[PartAnswer]
    removed: bool


DataSetsAnswer = listing(
    "DataSetsAnswer", "All data sets: the catalogue's, then the team's.", "data_sets", DataSetAnswer
)


@operations.on("GET ", "questions.view", DataSetsAnswer, name="api-questions")
def list_data_sets(request: HttpRequest) -> Json:
    """List data sets of evaluations. List the catalogue's data sets, and the team's in use."""
    team = [one for one in QUESTION_SETS.team() if not one.removed_at]
    rows = [*map(_public, DATA_SETS.values()), *map(team_answer, team)]
    return {"data_sets": rows, "next": None}


@operations.on("GET /{str:set_id}", "questions.view", DataSetAnswer, name="api-question-set")
def get_data_set(request: HttpRequest, set_id: str) -> Json:
    """Get a data set. Get one data set, removed ones of the team too."""
    if set_id in DATA_SETS:
        return _public(DATA_SETS[set_id])
    team_set = QUESTION_SETS.of_team(set_id)
    if team_set is None:
        raise Http404(set_id)
    return team_answer(team_set)


def _public(data_set: DataSet) -> Json:
    own = QUESTION_SETS.included[data_set.included] if data_set.included else None
    return DataSetAnswer.of(
        data_set,
        origin="included" if own else "public",
        key=data_set.included,
        sha256=own.sha256 if own else None,
        parts=[part.model_dump() for part in data_set.parts],
        removed=False,
    )


def team_answer(team_set: TeamSet) -> Json:
    absent: Json = dict.fromkeys(("licence", "opencompass", "evalscope"))
    return DataSetAnswer.of(
        team_set,
        about=team_set.note,
        origin="team",
        questions=team_set.current.questions,
        metric="accuracy",
        languages=[],
        parts=[],
        sha256=team_set.current.sha256,
        removed=bool(team_set.removed_at),
        **absent,
    )
