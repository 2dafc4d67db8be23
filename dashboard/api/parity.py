"""The public API of parity statements: of two results, or of bare counts."""

from django.http import HttpRequest
from ninja import Query
from pydantic import BaseModel, Field

from dashboard.api.base import Answer, Json, Operations, ResultNumber
from dashboard.api.errors import invalid, missing
from dashboard.pages.parity.asked import stated
from dashboard.pages.parity.words import as_data
from dashboard.text.messages import message
from jobs.queries.parity.sides import ParityError
from jobs.queries.parity.statement import MARGIN

operations = Operations("Results")
_MARGIN = Field(f"{MARGIN:g}", max_length=20, description="points")
_GOAL = Field(
    "",
    max_length=20,
    description="at_least or same; empty: at_least against an external baseline",
)
_PLANNED = Field("", max_length=20, description="questions of a run that stops early")


class ParityAsked(BaseModel):
    """Two results; ``res-11,res-12`` are repeats of one evaluation."""

    base: str = Field(max_length=400, description="baseline")
    id: str = Field(max_length=400, description="result")
    margin: str = _MARGIN
    goal: str = _GOAL
    planned: str = _PLANNED


class CountsAsked(BaseModel):
    """Correct answers and questions of each data set, the same sets on both sides."""

    base_counts: str = Field(max_length=20000, description="154/159,933/976")
    counts: str = Field(max_length=20000, description="155/159,929/976")
    sets: str = Field("", max_length=20000, description="names of the data sets")
    base_title: str = Field("", max_length=400, description="name of the baseline of counts")
    title: str = Field("", max_length=400, description="name of the result of counts")
    margin: str = _MARGIN
    goal: str = _GOAL
    planned: str = _PLANNED


class ParityAccuracy(Answer):
    """Accuracy of one side, from 0 to 1, with its 95 % interval."""

    correct: int | None = Field(description="null: questions have several answers or parts")
    questions: int
    accuracy: float
    weighted: bool = Field(
        description="true: not correct / questions; each set weighs the same on both sides"
    )
    low: float
    high: float


class ParityRow(Answer):
    """A data set, a group of them, or all questions; differences in points."""

    name: str
    version: str | None = Field(description="of the data set; null: it has none, or several sets")
    questions_sha256: str | None = Field(
        description="of the common questions; null: the same by name only, or several sets"
    )
    group: str
    base: ParityAccuracy
    result: ParityAccuracy
    difference_points: float
    low_points: float
    high_points: float
    method: str = Field(description="paired, clustered, bootstrap or unpaired")
    verdict: str = Field(description="better, worse, equivalent, not_worse or cannot_tell")
    mcnemar_p: float | None = Field(description="null: does not apply, or several looks")
    regressed: int | None
    fixed: int | None
    more_questions: int | None = Field(
        description="until a verdict if both are equally accurate, power 80 %; null: decided"
    )


class ParitySide(Answer):
    """A side; no results: typed counts."""

    name: str
    results: list[ResultNumber]


class ParityWarning(Answer):
    """Limit of the statement."""

    id: str
    text: str


class ParityAnswer(Answer):
    """Parity of a result with a baseline."""

    verdict: str = Field(description="of pooled; not_comparable: no common question, no rows")
    exit_code: int = Field(
        description="of a gate: 0 passes, 2 worse, 3 cannot tell, 4 not comparable"
    )
    text: str
    action: str | None = Field(description="what makes the sides comparable; null: they are")
    margin_points: float
    goal: str | None = Field(description="at_least or same; null: not comparable, none chosen")
    planned_questions: int | None
    look: int = Field(description="number of this look; each had more questions")
    base: ParitySide
    result: ParitySide
    pooled: ParityRow | None
    plain_mean_points: float | None = Field(description="mean of the sets' differences")
    means_disagree: bool = Field(description="plain mean and pooled difference differ in sign")
    sets: list[ParityRow]
    groups: list[ParityRow]
    warnings: list[ParityWarning]
    method: list[str]


@operations.on("GET parity", "result.view", ParityAnswer, name="api-parity")
def read_parity(request: HttpRequest, query: Query[ParityAsked]) -> Json:
    """State parity of two results. Not worse, equivalent within the margin, better, worse, the
    missing questions, or not comparable."""
    return _stated(query.model_dump())


@operations.on("POST parity", "result.view", ParityAnswer, name="api-parity")
def state_parity(request: HttpRequest, body: CountsAsked) -> Json:
    """State parity of counts. State the parity of counts that are no results here; nothing is
    stored."""
    return _stated(body.model_dump())


def _stated(data: dict[str, str]) -> Json:
    try:
        return as_data(stated(data))
    except ParityError as error:
        if error.reason.id == "parity:missing":
            raise missing() from None
        raise invalid(error.field, message(error.reason.id, error.reason.args)) from None
