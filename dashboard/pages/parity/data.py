"""Parity statement as data for the API and ``manage.py parity --json``, and as plain text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from django.utils.translation import gettext as _

from dashboard.pages.parity import incomparable, words
from dashboard.pages.parity.asked import SideView, Stated
from dashboard.pages.parity.warnings import warnings
from dashboard.text.formatting import p_text, percent, points
from dashboard.text.labels import result_name
from jobs.queries.parity.statement import Row, Statement
from jobs.statistics import Decision, Interval

# Exit code of a gate in CI by verdict; 1 is that of an error.
Verdict = Decision | Literal["not_comparable"]
GATE: Mapping[Verdict, int] = {
    **{"better": 0, "equivalent": 0, "not_worse": 0},
    **{"worse": 2, "cannot_tell": 3, "not_comparable": 4},
}


def as_data(stated: Stated) -> dict[str, Any]:
    """Return the statement. Accuracies are from 0 to 1; names with ``points`` are in points.

    Sides that are not comparable have no rows; ``action`` says what makes them so.
    """
    data: dict[str, Any] = {
        "verdict": verdict_of(stated),
        "exit_code": GATE[verdict_of(stated)],
        "text": headline_of(stated),
        "action": None,
        "margin_points": stated.asks.margin,
        "goal": stated.goal,
        "planned_questions": stated.asks.planned,
        "look": 1,
        "base": _side(stated.base),
        "result": _side(stated.result),
        "pooled": None,
        "plain_mean_points": None,
        "means_disagree": False,
        "sets": [],
        "groups": [],
        "warnings": [{"id": one.id, "text": one.text} for one in warnings(stated)],
        "method": [],
    }
    statement = stated.parity.statement
    if statement is None:
        return data | {"action": incomparable.action(stated)}
    return data | {
        "planned_questions": statement.looks.planned,
        "look": statement.looks.number,
        "pooled": _row(statement.pooled, "pooled"),
        "plain_mean_points": 100 * statement.plain,
        "means_disagree": statement.is_opposed,
        "sets": [_row(row, words.row_name(row, statement.rows), stated) for row in statement.rows],
        "groups": [_row(row, name) for name, row in statement.groups.items()],
        "method": words.methods(statement),
    }


def verdict_of(stated: Stated) -> Verdict:
    """Return the verdict on all questions; "not_comparable" without a statement."""
    statement = stated.parity.statement
    return statement.decision if statement else "not_comparable"


def statement_of(stated: Stated) -> Statement:
    """Return the statement of comparable sides."""
    statement = stated.parity.statement
    assert statement is not None  # noqa: S101 -- the caller shows other sides without one
    return statement


def headline_of(stated: Stated) -> str:
    """Return the verdict as a title."""
    statement = stated.parity.statement
    return words.headline(statement) if statement else incomparable.headline()


def full_headline(stated: Stated) -> str:
    """Return the verdict with the names of both sides, for a title."""
    args = {
        "result": stated.result.name,
        "base": stated.base.name,
        "headline": headline_of(stated),
    }
    return _("%(result)s vs %(base)s: %(headline)s") % args


def _side(side: SideView) -> dict[str, Any]:
    return {"name": side.name, "results": [result_name(result) for result in side.results]}


def _row(row: Row, name: str, stated: Stated | None = None) -> dict[str, Any]:
    identity = stated.parity.notes.identities.get(row.name) if stated else None
    return {
        "name": name,
        "version": (identity.version if identity else "") or None,
        "questions_sha256": (identity.sha256 if identity else "") or None,
        "group": row.group,
        "base": _accuracy(row, 0, row.first),
        "result": _accuracy(row, 1, row.second),
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


def _accuracy(row: Row, side: int, interval: Interval) -> dict[str, Any]:
    return {
        "correct": round(row.rights[side]) if row.rights else None,
        "questions": row.questions[side],
        "accuracy": interval.value,
        "weighted": words.is_weighted(row, side),
        "low": interval.low,
        "high": interval.high,
    }


def as_text(stated: Stated) -> str:
    """Return the statement for a terminal."""
    statement = stated.parity.statement
    if statement is None:
        lines = [
            incomparable.headline(),
            incomparable.sentence(stated),
            incomparable.action(stated),
            *(f"warning: {one.text}" for one in warnings(stated)),
        ]
        return "\n".join(lines)
    lines = [
        words.headline(statement),
        words.sentence(statement, stated.base.name, stated.result.name),
        *words.reasons(statement),
        "",
    ]
    lines += [
        _line(row, words.row_name(row, statement.rows), statement.margin)
        for row in (*statement.rows, *statement.groups.values())
    ]
    if len(statement.rows) > 1:
        lines.append(_line(statement.pooled, "pooled", statement.margin))
        lines.append(f"plain mean of the sets: {points(statement.plain, 3)} points")
    lines += [f"warning: {one.text}" for one in warnings(stated)]
    return "\n".join(lines)


def _line(row: Row, name: str, margin: float) -> str:
    sides = " -> ".join(
        f"{percent(interval.value)} % ({words.right_text(row, side)})"
        for side, interval in enumerate((row.first, row.second))
    )
    tested = f", {p_text(row.p)} (McNemar)" if row.p is not None else ""
    gap = f"{points(row.gap.value)} {words.bounds(row.gap)}"
    return f"{name}: {sides}, {gap} points, {words.verdict(row, margin)}{tested}"
