"""Answers and data sets of an evaluation: ``{% load answers %}``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from dashboard.presenters.economics.subject_table import area_title, gap_text
from dashboard.presenters.result import sets_table
from dashboard.templatetags.ui import state
from dashboard.text import formatting
from dashboard.text.scoring import ending_words, rule_words
from jobs.models import Answer
from jobs.queries.results.results import Questions
from jobs.queries.results.set_scores import SetGroup
from jobs.queries.results.subjects import Area
from jobs.queries.statistics import Interval

register = template.Library()

# Of a longer question only its last paragraph is shown in a list: before it stand examples.
LONG_QUESTION, SHORTEST_QUESTION = 600, 20


@register.simple_tag
def verdict(answer: Answer) -> SafeString:
    """Right, wrong, or without a score."""
    if answer.status:
        return state("unknown", gettext("no score"))
    if answer.score >= 0.5:
        return state("succeeded", gettext("correct"))
    return state("failed", gettext("incorrect"))


register.filter("rule_words", rule_words)


@register.simple_tag
def ending(answer: Answer) -> str:
    """Return the reason for which an answer ended; a guess is named as one."""
    job = answer.result.job
    most = job.params.get("max_tokens") if job else None
    return ending_words(answer, most if isinstance(most, int) else None)


@register.filter
def own_question(question: str) -> str:
    """A question without the examples that were asked before it."""
    last = question.rstrip().rpartition("\n\n")[2].strip()
    return last if len(question) > LONG_QUESTION and len(last) >= SHORTEST_QUESTION else question


@register.simple_tag
def shown_parts(questions: Questions) -> list[dict[str, Any]]:
    """Return the filters of questions, each with its count.

    Filters that match no question are left out, except correct and incorrect.
    """
    titles = {
        "right": gettext("Correct"),
        "wrong": gettext("Incorrect"),
        "cut": gettext("Cut off"),
        "empty": gettext("No answer"),
        "unscored": gettext("No score"),
    }
    return [
        {"name": name, "title": title, "count": questions.counts[name]}
        for name, title in titles.items()
        if questions.counts[name] or name in ("right", "wrong")
    ]


@register.simple_tag
def mean_label(group: SetGroup, groups: Sequence[SetGroup]) -> str:
    """The name of a row of means: see :func:`dashboard.presenters.result.sets_table.mean_label`."""
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
