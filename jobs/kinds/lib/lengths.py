"""Requested and measured lengths of a benchmark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.base.messages import Message

APART = 0.1  # relative difference of lengths: more is reported, and is another workload
INPUT, OUTPUT = "input_tokens", "output_tokens"
# Prompts of a chosen length, of other clients.
RANDOM = "random"
# Data sets of vLLM's client whose prompts have lengths of their own.
FIXED = ("sharegpt", "custom")
# Tokens of the examples that llama.cpp's reasoning template adds (``jobs.kinds.deploy.deploy``).
_EXAMPLES = 300


def asked(
    names: Sequence[str], params: Mapping[str, Any], *, answer_limit: str = ""
) -> dict[str, int]:
    """Return the requested ``{"input_tokens": n, "output_tokens": n}``, without unset values.

    ``names``: lengths the kind requests; fixed prompts have their own. ``answer_limit``: the field
    of max output tokens, of an evaluation.
    """
    if answer_limit:
        most = params.get(answer_limit)
        return {OUTPUT: most} if isinstance(most, int) else {}
    if not has_chosen_length(params):
        names = (OUTPUT,)
    return {name: params[name] for name in names if isinstance(params.get(name), int)}


def has_chosen_length(params: Mapping[str, Any]) -> bool:
    """True if prompts have a chosen length: not those of a fixed set."""
    if "dataset" in params:
        return params["dataset"] not in FIXED
    return bool(params.get("prompts", RANDOM) == RANDOM)


def measured(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return measured lengths: means over completed requests."""
    lengths: dict[str, float] = {}
    for name in (INPUT, OUTPUT):
        mean, total = metrics.get(f"{name}_mean"), metrics.get(name)
        if mean is None and total is not None and metrics.get("requests"):
            mean = total / metrics["requests"]
        if mean is not None:
            lengths[name] = mean
    return lengths


def answer_means(answers: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return mean tokens of an evaluation's questions and answers as metrics; unknown ones are
    omitted."""
    details = [answer.get("detail") or {} for answer in answers]
    means = {}
    for name in (INPUT, OUTPUT):
        counts = [one[name] for one in details if isinstance(one.get(name), int | float)]
        if counts:
            means[f"{name}_mean"] = sum(counts) / len(counts)
    return means


def about_tokens(texts: Iterable[str]) -> int:
    """Estimate the length of the longest of ``texts`` as a prompt, on the safe side: a token per
    three bytes, plus 32 for the chat template.
    """
    return max((len(text.encode()) for text in texts), default=0) // 3 + 32


def longest_answer(served: Mapping[str, Any], prompt: int) -> int | None:
    """Return tokens left for an answer after a prompt of ``prompt`` tokens.

    None where it declares no limit; 0 or less where the prompt alone is too long.
    """
    whole = int(served.get("max_total") or 0)
    if not whole:
        return None
    has_examples = served.get("reasoning") and served.get("toolchain") == "llama.cpp"
    return whole - prompt - (_EXAMPLES if has_examples else 0)


def check_answer(served: Mapping[str, Any], field: str, tokens: int, prompt: int) -> None:
    """Refuse answers that do not fit in the deployment's context with the prompt.

    Raises:
        LaunchError: at ``field``, or at the deployment where no prompt fits.
    """
    most = longest_answer(served, prompt)
    if most is None or tokens <= most:
        return
    args = {"name": served.get("name", ""), "context": served["max_total"], "most": most}
    args |= {"prompt": int(served["max_total"]) - most}
    if most < 1:
        message = _(
            "Context too short: %(name)s has %(context)s tokens, and the prompt alone "
            "takes about %(prompt)d. Choose a deployment with a longer context."
        )
        raise LaunchError(message % args, "deployment")
    message = _(
        "At most %(most)d: prompt (about %(prompt)d) and output share the context of "
        "%(name)s, %(context)s tokens. Reduce the value, or deploy with a longer "
        "context."
    )
    raise LaunchError(message % args, field)


def check_limit(limit: int, questions: int) -> None:
    """Refuse to ask more questions than a set has.

    Raises:
        LaunchError: at the field ``limit``.
    """
    if limit > questions:
        message = _("At most %(questions)d, the size of the set. 0: all questions.")
        raise LaunchError(message % {"questions": questions}, "limit")


def ignores_ends(arguments: Iterable[str]) -> bool:
    """True if a command forces answers to full length."""
    return any("ignore-eos" in word or "ignore_eos" in word for word in arguments)


def length_remarks(
    asked: Mapping[str, int],
    points: Sequence[tuple[int, Mapping[str, Any]]],
    *,
    full: bool,
    context: int = 0,
) -> list[Message]:
    """Return remarks on lengths that differ by more than ``APART`` from the requested ones, with
    causes.

    Each names the point with the largest difference. ``full``: see :func:`ignores_ends`.
    ``context``: tokens that the deployment holds, prompt and output together; 0: not known.
    """
    remarks = []
    for name, wanted in asked.items():
        means = {c: m[name] for c, metrics in points if name in (m := measured(metrics))}
        worst = max(means, key=lambda c: abs(means[c] - wanted), default=None)
        if worst is None or abs(means[worst] - wanted) <= APART * wanted:
            continue
        args = {"asked": wanted, "measured": round(means[worst]), "concurrency": worst}
        prompt = measured(dict(points)[worst]).get(INPUT, 0)
        if name == OUTPUT and means[worst] < wanted and 0 < context < prompt + wanted:
            remarks.append(Message("lengths:output_context", {**args, "context": context}))
            continue
        remarks.append(Message(_cause(name, is_short=means[worst] < wanted, full=full), args))
    return remarks


def _cause(name: str, *, is_short: bool, full: bool) -> str:
    if name == INPUT:
        return "lengths:input"
    if not is_short:
        return "lengths:output_long"
    return "lengths:output_cut" if full else "lengths:output_ended"
