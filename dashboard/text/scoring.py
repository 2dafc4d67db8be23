"""Why an answer counts as right or wrong, and what ended it, for people."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs.models import Answer

_RULES = {
    "number": gettext_lazy("Compared as a number: the one the answer concludes with."),
    "no_number": gettext_lazy("No number except those of the question."),
    "several_numbers": gettext_lazy("Two different numbers for the same thing."),
    "letter": gettext_lazy("The letter that the answer chooses."),
    "letter_by_text": gettext_lazy("The text of exactly one choice."),
    "letter_contradicted": gettext_lazy("The letter stands beside the text of another choice."),
    "no_letter": gettext_lazy("No letter chosen, or only a list of the choices."),
    "empty": gettext_lazy("Empty: no text after the reasoning."),
}
# Results that were scored before each answer carried its rule.
_EARLIER = {
    "short": gettext_lazy("Earlier rule: an accepted answer occurs anywhere in the text."),
    "choice": gettext_lazy("Earlier rule: the last letter named."),
}
_ENDINGS = {
    "stop": gettext_lazy("The model stopped by itself."),
    "length": gettext_lazy("Cut off at the max output tokens."),
    "content_filter": gettext_lazy("Stopped by a content filter."),
    "tool_calls": gettext_lazy("Ended with a tool call."),
}


def rule_words(answer: Answer) -> str:
    """The rule by which the answer was scored."""
    if answer.status:
        return _("No score from the tool (%(status)s).") % {"status": answer.status}
    rule = str(answer.detail.get("rule") or "")
    if rule == "text":
        return _("Names an accepted text.") if answer.score >= 0.5 else _("Names no accepted text.")
    if rule in _RULES:
        return str(_RULES[rule])
    sort, _underscore, language = answer.subset.partition("_")
    if language in ("en", "zh") and sort in _EARLIER:
        return str(_EARLIER[sort])
    return _("Scored by the tool.")


def ending_words(answer: Answer, max_tokens: int | None) -> str:
    """What ended the answer; a guess says that it is one."""
    if answer.finish:
        told = _ENDINGS.get(answer.finish)
        return str(told) if told else answer.finish
    tokens = answer.detail.get("output_tokens")
    if max_tokens and isinstance(tokens, int | float) and tokens >= max_tokens:
        return _("Probably cut off: as many tokens as allowed. The tool names no reason.")
    return _("Not told by the tool.")
