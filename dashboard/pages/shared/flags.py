"""Flags of a result: each limits what its numbers are worth."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.text.formatting import number
from dashboard.text.messages import message
from jobs.models import Result
from jobs.queries.answers.hygiene import is_doubtful, unswitched
from jobs.services.outcomes.shortfall import shortfall

LOADED = "result:host_loaded"
_OTHERS = "result:other_clients"


@dataclass(frozen=True, slots=True)
class Flag:
    """A flag as a word, and its reason as a sentence. ``style``: class of its stamp."""

    word: str
    why: str
    style: str = "dist"


def flags(result: Result) -> list[Flag]:
    """Return the flags of a result in the order of the stamps on its page."""
    found = []
    if result.endpoint:
        why = _("Measured on endpoint %(name)s, an engine that this dashboard did not start.")
        word = _("external") + (_(", ") + result.device if result.device else "")
        found.append(Flag(word, why % {"name": result.endpoint.name}, "ext"))
    if result.imported:
        word = _("imported") + (_(", ") + result.device if result.device else "")
        why = _("Measured by others, read from their file %(file)s.")
        found.append(Flag(word, why % {"file": result.imported.name}, "ext"))
    if result.simulated:
        why = _("mock commands on a fast clock. The numbers were not measured on hardware.")
        found.append(Flag(_("simulated"), why, "sim"))
    if result.incomplete:
        found.append(Flag(_("incomplete"), missed_words(result)))
    if faulty := faulty_words(result):
        found.append(Flag(_("faulty answers"), faulty))
    if thinking := thinking_words(result):
        found.append(Flag(_("thinking doubtful"), thinking))
    if result.disturbed:
        found.append(Flag(_("disturbed"), disturbed_words(result)))
    for remark in result.remarks:
        if remark["id"] == LOADED:
            found.append(Flag(_("loaded host"), message(remark["id"], remark["args"])))
        if remark["id"] == _OTHERS:
            found.append(Flag(_("other clients"), message(remark["id"], remark["args"])))
    return found


def few_words(result: Result) -> str:
    """Return that the sample is small; "" where it is not."""
    few = (one for one in result.remarks if ":few_" in one["id"])
    return " ".join(message(one["id"], one["args"]) for one in few)


def all_flags(result: Result) -> list[Flag]:
    """Return the flags, and one of a small sample: of a number that stands for a model."""
    few = few_words(result)
    return [*flags(result), *([Flag(_("few samples"), few)] if few else [])]


def disturbed_words(result: Result) -> str:
    """Return the other work during the run; "" for none."""
    return " ".join(
        message(one["id"], one["args"])
        for one in result.remarks
        if one["id"].startswith("result:beside_")
    )


def missed_words(result: Result) -> str:
    """Return the count of failed requests, or of questions that were not scored, as text."""
    remarks = [(one["id"], one["args"]) for one in result.remarks]
    missed = shortfall(result.metrics, remarks)._asdict()
    is_evaluation = result.type == Result.Type.EVALUATION
    return message(f"result:{'unscored' if is_evaluation else 'failed'}", missed)


def faulty_words(result: Result) -> str:
    """Return why faulty answers leave a score doubtful; "" where they do not."""
    if not is_doubtful(result):
        return ""
    total, faulty = (result.metrics[f"answers_{name}"] for name in ("total", "faulty"))
    text = _("%(n)s of %(total)s answers are faulty (e.g. cut off). The score is doubtful.")
    return text % {"n": number(faulty), "total": number(total)}


def thinking_words(result: Result) -> str:
    """Return what speaks against the thinking that a run chose; "" for nothing."""
    found = unswitched(result)
    if found is None:
        return ""
    if found.chosen == "on":
        return _(
            "Thinking was on, but no answer has reasoning: the engine may ignore the switch, or "
            "the tool dropped the reasoning."
        )
    text = ngettext(
        "Thinking was off, but %(n)s of %(total)s answers has reasoning: the engine may ignore the "
        "switch.",
        "Thinking was off, but %(n)s of %(total)s answers have reasoning: the engine may ignore "
        "the switch.",
        found.reasoned,
    )
    return text % {"n": number(found.reasoned), "total": number(found.total)}
