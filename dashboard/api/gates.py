"""Gates of a pipeline: whether a result loses at most so much against its baseline."""

from typing import Literal

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import Field

from dashboard.api.base import ApiAnswer, Asked, Json, Offset, Operations, about, invalid
from dashboard.pages.compare import missing_words
from dashboard.pages.parity.asked import stated
from dashboard.pages.parity.words import as_data
from dashboard.pages.shared import comparison as shared
from dashboard.text.formatting import number
from dashboard.text.messages import message
from jobs.metrics import METRICS
from jobs.models import Result
from jobs.queries.comparison.comparison import Change, compare
from jobs.queries.parity.entered import ParityError
from jobs.queries.results.results import NotNumbered, pks_of

gates = Operations("Results")
Verdict = Literal["met", "not_met", "cannot_tell", "not_comparable"]
_OF_PARITY: dict[int, Verdict] = {0: "met", 2: "not_met", 4: "not_comparable"}


class GateAsked(Asked):
    """A result, its baseline and the largest loss; ``res-11,res-12`` are repeats of one."""

    base: str = Field(max_length=400, description="baseline")
    id: str = Field(max_length=400, description="result")
    max_loss: float = Field(
        ge=0, le=100, allow_inf_nan=False, description="per cent of speed; points of accuracy"
    )
    metric: str = Field("", max_length=100, description="of a benchmark; empty: the main one")
    concurrency: Offset = about("null: the highest common one", None)


class GateAnswer(ApiAnswer):
    """Verdict of a gate; losses are positive where the result is worse."""

    verdict: Verdict = about("by the whole interval; met: it lies at or below max_loss")
    text: str
    metric: str
    unit: str = about("percent or points")
    loss: float | None
    low: float | None = about("95 % interval; null: none")
    high: float | None
    max_loss: float


@gates.on("GET gate", "result.view", "api-gate", GateAnswer)
def read_gate(request: HttpRequest, query: Query[GateAsked]) -> Json:
    """Gate a result. Speed: loss of a metric with its interval. Accuracy: parity with this
    margin."""
    groups = []
    for field in ("base", "id"):
        try:
            found, missing = shared.read_groups([pks_of(getattr(query, field).split(","))])
        except NotNumbered as error:
            raise invalid(field, message(error.reason.id, error.reason.args)) from None
        if missing:
            raise invalid(field, missing_words(missing))
        groups += found
    if problem := shared.problem_of(groups, of_one_measurement=True):
        raise invalid("id", problem)
    if groups[0][0].type == Result.Type.EVALUATION:
        return _accuracy(query)
    return _speed(query, groups)


def _accuracy(asked: GateAsked) -> Json:
    for name in ("metric", "concurrency"):
        if getattr(asked, name) not in ("", None):
            raise invalid(name, _("Leave empty for evaluations."))
    fields = {"base": asked.base, "id": asked.id, "margin": f"{asked.max_loss:g}"}
    try:
        found = as_data(stated({**fields, "goal": "at_least", "planned": ""}))
    except ParityError as error:
        field = "max_loss" if error.field == "margin" else error.field
        raise invalid(field, message(error.reason.id, error.reason.args)) from None
    row = found["pooled"]
    loss = (
        [-row[name] for name in ("difference_points", "high_points", "low_points")]
        if row
        else [None] * 3
    )
    return {
        "verdict": _OF_PARITY.get(found["exit_code"], "cannot_tell"),
        "text": found["text"],
        **{"metric": "accuracy", "unit": "points", "max_loss": asked.max_loss},
        **dict(zip(("loss", "low", "high"), loss, strict=True)),
    }


def _speed(asked: GateAsked, groups: list[list[Result]]) -> Json:
    found = compare(groups, asked.concurrency)
    if asked.concurrency is not None and found.concurrency != asked.concurrency:
        common = ", ".join(map(str, found.common))
        raise invalid("concurrency", _("Unknown. Known names: %(names)s.") % {"names": common})
    relative = {row.metric: row for row in found.rows if _is_relative(row.metric)}
    if not relative:
        raise invalid("id", _("The results have no common metric of speed."))
    name = asked.metric or next(iter(relative))
    if name not in relative:
        names = ", ".join(relative)
        raise invalid("metric", _("Unknown. Known names: %(names)s.") % {"names": names})
    change = relative[name].changes[0]
    loss, low, high = losses(name, change)
    verdict = verdict_of(change, asked.max_loss / 100, low=low, high=high)
    answer: Json = {"verdict": verdict, "metric": name, "unit": "percent"}
    per_cent = [None if one is None else 100 * one for one in (loss, low, high)]
    answer |= dict(zip(("loss", "low", "high"), per_cent, strict=True))
    return answer | {"max_loss": asked.max_loss, "text": _words(answer, asked.max_loss)}


def _is_relative(metric: str) -> bool:
    return metric in METRICS and bool(METRICS[metric].better) and METRICS[metric].unit != "%"


def losses(metric: str, change: Change) -> tuple[float | None, float | None, float | None]:
    """Return loss and bounds as shares of the baseline; None: unknown."""
    if not change.is_relative:
        return None, None, None
    if METRICS[metric].better == "lower":
        return change.relative, change.low, change.high
    low, high = (None if one is None else -one for one in (change.high, change.low))
    return -(change.relative or 0), low, high


def verdict_of(change: Change, most: float, *, low: float | None, high: float | None) -> Verdict:
    """Return the verdict of an interval of losses; without one nothing can be told."""
    if change.verdict == "not_comparable":
        return "not_comparable"
    if low is None or high is None:
        return "cannot_tell"
    if high <= most:
        return "met"
    return "not_met" if low > most else "cannot_tell"


def _words(answer: Json, most: float) -> str:
    title = {
        "met": _("Gate met."),
        "not_met": _("Gate not met."),
        "cannot_tell": _("Gate undecided."),
        "not_comparable": _("Not comparable: the workloads differ."),
    }[answer["verdict"]]
    if answer["loss"] is None:
        return title
    given = {"metric": answer["metric"], "loss": number(answer["loss"], 2), "most": f"{most:g}"}
    text = _("Loss of %(metric)s: %(loss)s %%, at most %(most)s %%.") % given
    if answer["low"] is None:
        return f"{title} {text} " + _("No interval: each side needs at least 3 runs that differ.")
    bounds = {"low": number(answer["low"], 2), "high": number(answer["high"], 2)}
    return f"{title} {text} " + _("95 %% interval: %(low)s to %(high)s %%.") % bounds
