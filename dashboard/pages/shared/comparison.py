"""Comparison of results: columns read and checked, charts, verdicts and differences in words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from django.utils.translation import gettext as _

from dashboard.charts import curves as lines
from dashboard.charts.curves import CurveRun, Series
from dashboard.charts.figure_parts import Figure
from dashboard.pages.shared.words import gap_bounds, part_text, part_title, setting_text
from dashboard.text.formatting import change_text, cut_in_middle, full_moment, number, p_text
from dashboard.text.labels import (
    host_word,
    metric_label,
    metric_text,
    point_marks,
    result_name,
    setting_title,
)
from jobs.base import grouped
from jobs.metrics import METRICS
from jobs.models import Result
from jobs.queries.comparison.accuracy import Paired
from jobs.queries.comparison.comparison import MOST, Change, ComparedColumn, Comparison
from jobs.queries.comparison.settings import SettingDifference
from jobs.queries.results.curve import RATE
from jobs.queries.results.repeats import MOST as MOST_RUNS

BATCH = "batch_latency_mean_s"
CHART = 280  # pixels
MOST_TOLD, _LONGEST_TOLD = 2, 36  # settings in the name of a column; characters of a setting
_TOLD_ALONE = ("device", "host", "model", "precision", "tool", "stack", "deployment", "what")
_LAST_TOLD = ("what", "deployment")  # long texts, which tell less than any other setting
# Fields that only the first run of a column needs.
_LARGE = ("identity", "run_context", "remarks", "asked", "verdicts")


def read_groups(
    wanted: Sequence[Sequence[int]], *, heads_only: bool = False
) -> tuple[list[list[Result]], list[int]]:
    """Return runs by column, and missing ids. ``heads_only``: others lack large fields."""
    rows = Result.objects.select_related(
        *("host", "job", "deployment__job", "endpoint", "imported__declared_by", "created_by")
    )
    numbers = list(dict.fromkeys(pk for group in wanted for pk in group))
    if heads_only:
        results = Result.objects.defer(*_LARGE).in_bulk(numbers)
        heads = [next((pk for pk in group if pk in results), None) for group in wanted]
        results |= rows.in_bulk([pk for pk in heads if pk is not None])
    else:
        results = rows.in_bulk(numbers)
    groups = [[results[pk] for pk in group if pk in results] for group in wanted]
    return [runs for runs in groups if runs], [pk for pk in numbers if pk not in results]


def problem_of(groups: Sequence[Sequence[Result]], *, of_one_measurement: bool = False) -> str:
    """Return why the groups cannot be compared, or "". ``of_one_measurement``: repeats may be
    split into sides, such as those of yesterday and of today."""
    results = [result for runs in groups for result in runs]
    if len(groups) == 1 and len(groups[0]) > 1:
        return _("All are repeats of one measurement. The result page shows the mean.")
    if len(groups) < 2:
        return _("Select at least two results in the list.")
    if len(groups) > MOST:
        text = _("%(n)s results are selected. At most %(most)s can be compared.")
        return text % {"n": len(groups), "most": MOST}
    if len({result.type for result in results}) > 1:
        return _("A benchmark and an evaluation have no common metrics.")
    if len({result.pk for result in results}) < len(results):
        return _("A run is selected twice. Select each run once.")
    for runs in groups:
        for run in runs[1:]:
            if not run.fingerprint or run.fingerprint != runs[0].fingerprint:
                text = _("%(a)s and %(b)s are not repeats. Compare as runs.")
                return text % {"a": result_name(runs[0]), "b": result_name(run)}
    everyone = [runs[0].fingerprint for runs in groups]
    if not of_one_measurement and any(
        len(runs) > 1 and everyone.count(runs[0].fingerprint) > 1 for runs in groups
    ):
        return _("Two groups are repeats of one measurement. Compare as runs.")
    return ""


def with_repeats(
    groups: list[list[Result]], others: Mapping[str, Sequence[Result]]
) -> list[list[Result]]:
    """Return each selected run with its undisturbed repeats; repeats of one measurement form one
    group. ``others`` are the repeats that are in no group, by identity."""
    shown = {run.pk: run for runs in groups for run in runs}
    found: dict[Any, list[Result]] = {}
    for runs in groups:
        head = runs[0]
        key = head.fingerprint or head.pk
        if key not in found:
            alike = [run for run in shown.values() if run.fingerprint == head.fingerprint != ""]
            known = [*alike, *others.get(head.fingerprint, ())]
            repeats = [run for run in known if run.counts and run.pk != head.pk]
            repeats.sort(key=lambda run: (run.created_at, run.pk))
            found[key] = [head, *repeats[: MOST_RUNS - 1]]
    return list(found.values())


def distinctions(comparison: Comparison, shown: Callable[[str], str] = str) -> list[str]:
    """Return what tells each column apart, such as "va16-01, int8"; "" if nothing does. ``shown``:
    changes each value."""
    differing = {one.name: one for one in comparison.settings if one.differs}
    for name in _LAST_TOLD:
        if len(differing) > 1:
            differing.pop(name, None)
    if "device" in differing:  # a device is known of few, a host of most
        differing.pop("host", None)
    texts = []
    for index, head in enumerate(comparison.heads):
        told = {name: one.values[index] for name, one in differing.items()}
        if "device" in told and not told["device"] and head.host:
            told["device"] = host_word(head.host.name)
        parts = [_told(name, value, shown) for name, value in told.items() if value][:MOST_TOLD]
        texts.append(_(", ").join(parts))
    return texts


def _told(name: str, value: str, shown: Callable[[str], str]) -> str:
    text = cut_in_middle(shown(setting_text(value, name)), _LONGEST_TOLD)
    return text if name in _TOLD_ALONE else f"{setting_title(name)} {text}"


def column_names(comparison: Comparison, shown: Callable[[str], str] = str) -> list[str]:
    """Return the names of the columns with what tells them apart."""
    pairs = zip(comparison.columns, distinctions(comparison, shown), strict=True)
    return [named(column.runs, text) for column, text in pairs]


def named(runs: Sequence[Result], label: str) -> str:
    """Return the name of a result or a group with what tells it apart: "res-12 × 3 (int8)"."""
    name = result_name(runs[0]) + (f" × {len(runs)}" if len(runs) > 1 else "")
    return _("%(result)s (%(label)s)") % {"result": name, "label": label} if label else name


class Chart(NamedTuple):
    """Chart of a page or a report. ``name``: its id on the page and in an address; ``label``: its
    content in words; ``height``: pixels."""

    name: str
    title: str
    figure: Figure
    label: str
    caption: str = ""
    height: int = 240


def charts(comparison: Comparison, names: Sequence[str], rate: str = RATE) -> list[Chart]:
    """Return the charts of benchmarks, the most telling first; none of batches. ``names``: those of
    the columns; ``rate``: the output rate in a unit."""
    # Saved images have no page around them.
    models = [head.model_id for head in comparison.heads]
    full = {
        name: _(", ").join(dict.fromkeys((name, model))) if len(set(models)) > 1 else name
        for name, model in zip(names, models, strict=True)
    }
    pairs = zip(comparison.columns, names, strict=True)
    series = [_series(column, name, rate) for column, name in pairs]
    if not lines.measured(series, RATE):
        return []

    def chart(name: str, title: str, label: str, figure: Figure, caption: str = "") -> Chart:
        layout = {**figure.layout, "meta": {"names": full}}
        return Chart(name, title, replace(figure, layout=layout), label, caption, CHART)

    found, unit = [], {"unit": metric_text(rate, 0.5)[1]}
    if lines.measured(series, rate):
        title = _("Throughput vs concurrency")
        label = _("Output in %(unit)s vs concurrency, one line per result") % unit
        found.append(chart("throughput", title, label, lines.throughput(series, rate)))
    if lines.measured(series, "ttft_p50_ms"):
        title, note = _("Time to first token (TTFT)"), _("p50 bold, p99 thin")
        figure = lines.percentiles("ttft", series)
        found.append(chart("ttft", title, _("TTFT vs concurrency, p50 and p99"), figure, note))
    if lines.measured(series, "tpot_p50_ms") and lines.measured(series, rate):
        title, label = (
            _("Throughput vs interactivity"),
            _("Output in %(unit)s vs tok/s per user") % unit,
        )
        # Rates of different workloads do not compare.
        is_one = len(series) > 1 and len({head.what for head in comparison.heads}) == 1
        figure = lines.interactivity(series, rate, has_frontier=is_one)
        note = lines.interactivity_note(has_frontier=is_one)
        found.append(chart("interactivity", title, label, figure, note))
    return found


def _series(column: ComparedColumn, name: str, rate: str) -> Series:
    runs = list(zip(column.runs, column.own, strict=True))
    return Series(
        name,
        column.points,
        marks=point_marks(runs),
        intervals={
            (concurrency, name): interval
            for concurrency, _metrics in column.points
            for name in (rate, *lines.statistics("ttft"))
            if (interval := column.interval(name, concurrency))
        },
        results={c: run.pk for run, points in reversed(runs) for c, _metrics in points},
        runs=[
            CurveRun(result_name(run), points, is_disturbed=not run.counts, result=run.pk)
            for run, points in runs
            if len(runs) > 1
        ],
    )


def conclusion(comparison: Comparison, names: Sequence[str] = ()) -> str:
    """Return the verdict on the first metric, for the column with the largest difference.
    ``names``: those of the columns; empty: ``column_names``."""
    changes = _changes(comparison)
    if not changes:
        return _("No common metrics")
    comparable = [item for item in changes if item[1].verdict != "not_comparable"] or changes
    index, change = max(comparable, key=lambda item: abs(item[1].absolute or 0))
    return _verdict_words(comparison, index, change, names)


def conclusions(comparison: Comparison, names: Sequence[str] = ()) -> list[str]:
    changes = _changes(comparison)
    return [_verdict_words(comparison, index, change, names) for index, change in changes]


def _changes(comparison: Comparison) -> list[tuple[int, Change]]:
    """Return the changes of the first metric with the index of the column of each."""
    main = comparison.rows[0] if comparison.rows else None
    if main is None or main.base is None:
        return []
    changes = enumerate(main.changes, 1)
    return [(index, change) for index, change in changes if change.value is not None]


def _verdict_words(comparison: Comparison, index: int, change: Change, names: Sequence[str]) -> str:
    base, column = comparison.columns[0], comparison.columns[index]
    metric, names = comparison.rows[0].metric, names or column_names(comparison)
    args: dict[str, Any] = {
        "name": names[index],
        "base": names[0],
        "metric": metric_label(metric).lower(),
        "size": _("equal") if change.is_equal else size_of(change, metric),
        "concurrency": comparison.concurrency,
        "interval": interval_of(change, metric),
        "runs": len(column.runs),
        "base_runs": len(base.runs),
    }
    if change.verdict == "not_comparable" and _is_unchecked(comparison):
        return _("%(name)s vs %(base)s: not judged, workload of the import unknown") % args
    if change.verdict == "not_comparable":
        return _("%(name)s vs %(base)s: not comparable, different workloads") % args
    if metric == BATCH:
        args["change"] = _("%(metric)s %(size)s for a batch of %(concurrency)s") % args
    elif comparison.concurrency is None:
        args["change"] = _("%(metric)s %(size)s") % args
    else:
        args["change"] = _("%(metric)s %(size)s at concurrency %(concurrency)s") % args
    if change.verdict == "" and change.low is None:
        text = _(
            "%(name)s vs %(base)s: %(change)s, no interval with %(runs)s and %(base_runs)s runs"
        )
        if len(column.runs) == len(base.runs) == 1:
            text = _("%(name)s vs %(base)s: %(change)s, one run each: no interval")
    elif change.verdict == "cannot_tell" and not change.is_short:
        text = _(
            "%(name)s vs %(base)s: %(change)s, no significant difference "
            "(95 %% interval %(interval)s includes 0)"
        )
    elif column.head.fingerprint and column.head.fingerprint == base.head.fingerprint:
        text = _("%(name)s vs %(base)s, repeats of one measurement: %(change)s")
    elif change.is_short:
        text = _(
            "%(name)s vs %(base)s: %(change)s, too few runs for an interval "
            "(%(runs)s vs %(base_runs)s)"
        )
    else:
        text = _(
            "%(name)s vs %(base)s: %(change)s, significant difference (95 %% interval %(interval)s)"
        )
    is_declared = any(side.head.imported_id for side in (base, column))
    return _("%(verdict)s, as declared") % {"verdict": text % args} if is_declared else text % args


def declared_words(comparison: Comparison, *, has_people: bool = True) -> str:
    """Return on whose words a verdict with an import rests; "" without one."""
    heads = [
        column.head
        for index, column in enumerate(comparison.columns)
        if column.head.imported_id and index not in comparison.barred
    ]
    if not heads or len(comparison.barred) == len(comparison.columns) - 1:
        return ""
    told = []
    for head in heads:
        row = head.imported
        if row is not None and row.declared_at is not None:
            name = row.declared_by if has_people else None
            args = {"result": result_name(head), "name": name or "–"}
            args["at"] = full_moment(row.declared_at)
            told.append(_("%(result)s by %(name)s on %(at)s") % args)
    text = _("As declared: workload, engine and device of imports are not measured (%(who)s).")
    return text % {"who": _("; ").join(told)}


def size_of(change: Change, metric: str, points: str = "") -> str:
    """Return a signed change: "+20.2 %", "−1.4 points", "× 40.6"; with the unit without a ratio.
    ``points``: the text for a difference of shares, "%(n)s points" by default."""
    return _sized(change.size, change, metric, points)


def interval_of(change: Change, metric: str, points: str = "") -> str:
    """Return the 95 % interval of a change, "[+12.1 %, +28.3 %]"; "" without one."""
    if change.low is None or change.high is None:
        return ""
    low, high = (_sized(bound, change, metric, points) for bound in (change.low, change.high))
    return f"[{low}, {high}]"


def _sized(value: float | None, change: Change, name: str, points: str) -> str:
    """Return a difference, or a bound of its interval, in the unit of ``change``."""
    size, metric = value or 0.0, METRICS.get(name)
    if change.relative is not None:
        return change_text(size)
    if metric is None or metric.unit == "%":
        return (points or _("%(n)s points")) % {"n": number(100 * size, 2, signed=True)}
    if metric.is_count:
        # Counts, such as failed requests: a mean of several runs may have decimals.
        return number(size, 0 if float(size).is_integer() else 1, signed=True)
    # No ratio for a rate of 0.
    return f"{number(float(size), signed=True)} {metric_text(name, 0.5)[1]}".rstrip()


def change_texts(change: Change, name: str) -> tuple[str, str]:
    """Return size, then interval and verdict of a difference; a dash if not comparable."""
    if change.value is None:
        return _("not measured"), ""
    if change.is_equal:
        return _("equal"), ""
    if change.absolute is None:
        return "–", ""
    labels = {
        "better": _("better"),
        "worse": _("worse"),
        "cannot_tell": _("too few runs") if change.is_short else _("not significant"),
    }
    points = _("%(n)s pt")
    details = f"{interval_of(change, name, points)} {labels.get(change.verdict, '')}"
    return size_of(change, name, points), details.strip()


def _is_unchecked(comparison: Comparison) -> bool:
    """Return True if only an import's unknown workload stands in the way of a verdict."""
    is_imported = any(head.imported_id for head in comparison.heads)
    return is_imported and all(barrier.is_unknown for barrier in comparison.barriers)


def barred_words(comparison: Comparison) -> str:
    """Return which columns are not comparable; "" when all are."""
    if not comparison.barred:
        return ""
    if _is_unchecked(comparison):
        return _(
            "Not judged: the workload of an imported result is unknown. Declare it on its page."
        )
    if len(comparison.barred) == len(comparison.columns) - 1:
        return _("Not comparable: different workloads.")
    names = _names([comparison.columns[index].head for index in sorted(comparison.barred)])
    text = _("Not comparable with %(base)s: %(names)s. Different workloads.")
    return text % {"names": names, "base": result_name(comparison.columns[0].head)}


def barrier_words(barrier: SettingDifference, heads: Sequence[Result]) -> str:
    """Return a difference in workload: "Requests: 50 / 100"; of a checksum only its name. More than
    two columns are grouped by value: "64 tokens (res-1, res-2), 48 tokens (res-3)"."""
    if barrier.is_unknown:
        return _("Unknown: %(name)s") % {"name": part_title(barrier.name)}
    is_many = len(heads) > 2
    if barrier.is_checksum:
        titles = {
            "questions_sha256": _("Different question sets"),
            "scorer_sha256": _("Different scoring rules"),
        }
        title = titles.get(barrier.name, _("Different data sets"))
        pairs = zip(heads, barrier.values, strict=True)
        others = [head for head, value in pairs if value != barrier.values[0]]
        return f"{title}{_(': ')}{_names(others)}" if is_many else title
    title = metric_label(barrier.name) if barrier.is_metric else part_title(barrier.name)
    values = []
    for value in barrier.values:
        if value is None:
            values.append(_("unknown"))
        elif barrier.is_metric:
            values.append(" ".join(filter(None, metric_text(barrier.name, value))))
        else:
            values.append(part_text(barrier.name, value))
    if not is_many:
        return f"{title}{_(': ')}{' / '.join(values)}"
    parts = [
        _("%(value)s (%(jobs)s)") % {"value": text, "jobs": _names(those)}
        for text, those in grouped(zip(values, heads, strict=True)).items()
    ]
    return f"{title}{_(': ')}{_(', ').join(parts)}"


def _names(results: Sequence[Result]) -> str:
    return _(", ").join(map(result_name, results))


class PairedWords(NamedTuple):
    """Words on two evaluations by question; ``verdict`` is "" where they are not comparable."""

    common: str
    changed: str
    verdict: str


def paired_words(paired: Paired, *, is_barred: bool) -> PairedWords:
    """Return how many answers changed between two evaluations, and what that shows."""
    args = {"n": paired.answers, "both": paired.both, "neither": paired.neither}
    if paired.p is None:
        text = _("%(n)s common answers: %(both)s correct in both, %(neither)s in neither")
    else:
        text = _("%(n)s common questions: %(both)s correct in both, %(neither)s in neither")
    common = text % args
    if not paired.is_whole:
        common += f" {_('(different question sets: common questions only)')}"
    changed = _("%(gained)s fixed, %(lost)s regressed.")
    changed %= {"gained": paired.only_other, "lost": paired.only_base}
    if is_barred:
        return PairedWords(common, changed, "")
    shown = gap_bounds(paired.gap)
    if paired.p is not None:
        verdict = _("Significant difference (95 %% interval excludes 0):")
        if paired.gap.includes_zero:
            verdict = _("No significant difference (95 %% interval includes 0):")
        shown += f"{_(', ')}{p_text(paired.p)} {_('(McNemar, exact)')}"
    elif paired.gap.includes_zero:
        verdict = _("Mean scores do not differ significantly (95 %% interval includes 0):")
    else:
        verdict = _("Mean scores differ significantly (95 %% interval excludes 0):")
    return PairedWords(common, changed, f"{verdict % {}} {shown}{_('.')}")
