"""Lengths that a benchmark asked for, and those that it got."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jobs.kinds.base import Remark

APART = 0.1  # of what was asked for: so much is said nothing of
INPUT, OUTPUT = "input_tokens", "output_tokens"


def asked(
    names: Sequence[str], params: Mapping[str, Any], *, answer_limit: str = ""
) -> dict[str, int]:
    """``{"input_tokens": n, "output_tokens": n}`` of a request, without what is not asked for.

    ``names``: what the kind asks for; written prompts have their own length. ``answer_limit``: the
    field with the most tokens that an answer may have, of an evaluation.
    """
    if answer_limit:
        most = params.get(answer_limit)
        return {OUTPUT: most} if isinstance(most, int) else {}
    if params.get("dataset") == "sharegpt":
        names = (OUTPUT,)
    return {name: params[name] for name in names if isinstance(params.get(name), int)}


def measured(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The same as it was measured: means over the completed requests."""
    found: dict[str, float] = {}
    for name in (INPUT, OUTPUT):
        mean, total = metrics.get(f"{name}_mean"), metrics.get(name)
        if mean is None and total is not None and metrics.get("requests"):
            mean = total / metrics["requests"]
        if mean is not None:
            found[name] = mean
    return found


def answer_means(answers: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Mean tokens of an evaluation's questions and answers, as metrics; without what is untold."""
    details = [answer.get("detail") or {} for answer in answers]
    found = {}
    for name in (INPUT, OUTPUT):
        told = [one[name] for one in details if isinstance(one.get(name), int | float)]
        if told:
            found[f"{name}_mean"] = sum(told) / len(told)
    return found


def ignores_ends(arguments: Iterable[str]) -> bool:
    """Whether a command makes answers go on to their full length."""
    return any("ignore-eos" in word or "ignore_eos" in word for word in arguments)


def length_remarks(
    asked: Mapping[str, int], points: Sequence[tuple[int, Mapping[str, Any]]], *, full: bool
) -> list[Remark]:
    """Remarks on lengths that are more than ``APART`` from what was asked, with the cause.

    Each names the point where they are furthest apart. ``full``: see :func:`ignores_ends`.
    """
    remarks = []
    for name, wanted in asked.items():
        found = {c: m[name] for c, metrics in points if name in (m := measured(metrics))}
        worst = max(found, key=lambda c: abs(found[c] - wanted), default=None)
        if worst is None or abs(found[worst] - wanted) <= APART * wanted:
            continue
        args = {"asked": wanted, "measured": round(found[worst]), "concurrency": worst}
        remarks.append(Remark(_cause(name, is_short=found[worst] < wanted, full=full), args))
    return remarks


def _cause(name: str, *, is_short: bool, full: bool) -> str:
    if name == INPUT:
        return "lengths:input"
    if not is_short:
        return "lengths:output_long"
    return "lengths:output_cut" if full else "lengths:output_ended"
