"""Early stop of an evaluation: fields, the rule from a baseline, remarks."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from pydantic import Field

from jobs.base.errors import LaunchError
from jobs.base.numbers import result_number, result_pk
from jobs.catalog import Question
from jobs.kinds.lib import thinking
from jobs.kinds.lib.base import Baseline, Choice, Target
from jobs.statistics.paired import Goal, least_margin
from jobs.tools.evalscope.commands import rules_version
from jobs.tools.evalscope.early_stop import Rule

# With fewer, the first looks have a question of each subset only.
LEAST_QUESTIONS = 40
FIELDS = ("stop_early", "baseline", "goal", "margin")  # without the first, no other counts
_GROUP = "Early stop"
_WHEN: list[Any] = [FIELDS[0], "1"]
# Settings that change answers: both sides need the same.
_SAME = ("max_tokens", "temperature", thinking.NAME)


def stop_field() -> Any:
    """Return the field ``stop_early``."""
    return Field(
        default=False,
        description="Ask in ten parts, in random order, and stop when the comparison with a "
        "baseline is decided.",
        json_schema_extra={"label": "Stop early", "group": _GROUP},
    )


def baseline_field() -> Any:
    """Return the field ``baseline``: number of a result."""
    return Field(
        "",
        max_length=20,
        description="Evaluation with the same questions and settings.",
        json_schema_extra={"label": "Baseline", "group": _GROUP, "when": _WHEN},
    )


def goal_field() -> Any:
    """Return the field ``goal``."""
    extra: dict[str, Any] = {"label": "Question asked", "group": _GROUP, "when": _WHEN}
    return Field("", description="Answered by the verdict.", json_schema_extra=extra)


def margin_field() -> Any:
    """Return the field ``margin``, in points."""
    return Field(
        1.0,
        ge=0.01,
        le=50.0,
        description="Smaller differences do not count.",
        json_schema_extra={"label": "Margin", "unit": "points", "group": _GROUP, "when": _WHEN},
    )


def usual_choice() -> Choice:
    """Return the choice of a question by the two sides."""
    words = _("At least as accurate as an external baseline; else: equally accurate?")
    return Choice("", words)


def goal_choices() -> Sequence[Choice]:
    """Return what may be asked of the comparison with the baseline."""
    return [
        Choice("at_least", _("Is the result at least as accurate?")),
        Choice("same", _("Are both equally accurate?")),
    ]


def baseline_choices(target: Target) -> Sequence[Choice]:
    """Return the evaluations to compare with, none first."""
    found = target.baselines(None)
    return [Choice("", ""), *(Choice(result_number(one.result), _label(one)) for one in found)]


def _label(one: Baseline) -> str:
    label = f"{result_number(one.result)} {one.title} ({one.questions})"
    return f"{label}, {_('simulated')}" if one.is_simulated else label


def rule_of(params: Any, questions: Sequence[Question], target: Target) -> Rule | None:
    """Return the rule; None to ask all questions.

    Raises:
        LaunchError: at the field that makes the comparison impossible.
    """
    if not params.stop_early:
        return None
    if len(questions) < LEAST_QUESTIONS:
        message = _("An early stop needs at least %(n)s questions.") % {"n": LEAST_QUESTIONS}
        raise LaunchError(message, "stop_early")
    if params.samples > 1:
        message = _("An early stop compares one answer to each question. Enter 1.")
        raise LaunchError(message, "samples")
    base = _baseline(params.baseline, target)
    _check_same(params, base)
    verdicts = base.verdicts(questions)
    lacking = sum(one.id not in verdicts for one in questions)
    if lacking:
        message = ngettext(
            "%(name)s has no answer to %(n)s of these questions. Choose another baseline.",
            "%(name)s has no answers to %(n)s of these questions. Choose another baseline.",
            lacking,
        )
        raise LaunchError(message % {"name": result_number(base.result), "n": lacking}, "baseline")
    if sum(right is not None for right in verdicts.values()) < LEAST_QUESTIONS:
        message = _("%(name)s has too few scored answers. Choose another baseline.")
        raise LaunchError(message % {"name": result_number(base.result)}, "baseline")
    least = 100 * least_margin(len(questions))
    if params.margin < least:
        message = _("%(n)s questions cannot decide within this margin. Enter %(least)s or more.")
        args = {"n": len(questions), "least": f"{ceil(10 * least) / 10:g}"}
        raise LaunchError(message % args, "margin")
    goal = params.goal or _usual_goal(params, base, target)
    return Rule(result_number(base.result), params.margin / 100, goal, verdicts)


def _usual_goal(params: Any, base: Baseline, target: Target) -> Goal:
    """Return the question if nobody chose one: ours is asked to be at least as accurate as an
    external baseline."""
    is_ours = target.asset("deployment", params.deployment).endpoint is None
    return "at_least" if is_ours and base.is_external else "same"


def one_spelling(text: str) -> str:
    """Return the number of a result in its one spelling, "res-17" for "RES-17"; other text
    unchanged."""
    pk = result_pk(text)
    return text if pk is None else result_number(pk)


def _baseline(key: str, target: Target) -> Baseline:
    if not key:
        raise LaunchError(_("Choose the baseline of the comparison."), "baseline")
    pk = result_pk(key)
    if pk is None:
        raise LaunchError(_("Results are written as res-15. Choose one from the list."), "baseline")
    found = target.baselines(pk)
    if not found:
        raise LaunchError(_("Unknown baseline. Choose one from the list."), "baseline")
    return found[0]


def _check_same(params: Any, base: Baseline) -> None:
    """Refuse settings and scoring rules that the baseline does not have."""
    for name in _SAME:
        other = base.params.get(name, type(params).model_fields[name].default)
        if other != getattr(params, name):
            message = _("The baseline %(name)s has %(value)s. Enter the same.")
            shown = thinking.WORDS.get(other, other) if name == thinking.NAME else other
            raise LaunchError(message % {"name": result_number(base.result), "value": shown}, name)
    if base.tool.rpartition(", rules ")[2] != rules_version():
        message = _(
            "%(name)s was scored by older rules. Evaluate it again, or choose another baseline."
        )
        raise LaunchError(message % {"name": result_number(base.result)}, "baseline")
