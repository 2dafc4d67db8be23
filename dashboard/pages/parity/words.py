"""Parity statement in words and numbers: verdict, reasons, warnings; tables, chart, CSV, JSON."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import floor, log10
from typing import Any, Literal, NamedTuple

from django.http import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.charts import accuracy
from dashboard.charts.figure_parts import Figure
from dashboard.pages.parity.asked import Family, Stated
from dashboard.pages.shared.cells import Cell, FactList, Heading, Table, Tone, difference, share
from dashboard.pages.shared.comparison import barrier_words
from dashboard.pages.shared.export import as_csv
from dashboard.pages.shared.marks import thinking_words
from dashboard.pages.shared.words import gap_bounds
from dashboard.text.formatting import number, p_text, percent, points
from dashboard.text.labels import result_name
from jobs.kinds.evaluate import goal_choices
from jobs.queries.parity.runs import Unequal
from jobs.queries.parity.sides import Notes
from jobs.queries.parity.statement import ERROR, Adjusted, Statement, StatementRow
from jobs.queries.results.results import MOST_ROWS
from jobs.statistics import Z
from jobs.statistics.paired import Decision

TONES: dict[Decision, Tone] = {
    **{"equivalent": "good", "better": "good", "not_worse": "good"},
    "worse": "bad",
}
MOST_NAMES = 5
# Exit code of a gate in CI by verdict; 1 is that of an error.
Verdict = Decision | Literal["not_comparable"]
GATE: Mapping[Verdict, int] = {
    **{"better": 0, "equivalent": 0, "not_worse": 0},
    **{"worse": 2, "cannot_tell": 3, "not_comparable": 4},
}
_HEAD = (
    *("set", "group", "base_correct", "base_questions", "base_accuracy", "base_low", "base_high"),
    *("correct", "questions", "accuracy", "low", "high", "difference_points", "low_points"),
    *("high_points", "margin_points", "goal", "verdict", "method", "mcnemar_p", "regressed"),
    *("fixed", "more_questions", "base", "result", "version", "questions_sha256"),
    *("base_is_weighted", "is_weighted"),
)


def goals() -> dict[str, str]:
    return {choice.value: choice.label for choice in goal_choices()}


def margin_text(margin: float) -> str:
    """Return a margin (from 0 to 1) with its unit: "1 point", "0.5 points"."""
    size = round(100 * margin, 6)
    text = ngettext("%(n)s point", "%(n)s points", 1 if size == 1 else 2)
    return text % {"n": f"{size:g}"}


def verdict(row: StatementRow, margin: float) -> str:
    texts = {
        "equivalent": _("equivalent within %(margin)s"),
        "not_worse": _("not worse by more than %(margin)s"),
        "better": _("better"),
        "worse": _("worse"),
        "cannot_tell": _("cannot tell"),
    }
    return texts[row.decision] % {"margin": margin_text(margin)}


def headline(stated: Stated) -> str:
    statement = stated.parity.statement
    if statement is None:
        return _("Not comparable")
    row = statement.pooled
    texts = {
        "equivalent": _("Equivalent within %(margin)s"),
        "not_worse": _("Not worse by more than %(margin)s"),
        "better": _("Better by %(points)s points"),
        "worse": _("Worse by %(points)s points"),
        "cannot_tell": _("Cannot tell within %(margin)s"),
    }
    args = {"margin": margin_text(statement.margin), "points": points(row.gap.value)[1:]}
    return texts[row.decision] % args


def full_headline(stated: Stated) -> str:
    verdict = headline(stated)
    verdict = verdict[:1].lower() + verdict[1:]  # behind a colon
    args = {"result": stated.result.name, "base": stated.base.name, "headline": verdict}
    return _("%(result)s vs %(base)s: %(headline)s") % args


def sentence(stated: Stated) -> str:
    args = {"base": stated.base.name, "result": stated.result.name}
    statement = stated.parity.statement
    if statement is None:
        text = _(
            "%(result)s vs %(base)s: no verdict and no difference. The sides share no question, "
            "and no data set with counts."
        )
        return text % args
    gap = statement.pooled.gap
    args |= {"points": points(gap.value), "interval": gap_bounds(gap)}
    text = _("%(result)s vs %(base)s: accuracy %(points)s points, 95 %% interval %(interval)s.")
    return text % args


def action(notes: Notes) -> str:
    kinds = {kind for kind, names in notes.names.items() if names}
    if kinds & {"uncounted", "unfit", "no_share"}:
        return _("Enter correct answers and questions of each data set as counts.")
    if "unequal" in kinds:
        return _("Compare the same questions: the numbers of questions differ.")
    if "apart" in kinds:
        return _("Evaluate both with the same version of the same question set.")
    return _("Evaluate both on the same data sets, in the same version.")


def reasons(stated: Stated) -> list[str]:
    statement = stated.parity.statement
    if statement is None:
        return [action(stated.parity.notes)]
    row, args = statement.pooled, {"margin": margin_text(statement.margin)}
    texts = {
        "better": _("The whole interval is above 0."),
        "worse": _("The whole interval is below 0."),
        "equivalent": _(
            "The whole interval is within ±%(margin)s. If models differ by %(margin)s or more, "
            "this rule calls them equivalent in at most 5 %% of cases."
        ),
        "not_worse": _(
            "The whole interval is above −%(margin)s. If a model loses %(margin)s or more, this "
            "rule misses that in at most 5 %% of cases."
        ),
        "cannot_tell": _(
            "The interval includes 0 and reaches beyond ±%(margin)s. Neither a difference nor "
            "equivalence is shown."
        ),
    }
    more = missing = ""
    if row.decision in ("equivalent", "not_worse") and not row.gap.includes_zero:
        more = _("The difference is significant, but smaller than the margin.")
    if row.decision == "cannot_tell":
        missing = needed(statement)
        if statement.goal == "at_least":
            texts["cannot_tell"] = _(
                "The interval includes 0 and reaches below −%(margin)s. A loss is neither shown "
                "nor excluded."
            )
        elif row.gap.low > -statement.margin:
            more = _("A loss of %(margin)s or more is excluded.") % args
    return list(filter(None, (texts[row.decision] % args, more, missing)))


def needed(statement: Statement) -> str:
    """Return the missing questions with what they would show; "" when decided."""
    count = statement.pooled.more
    if count is None:
        return ""
    unit = 10 ** max(0, floor(log10(max(1, count))) - 1)  # an estimate: rounded up to two digits
    more = ngettext("about %(n)s more question", "about %(n)s more questions", count)
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
    return text % {"more": more % {"n": number(-(-count // unit) * unit)}}


def methods(statement: Statement) -> list[str]:
    rows = [*statement.rows, *statement.groups.values(), statement.pooled]
    used = {row.method for row in rows}
    texts = {
        "paired": _(
            "Paired: both answered the same questions, once each. Tango 1998, score interval of "
            "the pairs. McNemar's exact test is stricter where few answers change."
        ),
        "clustered": _(
            "Clustered: questions with several answers, or scores between 0 and 1. The mean score "
            "of a question is one observation (Miller 2024). Score interval of the most likely "
            "distribution (Owen 1988). It allows for questions that change as a whole, unseen: "
            "more answers to a question do not replace questions."
        ),
        "unpaired": _(
            "Unpaired: no answers are stored for one side. Newcombe 1998, "
            "hybrid score interval. The same questions would need fewer."
        ),
    }
    shown = [text for name, text in texts.items() if name in used]
    z = statement.looks.z(min(statement.pooled.questions))
    if z > Z:
        wider = _("Accuracies: Wilson's interval with the quantile %(z)s in place of 1.96.")
        shown.append(wider % {"z": number(z, 2)})
    else:
        shown.append(_("Accuracies: Wilson's 95 % interval."))
    if any(is_weighted(row, side) for row in rows for side in (0, 1)):
        shown.append(
            _(
                "Weighted: the sides have different numbers of questions. Each data set has "
                "equal weight on both sides, so a share differs from correct ÷ questions."
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
    if statement.goal == "at_least":
        rule = _(
            "Not worse: the whole 95 %% interval above −%(margin)s (one-sided test, 2.5 %%). "
            "Better or worse: the whole interval on one side of 0."
        )
    else:
        rule = _(
            "Equivalent: the whole 95 %% interval within ±%(margin)s (two one-sided tests, 2.5 %% "
            "each). Better or worse: the whole interval on one side of 0."
        )
    return [*shown, rule % {"margin": margin_text(statement.margin)}, *_looks(statement)]


def _looks(statement: Statement) -> list[str]:
    """Return what the interval allows for: an early stop, an extension, or nothing."""
    looks, found = statement.looks, []
    if not looks.are_known:
        found.append(_("Counts do not tell of earlier looks: this is the interval of a first one."))
    asked, planned = min(statement.pooled.questions), looks.planned
    args = {"asked": number(asked), "planned": number(planned or 0), "n": looks.number}
    text = ""
    if planned is not None and asked > planned:
        text = _(
            "Early stop, then extended: %(asked)s questions, of which %(planned)s were planned. "
            "Look number %(n)s. Over all looks, each verdict is wrong in at most 5 %% of cases. "
            "Equal models are called better or worse in at most 10 %%."
        )
    elif planned is not None:
        text = _(
            "Early stop: %(asked)s of %(planned)s planned questions, with a wider interval (Lan "
            "and DeMets 1983). Looks at any time miss the true difference in at most 5 %% of "
            "evaluations."
        )
    elif looks.number > 1:
        text = _(
            "Extended: look number %(n)s, each with more questions. The interval is wider "
            "(Bonferroni). Over all looks, each verdict is wrong in at most 5 %% of cases. Equal "
            "models are called better or worse in at most 10 %%."
        )
    return [*found, text % args] if text else found


def row_name(row: StatementRow, rows: Sequence[StatementRow]) -> str:
    if row.name:
        return row.name
    if len(rows) == 1:
        return _("all questions")
    return _("Set %(n)s") % {"n": next(at for at, one in enumerate(rows, 1) if one is row)}


def right_text(row: StatementRow, side: int) -> str:
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


def is_weighted(row: StatementRow, side: int) -> bool:
    """Return True where a share is not that of the row's counts: sides with unequal numbers of
    questions, whose sets weigh the same on both sides."""
    shown = (row.first, row.second)[side].value
    if row.rights is None:
        return row.questions[0] != row.questions[1]
    return abs(row.rights[side] / row.questions[side] - shown) > 1e-9


Warned = tuple[str, str]  # name of the kind, for programs; text


def warnings(stated: Stated) -> list[Warned]:
    """Return the limits of the statement, worst first: differences besides the models, and omitted
    sets."""
    found: list[Warned] = []
    statement = stated.parity.statement
    if statement and statement.is_opposed:
        text = _(
            "Do not quote the plain mean of the sets, %(plain)s points: small sets decide it, and "
            "over all questions the sign is opposite."
        )
        found.append(("means_disagree", text % {"plain": points(statement.plain, 3)}))
    if stated.parity.unequal:
        found += _unequal(stated.parity.unequal, stated)
    return found + _notes(stated.parity.notes)


def _unequal(unequal: Unequal, stated: Stated) -> list[Warned]:
    found: list[Warned] = []
    flags = {
        "answers_cut": _("Cut at the token limit"),
        "answers_open_thought": _("Unfinished reasoning"),
        "answers_not_extracted": _("No answer extracted"),
        "answers_empty": _("Empty answers"),
        "answers_failed": _("Failed requests"),
        "answers_looping": _("Answers in a loop"),
    }
    if unequal.tools:
        args = {"base": unequal.tools[0], "result": unequal.tools[1]}
        found.append(("tool", _("Different tools: baseline %(base)s, result %(result)s.") % args))
    heads = [side.results[0] for side in stated.sides]
    known = [barrier_words(one, heads) for one in unequal.work if not one.is_unknown]
    unknown = [barrier_words(one, heads) for one in unequal.work if one.is_unknown]
    if known:
        text = _("Different settings, baseline / result: %(names)s.")
        found.append(("work", text % {"names": _("; ").join(known)}))
    if unequal.has_import:
        text = _("Imported: prompts, sampling and token limit of the import are unknown.")
        found.append(("imported", text))
    elif unknown:
        found.append(("unknown", _("Not recorded: %(names)s.") % {"names": _("; ").join(unknown)}))
    for flag, first, second in unequal.hygiene:
        text = _("%(flag)s: baseline %(a)s %%, result %(b)s %%. Read these answers first.")
        shares = {"a": percent(first.value), "b": percent(second.value)}
        found.append(("hygiene", text % {"flag": flags[flag], **shares}))
    if unequal.unscored:
        a, b = map(number, unequal.unscored)
        text = _("Answers without a score are left out: baseline %(a)s, result %(b)s.")
        found.append(("unscored", text % {"a": a, "b": b}))
    for run in unequal.unswitched:
        found.append(("thinking", f"{result_name(run)}{_(': ')}{thinking_words(run)}"))
    if unequal.has_simulated:
        text = _("A simulated result is included: its metrics were not measured on hardware.")
        found.append(("simulated", text))
    return found


def _notes(notes: Notes) -> list[Warned]:
    texts = {
        "version": _(
            "Different versions of a data set, which only common questions compare: %(names)s."
        ),
        "partly": _("Common questions only: %(names)s."),
        "apart": _("Left out, no common questions: %(names)s."),
        "unequal": _("Left out, other numbers of questions: %(names)s."),
        "left_out": _("In the pasted tables, but left out: %(names)s."),
        "only_base": _("Only in the baseline, left out: %(names)s."),
        "only_result": _("Only in the result, left out: %(names)s."),
        "uncounted": _("Left out, number of questions unknown: %(names)s."),
        "unfit": _("Left out, the score is of another number of questions: %(names)s."),
        "no_share": _("Left out, no share of questions and no answers stored: %(names)s."),
        "alone": _("No answers stored: one run of several counts for %(names)s."),
        "catalogue": _("Number of questions from the catalogue: %(names)s."),
        "declared": _("Declared by name only, without a checksum of the questions: %(names)s."),
    }
    found = []
    for kind, text in texts.items():
        if names := [name for name in notes.names.get(kind, ()) if name]:
            shown, rest = _(", ").join(names[:MOST_NAMES]), len(names) - MOST_NAMES
            shown += _(" and %(n)s more") % {"n": rest} if rest > 0 else ""
            found.append((kind, text % {"names": shown}))
    if "" in notes.names.get("declared", ()):
        found.append(("declared", _("Typed counts: taken as the same questions on both sides.")))
    return found


# Tables, chart, CSV, JSON and plain text


class _Shown(NamedTuple):
    """Row of a table. ``is_sum``: several sets; ``is_whole``: all questions."""

    name: str
    row: StatementRow
    is_sum: bool = False
    is_whole: bool = False


def _shown(statement: Statement) -> list[_Shown]:
    """Return sets, groups of sets and all questions. A group of many sets is one row."""
    rows = statement.rows
    sizes = {name: sum(row.group == name for row in rows) for name in statement.groups}
    shown = []
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        is_last = following is None or following.group != row.group
        if sizes.get(row.group, 0) <= MOST_ROWS:
            shown.append(_Shown(row_name(row, rows), row))
        if row.group in sizes and is_last:
            name = _("%(name)s, all %(n)s") % {"name": row.group, "n": sizes[row.group]}
            shown.append(_Shown(name, statement.groups[row.group], is_sum=True))
    if len(rows) > 1:
        shown.append(_Shown(_("all questions"), statement.pooled, is_sum=True, is_whole=True))
    return shown


def tables(stated: Stated, statement: Statement) -> list[Table]:
    """Return the table by data set, whose last row is that of all questions, and a table of the
    sets of each large group."""
    found = [_table(stated, statement, _("By data set"), _shown(statement))]
    for name in statement.groups:
        rows = [_Shown(row.name, row) for row in statement.rows if row.group == name]
        if len(rows) > MOST_ROWS:
            found.append(_table(stated, statement, name, rows))
    return found


def _table(stated: Stated, statement: Statement, title: str, rows: Sequence[_Shown]) -> Table:
    columns = [
        Heading(_("Data set"), is_number=False),
        Heading(_("Baseline"), stated.base.called),
        Heading(_("Result"), stated.result.called),
        Heading(_("Difference")),
        Heading(_("Verdict"), is_number=False),
        Heading(_("Method"), is_number=False),
    ]
    note = _("Accuracies in per cent, differences in points, brackets: 95 % intervals.")
    cells = [_cells(one, statement.margin, stated.parity.notes) for one in rows]
    return Table(title, columns, cells, [note])


def _cells(shown: _Shown, margin: float, notes: Notes) -> list[Cell]:
    row = shown.row
    base, result = (
        share(one, row.questions[side], unit="", note=right_text(row, side))
        for side, one in enumerate((row.first, row.second))
    )
    methods = {
        "paired": _("paired, Tango"),
        "clustered": _("by question, clustered"),
        "unpaired": _("unpaired, Newcombe"),
    }
    return [
        Cell(shown.name, note=_about(row, notes), tone="bold" if shown.is_sum else ""),
        base,
        result,
        difference(row.gap, min(row.questions), unit="", tone="bold"),
        Cell(verdict(row, margin), tone=TONES.get(row.decision, "line")),
        Cell(methods[row.method], note="" if row.p is None else p_text(row.p)),
    ]


def _about(row: StatementRow, notes: Notes) -> str:
    identity = notes.identities.get(row.name)
    if identity is None:
        return ""
    known = _("by name only")
    if identity.sha256:
        known = _("same questions, SHA-256 %(sum)s…") % {"sum": identity.sha256[:12]}
    version = "" if identity.version in row.name else identity.version
    return _(", ").join(filter(None, (version, known)))


def facts(stated: Stated, statement: Statement) -> FactList:
    row = statement.pooled
    _name, base, result, gap, _verdict, method = _cells(
        _Shown("", row), statement.margin, stated.parity.notes
    )
    sides = [
        replace(cell, unit="%", note=_("; ").join(filter(None, (side.called, cell.note))))
        for cell, side in zip((base, result), stated.sides, strict=True)
    ]
    margin = Cell(margin_text(statement.margin), value=stated.asks.margin)
    rows = [
        (_("Difference"), replace(gap, unit=_("points"), note=method.text, tone="")),
        (_("Baseline"), sides[0]),
        (_("Result"), sides[1]),
        (_("Margin"), margin),
    ]
    if row.p is not None:
        rows.append((_("McNemar, exact"), Cell(p_text(row.p), value=row.p, measure="p")))
    if len(statement.rows) > 1 and not statement.is_opposed:
        plain = points(statement.plain, 3), _("points"), 100 * statement.plain, "points"
        rows.append((_("Plain mean of sets"), Cell(*plain)))
    return FactList(rows, is_large=True)


def forest_of(statement: Statement) -> Figure:
    rows = [(one.name, one.row.gap, one.is_whole) for one in _shown(statement)]
    return accuracy.differences(rows, statement.margin)


def parity_csv(stated: Stated) -> HttpResponseBase:
    """Return a line for each set, each group of sets and all questions, with every digit; of sides
    that are not comparable one line with the verdict."""
    data = as_data(stated)
    pooled = data["pooled"] or {"name": "pooled", "verdict": data["verdict"]}
    lines = [_line(row, data) for row in (*data["sets"], *data["groups"], pooled)]
    return as_csv([_HEAD, *lines], stated.file_name)


def _line(row: Mapping[str, Any], data: Mapping[str, Any]) -> list[Any]:
    known = {**row, "set": row["name"], "margin_points": data["margin_points"]}
    for name, prefix in (("base", "base_"), ("result", "")):
        side = row.get(name, {})
        known |= {f"{prefix}{key}": value for key, value in side.items()}
        known |= {f"{prefix}is_weighted": side.get("weighted"), name: data[name]["name"]}
    known["goal"] = data["goal"] if data["pooled"] else ""
    return [known.get(name) for name in _HEAD]


def as_data(stated: Stated) -> dict[str, Any]:
    """Return the statement for the API. Accuracies are from 0 to 1; names with ``points`` are in
    points. Sides that are not comparable have no rows."""
    statement, notes = stated.parity.statement, stated.parity.notes
    verdict = statement.decision if statement else "not_comparable"
    base, result = (
        {"name": side.name, "results": list(map(result_name, side.results))}
        for side in stated.sides
    )
    data: dict[str, Any] = {
        "verdict": verdict,
        "exit_code": GATE[verdict],
        "text": headline(stated),
        "action": None if statement else action(notes),
        "margin_points": stated.asks.margin,
        "goal": stated.goal,
        "planned_questions": stated.asks.planned,
        "look": 1,
        "base": base,
        "result": result,
        "pooled": None,
        "plain_mean_points": None,
        "means_disagree": False,
        "sets": [],
        "groups": [],
        "warnings": [{"id": name, "text": text} for name, text in warnings(stated)],
        "method": [],
    }
    if statement is None:
        return data
    rows = statement.rows
    return data | {
        "planned_questions": statement.looks.planned,
        "look": statement.looks.number,
        "pooled": _row(statement.pooled, "pooled"),
        "plain_mean_points": 100 * statement.plain,
        "means_disagree": statement.is_opposed,
        "sets": [_row(row, row_name(row, rows), notes) for row in rows],
        "groups": [_row(row, name) for name, row in statement.groups.items()],
        "method": methods(statement),
    }


def _row(row: StatementRow, name: str, notes: Notes | None = None) -> dict[str, Any]:
    identity = notes.identities.get(row.name) if notes else None
    base, result = (
        {
            "correct": round(row.rights[side]) if row.rights else None,
            "questions": row.questions[side],
            "accuracy": interval.value,
            "weighted": is_weighted(row, side),
            "low": interval.low,
            "high": interval.high,
        }
        for side, interval in enumerate((row.first, row.second))
    )
    return {
        "name": name,
        "version": (identity.version if identity else "") or None,
        "questions_sha256": (identity.sha256 if identity else "") or None,
        "group": row.group,
        "base": base,
        "result": result,
        "difference_points": 100 * row.gap.value,
        "low_points": 100 * row.gap.low,
        "high_points": 100 * row.gap.high,
        "method": row.method,
        "verdict": row.decision,
        "mcnemar_p": row.p,
        "regressed": row.flips[0] if row.flips else None,
        "fixed": row.flips[1] if row.flips else None,
        "more_questions": row.more,
    }


# Several candidates against one baseline

_FAMILY_HEAD = (
    *("result", "accuracy", "low", "high", "questions", "difference_points", "low_points"),
    *("high_points", "margin_points", "goal", "verdict_alone", "p", "adjusted_p", "verdict"),
    "base",
)


def family_verdict(stated: Stated, own: Adjusted | None) -> str:
    """Return the verdict on a candidate, corrected for their number."""
    statement = stated.parity.statement
    if statement is None or own is None:
        return _("not comparable")
    return verdict(statement.pooled._replace(decision=own.decision), statement.margin)


def family_headline(family: Family) -> str:
    """Return "3 results vs res-11: 2 equivalent within 1 point, 1 cannot tell"."""
    said = Counter(family_verdict(*one) for one in family.members)
    args = {
        "n": len(family.members),
        "base": family.base.name,
        "verdicts": _(", ").join(
            _("%(n)s %(verdict)s") % {"n": n, "verdict": text} for text, n in said.most_common()
        ),
    }
    return _("%(n)s results vs %(base)s: %(verdicts)s") % args


def family_table(family: Family) -> Table:
    columns = [
        Heading(_("Result"), is_number=False),
        Heading(_("Accuracy")),
        Heading(_("Difference")),
        Heading(_("p"), _("alone")),
        Heading(_("p"), _("of all, Holm")),
        Heading(_("Verdict"), _("alone"), is_number=False),
        Heading(_("Verdict"), _("of all"), is_number=False),
    ]
    note = _(
        "Accuracies in per cent, differences in points, brackets: 95 % intervals of each alone."
    )
    return Table(_("By result"), columns, [_member(*one) for one in family.members], [note])


def _member(stated: Stated, own: Adjusted | None) -> list[Cell]:
    statement, name = stated.parity.statement, Cell(stated.result.name)
    if statement is None or own is None:
        note = action(stated.parity.notes)
        last = Cell(_("not comparable"), note=note)
        return [name, *(Cell("", tone="dim") for _column in range(5)), last]
    row = statement.pooled
    return [
        name,
        share(row.second, row.questions[1], unit="", note=right_text(row, 1)),
        difference(row.gap, min(row.questions), unit=""),
        _p_cell(own.p),
        _p_cell(own.adjusted),
        Cell(verdict(row, statement.margin), tone=TONES.get(row.decision, "line")),
        Cell(family_verdict(stated, own), tone=TONES.get(own.decision, "line")),
    ]


def _p_cell(p: float | None) -> Cell:
    text = f"> {ERROR:g}" if p is None else p_text(p).removeprefix("p ").removeprefix("= ")
    return Cell(text, value=p, measure="p")


def family_methods(family: Family) -> list[str]:
    compared = [stated.parity.statement for stated, own in family.members if own is not None]
    args = {"n": number(len(compared))}
    text = _(
        "Verdicts of all are corrected for %(n)s results (Holm 1979): one or more of them is wrong "
        "in at most 5 %% of cases. p is the smallest error at which an interval has a verdict."
    )
    used = dict.fromkeys(one for statement in compared if statement for one in methods(statement))
    return [text % args, *used]


def family_warnings(family: Family) -> list[str]:
    return [
        _("%(name)s: %(text)s") % {"name": stated.result.name, "text": text}
        for stated, _own in family.members
        for _name, text in warnings(stated)
    ]


def family_data(family: Family) -> dict[str, Any]:
    """Return the statement on all candidates for the API."""
    verdicts: list[Verdict] = [
        own.decision if own else "not_comparable" for _stated, own in family.members
    ]
    codes = [GATE[one] for one in verdicts]
    return {
        "text": family_headline(family),
        # The worst: any worse one, then not comparable, then undecided.
        "exit_code": 2 if 2 in codes else max(codes),
        "margin_points": family.asks.margin,
        "base": {"name": family.base.name, "results": list(map(result_name, family.base.results))},
        "candidates": [
            {
                "verdict": verdict,
                "p": own.p if own else None,
                "adjusted_p": own.adjusted if own else None,
                "alone": as_data(stated),
            }
            for verdict, (stated, own) in zip(verdicts, family.members, strict=True)
        ],
        "method": family_methods(family),
    }


def family_csv(family: Family) -> HttpResponseBase:
    rows = []
    for one in family_data(family)["candidates"]:
        alone, pooled = one["alone"], one["alone"]["pooled"] or {}
        known = {**pooled, **pooled.get("result", {}), "result": alone["result"]["name"]}
        known |= {"base": family.base.name, "verdict_alone": alone["verdict"], **one}
        known |= {name: alone[name] for name in ("margin_points", "goal")}
        rows.append([known.get(name) for name in _FAMILY_HEAD])
    return as_csv([_FAMILY_HEAD, *rows], family.file_name)
