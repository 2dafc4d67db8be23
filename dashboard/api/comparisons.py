"""Results beside others: comparisons, history of a measurement, trade-offs of systems."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils.translation import gettext as _
from ninja import Query
from pydantic import Field

from dashboard.api import base
from dashboard.api.base import (
    ApiAnswer,
    Asked,
    Json,
    Operations,
    ResultNumber,
    Time,
    about,
    invalid,
    read,
)
from dashboard.api.reports import ParityAnswer
from dashboard.pages.compare import (
    ChangeCells,
    compared_value,
    comparison_csv,
    difference_of,
    missing_words,
    more_runs,
)
from dashboard.pages.parity import words
from dashboard.pages.parity.asked import of_comparison
from dashboard.pages.results.history import history_csv, history_title
from dashboard.pages.results.tradeoff import pair_of, rates_of, system_names
from dashboard.pages.shared import comparison as shared
from dashboard.pages.shared import units
from dashboard.pages.shared.addresses import ResultId, or_404
from dashboard.pages.shared.export import unit_name
from dashboard.pages.shared.words import part_title
from dashboard.text.labels import result_name
from dashboard.text.messages import message
from jobs.base.numbers import result_number
from jobs.metrics import UNITS, rate_in
from jobs.models import Result
from jobs.queries.comparison.accuracy import Paired
from jobs.queries.comparison.comparison import (
    Change,
    ComparedColumn,
    Comparison,
    MetricRow,
    compare,
)
from jobs.queries.comparison.history import History, Period, history
from jobs.queries.parity.entered import ParityError
from jobs.queries.results.listing import STAMPS, ResultFilters
from jobs.queries.results.repeats import other_runs
from jobs.queries.results.results import NotNumbered, pks_of
from jobs.queries.results.systems import systems
from jobs.queries.results.tradeoff import tradeoff

comparison = Operations("Results", "comparison")
_CSV = {"description": "The table", "content": {"text/csv": {"schema": {"type": "string"}}}}
_VERDICT = (
    "better, worse, cannot_tell or not_comparable; null: equal numbers, or no direction is better"
)
_MOST_NAMED = 64  # of one query


class CompareAsked(Asked):
    """Results side by side; the first is the baseline. Either ``id`` or ``group``."""

    id: list[ResultNumber] = Field(
        default_factory=list, max_length=_MOST_NAMED, description="results, each alone; repeat it"
    )
    group: list[str] = Field(
        default_factory=list,
        max_length=_MOST_NAMED,
        description="repeats of one measurement: res-11,res-12; repeat it",
    )
    concurrency: base.Offset = about("compared one; null: the highest common one", None)
    per: base.choice(*UNITS) = about(  # type: ignore[valid-type]
        "unit of the output rate; empty: total", ""
    )


class CompareWholeAsked(CompareAsked):
    """A comparison with the settings and the parity statement to show."""

    all: base.Flag = about("equal settings too", False)
    margin: str = Field("", max_length=20, description="points of a parity statement; empty: 1")
    goal: str = Field("", max_length=20, description="at_least or same; empty: the usual one")


class ComparedSide(ApiAnswer):
    """A column; the first is the baseline."""

    name: str = about("with what tells it apart")
    results: list[ResultNumber] = read(lambda one: [result_name(run) for run in one.runs])
    uncounted_results: list[ResultNumber] = read(
        lambda one: [result_name(run) for run in one.runs if not run.counts],
        "disturbed, incomplete or loaded ones of them",
    )
    jobs: list[int] = read(lambda one: [run.job_id for run in one.runs if run.job_id])
    model: str = read("head.model_id")
    precision: str = read("head.label")
    comparable: bool = about("with the baseline")


class ChangeAnswer(ApiAnswer):
    """Difference of a metric with its 95 % interval. A relative one is a share of the value before;
    others are in the metric's unit, shares from 0 to 1."""

    difference: float | None = read("size", "null: not comparable, or measured on one side only")
    low: float | None
    high: float | None
    relative: bool
    verdict: str | None = read(lambda one: one.verdict or None, _VERDICT)


class ComparedCell(ApiAnswer):
    """A metric of a column: mean of its runs."""

    value: float | None = about("null: not measured; shares are from 0 to 1")
    low: float | None = read("interval.low", "95 % interval")
    high: float | None = read("interval.high")
    method: str | None = read(
        lambda one: one.method or None,
        "of the interval: t or log t over runs, wilson over questions; null: no interval",
    )
    n: int = about("runs")
    change: ChangeAnswer | None = about("vs the baseline; null for it")


class ComparedMetric(ApiAnswer):
    """A metric of all columns at the compared concurrency."""

    metric: str
    unit: str = about("share: from 0 to 1")
    columns: list[ComparedCell]


class ComparedSetting(ApiAnswer):
    """A setting with its value in each column; empty: none."""

    name: str
    values: list[str]
    differs: bool


class Obstacle(ApiAnswer):
    """A difference in workload, because of which columns are not comparable."""

    name: str
    values: list[Any] = about("of each column; null: unknown")
    text: str


class PairedAnswers(ApiAnswer):
    """Common questions of the baseline and another evaluation."""

    result: ResultNumber
    answers: int = about("common ones")
    both: int = about("correct in both")
    only_base: int = about("regressed")
    only_result: int = read("only_other", "fixed")
    neither: int
    difference: float = read("gap.value", "of the accuracies, from 0 to 1")
    low: float = read("gap.low")
    high: float = read("gap.high")
    mcnemar_p: float | None = read("p", "null: questions with several answers or parts")
    same_questions: bool = read("is_whole", "false: other questions of both do not count")


class MissingRun(ApiAnswer):
    """Runs that a side lacks."""

    result: ResultNumber = read(lambda one: result_name(one.result))
    runs: int


class ComparisonAnswer(ApiAnswer):
    """Results side by side."""

    text: str = about("conclusion")
    concurrency: int | None = about("compared one; null: evaluations")
    common_concurrencies: list[int] = read("common")
    columns: list[ComparedSide]
    metrics: list[ComparedMetric] = about("the first is the main one")
    settings: list[ComparedSetting] = about("those that differ; with all=1 every one")
    equal_settings: int
    obstacles: list[Obstacle] = about("empty: all columns are comparable")
    warning: str = about("what is not comparable or only declared; empty: nothing")
    paired: list[PairedAnswers]
    parity: ParityAnswer | None = about("of two comparable evaluations")
    missing: str = about("runs until the difference is decided, as text; empty: none")
    missing_runs: list[MissingRun]


@comparison.on("GET ", "result.view", "api-comparison", ComparisonAnswer)
def read_comparison(request: HttpRequest, query: Query[CompareWholeAsked]) -> Json:
    """Compare results. Two to eight of one type, each alone or with its repeats. The address names
    all runs: later runs do not change its answer."""
    groups, found = _compared(query)
    try:
        stated = of_comparison(found, query.margin, query.goal)
    except ParityError as error:
        raise invalid(error.field, message(error.reason.id, error.reason.args)) from None
    others = other_runs([run for runs in groups for run in runs])
    more = more_runs(found, shared.with_repeats(groups, others))
    differing = [one for one in found.settings if one.differs]
    warnings = shared.barred_words(found), shared.declared_words(found)
    return ComparisonAnswer.of(
        found,
        text=words.full_headline(stated) if stated else shared.conclusion(found),
        columns=[
            ComparedSide.of(column, name=name, comparable=index not in found.barred)
            for index, (column, name) in enumerate(
                zip(found.columns, shared.column_names(found), strict=True)
            )
        ],
        metrics=[_metric(found, row) for row in found.rows],
        settings=[ComparedSetting.of(one) for one in (found.settings if query.all else differing)],
        equal_settings=len(found.settings) - len(differing),
        obstacles=[
            Obstacle.of(one, text=shared.barrier_words(one, found.heads)) for one in found.barriers
        ],
        warning=" ".join(filter(None, warnings)),
        paired=_paired(found),
        parity=words.as_data(stated) if stated else None,
        missing=more.text,
        missing_runs=[MissingRun.of(one) for one in more.sides if one.runs],
    )


@comparison.on("GET .csv", "result.view", "api-comparison-table", None, shown=_CSV)
def download_comparison(request: HttpRequest, query: Query[CompareAsked]) -> HttpResponseBase:
    """Download a comparison as a table. A line a column, concurrency and metric."""
    return comparison_csv(_compared(query)[1])


def _compared(asked: CompareAsked) -> tuple[list[list[Result]], Comparison]:
    """Return the runs by column, compared. Raises ``Refused`` at "id" or "group"."""
    if asked.id and asked.group:
        raise invalid("group", _("Send id or group, not both."))
    field = "group" if asked.group else "id"
    try:
        if asked.group:
            wanted = [pks_of(text.split(",")) for text in asked.group]
        else:
            wanted = [[pk] for pk in pks_of(asked.id)]
    except NotNumbered as error:
        raise invalid(field, message(error.reason.id, error.reason.args)) from None
    # The statement on two groups reads all of their runs.
    groups, missing = shared.read_groups(wanted, heads_only=len(wanted) != 2)
    if problem := missing_words(missing) if missing else shared.problem_of(groups):
        raise invalid(field, problem)
    return groups, compare(groups, asked.concurrency, rate_in(asked.per or "total"))


def _metric(found: Comparison, row: MetricRow) -> Json:
    changes: list[Change | None] = [None, *row.changes]
    return ComparedMetric.of(
        row,
        unit=unit_name(row.metric),
        columns=[
            _cell(found, row, index, change and change_answer(row.metric, change))
            for index, change in enumerate(changes)
        ],
    )


def _cell(found: Comparison, row: MetricRow, index: int, change: Json | None) -> Json:
    column: ComparedColumn = found.columns[index]
    values = column.values(row.metric, found.concurrency)
    if not values:
        empty: Json = dict.fromkeys(("value", "low", "high", "method"))
        return {**empty, "n": 0, "change": change}
    own = compared_value(column, row.metric, values, row.cells[index])
    return ComparedCell.of(own, change=change)


def change_answer(metric: str, change: Change) -> Json:
    difference: ChangeCells = difference_of(metric, change)
    return ChangeAnswer.of(difference, relative=change.is_relative)


def _paired(found: Comparison) -> list[Json]:
    pairs: list[tuple[ComparedColumn, Paired | None]] = [
        *zip(found.columns[1:], found.paired, strict=True)
    ]
    return [
        PairedAnswers.of(one, result=result_name(column.head))
        for column, one in pairs
        if one is not None
    ]


# History of a measurement

history_ = Operations("Results", "results/{typed_result:result_id}/history")


class HistoryAsked(Asked):
    """Query of a history: its metric and concurrency."""

    metric: str = Field("", max_length=100, description="empty: the main one")
    concurrency: base.Offset = about("null: that of the main value", None)


class ChangedPart(ApiAnswer):
    """A part of identity or host that differs."""

    name: str
    title: str = read(lambda one: part_title(one.name))
    was: Any = about("null: not recorded")
    now: Any = about("null: not recorded")


class HistoryRun(ApiAnswer):
    """A run."""

    result: ResultNumber = read("pk", then=result_number)
    job: int | None = read("job_id", "null for an imported result")
    value: float | None = about("null: not measured")
    counts: bool = about("false: disturbed, incomplete or loaded")
    measured_at: Time | None = about("of an import by its files; null: not in them")


class HistoryPeriod(ApiAnswer):
    """Consecutive runs of one identity, oldest first."""

    number: int
    mean: float | None = about("of the runs that count; null: none has the metric")
    low: float | None = read("interval.low", "95 % interval")
    high: float | None = read("interval.high")
    n: int = read(lambda one: len(one.values), "runs in the mean")
    base: int | None = read("base.number", "compared period; null: none before has values")
    change: ChangeAnswer | None = about("vs the compared period")
    changed: list[ChangedPart] = read(lambda one: [ChangedPart.of(part) for part in one.parts])
    runs: list[HistoryRun]


class HistoryAnswer(ApiAnswer):
    """History of a measurement, oldest period first."""

    result: ResultNumber = read(lambda found: result_name(found.result))
    text: str = read(history_title, "last change of the value")
    metric: str
    unit: str = read(lambda found: unit_name(found.metric), "share: from 0 to 1")
    concurrency: int | None = about("null: evaluations")
    metrics: list[str] = about("to choose from")
    concurrencies: list[int] = about("to choose from")
    periods: list[HistoryPeriod]
    left_out: int = about("older runs")


@history_.on("GET ", "result.view", "api-result-history", HistoryAnswer)
def read_history(request: HttpRequest, result_id: ResultId, query: Query[HistoryAsked]) -> Json:
    """Read the history of a measurement. Its runs over time, and what changed where the value
    moves."""
    found = _history(result_id, query)
    return HistoryAnswer.of(found, periods=[_period(found, one) for one in found.periods])


@history_.on("GET .csv", "result.view", "api-result-history-table", None, shown=_CSV)
def download_history(
    request: HttpRequest, result_id: ResultId, query: Query[HistoryAsked]
) -> HttpResponseBase:
    """Download the history of a measurement as a table. A line a run, with its period."""
    return history_csv(_history(result_id, query))


def _history(result_id: int, asked: HistoryAsked) -> History:
    found = or_404(history, result_id, asked.metric, asked.concurrency)
    given: Json = {"metric": asked.metric or None, "concurrency": asked.concurrency}
    known: Json = {"metric": found.metrics, "concurrency": found.concurrencies}
    for name, value in given.items():
        if value is not None and value != getattr(found, name):
            names = ", ".join(map(str, known[name]))
            raise invalid(name, _("Unknown. Known names: %(names)s.") % {"names": names})
    return found


def _period(found: History, period: Period) -> Json:
    change = period.change and change_answer(found.metric, period.change)
    if period.is_barred:
        change = change_answer(found.metric, Change(period.mean, verdict="not_comparable"))
    runs = [HistoryRun.of(run, value=found.values.get(run.pk)) for run in period.runs]
    return HistoryPeriod.of(period, change=change, runs=runs)


# Systems and pairs: throughput over interactivity, accuracy beside speed

tradeoffs = Operations("Results")


class TradeoffAsked(Asked):
    """Query of the trade-off: filters of results, and the unit. Any of several values counts."""

    model: list[str] = Field(default_factory=list, max_length=_MOST_NAMED)
    precision: list[str] = Field(default_factory=list, max_length=_MOST_NAMED)
    host: list[str] = Field(default_factory=list, max_length=_MOST_NAMED)
    stack: list[str] = Field(default_factory=list, max_length=_MOST_NAMED)
    parallelism: list[str] = Field(default_factory=list, max_length=_MOST_NAMED)
    tag: list[str] = Field(default_factory=list, max_length=_MOST_NAMED)
    flag: base.choice(*STAMPS) = ""  # type: ignore[valid-type]
    per: base.choice(*UNITS) = about(  # type: ignore[valid-type]
        "unit of the output rate; empty: card, or total if no engine has cards", ""
    )
    what: str = Field(
        "", max_length=400, description="questions of the pairs; empty: those of most evaluations"
    )


class SystemRate(ApiAnswer):
    """A point of a system."""

    concurrency: int | None = read(lambda one: one.concurrency or None, "null: published without")
    tokens_per_s_per_user: float = read("per_user", "interactivity: 1 / TPOT p50")
    tokens_per_s: float = read("rate", "output, in the unit")
    on_front: bool = about("on the Pareto front of its model and workload")


class SystemAnswer(ApiAnswer):
    """A system: model, workload, engine and place; ``result`` stands for it."""

    name: str
    model: str = read("model_id")
    published: bool = read(lambda one: one.published is not None, "not measured here")
    result: ResultNumber | None = read("result.pk", "null: published", then=result_number)
    device: str = read(lambda one: one.published.device if one.published else one.result.device)
    source: str = read(lambda one: one.published.source if one.published else "", "of published")
    measured_on: str | None = read(lambda one: one.published and f"{one.published.measured_on}")
    precision: str | None = read("result.label")
    stack: str | None = read("result.stack")
    parallelism: str | None = read("result.parallelism")
    workload: str | None = read("result.what")
    limits: list[str] = read(
        lambda one: [*one.result.limits] if one.result else [],
        "why it is on no front, such as disturbed; empty: sound",
    )
    points: list[SystemRate] = read(
        lambda one: [SystemRate.of(each, on_front=each in one.best) for each in one.points]
    )


class PairAnswer(ApiAnswer):
    """An evaluation with the fastest benchmark of its engine."""

    evaluation: ResultNumber = read("evaluation.pk", then=result_number)
    model: str = read("evaluation.model_id")
    origin: str = about("ours, external or imported")
    accuracy: float = read("share.value", "from 0 to 1")
    low: float = read("share.low", "95 % interval")
    high: float = read("share.high")
    output_tokens_mean: float | None = read("tokens", "per question; null: not reported")
    benchmark: ResultNumber | None = read("speed.benchmark.pk", "null: none", then=result_number)
    concurrency: int | None = read("speed.concurrency", "of its fastest point")
    pairing: str | None = read(
        lambda one: one.speed.pairing if one.speed else None,
        "engine: the same one; identity: another deployment with equal settings; stated: the same "
        "model and device by declaration; null: no benchmark",
    )
    tokens_per_s: dict[str, float] = read(rates_of, "output rate by unit, where known")


class QuestionChoice(ApiAnswer):
    """Questions to choose with ``what``."""

    what: str
    evaluations: int


class TradeoffAnswer(ApiAnswer):
    """Systems, those on a front first, and pairs of the chosen questions."""

    unit: str = about("of the output rate: total, die, card, server or watt")
    models: list[str] = about("to choose from")
    systems: list[SystemAnswer]
    left_out: int = about("systems without a rate in the unit or TPOT, or older")
    what: str = about("chosen questions; empty: no evaluation")
    choices: list[QuestionChoice]
    pairs: list[PairAnswer]
    left_out_pairs: int = about("older evaluations")


@tradeoffs.on("GET tradeoff", "result.view", "api-tradeoff", TradeoffAnswer)
def read_tradeoff(request: HttpRequest, query: Query[TradeoffAsked]) -> Json:
    """Read the trade-off of systems. Throughput over interactivity, with the Pareto front of each
    model and workload and published systems; accuracy beside speed."""
    named = ("model", "precision", "host", "stack", "parallelism")
    filters = ResultFilters(
        facets={name: getattr(query, name) for name in named},
        stamps=[query.flag] if query.flag else [],
        tags=query.tag,
    )
    compared = systems(filters, units.asked(query.per))
    found = tradeoff(filters, query.what)
    if query.what and found.chosen != query.what:
        raise invalid("what", _("No evaluation has these questions."))
    names = system_names(compared.rows, with_model=len(query.model) != 1)
    return TradeoffAnswer.of(
        compared,
        systems=[
            SystemAnswer.of(one, name=name) for name, one in zip(names, compared.rows, strict=True)
        ],
        what=found.chosen,
        choices=[{"what": what, "evaluations": count} for what, count in found.choices],
        pairs=[PairAnswer.of(one) for one in found.pairs],
        left_out_pairs=found.left_out,
    )


@tradeoffs.on(
    "GET results/{typed_result:result_id}/paired", "result.view", "api-result-paired", PairAnswer
)
def read_paired(request: HttpRequest, result_id: ResultId) -> Json:
    """Read an evaluation beside its benchmark. The fastest benchmark of the same engine."""
    return PairAnswer.of(pair_of(result_id))
