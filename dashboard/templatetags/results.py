"""Metrics, answers and data sets of results: ``{% load results %}``."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import quote

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext, ngettext, pgettext

from dashboard.charts import accuracy
from dashboard.charts.curves import Series, throughput
from dashboard.charts.curves import measured as was_measured
from dashboard.pages.shared import words
from dashboard.pages.shared.comparison import change_texts, paired_words
from dashboard.pages.shared.marks import NO_MARKS, Marks, flag_rows
from dashboard.templatetags.ui import as_num, icon, num, state
from dashboard.text import formatting
from dashboard.text.answers import MEANINGS, TITLES, ending_words, rule_words, visible
from dashboard.text.labels import cell_marks, limit_words, metric_text, point_marks, result_name
from jobs.kinds import KINDS
from jobs.kinds.benchmark import Offline
from jobs.models import Answer, AnswerRow, Job, Result
from jobs.queries.answers.answer_list import wrong_agreement, wrong_answers
from jobs.queries.comparison.comparison import Change
from jobs.queries.jobs.job_page import progress_of
from jobs.queries.jobs.progress import Standing, whole_standing
from jobs.queries.results import results as queries
from jobs.queries.results.answer_flags import FLAGS, names
from jobs.queries.results.curve import RATE
from jobs.statistics import Interval

register = template.Library()
register.filter("reached", progress_of)
register.filter("cell_marks", cell_marks)
register.filter("limit_words", limit_words)
register.filter("setting_text", words.setting_text)
register.filter("visible", visible)
register.filter("counted", formatting.counted)
register.filter("day", formatting.day_text)
register.filter("rule_words", rule_words)
register.simple_tag(words.field_text, name="setting")
register.simple_tag(paired_words)
register.simple_tag(queries.accuracy, name="result_accuracy")
register.simple_tag(words.area_title, name="area_name")
register.simple_tag(words.gap_text, name="gap")

_STATES = {"correct": "succeeded", "incorrect": "failed", "unscored": "unknown"}


@register.filter
def at(metrics: Mapping[str, Any], name: str) -> Any:
    return metrics.get(name)


@register.filter
def marked(marks: Mapping[int, Marks], result: Result) -> Marks:
    return marks.get(result.pk, NO_MARKS)


@register.simple_tag
def mark_stamps(mark: Marks, *, without_tags: bool = False) -> SafeString:
    """Return tags, baseline mark and verdict of a result. A row shows them twice, wide and narrow,
    so it stores them with ``as``."""
    added, parts = mark.added, []
    if added.is_baseline:
        star = icon("star", small=True)
        parts.append(format_html('<span class="stamp base">{}{}</span>', star, gettext("baseline")))
    if added.released:
        purposes = gettext("; ").join(added.released)
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
        address = f"{reverse('result-list')}?tag={quote(tag, safe='')}"
        parts.append(format_html('<a class="stamp tagged" href="{}">{}</a>', address, tag))
    return mark_safe("\n".join(parts))  # noqa: S308 -- each part is escaped


@register.simple_tag
def bare(name: str, figure: float | None) -> SafeString:
    if figure is None:
        return format_html('<span class="dim" title="{}">–</span>', gettext("Not measured"))
    return as_num(metric_text(name, figure)[0])


def cell(name: str, result: Result) -> SafeString:
    """Return a metric for the result list; "" when results of this type have no such metric."""
    figure = result.metrics.get(name)
    if figure is not None:
        return bare(name, figure)
    if name == "concurrency" and result.type == Result.Type.BENCHMARK:
        text, why = "–", gettext("The tool reports no concurrency.")
        if result.job is not None and isinstance(KINDS.get(result.job.kind), Offline):
            text = gettext("offline")
            why = gettext("Measured without a server: all requests at once, or one batch.")
        return format_html('<span class="dim" title="{}">{}</span>', why, text)
    is_batch = "batch_latency_mean_s" in result.metrics
    is_other = (result.type == Result.Type.EVALUATION) != (name == "accuracy")
    return no_value(is_other=is_batch or is_other)


def no_value(*, is_other: bool) -> SafeString:
    """Return the one sign of a missing value. ``is_other``: results of its type never have one."""
    why = gettext("Not measured by this type of job.") if is_other else gettext("Not reported.")
    return format_html('<span class="dim" title="{}">–</span>', why)


@register.simple_tag
def unit_of(name: str) -> SafeString:
    """Return the unit of a metric, small and grey, unless its name includes the unit."""
    unit = metric_text(name, 0.5)[1]
    if unit not in ("ms", "s", "%"):  # names of rates and counts include the unit
        return mark_safe("")
    return format_html('<span class="u">{}</span>', unit)


@register.simple_tag
def failed(metrics: Mapping[str, Any]) -> SafeString:
    text = words.failed_text(metrics)
    return as_num(text) if text else num(None)


@register.simple_tag
def percent(value: float | None) -> SafeString:
    if value is None:
        return format_html('<span class="dim">{}</span>', "-")
    return as_num(formatting.percent(value / 100))


@register.simple_tag
def bounds(interval: Interval) -> SafeString:
    return as_num(words.bounds_text(interval))


@register.simple_tag
def share(interval: Interval) -> SafeString:
    """Return a share in per cent with its 95 % interval: "46.20 [41.02, 51.44]"."""
    text = '<span class="num">{}</span> <span class="pm num">{}</span>'
    return format_html(text, formatting.percent(interval.value), words.bounds_text(interval))


@register.simple_tag
def share_bounds(interval: Interval) -> str:
    """Return the bounds of a share in per cent: "41.02, 51.44"."""
    return words.bounds_text(interval)[1:-1]


@register.inclusion_tag("results/_flags.html")
def result_flags(result: Result) -> dict[str, Any]:
    rows = flag_rows(result)
    return {"flag_rows": rows, "is_limited": any(is_warning for *_texts, is_warning in rows)}


@register.inclusion_tag("jobs/_running_accuracy.html")
def running_accuracy(job: Job) -> dict[str, Any]:
    one = whole_standing(job) if job.state == Job.State.RUNNING else None
    return {"one": one if one and one.accuracy else None}


@register.simple_tag
def standing_share(one: Standing) -> SafeString:
    """Return a share like :func:`share`, without an interval while only some sets are scored."""
    if one.accuracy is None:
        return mark_safe("")
    if not one.is_partial:
        return share(one.accuracy)
    return as_num(formatting.percent(one.accuracy.value))


@register.simple_tag
def lengths(result: Result) -> SafeString:
    """Return token lengths: "requested 1,024 → 1,024", below "measured 1,019 → 272"."""
    asks, was = words.lengths_texts(result)
    if not asks:
        return as_num(was) if was else mark_safe("")
    return format_html('<span class="num">{}</span> <span class="sub num">{}</span>', asks, was)


@register.simple_tag
def interval_of(interval: Interval | Literal[""] | None, name: str) -> SafeString:
    """Return the interval of a mean of the metric ``name`` as "[41.02, 51.44]"; "" without
    one."""
    if not interval:
        return mark_safe("")
    return format_html('<span class="pm num">{}</span>', words.interval_text(interval, name))


@register.simple_tag
def delta(change: Change, name: str) -> SafeString:
    """Return a difference of the metric ``name``: signed size, interval, better or worse; a dash
    without comparability."""
    size, details = change_texts(change, name)
    css = change.verdict if change.verdict in ("better", "worse") else ""
    if change.absolute is None or change.is_equal:
        return format_html('<span class="delta">{}</span>', size)
    return format_html('<span class="delta {}"><b>{}</b><i>{}</i></span>', css, size, details)


@register.simple_tag
def result_figure(result: Result) -> dict[str, Any] | None:
    """Return the main chart of a result: ``{"figure", "height"}``. None for a batch and for a
    single concurrency: a single dot adds nothing to the numbers."""
    if result.type == Result.Type.EVALUATION:
        figure = accuracy.categories(queries.categories(result), queries.accuracy(result))
        return {"figure": figure, "height": figure.height}
    points = queries.point_rows(result)
    series = [Series(result_name(result), points, marks=point_marks([(result, points)]))]
    if len(series[0].points) < 2 or not was_measured(series, RATE):
        return None
    return {"figure": throughput(series), "height": 320}


@register.simple_tag
def count(parameters: int) -> SafeString:
    """Return a large count in short form: 134.5 M, 1.5 B."""
    size, unit = (parameters / 1e9, "B") if parameters >= 1e9 else (parameters / 1e6, "M")
    return as_num(formatting.number(size), unit)


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


@register.simple_tag
def row_verdict(row: AnswerRow) -> SafeString:
    return state(_STATES[row.verdict], str(TITLES[row.verdict]))


@register.simple_tag
def row_flags(row: AnswerRow) -> SafeString:
    stamps = ((MEANINGS[name], TITLES[name]) for name in names(row.marks) if name in FLAGS)
    return format_html_join("", ' <span class="stamp dist" title="{}">{}</span>', stamps)


@register.simple_tag
def agreement(before: Mapping[str, str], other: Result) -> str:
    """Return how many of the common incorrect answers are the same: "3 of 8"; "" for none.
    ``before`` are those of the baseline."""
    both, same = wrong_agreement(before, wrong_answers(other))
    if not both:
        return ""
    text = gettext("%(same)s of %(both)s answers that are incorrect in both are the same.")
    return text % {"same": formatting.counted(same), "both": formatting.counted(both)}


@register.simple_tag
def place_word(place: str) -> str:
    if place == "question":
        return pgettext("where a search looks", "question")
    return gettext("reasoning") if place == "reasoning" else gettext("answer")


@register.simple_tag
def listed(chosen: str, known: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the choices of a field, with a chosen one that is no choice in front."""
    if not chosen or any(name == chosen for name, _n in known):
        return list(known)
    return [(chosen, 0), *known]


@register.simple_tag
def ending(answer: Answer) -> str:
    """Return the reason for which an answer ended; a guess is named as one."""
    most = answer.result.job.params.get("max_tokens") if answer.result.job else None
    return ending_words(answer, most if isinstance(most, int) else None)
