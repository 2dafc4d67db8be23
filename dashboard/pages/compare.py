"""Comparison of single runs or groups of repeats: page, CSV, runs that are missing, tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.actions import jobs as job_actions
from dashboard.actions.action import once
from dashboard.charts.accuracy import compared
from dashboard.pages.answers import budget_figure
from dashboard.pages.parity import words
from dashboard.pages.parity.asked import of_comparison
from dashboard.pages.shared import comparison as shared
from dashboard.pages.shared import units
from dashboard.pages.shared.addresses import with_old_queries
from dashboard.pages.shared.export import as_csv, attachment, fixed, unit_name
from dashboard.pages.shared.marks import marks_of, picture_lines
from dashboard.pages.shared.metrics_table import metrics_table
from dashboard.pages.shared.words import markdown, unknown_words
from dashboard.security.permissions import allowed, requires
from dashboard.text.labels import result_name
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.base.numbers import number_from, result_number
from jobs.metrics import METRICS
from jobs.models import Deployment, Result
from jobs.queries.answers.answer_list import wrong_answers
from jobs.queries.comparison.accuracy import is_accuracy
from jobs.queries.comparison.comparison import MOST, Change, ComparedColumn, Comparison, compare
from jobs.queries.parity.entered import ParityError
from jobs.queries.results.curve import RATE
from jobs.queries.results.repeats import disturbers, other_runs, read_points, values_at
from jobs.queries.results.results import Mean, NotNumbered, accuracy, pks_of, set_groups
from jobs.statistics import LEAST_RUNS, Interval, mean, mean_interval

LONGEST_NAME = 120
LAUNCHED_MOST = 10  # runs of one side per request
_KEPT = ("concurrency", "chart", "all", units.PER)
_RUNS_WORTH = 30  # a difference that needs more runs is too small to matter
# Fields of an export that differ between the runs of a column.
_OF_RUN = (
    *("result", "job", "disturbed", "flags", "tags", "is_baseline", "verdict_vs_baseline"),
    *("baseline", "measured_at", "by", "at"),
)
_CSV_HEAD = (
    *("concurrency", "metric", "unit", "value", "low", "high", "interval", "n"),
    *("difference", "difference_low", "difference_high", "difference_unit", "verdict"),
)
_WHOLE = None  # in place of a concurrency: metrics of the whole run
Groups = Sequence[Sequence[Result]]


@requires("result.view", "GET")
@with_old_queries("id", "group")
@units.with_unit
def compare_results(request: HttpRequest) -> HttpResponseBase:
    """Compare several ``?id=res-1`` (runs) or ``?group=res-1,res-2`` (repeats); the first is the
    baseline.

    The URL names all runs: later runs do not change the page. ``concurrency`` selects the metrics,
    ``all=1`` shows equal values too, ``format=csv`` exports all concurrencies.
    """
    is_grouped = "group" in request.GET
    try:
        if is_grouped:
            wanted = [pks_of(text.split(",")) for text in request.GET.getlist("group")]
        else:
            wanted = [[pk] for pk in pks_of(request.GET.getlist("id"))]
    except NotNumbered as error:
        problem = message(error.reason.id, error.reason.args)
        return render(request, "results/compare.html", {"problem": problem}, status=400)
    # The statement on two groups reads all of their runs.
    groups, missing = shared.read_groups(wanted, heads_only=len(wanted) != 2)
    heads = [runs[0] for runs in groups]
    problem = shared.problem_of(groups)
    context: dict[str, Any] = {"results": heads, "problem": problem, "is_grouped": is_grouped}
    if missing:
        context["problem"] = missing_words(missing)
        context["the_rest"] = "" if problem else _query(groups, is_grouped=is_grouped)
        return render(request, "results/compare.html", context, status=404)
    each = [[run] for runs in groups for run in runs]
    if problem and is_grouped and not shared.problem_of(each):
        context["as_runs"] = _as_runs(each)
    if not problem:
        usual = "card" if _is_per_device(request) else ""
        unit = units.choice(request.GET.get(units.PER, usual), heads)
        at = number_from(request.GET.get("concurrency", ""))
        comparison = compare(groups, at, unit.rate)
        if request.GET.get("format") == "csv":
            return comparison_csv(comparison)
        context |= _context(request, comparison, unit, is_grouped=is_grouped)
        context |= _parity(request, comparison)
        context |= {
            "pictured": picture_lines(heads),
            "runs": [run for runs in groups for run in runs],
        }
    return render(request, "results/compare.html", context)


def missing_words(missing: Sequence[int]) -> str:
    """Return which results of an address do not exist."""
    text = ngettext(
        "%(ids)s does not exist or was removed.",
        "%(ids)s do not exist or were removed.",
        len(missing),
    )
    return text % {"ids": _(", ").join(map(result_number, missing))}


@requires("job.repeat", "POST")
def run_more(request: HttpRequest) -> HttpResponse:
    """Launch ``n`` more runs of each result ``id`` (same position), then return to the
    comparison, or with ``from=result`` to the first result."""
    try:
        wanted = pks_of(request.POST.getlist("id"))[:MOST]
    except NotNumbered as error:
        messages.error(request, message(error.reason.id, error.reason.args))
        wanted = []
    counts = [number_from(text) or 1 for text in request.POST.getlist("n")] or [1]
    counts += [counts[-1]] * (len(wanted) - len(counts))
    results = Result.objects.in_bulk(wanted)
    # In turn, so that drift of the host affects all sides equally.
    in_turn = [
        job_id
        for number in range(LAUNCHED_MOST)
        for pk, n in zip(wanted, counts, strict=False)
        if number < n and pk in results and (job_id := results[pk].job_id) is not None
    ]
    try:
        launched = once(request, lambda: job_actions.retry_all(request.user, in_turn))
    except LaunchError as error:
        messages.error(request, str(error))
        launched = []
    if launched:
        text = ngettext(
            "%(n)s run is queued: %(jobs)s.", "%(n)s runs are queued: %(jobs)s.", len(launched)
        )
        jobs = _(", ").join(f"#{pk}" for pk in launched)
        messages.success(request, text % {"n": len(launched), "jobs": jobs})
    if request.POST.get("from") == "result" and wanted:
        return redirect("result-detail", wanted[0])
    return redirect(f"{reverse('result-compare')}?{request.POST.get('back', '')}")


def _is_per_device(request: HttpRequest) -> bool:
    """Return True for an address of the time when a chart was per device, without a unit."""
    return request.GET.get("chart") == "per-device"


def _context(
    request: HttpRequest, comparison: Comparison, unit: units.ChosenUnit, *, is_grouped: bool
) -> dict[str, Any]:
    heads = comparison.heads
    show_all = request.GET.get("all") == "1"
    groups = [list(column.runs) for column in comparison.columns]
    ids = _query(groups, is_grouped=is_grouped)
    is_evaluation = heads[0].type == Result.Type.EVALUATION
    differing = [setting for setting in comparison.settings if setting.differs]
    distinctions = shared.distinctions(comparison)
    others = other_runs([run for runs in groups for run in runs])
    repeated = shared.with_repeats(groups, others)
    # Links to other columns keep what is selected.
    chosen = {name: request.GET[name] for name in _KEPT if name in request.GET}
    kept = f"&{urlencode(chosen)}" if chosen else ""
    at = f"&concurrency={comparison.concurrency}" if "concurrency" in chosen else ""
    always = ("accuracy", unit.rate, *(row.metric for row in comparison.rows[:1]))
    rows = [row for row in comparison.rows if show_all or row.differs or row.metric in always]
    pairs = zip(heads[1:], comparison.paired, strict=True)
    context = {
        "comparison": comparison,
        "title": shared.conclusion(comparison),
        "more": more_runs(comparison, repeated),
        "marks": marks_of(heads),
        "barred_words": shared.barred_words(comparison),
        "declared_words": shared.declared_words(comparison),
        "barriers": [shared.barrier_words(one, heads) for one in comparison.barriers],
        "may_repeat": allowed(request.user, "job.repeat"),
        "csv": f"?{ids}&format=csv",
        "kept": kept,
        "query": request.GET.urlencode(),
        "report_query": "".join(f"{part}&" for part in (ids + at, urlencode(unit.query)) if part),
        "units": unit,
        "show_all": show_all,
        "is_evaluation": is_evaluation,
        "table": metrics_table(comparison, rows, is_grouped=is_grouped),
        "settings": comparison.settings if show_all else differing,
        "same": len(comparison.settings) - len(differing),
        "simulated": len({result.simulated for result in heads}) > 1,
        "imported": any(result.imported_id for result in heads),
        "pairs": [
            (other, paired, index in comparison.barred)
            for index, (other, paired) in enumerate(pairs, 1)
            if paired is not None
        ],
        # Each with the query that has it as baseline.
        "columns": [
            {
                "result": runs[0],
                "name": name,
                "runs": runs,
                "as_base": _query([runs, *groups[:at], *groups[at + 1 :]], is_grouped=is_grouped),
            }
            for at, (runs, name) in enumerate(zip(groups, distinctions, strict=True))
        ],
        **_switches(groups, repeated, others, is_grouped=is_grouped),
    }
    if context["pairs"]:
        context["wrong"] = wrong_answers(heads[0])
    return context | _drawn(request, comparison, unit.rate)


def _drawn(request: HttpRequest, comparison: Comparison, rate: str) -> dict[str, Any]:
    drawn = charts_of(comparison, shared.column_names(comparison), rate)
    asked = "interactivity" if _is_per_device(request) else request.GET.get("chart", "")
    is_batch = bool(comparison.rows) and comparison.rows[0].metric == shared.BATCH
    shown = next((one for one in drawn if one.name == asked), drawn[0] if drawn else None)
    return {"charts": drawn, "drawn": shown, "is_batch": is_batch}


def charts_of(comparison: Comparison, names: Sequence[str], rate: str = RATE) -> list[shared.Chart]:
    """Return the charts of a comparison, the most telling first. ``names``: those of columns."""
    if comparison.heads[0].type == Result.Type.BENCHMARK:
        return shared.charts(comparison, names, rate)
    row = next((row for row in comparison.rows if is_accuracy(row.metric)), None)
    known = zip(names, row.cells if row else (), strict=False)
    rows = [(name, cell.interval) for name, cell in known if cell.interval]
    label = _("Accuracy of each result with its 95 % interval")
    drawn = []
    if rows:
        figure = compared(rows)
        drawn = [shared.Chart("accuracy", _("Accuracy"), figure, label, height=figure.height)]
    if (budget := budget_figure(comparison, names)) is not None:
        note = _("marks: own limit")
        if any(len(column.runs) > 1 for column in comparison.columns):
            note += _("; ") + _("groups: all answers of their runs")
        label = _("Accuracy vs token budget, one line per result")
        title = _("Accuracy vs token budget")
        drawn.append(
            shared.Chart("budget", title, budget, label, note, budget.height or shared.CHART)
        )
    return drawn


def _parity(request: HttpRequest, comparison: Comparison) -> dict[str, Any]:
    """Return the parity statement of two evaluations, which is the page's title, and the query of
    its own page."""
    asked = request.GET.get("margin", ""), request.GET.get("goal", "")
    try:
        found = of_comparison(comparison, *asked)
    except ParityError:  # another page says what a margin and a goal are
        found = of_comparison(comparison, "")
    context = {"tables_query": _as_runs([column.runs for column in comparison.columns])}
    columns = comparison.columns
    if len(columns) == 2 and columns[0].head.type == Result.Type.EVALUATION:
        ids = [",".join(map(result_name, column.runs)) for column in columns]
        context["parity_query"] = urlencode({"base": ids[0], "id": ids[1]}, safe=",")
    if found is not None and (statement := found.parity.statement):
        context |= {"title": words.full_headline(found), "needed": words.needed(statement)}
        context["parity_query"] += f"&margin={found.asks.margin:g}&goal={found.goal}"
    return context


def _switches(
    groups: Groups, repeated: Groups, others: Mapping[str, Sequence[Result]], *, is_grouped: bool
) -> dict[str, Any]:
    """Return queries of this comparison as runs and as groups, without disturbed runs, and with
    further repeats; "" where no switch exists."""
    undisturbed = [[run for run in runs if run.counts] for runs in groups]
    if is_grouped:  # a side with only disturbed runs stays unchanged
        undisturbed = [some or [*runs] for some, runs in zip(undisturbed, groups, strict=True)]
    undisturbed = [runs for runs in undisturbed if runs]
    disturbed = sum(map(len, groups)) - sum(map(len, undisturbed))
    without = _query(undisturbed, is_grouped=is_grouped)
    switches: dict[str, Any] = {
        "as_runs": _as_runs(groups),
        "as_groups": _query(repeated, is_grouped=True),
        "without_disturbed": without if disturbed and len(undisturbed) > 1 else "",
        "disturbed": disturbed,
    }
    if is_grouped:
        for name, counts in (("uncounted", True), ("uncounted_disturbed", False)):
            new = [
                [run for run in others.get(runs[0].fingerprint, ()) if run.counts == counts]
                for runs in groups
            ]
            both = [[*runs, *more] for runs, more in zip(groups, new, strict=True)]
            switches[name] = [run for runs in new for run in runs]
            switches[f"with_{name}"] = _query(both, is_grouped=True)
    return switches


def _as_runs(groups: Groups) -> str:
    return "&".join(f"id={result_name(runs[0])}" for runs in groups)


def _query(groups: Groups, *, is_grouped: bool) -> str:
    if not is_grouped:
        return _as_runs(groups)
    return "&".join("group=" + ",".join(map(result_name, runs)) for runs in groups)


def comparison_csv(comparison: Comparison) -> HttpResponseBase:
    """Return each column's metrics at every concurrency. ``low`` and ``high``: 95 % interval of the
    mean ("t", of values above 0 "log t") or of an accuracy over its questions ("wilson")."""
    columns = comparison.columns
    groups = [list(column.runs) for column in columns]
    at: dict[int | None, Comparison] = {c: compare(groups, c) for c in comparison.common}
    at = at or {_WHOLE: comparison}
    marks = marks_of(comparison.heads)
    abouts = []
    for column in columns:
        known = fixed(column.head, marks[column.head.pk])
        abouts.append({name: value for name, value in known.items() if name not in _OF_RUN})
    head = ["column", "results", "jobs", "uncounted_results", *abouts[0], *_CSV_HEAD]
    lines: list[Sequence[Any]] = [head]
    for index, column in enumerate(columns):
        named = [
            "base" if index == 0 else index + 1,
            " ".join(map(result_name, column.runs)),
            " ".join(str(run.job_id or "") for run in column.runs).strip(),
            " ".join(result_name(run) for run in column.runs if not run.counts),
            *abouts[index].values(),
        ]
        for concurrency, name in _numbers(column):
            # None for the baseline and for metrics not compared; failures cover the whole run.
            compared = at.get(concurrency) if name != "failed_requests" else None
            rows = [row for row in compared.rows if row.metric == name] if compared else []
            change = rows[0].changes[index - 1] if rows and index else None
            cells = (row.cells[index] for row in comparison.rows if row.metric == name)
            cell = next(cells, None) if concurrency is _WHOLE else None
            lines.append([*named, *_line(column, concurrency, name, change, cell)])
    return as_csv(lines, f"compare-{'-'.join(map(result_name, comparison.heads))}")


def _numbers(column: ComparedColumn) -> Iterator[tuple[int | None, str]]:
    """Yield each concurrency with its metrics; without points, the metrics of the whole run."""
    rows: list[tuple[int | None, Any]] = [*column.points]
    for concurrency, metrics in rows or [(_WHOLE, column.head.metrics)]:
        for name in METRICS:
            if name in metrics and name != "concurrency":
                yield concurrency, name


def _line(
    column: ComparedColumn,
    concurrency: int | None,
    name: str,
    change: Change | None,
    cell: Mean | None,
) -> Sequence[Any]:
    if concurrency is _WHOLE:
        values = [run.metrics[name] for run in column.runs if name in run.metrics]
    else:
        values = column.at(name, concurrency)
    found = compared_value(column, name, values, cell)
    interval = found.interval
    return [
        *(concurrency, name, unit_name(name), found.value),
        *((interval.low, interval.high, found.method) if interval else ("", "", "")),
        found.n,
        *difference_of(name, change),
    ]


class ComparedValue(NamedTuple):
    """Metric of a column: mean of ``n`` runs. ``method`` of the interval: "t", of values above 0
    "log t", of an accuracy over its questions "wilson"; "" without an interval."""

    value: float
    interval: Interval | None
    method: str
    n: int


def compared_value(
    column: ComparedColumn, name: str, values: Sequence[float], cell: Mean | None = None
) -> ComparedValue:
    """``values``: of the runs with the metric, one or more; ``cell``: of the comparison's row."""
    interval, method = mean_interval(values), "t" if min(values) <= 0 else "log t"
    if is_accuracy(name) and cell is not None and cell.interval:
        interval, method = cell.interval, "wilson"
    elif name == "accuracy":
        interval, method = accuracy(column.head, mean(values)), "wilson"
    value = mean(values) if len(values) > 1 else values[0]
    return ComparedValue(value, interval, method if interval else "", len(values))


class ChangeCells(NamedTuple):
    """Change vs the baseline. ``verdict``: a code; "" for equal numbers or without a comparison."""

    size: float | None = None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    verdict: str = ""


def difference_of(name: str, change: Change | None) -> ChangeCells:
    if change is None or change.absolute is None:
        return ChangeCells(verdict=change.verdict if change else "")
    unit = "share of base" if change.is_relative else unit_name(name)
    return ChangeCells(change.size, change.low, change.high, unit, change.verdict)


@requires("result.view", "GET")
@with_old_queries("id")
def result_tables(request: HttpRequest) -> HttpResponseBase:
    """Show the evaluations ``?id=res-11&id=res-27`` as tables of the deployment guide; ``name``:
    heading of each in turn. ``format=md`` is a file."""
    try:
        wanted, problem = pks_of(request.GET.getlist("id"))[:MOST], ""
    except NotNumbered as error:
        wanted, problem = [], message(error.reason.id, error.reason.args)
    groups, missing = shared.read_groups([[pk] for pk in wanted])
    results = [runs[0] for runs in groups if runs[0].type == Result.Type.EVALUATION]
    typed = [*request.GET.getlist("name"), *([""] * len(results))]
    named = []
    for result, own in zip(results, typed, strict=False):
        # The typed name; else that in the imported file, else of what was measured.
        known = result.imported.model if result.imported else ""
        named.append((result, own.strip()[:LONGEST_NAME] or known or result.measured))
    text = "\n".join(markdown(set_groups(result), name) for result, name in named)
    if request.GET.get("format") == "md" and text:
        return attachment(text, "tables.md", "text/markdown")
    context: dict[str, Any] = {"named": named, "text": text, "query": request.GET.urlencode()}
    if missing or not text:
        advice = _("Select evaluations in the list, then Compare, then Tables.")
        context["problem"] = problem or advice
    status = 404 if missing or not named else 200
    return render(request, "results/tables.html", context, status=status)


class MissingRuns(NamedTuple):
    """Missing runs of one side. ``disturbed_by``: other running deployments on its host."""

    result: Result
    runs: int
    disturbed_by: Sequence[Deployment]


class MoreRuns(NamedTuple):
    """``text``: missing runs for the first metric, "" for none. ``sides``: those that can be
    launched here. ``has_enough``: the existing repeats give an interval when included."""

    text: str
    sides: Sequence[MissingRuns] = ()
    has_enough: bool = False

    @property
    def of_each(self) -> int | None:
        counts = {side.runs for side in self.sides}
        return counts.pop() if len(counts) == 1 and len(self.sides) > 1 else None

    @property
    def disturbed(self) -> list[MissingRuns]:
        return [side for side in self.sides if side.disturbed_by]

    @property
    def total(self) -> int:
        return sum(side.runs for side in self.sides)


def more_runs(comparison: Comparison, repeated: Sequence[Sequence[Result]]) -> MoreRuns:
    """Return the missing runs of ``comparison``; ``repeated`` are its columns with all
    undisturbed repeats."""
    settle, columns = comparison.settle, comparison.columns
    if settle is None:  # the statement on two evaluations has their missing questions
        return MoreRuns("")
    if alone := [column.head for column in columns if not column.head.fingerprint]:
        imported = _("%(name)s has no repeats. Unknown: %(parts)s. Declare them on its page.")
        own = _("More runs of %(name)s cannot be grouped as repeats. Unknown: %(parts)s.")
        texts = (
            (own if one.imported_id is None else imported)
            % {"name": result_name(one), "parts": unknown_words(one)}
            for one in alone
        )
        return MoreRuns(" ".join(texts))
    each = list(settle.each)
    if len({_key(column.head) for column in columns}) == 1:
        return MoreRuns("")  # single repeats of one measurement: no difference to test
    if settle.is_first:
        each = _without_what_exists(comparison, settle.each, repeated)
        if not any(each):
            text = _("Three or more runs of each exist. Include repeats for an interval.")
            return MoreRuns(text, has_enough=True)
    pairs = zip(columns, each, strict=False)
    lacking = [(column.head, lacked) for column, lacked in pairs if lacked]
    text = _missing_text(each, lacking, is_first=settle.is_first)
    if max(each, default=0) > LAUNCHED_MOST:
        return MoreRuns(text)
    beside = disturbers([head for head, _lacked in lacking])
    sides = [
        MissingRuns(head, lacked, beside.get(head.pk, ()))
        for head, lacked in lacking
        if head.imported_id is None  # measured elsewhere
    ]
    return MoreRuns(text, sides)


def _without_what_exists(
    comparison: Comparison, each: Sequence[int], repeated: Sequence[Sequence[Result]]
) -> list[int]:
    """Return the missing runs of each column with all undisturbed repeats included. Of columns that
    are repeats of each other, only the first counts."""
    counted_runs = [[run for run in runs if run.counts] for runs in repeated]
    numbers = [len(runs) for runs in counted_runs]
    if (at := comparison.concurrency) is not None:  # with the compared metric
        metric = comparison.rows[0].metric
        metric = RATE if metric.startswith(RATE) else metric  # stored without a unit
        ids = [[run.pk for run in runs] for runs in counted_runs]
        points = read_points((pk for own in ids for pk in own), [at])
        numbers = [len(values_at(points, own, metric, at)) for own in ids]
    exist = {_key(runs[0]): n for runs, n in zip(repeated, numbers, strict=True)}
    missing: list[int] = []
    counted: set[str] = set()
    for column, lacked in zip(comparison.columns, each, strict=True):
        key = _key(column.head)
        missing.append(0 if key in counted else min(lacked, max(0, LEAST_RUNS - exist.get(key, 0))))
        counted.add(key)
    return missing


def _key(result: Result) -> str:
    return result.fingerprint or f"#{result.pk}"


def _missing_text(
    each: Sequence[int], lacking: Sequence[tuple[Result, int]], *, is_first: bool
) -> str:
    if not lacking:
        return _("No significant difference (95 % interval includes 0).")
    most = max(each)
    is_equal = all(lacked == most for lacked in each)
    named = _(", ").join(
        _("%(n)s of %(name)s") % {"n": lacked, "name": result_name(head)}
        for head, lacked in lacking
    )
    if is_first and is_equal:
        text = ngettext(
            "No interval: three runs of each are needed, %(n)s more of each.",
            "No interval: three runs of each are needed, %(n)s more of each.",
            most,
        )
    elif is_first:
        text = _("No interval: three runs of each are needed. Missing: %(named)s.")
    elif most > _RUNS_WORTH:
        text = _(
            "No significant difference (95 %% interval includes 0). Significance would need about"
            " %(n)s more runs of each (power 80 %%)."
        )
    elif not is_equal:
        text = _(
            "No significant difference (95 %% interval includes 0). Needed if the difference stays"
            " (power 80 %%), about: %(named)s."
        )
    else:
        text = ngettext(
            "No significant difference (95 %% interval includes 0). Needed if the difference stays:"
            " about %(n)s more run of each (power 80 %%).",
            "No significant difference (95 %% interval includes 0). Needed if the difference stays:"
            " about %(n)s more runs of each (power 80 %%).",
            most,
        )
    return text % {"n": most, "named": named}


urlpatterns: list[URLPattern] = [
    path("compare/", compare_results, name="result-compare"),
    path("compare/more/", run_more, name="result-run-more"),
    path("tables/", result_tables, name="result-tables"),
]
