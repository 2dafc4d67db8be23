"""Cards of an evaluation: quality of the answers on which its score rests, and token use."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.charts import tradeoff
from dashboard.charts.figures import Figure
from dashboard.pages.shared.comparison import short_name
from dashboard.pages.shared.marks import thinking_words
from dashboard.text.answers import MEANINGS, TITLES
from dashboard.text.formatting import counted, duration, joined, measured, number, percent, points
from dashboard.text.labels import metric_text
from jobs.models import Result
from jobs.queries.answers.hygiene import Faulty, Hygiene, hygiene
from jobs.queries.comparison.comparison import Comparison
from jobs.queries.results.token_use import BudgetUse, TokenUse, pooled, token_use


def hygiene_card(result: Result) -> dict[str, Any] | None:
    """Return the table with its conclusion; None without stored answers. ``unscored`` and
    ``thinking``, which tells of a switch without effect, are sentences, "" for none."""
    known = hygiene(result)
    if known is None:
        return None
    text = ngettext(
        "Unscored is not incorrect: %(n)s answer without a score is not in the score.",
        "Unscored is not incorrect: %(n)s answers without a score are not in the score.",
        known.unscored,
    )
    return {
        "conclusion": _conclusion(known),
        "is_clean": not known.any.count,
        "total": known.total,
        "rows": [_row(known, one) for one in known.flags],
        "unscored": text % {"n": number(known.unscored)} if known.unscored else "",
        "thinking": thinking_words(result),
    }


def _row(known: Hygiene, one: Faulty) -> dict[str, Any]:
    """Return a flag: count and share, and the score if all its answers were incorrect, or correct,
    with the change of the score in points: "−1.20 / +0.40"."""
    score = known.score
    return {
        "name": one.flag,
        "title": str(TITLES[one.flag]),
        "meaning": str(MEANINGS[one.flag]),
        "count": one.count,
        "is_known": one.flag not in known.unknown,
        "share": percent(one.share),
        "bounds": f"{percent(one.low)} – {percent(one.high)}",
        "move": "" if score is None else f"{points(one.low - score)} / {points(one.high - score)}",
    }


def _conclusion(known: Hygiene) -> str:
    if not known.any.count:
        text = _("No answer is faulty, as far as the tool's files tell.")
        return text if known.unknown else _("No answer is faulty.")
    text = ngettext(
        "%(n)s of %(total)s answers is faulty: the score could be %(low)s to %(high)s %%.",
        "%(n)s of %(total)s answers are faulty: the score could be %(low)s to %(high)s %%.",
        known.any.count,
    )
    return text % {
        "n": number(known.any.count),
        "total": number(known.total),
        "low": percent(known.any.low),
        "high": percent(known.any.high),
    }


Fact = tuple[str, str, str]  # title, value, a smaller note


def token_card(result: Result) -> dict[str, Any] | None:
    """Return facts, budget curve (None without scored answers) and the text below; None where the
    tool reports no output tokens."""
    use = token_use(result)
    if use is None:
        return None
    figure = tradeoff.budgets([(_("accuracy"), use)]) if use.curve else None
    return {"facts": _facts(result, use), "figure": figure, "notes": joined(*_notes(use))}


def budget_uses(comparison: Comparison) -> list[BudgetUse | None]:
    """Return the budget curve of each column, over all its runs; None without one. Empty where
    fewer than two curves are known."""
    uses = pooled([column.runs for column in comparison.columns])
    return uses if sum(use is not None for use in uses) > 1 else []


def budget_figure(comparison: Comparison) -> Figure | None:
    """Return the budget curves of a comparison; None where fewer than two are known."""
    pairs = zip(comparison.columns, budget_uses(comparison), strict=False)
    curves = [(short_name(column), use) for column, use in pairs if use is not None]
    return tradeoff.budgets(curves) if curves else None


def _facts(result: Result, use: TokenUse) -> list[Fact]:
    metrics = result.metrics
    mark = _("estimated") if use.estimated else ""
    reasoning = _pair(metrics.get("reasoning_tokens_mean"), use.reasoning_p50)
    answer = _pair(metrics.get("answer_tokens_mean"), use.answer_p50)
    facts = [
        (_("Reasoning tokens, mean / median"), reasoning, mark),
        (_("Answer tokens, mean / median"), answer, mark),
    ]
    if (share := metrics.get("reasoning_share")) is not None:
        text = " ".join(metric_text("reasoning_share", share))
        facts.append((_("Reasoning share"), text, mark))
    each, of = metrics.get("tokens_per_correct"), ""
    if each is not None:
        args = {"tokens": counted(use.output), "correct": counted(use.correct)}
        of = _("%(tokens)s tokens / %(correct)s correct") % args
    own = _("no correct answer") if each is None else measured(each)
    facts.append((_("Tokens per correct answer"), own, of))
    if times := use.seconds:
        value = f"{measured(times.mean)} / {measured(times.p50)} s"
        if times.is_whole:
            facts.append((_("Latency of a whole answer, mean / median"), value, ""))
        else:
            note = _("estimated") if times.is_estimated else ""
            facts.append((_("Time to first answer token, mean / median"), value, note))
    if seconds := result.job.duration_s if result.job else None:
        facts.append((_("Whole evaluation"), duration(seconds), ""))
    return facts


def _pair(mean: float | None, middle: float) -> str:
    return f"{_('n/a') if mean is None else measured(mean)} / {counted(middle)}"


def _notes(use: TokenUse) -> list[str]:
    notes = []
    if use.counted < use.answers:
        args = {"n": number(use.counted), "total": number(use.answers)}
        text = _("The tool reports tokens for %(n)s of %(total)s answers. The others do not count.")
        notes.append(text % args)
    if use.estimated:
        text = ngettext(
            "Of %(n)s answer the total is shared by the lengths of reasoning and answer.",
            "Of %(n)s answers the total is shared by the lengths of reasoning and answer.",
            use.estimated,
        )
        notes.append(text % {"n": number(use.estimated)})
    if use.seconds and use.seconds.is_estimated:
        notes.append(_("Time to first answer token: TTFT plus reasoning at the mean token rate."))
    if use.curve:
        notes.append(_("Budget curve: share of correct answers with at most so many tokens."))
        notes.append(
            _("A run with that limit reaches at least this accuracy, if its answers stay the same.")
        )
        notes.append(_("Band: confidence interval (Wilson)."))
    if use.scored > use.questions:
        notes.append(_("Several answers to a question count as one in the interval."))
    return notes
