"""Answers and data sets of an evaluation: ``{% load answers %}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext

from dashboard.pages.shared import sets_table
from dashboard.pages.shared.subject_table import area_title, gap_text
from dashboard.templatetags.ui import state
from dashboard.text import formatting
from dashboard.text.answers import MEANINGS, TITLES, ending_words, rule_words, visible
from jobs.models import Answer, AnswerRow, Result
from jobs.queries.answers.answer_flags import FLAGS, names
from jobs.queries.answers.answer_list import wrong_agreement, wrong_answers
from jobs.queries.results.set_scores import SetGroup
from jobs.queries.results.subjects import Area
from jobs.statistics import Interval

register = template.Library()

_STATES = {"correct": "succeeded", "incorrect": "failed", "unscored": "unknown"}


@register.simple_tag
def row_verdict(row: AnswerRow) -> SafeString:
    """Correct, incorrect, or without a score."""
    return state(_STATES[row.verdict], str(TITLES[row.verdict]))


@register.simple_tag
def row_flags(row: AnswerRow) -> SafeString:
    """Flags of an answer as stamps; "" for none."""
    flags = [name for name in names(row.marks) if name in FLAGS]
    stamps = ((MEANINGS[name], TITLES[name]) for name in flags)
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
    """Return the name of a text in which a search looks."""
    words = {
        "question": pgettext("where a search looks", "question"),
        "reasoning": gettext("reasoning"),
        "answer": gettext("answer"),
    }
    return words[place]


@register.simple_tag
def listed(chosen: str, known: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the choices of a field, with a chosen one that is no choice in front."""
    if not chosen or any(name == chosen for name, _n in known):
        return list(known)
    return [(chosen, 0), *known]


register.filter("visible", visible)
register.filter("counted", formatting.counted)
register.filter("rule_words", rule_words)


@register.simple_tag
def ending(answer: Answer) -> str:
    """Return the reason for which an answer ended; a guess is named as one."""
    job = answer.result.job
    most = job.params.get("max_tokens") if job else None
    return ending_words(answer, most if isinstance(most, int) else None)


@register.simple_tag
def mean_label(group: SetGroup, groups: Sequence[SetGroup]) -> str:
    """The name of a row of means: see :func:`dashboard.pages.shared.sets_table.mean_label`."""
    return sets_table.mean_label(group, alone=len(groups) == 1)


@register.simple_tag
def area_name(area: Area) -> str:
    """Name of an area of MMLU's subjects."""
    return area_title(area)


@register.simple_tag
def gap(interval: Interval) -> str:
    """A difference in points with its interval."""
    return gap_text(interval)


@register.simple_tag
def percent(value: float | None) -> SafeString:
    """A score in per cent, as OpenCompass prints it; a dash where there is none."""
    if value is None:
        return format_html('<span class="dim">{}</span>', "-")
    return format_html('<span class="num">{}</span>', formatting.percent(value / 100))


@register.simple_tag
def bounds(interval: Interval) -> SafeString:
    """The 95 % interval of a share, in per cent."""
    low, high = formatting.percent(interval.low), formatting.percent(interval.high)
    return format_html('<span class="num">[{}, {}]</span>', low, high)
