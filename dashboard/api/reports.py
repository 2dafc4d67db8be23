"""Parity statements, of two results or of bare counts; reports, an operation for each kind."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from ninja import Query
from pydantic import Field

from dashboard.api.base import (
    ApiAnswer,
    Asked,
    Json,
    Operations,
    ResultNumber,
    about,
    invalid,
    missing,
)
from dashboard.pages.parity.asked import family, stated
from dashboard.pages.parity.words import as_data, family_data
from dashboard.reports.document import ReportError, ReportKind
from dashboard.reports.make import KINDS, TYPES, download, make
from dashboard.text.messages import message
from jobs.queries.parity.entered import ParityError
from jobs.queries.parity.statement import MARGIN

parity = Operations("Results")
_MARGIN = Field(f"{MARGIN:g}", max_length=20, description="points")
_GOAL = Field(
    "", max_length=20, description="at_least or same; empty: at_least against an external baseline"
)
_PLANNED = Field("", max_length=20, description="questions of a run that stops early")


class ParityAsked(Asked):
    """Two results; ``res-11,res-12`` are repeats of one evaluation."""

    base: str = Field(max_length=400, description="baseline")
    id: str = Field(max_length=400, description="result")
    margin: str = _MARGIN
    goal: str = _GOAL
    planned: str = _PLANNED


class FamilyAsked(Asked):
    """Several results against one baseline."""

    base: str = Field(max_length=400, description="baseline")
    id: str = Field(max_length=4000, description="results: `res-27;res-31`")
    margin: str = _MARGIN
    goal: str = _GOAL


class CountsAsked(Asked):
    """Correct answers and questions of each data set, the same sets on both sides."""

    base_counts: str = Field(max_length=20000, description="154/159,933/976")
    counts: str = Field(max_length=20000, description="155/159,929/976")
    sets: str = Field("", max_length=20000, description="names of the data sets")
    base_title: str = Field("", max_length=400, description="name of the baseline of counts")
    title: str = Field("", max_length=400, description="name of the result of counts")
    margin: str = _MARGIN
    goal: str = _GOAL
    planned: str = _PLANNED


class ParityAccuracy(ApiAnswer):
    """Accuracy of one side, from 0 to 1, with its 95 % interval."""

    correct: int | None = about("null: questions have several answers or parts")
    questions: int
    accuracy: float
    weighted: bool = about("true: not correct / questions; each set weighs the same on both sides")
    low: float
    high: float


class ParityRow(ApiAnswer):
    """A data set, a group of them, or all questions; differences in points."""

    name: str
    version: str | None = about("of the data set; null: it has none, or several sets")
    questions_sha256: str | None = about(
        "of the common questions; null: the same by name only, or several sets"
    )
    group: str
    base: ParityAccuracy
    result: ParityAccuracy
    difference_points: float
    low_points: float
    high_points: float
    method: str = about("paired, clustered or unpaired")
    verdict: str = about("better, worse, equivalent, not_worse or cannot_tell")
    mcnemar_p: float | None = about("null: does not apply, or several looks")
    regressed: int | None
    fixed: int | None
    more_questions: int | None = about(
        "until a verdict if both are equally accurate, power 80 %; null: decided"
    )


class ParitySide(ApiAnswer):
    """A side; no results: typed counts."""

    name: str
    results: list[ResultNumber]


class ParityWarning(ApiAnswer):
    """Limit of the statement."""

    id: str
    text: str


class ParityAnswer(ApiAnswer):
    """Parity of a result with a baseline."""

    verdict: str = about("of pooled; not_comparable: no common question, no rows")
    exit_code: int = about("of a gate: 0 passes, 2 worse, 3 cannot tell, 4 not comparable")
    text: str
    action: str | None = about("what makes the sides comparable; null: they are")
    margin_points: float
    goal: str | None = about("at_least or same; null: not comparable, none chosen")
    planned_questions: int | None
    look: int = about("number of this look; each had more questions")
    base: ParitySide
    result: ParitySide
    pooled: ParityRow | None
    plain_mean_points: float | None = about("mean of the sets' differences")
    means_disagree: bool = about("plain mean and pooled difference differ in sign")
    sets: list[ParityRow]
    groups: list[ParityRow]
    warnings: list[ParityWarning]
    method: list[str]


class ParityCandidate(ApiAnswer):
    """A result of several; ``alone`` is its own statement."""

    verdict: str = about("corrected for the number of results; not_comparable: no rows")
    p: float | None = about("smallest error at which the interval has a verdict; null: above 0.05")
    adjusted_p: float | None = about("by Holm; null: p is null")
    alone: ParityAnswer


class ParityFamily(ApiAnswer):
    """Parity of several results with one baseline; Holm's correction."""

    text: str
    exit_code: int = about("of a gate, of the worst: 2 worse, 4 not comparable, 3 cannot tell")
    margin_points: float
    base: ParitySide
    candidates: list[ParityCandidate]
    method: list[str]


@parity.on("GET parity/candidates", "result.view", "api-parity-candidates", ParityFamily)
def read_candidates(request: HttpRequest, query: Query[FamilyAsked]) -> Json:
    """State parity of several results. Their verdicts are corrected for their number, so that one
    or more is wrong in at most 5 % of cases."""
    return _answered(lambda: family_data(family(query.model_dump())))


@parity.on("GET parity", "result.view", "api-parity", ParityAnswer)
def read_parity(request: HttpRequest, query: Query[ParityAsked]) -> Json:
    """State parity of two results. Not worse, equivalent within the margin, better, worse, the
    missing questions, or not comparable."""
    return _answered(lambda: as_data(stated(query.model_dump())))


@parity.on("POST parity", "result.view", "api-parity", ParityAnswer)
def state_parity(request: HttpRequest, body: CountsAsked) -> Json:
    """State parity of counts. State the parity of counts that are no results here; nothing is
    stored."""
    return _answered(lambda: as_data(stated(body.model_dump())))


def _answered(answer: Callable[[], Json]) -> Json:
    try:
        return answer()
    except ParityError as error:
        if error.reason.id == "parity:missing":
            raise missing() from None
        raise invalid(error.field, message(error.reason.id, error.reason.args)) from None


reports = Operations("Reports")


def _operation(kind: ReportKind) -> Callable[..., HttpResponseBase]:
    way = Query[kind.asked]  # type: ignore[name-defined]

    def read(request: HttpRequest, query: way) -> HttpResponseBase:
        try:
            return download(make(kind, query))
        except ReportError as error:
            raise invalid(error.field, str(error)) from None

    read.__name__ = f"read_{kind.name}_report"
    read.__doc__ = f"{kind.summary}. One file: HTML with charts, Markdown, or CSV with every digit."
    return read


_FILE = {
    "description": "The report",
    "content": {name: {"schema": {"type": "string"}} for name in TYPES.values()},
}
for _kind in KINDS.values():
    reports.on(
        f"GET reports/{_kind.name}", _kind.action, f"api-report-{_kind.name}", None, shown=_FILE
    )(_operation(_kind))
