"""Verdict, method and numbers of a parity statement in words."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.text.formatting import number, percent, points
from jobs.kinds.lib.evaluations import goal_choices
from jobs.queries.parity.statement import Row, Statement
from jobs.statistics import Decision, Interval, Method, Z

TONES: dict[Decision, str] = {
    **{"equivalent": "good", "better": "good", "not_worse": "good"},
    "worse": "bad",
}


def goals() -> dict[str, str]:
    """Return what a person may ask of two sides, in words."""
    return {choice.value: choice.label for choice in goal_choices()}


def bounds(interval: Interval) -> str:
    """Return an interval of a difference in points: "[−1.97, +1.44]"."""
    return f"[{points(interval.low)}, {points(interval.high)}]"


def margin_text(margin: float) -> str:
    """Return a margin (from 0 to 1) with its unit: "1 point", "0.5 points"."""
    size = round(100 * margin, 6)
    text = ngettext("%(n)s point", "%(n)s points", 1 if size == 1 else 2)
    return text % {"n": f"{size:g}"}


def about(count: int) -> str:
    """Return an estimate rounded up to two digits: "8 000"."""
    unit = 10 ** max(0, floor(log10(max(1, count))) - 1)
    return number(-(-count // unit) * unit)


def verdict(row: Row, margin: float) -> str:
    """Return the verdict in a few words, for a table."""
    args = {"margin": margin_text(margin)}
    return {
        "equivalent": _("equivalent within %(margin)s") % args,
        "not_worse": _("not worse by more than %(margin)s") % args,
        "better": _("better"),
        "worse": _("worse"),
        "cannot_tell": _("cannot tell"),
    }[row.decision]


def headline(statement: Statement) -> str:
    """Return the verdict on all questions as a title."""
    row = statement.pooled
    args = {
        "margin": margin_text(statement.margin),
        "points": points(row.gap.value)[1:],
    }
    return {
        "equivalent": _("Equivalent within %(margin)s"),
        "not_worse": _("Not worse by more than %(margin)s"),
        "better": _("Better by %(points)s points"),
        "worse": _("Worse by %(points)s points"),
        "cannot_tell": _("Cannot tell within %(margin)s"),
    }[row.decision] % args


def more(count: int | None) -> str:
    """Return the missing questions: "about 8 000 more questions"; "" when decided."""
    if count is None:
        return ""
    text = ngettext("about %(n)s more question", "about %(n)s more questions", count)
    return text % {"n": about(count)}


def sentence(statement: Statement, base: str, result: str) -> str:
    """Return the difference with its interval."""
    row = statement.pooled
    args = {
        "base": base,
        "result": result,
        "points": points(row.gap.value),
        "interval": bounds(row.gap),
    }
    text = _("%(result)s vs %(base)s: accuracy %(points)s points, 95 %% interval %(interval)s.")
    return text % args


def reasons(statement: Statement) -> list[str]:
    """Return the meaning of the verdict, and its limit."""
    row, args = statement.pooled, {"margin": margin_text(statement.margin)}
    if row.decision == "better":
        return [_("The whole interval is above 0.")]
    if row.decision == "worse":
        return [_("The whole interval is below 0.")]
    if row.decision == "cannot_tell":
        return _undecided(statement)
    if row.decision == "equivalent":
        text = _(
            "The whole interval is within ±%(margin)s. This rule calls models with a "
            "difference of %(margin)s or more equivalent in at most 5 %% of cases."
        )
    else:
        text = _(
            "The whole interval is above −%(margin)s. This rule is wrong about models that lose "
            "%(margin)s or more in at most 5 %% of cases."
        )
    texts = [text % args]
    if statement.is_significant:
        texts.append(_("The difference is significant, but smaller than the margin."))
    return texts


def _undecided(statement: Statement) -> list[str]:
    row, args = statement.pooled, {"margin": margin_text(statement.margin)}
    if statement.goal == "at_least":
        text = _(
            "The interval includes 0 and reaches below −%(margin)s. Neither a loss nor its absence "
            "is shown."
        )
    else:
        text = _(
            "The interval includes 0 and reaches beyond ±%(margin)s. Neither a difference nor "
            "parity is shown."
        )
    texts = [text % args]
    if statement.goal == "same" and row.gap.low > -statement.margin:
        texts.append(_("A loss of %(margin)s or more is excluded.") % args)
    return [*texts, needed(statement)]


def needed(statement: Statement) -> str:
    """Return the missing questions with what they would show; "" when decided."""
    if statement.pooled.more is None:
        return ""
    if statement.looks.are_known:
        text = _(
            "If both are equally accurate, %(more)s show it with a power of 80 %%. The estimate "
            "starts from this difference and allows for another look."
        )
    else:
        text = _(
            "If both are equally accurate, %(more)s show it with a power of 80 %%. The estimate "
            "starts from this difference."
        )
    return text % {"more": more(statement.pooled.more)}


def method_name(method: Method) -> str:
    """Return the name of a formula, for a table."""
    return {
        "paired": _("paired, Tango"),
        "clustered": _("by question, clustered"),
        "bootstrap": _("bootstrap"),
        "unpaired": _("unpaired, Newcombe"),
    }[method]


def methods(statement: Statement) -> list[str]:
    """Return the method of the numbers, with its sources."""
    rows = [*statement.rows, *statement.groups.values(), statement.pooled]
    used = {row.method for row in rows}
    texts = {
        "paired": _(
            "Paired: both answered the same questions, once each. Tango 1998, score interval of "
            "the pairs. McNemar's exact test is stricter where few answers change."
        ),
        "clustered": _(
            "Clustered: questions with several answers. The mean score of a question is one "
            "observation (Miller 2024). Student's interval; degrees of freedom: O'Neill 2014."
        ),
        "bootstrap": _(
            "Bootstrap: scores between 0 and 1. Questions are resampled (BCa, Efron 1987) with a "
            "fixed seed."
        ),
        "unpaired": _(
            "Unpaired: no answers are stored for one side. Newcombe 1998, "
            "hybrid score interval. The same questions would need fewer."
        ),
    }
    shown = [text for name, text in texts.items() if name in used]
    asked = min(statement.pooled.questions)
    z = statement.looks.z(asked)
    if z > Z:
        wider = _("Accuracies: Wilson's interval with the quantile %(z)s in place of 1.96.")
        shown.append(wider % {"z": number(z, 2)})
    else:
        shown.append(_("Accuracies: Wilson's 95 % interval."))
    if any(is_weighted(row, side) for row in rows for side in (0, 1)):
        shown.append(
            _(
                "Weighted: the sides have different numbers of questions. Each data set weighs the "
                "same on both sides, so a share differs from that of its counts."
            )
        )
    if len(statement.rows) > 1:
        shown.append(
            _(
                "Pooled: each question has equal weight, and questions of one set are compared "
                "with questions of the same set. Verdicts on single sets are not corrected for "
                "their number: of 20 sets, one may differ by chance."
            )
        )
    shown.append(_rule(statement) % {"margin": margin_text(statement.margin)})
    shown += looks_words(statement)
    return shown


def _rule(statement: Statement) -> str:
    if statement.goal == "at_least":
        return _(
            "Not worse: the whole 95 %% interval above −%(margin)s (one-sided test, 2.5 %%). "
            "Better or worse: the whole interval on one side of 0."
        )
    return _(
        "Equivalent: the whole 95 %% interval within ±%(margin)s (two one-sided tests, 2.5 %% "
        "each). Better or worse: the whole interval on one side of 0."
    )


def looks_words(statement: Statement) -> list[str]:
    """Return what the interval allows for: an early stop, an extension, or nothing."""
    looks, found = statement.looks, []
    if not looks.are_known:
        found.append(_("Counts do not tell of earlier looks: this is the interval of a first one."))
    asked = min(statement.pooled.questions)
    if looks.planned is not None and asked > looks.planned:
        args = {"asked": number(asked), "planned": number(looks.planned), "n": looks.number}
        text = _(
            "Early stop, then extended: %(asked)s questions, of which %(planned)s were planned. "
            "Look number %(n)s. Over all looks, each verdict is wrong in at most 7.5 %% of cases."
        )
        found.append(text % args)
    elif looks.planned is not None:
        args = {"asked": number(min(statement.pooled.questions)), "planned": number(looks.planned)}
        text = _(
            "Early stop: %(asked)s of %(planned)s planned questions, with a wider interval (Lan "
            "and DeMets 1983). Looks at any time miss the true difference in at most 5 %% of "
            "evaluations."
        )
        found.append(text % args)
    elif looks.number > 1:
        text = _(
            "Extended: look number %(n)s, each with more questions. The interval is wider "
            "(Bonferroni). Over all looks, each verdict is wrong in at most 5 %% of cases."
        )
        found.append(text % {"n": looks.number})
    return found


def row_name(row: Row, rows: Sequence[Row]) -> str:
    """Return the name of a set; of bare counts its number."""
    if row.name:
        return row.name
    if len(rows) == 1:
        return _("all questions")
    return _("Set %(n)s") % {"n": next(at for at, one in enumerate(rows, 1) if one is row)}


def right_text(row: Row, side: int) -> str:
    """Return the correct answers of the questions: "154 / 159"; questions only for means. Says
    where the share of the row is another one than this: "weighted; 1 087 / 1 135 = 95.77 %"."""
    total = number(row.questions[side])
    if not row.rights:
        return total
    counts = f"{number(round(row.rights[side]))} / {total}"
    if not is_weighted(row, side):
        return counts
    plain = percent(row.rights[side] / row.questions[side])
    return _("weighted; %(counts)s = %(plain)s %%") % {"counts": counts, "plain": plain}


def is_weighted(row: Row, side: int) -> bool:
    """Return True where a share is not that of the row's counts: sides with unequal numbers of
    questions, whose sets weigh the same on both sides."""
    shown = (row.first, row.second)[side].value
    if row.rights is None:
        return row.questions[0] != row.questions[1]
    return abs(row.rights[side] / row.questions[side] - shown) > 1e-9


def plain_words(statement: Statement) -> str:
    """Return the two means of the differences, where they disagree in sign."""
    if not statement.is_opposed:
        return ""
    args: dict[str, Any] = {
        "plain": points(statement.plain, 3),
        "pooled": points(statement.pooled.gap.value),
        "interval": bounds(statement.pooled.gap),
    }
    text = _(
        "The plain mean of the sets (%(plain)s points) and the mean of all questions "
        "(%(pooled)s %(interval)s) differ in sign. Small sets decide the plain mean: do not quote "
        "it alone."
    )
    return text % args
