"""Numbers of results: ``{% load results %}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext

from dashboard.charts import accuracy, throughput
from dashboard.charts.series import Series
from dashboard.charts.series import measured as was_measured
from dashboard.templatetags.ui import num
from dashboard.text.formatting import change_text, number, percent
from dashboard.text.labels import host_word, metric_text, phrase, stack_name
from jobs.kinds.lib.lengths import INPUT, OUTPUT, measured
from jobs.metrics import METRICS
from jobs.models import Job, Result
from jobs.queries.comparison.compared_settings import text_of
from jobs.queries.comparison.comparison import Cell, Change
from jobs.queries.comparison.engine_settings import NO, YES
from jobs.queries.jobs.job_page import progress_of
from jobs.queries.jobs.running_accuracy import Standing, whole_standing
from jobs.queries.results import results as queries
from jobs.queries.statistics import Interval

register = template.Library()


@register.filter
def at(metrics: Mapping[str, Any], name: str) -> Any:
    """The value of a metric; None where it was not measured."""
    return metrics.get(name)


@register.filter
def reached(job: Job) -> Mapping[str, Any]:
    """How far a job is, see ``jobs.queries.jobs.job_page.progress_of``."""
    return progress_of(job)


@register.simple_tag
def value(name: str, metrics: Mapping[str, Any]) -> SafeString:
    """A metric's number for a table: the unit stands in the head."""
    found = metrics.get(name)
    if found is None:
        return format_html('<span class="dim">{}</span>', gettext("n/a"))
    return format_html('<span class="num">{}</span>', metric_text(name, found)[0])


@register.simple_tag
def cell(name: str, result: Result) -> SafeString:
    """A metric in the list of results; nothing where results of this sort have none such."""
    found = result.metrics.get(name)
    is_batch = "batch_latency_mean_s" in result.metrics
    if found is None and (
        is_batch or (result.sort == Result.Sort.EVALUATION) != (name == "accuracy")
    ):
        return mark_safe("")
    return value(name, result.metrics)


@register.simple_tag
def bare(name: str, found: float | None) -> SafeString:
    """A value of a metric without its unit, which stands at the metric's name."""
    return value(name, {name: found})


@register.simple_tag
def unit_of(name: str) -> SafeString:
    """The unit of a metric, small and grey after its name, where the name does not tell it."""
    unit = metric_text(name, 0.5)[1]
    if unit not in ("ms", "s", "%"):  # rates and counts have it in their names
        return mark_safe("")
    return format_html('<span class="u">{}</span>', unit)


@register.simple_tag
def failed(metrics: Mapping[str, Any]) -> SafeString:
    """Failed requests of all that were sent: "2 of 36"."""
    found, completed = (
        metrics.get(f"{name}_all", metrics.get(name)) for name in ("failed_requests", "requests")
    )
    if found is None or completed is None:
        return num(found, decimals=0)
    words = {"n": number(int(found)), "total": number(int(found + completed))}
    return format_html('<span class="num">{}</span>', gettext("%(n)s of %(total)s") % words)


@register.simple_tag
def share(interval: Interval) -> SafeString:
    """A share in per cent with its 95 % interval: "46.20 [41.02, 51.44]"."""
    return format_html(
        '<span class="num">{}</span> <span class="pm num">[{}, {}]</span>',
        percent(interval.value),
        percent(interval.low),
        percent(interval.high),
    )


@register.inclusion_tag("jobs/_running_accuracy.html")
def running_accuracy(job: Job) -> dict[str, Any]:
    """The accuracy so far of an evaluation that runs; nothing for other jobs."""
    one = whole_standing(job) if job.state == Job.State.RUNNING else None
    return {"one": one if one and one.accuracy else None}


@register.simple_tag
def standing_share(one: Standing) -> SafeString:
    """As :func:`share`; without an interval while it would be that of some sets alone."""
    if one.accuracy is None:
        return mark_safe("")
    if not one.is_partial:
        return share(one.accuracy)
    return format_html('<span class="num">{}</span>', percent(one.accuracy.value))


@register.simple_tag
def lengths(result: Result) -> SafeString:
    """Tokens of a prompt and of an answer: "asked 1,024 → 1,024", below it "measured 1,019 → 272".

    "" where neither is known.
    """
    found = measured(result.metrics)
    if not result.asked and not found:
        return mark_safe("")
    asks = gettext("asked %(lengths)s") % {"lengths": _arrow(result.asked)}
    was = gettext("measured %(lengths)s") % {"lengths": _arrow(found)}
    return format_html('<span class="num">{}</span> <span class="sub num">{}</span>', asks, was)


def _arrow(tokens: Mapping[str, float]) -> str:
    return " → ".join(
        number(round(tokens[name])) if name in tokens else "–" for name in (INPUT, OUTPUT)
    )


@register.simple_tag
def half_width(interval: Interval | Literal[""] | None, name: str) -> SafeString:
    """The interval of a mean of the metric ``name`` as "± 0.9"; a template makes "" of one that it
    does not have."""
    if not interval:
        return mark_safe("")
    half = (interval.high - interval.low) / 2
    return format_html('<span class="pm num">± {}</span>', metric_text(name, half)[0])


@register.simple_tag
def compared(found: Cell, name: str, *, grouped: bool) -> SafeString:
    """A number of a comparison; of a group with its interval, or the number of runs it is of."""
    text = format_html('<b class="b">{}</b>', bare(name, found.value))
    if not grouped or found.value is None:
        return text
    runs = ngettext("of %(n)s run", "of %(n)s runs", found.runs) % {"n": found.runs}
    return format_html(
        '{} {} <span class="pm num">{}</span>', text, half_width(found.interval, name), runs
    )


@register.simple_tag
def delta(change: Change, name: str) -> SafeString:
    """A difference of the metric ``name``: its size with its sign, its bounds, and whether it is
    good; of work that is not the same, the head of its column says that there is no verdict.
    """
    if change.value is None:
        return format_html('<span class="delta">{}</span>', gettext("not measured"))
    if change.verdict == "same" or (change.verdict == "barred" and change.absolute == 0):
        return format_html('<span class="delta">{}</span>', gettext("the same"))
    if change.absolute is None:
        return format_html('<span class="delta">{}</span>', gettext("other questions"))
    css = change.verdict if change.verdict in ("better", "worse", "noise") else ""
    return format_html(
        '<span class="delta {}"><b>{}</b><i>{}</i></span>',
        css,
        _size(change.relative if change.relative is not None else change.absolute, change, name),
        _beside(change, name),
    )


def _size(found: float | None, change: Change, name: str) -> str:
    """A difference, or a bound of one, in the measure of ``change``."""
    size = found or 0.0
    if change.relative is not None:
        return change_text(size)
    if name in METRICS and METRICS[name].is_count:
        # Of failed requests, of empty answers; a mean of several runs need not be whole.
        return number(size, 0 if float(size).is_integer() else 1, signed=True)
    if name in METRICS and METRICS[name].unit != "%":  # of a rate that is 0 there is no ratio
        return f"{number(float(size), signed=True)} {metric_text(name, 0.5)[1]}".rstrip()
    return f"{number(100 * size, 2, signed=True)} {gettext('pt')}"


def _beside(change: Change, name: str) -> str:
    words = {
        "better": gettext("better"),
        "worse": gettext("worse"),
        "noise": gettext("not significant"),
        "unknown": gettext("too few runs to tell"),
    }
    word = words.get(change.verdict, "")
    if change.low is None or change.high is None:
        return word
    low, high = (_size(bound, change, name) for bound in (change.low, change.high))
    return f"[{low}, {high}] {word}"


@register.simple_tag
def result_figure(result: Result) -> dict[str, Any] | None:
    """The one chart that says most about a result: ``{"figure", "height"}``.

    None for a batch, and for one concurrency: its numbers say all that a dot would.
    """
    if result.sort == Result.Sort.EVALUATION:
        categories, whole = queries.categories(result), queries.accuracy(result)
        return {
            "figure": accuracy.figure(categories, whole),
            "height": accuracy.height(categories, whole),
        }
    series = [Series(f"#{result.job_id}", queries.point_rows(result))]
    if len(series[0].points) < 2 or not was_measured(series, throughput.METRIC):
        return None
    return {"figure": throughput.figure(series), "height": 200}


@register.simple_tag
def result_accuracy(result: Result) -> Interval | None:
    """An evaluation's share of right answers, with its interval."""
    return queries.accuracy(result)


@register.simple_tag
def count(found: int) -> SafeString:
    """A large count, short: 134.5 M, 1.5 B."""
    size, unit = (found / 1e9, "B") if found >= 1e9 else (found / 1e6, "M")
    return format_html('<span class="num">{}<span class="u">{}</span></span>', number(size), unit)


@register.simple_tag
def setting(found: Any, name: str) -> str:
    """A value of the form field ``name``, as people write it: "1, 2, 4"."""
    return setting_text(text_of(found), name)


@register.filter
def setting_text(found: str, name: str) -> str:
    """The value of the setting ``name`` in a comparison, for people."""
    if name == "host":
        return host_word(found)
    if name == "stack":
        return stack_name(found)
    if name == "seed" and not found:
        return gettext("one for each concurrency and run")
    if name in ("precision", "what"):
        return phrase(found)
    return {YES: gettext("yes"), NO: gettext("no")}.get(found, found)


@register.simple_tag
def series_key(index: int) -> SafeString:
    """The line and symbol of the ``index``-th result of a page, from 0; drawn by results.css."""
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
    return mark_safe(
        f'<svg class="lk s{index + 1}" viewBox="0 0 34 10" aria-hidden="true">'
        f'<line x1="0" x2="34" y1="5" y2="5"/>{shapes[index]}</svg>'
    )
