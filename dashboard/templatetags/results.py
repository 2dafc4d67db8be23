"""Metrics of results: ``{% load results %}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext, pgettext

from dashboard.charts import forest
from dashboard.charts.series import Series, throughput
from dashboard.charts.series import measured as was_measured
from dashboard.pages.shared.verdict import NO_MARKS, Marks
from dashboard.pages.shared.words import (
    PairedWords,
    change_texts,
    failed_text,
    interval_text,
    lengths_texts,
    paired_words,
    runs_text,
)
from dashboard.templatetags.ui import icon, num
from dashboard.text.formatting import number, percent
from dashboard.text.labels import (
    cell_marks,
    host_word,
    metric_text,
    phrase,
    point_marks,
    result_name,
    stack_name,
)
from jobs.kinds import KINDS
from jobs.kinds.lib.vllm import Offline
from jobs.models import Job, Result
from jobs.queries.comparison.compared_settings import text_of
from jobs.queries.comparison.comparison import Cell, Change
from jobs.queries.comparison.engine_settings import NO, YES
from jobs.queries.comparison.pairing import Paired
from jobs.queries.jobs.job_page import progress_of
from jobs.queries.jobs.running_accuracy import Standing, whole_standing
from jobs.queries.matrices import CellView
from jobs.queries.results import results as queries
from jobs.queries.results.curve import RATE
from jobs.statistics import Interval

register = template.Library()


@register.filter
def at(metrics: Mapping[str, Any], name: str) -> Any:
    """Return the value of a metric; None: not measured."""
    return metrics.get(name)


@register.simple_tag(name="paired_words")
def words_of_pair(pair: Paired, is_barred: bool) -> PairedWords:
    """Return how many answers changed between two evaluations, in words."""
    return paired_words(pair, is_barred=is_barred)


@register.filter(name="cell_marks")
def marks_of_cell(cell: CellView) -> tuple[str, ...]:
    """Return what limits the number of a cell of a matrix."""
    return cell_marks(cell)


@register.filter
def marked(marks: Mapping[int, Marks], result: Result) -> Marks:
    """Return the marks of a result in a list."""
    return marks.get(result.pk, NO_MARKS)


@register.simple_tag
def mark_stamps(mark: Marks, *, without_tags: bool = False) -> SafeString:
    """Return tags, baseline mark and verdict of a result. A row shows them twice, wide and narrow,
    so it stores them with ``as``."""
    added, parts = mark.added, []
    if added.is_baseline:
        star = icon("star", small=True)
        parts.append(format_html('<span class="stamp base">{}{}</span>', star, gettext("baseline")))
    if added.sign_offs:
        purposes = gettext("; ").join(row.purpose for row in added.sign_offs)
        text = '<span class="stamp good" title="{}">{}{}</span>'
        seal = icon("certificate", small=True)
        parts.append(format_html(text, purposes, seal, gettext("released")))
    if mark.word:
        text = '<span class="stamp {}" title="{}">{}</span>'
        parts.append(format_html(text, mark.css, mark.hint, mark.word))
    if added.notes:
        hint = ngettext("%(n)s note", "%(n)s notes", added.notes) % {"n": added.notes}
        text = '<span class="stamp line" title="{}">{}<span class="vh">{} </span>{}</span>'
        word, bubble = pgettext("of a result", "Notes"), icon("message-circle", small=True)
        parts.append(format_html(text, hint, bubble, word, added.notes))
    for tag in () if without_tags else added.tags:
        address = f"{reverse('result-list')}?tag={quote(tag.name, safe='')}"
        parts.append(format_html('<a class="stamp tagged" href="{}">{}</a>', address, tag.name))
    return mark_safe("\n".join(parts))  # noqa: S308 -- each part is escaped


@register.filter
def reached(job: Job) -> Mapping[str, Any]:
    """Return a job's progress, see ``jobs.queries.jobs.job_page.progress_of``."""
    return progress_of(job)


@register.simple_tag
def value(name: str, metrics: Mapping[str, Any]) -> SafeString:
    """Return a metric's number for a table, with the unit in the heading."""
    figure = metrics.get(name)
    if figure is None:
        return format_html('<span class="dim">{}</span>', gettext("n/a"))
    return format_html('<span class="num">{}</span>', metric_text(name, figure)[0])


@register.simple_tag
def cell(name: str, result: Result) -> SafeString:
    """Return a metric for the result list; "" when results of this type have no such metric."""
    figure = result.metrics.get(name)
    if name == "concurrency" and figure is None and result.type == Result.Type.BENCHMARK:
        return _no_concurrency(result)
    is_batch = "batch_latency_mean_s" in result.metrics
    if figure is None and (
        is_batch or (result.type == Result.Type.EVALUATION) != (name == "accuracy")
    ):
        return mark_safe("")
    return value(name, result.metrics)


def _no_concurrency(result: Result) -> SafeString:
    text, why = "–", gettext("The tool reports no concurrency.")
    if result.job is not None and isinstance(KINDS.get(result.job.kind), Offline):
        text = gettext("offline")
        why = gettext("Measured without a server: all requests at once, or one batch.")
    return format_html('<span class="dim" title="{}">{}</span>', why, text)


@register.simple_tag
def bare(name: str, figure: float | None) -> SafeString:
    """Return a metric's value without the unit, which stands after the metric's name."""
    return value(name, {name: figure})


@register.simple_tag
def unit_of(name: str) -> SafeString:
    """Return the unit of a metric, small and grey, unless its name includes the unit."""
    unit = metric_text(name, 0.5)[1]
    if unit not in ("ms", "s", "%"):  # names of rates and counts include the unit
        return mark_safe("")
    return format_html('<span class="u">{}</span>', unit)


@register.simple_tag
def failed(metrics: Mapping[str, Any]) -> SafeString:
    """Return failed requests of all sent requests: "2 of 36"."""
    text = failed_text(metrics)
    return format_html('<span class="num">{}</span>', text) if text else num(None)


@register.simple_tag
def share(interval: Interval) -> SafeString:
    """Return a share in per cent with its 95 % interval: "46.20 [41.02, 51.44]"."""
    return format_html(
        '<span class="num">{}</span> <span class="pm num">[{}, {}]</span>',
        percent(interval.value),
        percent(interval.low),
        percent(interval.high),
    )


@register.simple_tag
def share_bounds(interval: Interval) -> str:
    """Return the bounds of a share in per cent: "41.02, 51.44"."""
    return f"{percent(interval.low)}, {percent(interval.high)}"


@register.inclusion_tag("jobs/_running_accuracy.html")
def running_accuracy(job: Job) -> dict[str, Any]:
    """Return the current accuracy of a running evaluation; nothing for other jobs."""
    one = whole_standing(job) if job.state == Job.State.RUNNING else None
    return {"one": one if one and one.accuracy else None}


@register.simple_tag
def standing_share(one: Standing) -> SafeString:
    """Return a share like :func:`share`, without an interval while only some sets are scored."""
    if one.accuracy is None:
        return mark_safe("")
    if not one.is_partial:
        return share(one.accuracy)
    return format_html('<span class="num">{}</span>', percent(one.accuracy.value))


@register.simple_tag
def lengths(result: Result) -> SafeString:
    """Return token lengths: "requested 1,024 → 1,024", below "measured 1,019 → 272".

    "" when both are unknown.
    """
    asks, was = lengths_texts(result)
    if not asks:
        return format_html('<span class="num">{}</span>', was) if was else mark_safe("")
    return format_html('<span class="num">{}</span> <span class="sub num">{}</span>', asks, was)


@register.simple_tag
def interval_of(interval: Interval | Literal[""] | None, name: str) -> SafeString:
    """Return the interval of a mean of the metric ``name`` as "[41.02, 51.44]"; "" without
    one."""
    if not interval:
        return mark_safe("")
    return format_html('<span class="pm num">{}</span>', interval_text(interval, name))


@register.simple_tag
def compared(figure: Cell, name: str, *, grouped: bool) -> SafeString:
    """Return a number of a comparison with its interval; for a group with its number of runs."""
    text = format_html('<b class="b">{}</b>', bare(name, figure.value))
    if figure.value is None:
        return text
    if not grouped:
        return format_html("{} {}", text, interval_of(figure.interval, name))
    return format_html(
        '{} {} <span class="pm num">{}</span>',
        text,
        interval_of(figure.interval, name),
        runs_text(figure.runs),
    )


@register.simple_tag
def delta(change: Change, name: str) -> SafeString:
    """Return a difference of the metric ``name``: signed size, interval, better or worse; a dash
    without comparability.
    """
    size, details = change_texts(change, name)
    css = change.verdict if change.verdict in ("better", "worse", "noise") else ""
    if change.absolute is None or change.verdict == "same":
        return format_html('<span class="delta">{}</span>', size)
    return format_html('<span class="delta {}"><b>{}</b><i>{}</i></span>', css, size, details)


@register.simple_tag
def result_figure(result: Result) -> dict[str, Any] | None:
    """Return the main chart of a result: ``{"figure", "height"}``.

    None for a batch and for a single concurrency: a single dot adds nothing to the numbers.
    """
    if result.type == Result.Type.EVALUATION:
        figure = forest.categories(queries.categories(result), queries.accuracy(result))
        return {"figure": figure, "height": figure.height}
    points = queries.point_rows(result)
    series = [Series(result_name(result), points, marks=point_marks([(result, points)]))]
    if len(series[0].points) < 2 or not was_measured(series, RATE):
        return None
    return {"figure": throughput(series), "height": 200}


@register.simple_tag
def result_accuracy(result: Result) -> Interval | None:
    """Return an evaluation's accuracy with its interval."""
    return queries.accuracy(result)


@register.simple_tag
def count(parameters: int) -> SafeString:
    """Return a large count in short form: 134.5 M, 1.5 B."""
    size, unit = (parameters / 1e9, "B") if parameters >= 1e9 else (parameters / 1e6, "M")
    return format_html('<span class="num">{}<span class="u">{}</span></span>', number(size), unit)


@register.simple_tag
def setting(raw: Any, name: str) -> str:
    """Return a value of the form field ``name`` as text: "1, 2, 4"."""
    return setting_text(text_of(raw), name)


@register.filter
def setting_text(text: str, name: str) -> str:
    """Return the value of the setting ``name`` in a comparison as text."""
    if name == "host":
        return host_word(text)
    if name == "stack":
        return stack_name(text)
    if name == "seed" and not text:
        return gettext("new for each concurrency and run")
    if name == "limit" and text == "0":  # of questions; 0 asks all
        return gettext("none")
    if name in ("precision", "what"):
        return phrase(text)
    return {YES: gettext("yes"), NO: gettext("no")}.get(text, text)


@register.simple_tag
def series_key(index: int) -> SafeString:
    """Return the line and symbol of result ``index`` of a page, from 0; styled by results.css."""
    shapes = (
        '<circle cx="17" cy="5" r="4"/>',
        '<rect x="13" y="1" width="8" height="8"/>',
        '<path d="M17 0l5 5-5 5-5-5z"/>',
        '<path d="M17 0l5 9h-10z"/>',
        '<path d="M17 0l1.5 3.5 3.5.5-2.5 2.5.5 3.5-3-2-3 2 .5-3.5-2.5-2.5 3.5-.5z"/>',
        '<path d="M14.5 0h5l2.5 5-2.5 5h-5l-2.5-5z"/>',
        '<path d="M12 1h10l-5 9z"/>',
        '<path d="M17 0l5 4-2 6h-6l-2-6z"/>',
    )
    return mark_safe(  # noqa: S308 -- from numbers and shapes of ours
        f'<svg class="lk s{index + 1}" viewBox="0 0 34 10" aria-hidden="true">'
        f'<line x1="0" x2="34" y1="5" y2="5"/>{shapes[index]}</svg>'
    )
