"""Texts for scoring rules and finish reasons of answers."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs.models import Answer

_RULES = {
    "number": gettext_lazy("Numeric comparison of the final number."),
    "no_number": gettext_lazy("No number besides those of the question."),
    "several_numbers": gettext_lazy("Two conflicting numbers."),
    "letter": gettext_lazy("Comparison of the chosen letter."),
    "letter_by_text": gettext_lazy("Contains the text of exactly one choice."),
    "letter_contradicted": gettext_lazy("Letter and text name different choices."),
    "no_letter": gettext_lazy("No letter chosen, or choices only listed."),
    "empty": gettext_lazy("Empty: no text after the reasoning."),
}
# Rules of results from before answers recorded their rule.
_EARLIER = {
    "short": gettext_lazy("Earlier rule: accepted answer anywhere in the text."),
    "choice": gettext_lazy("Earlier rule: last letter in the text."),
}
_ENDINGS = {
    "stop": gettext_lazy("Finished by the model."),
    "length": gettext_lazy("Stopped at max output tokens."),
    "content_filter": gettext_lazy("Stopped by a content filter."),
    "tool_calls": gettext_lazy("Ended with a tool call."),
}


def rule_words(answer: Answer) -> str:
    """Return the scoring rule of an answer as text."""
    if answer.status:
        return _("No score from the tool (%(status)s).") % {"status": answer.status}
    rule = str(answer.detail.get("rule") or "")
    if rule == "text":
        return (
            _("Contains an accepted answer.") if answer.score >= 0.5 else _("No accepted answer.")
        )
    if rule in _RULES:
        return str(_RULES[rule])
    subset, _underscore, language = answer.subset.partition("_")
    if language in ("en", "zh") and subset in _EARLIER:
        return str(_EARLIER[subset])
    return _("Scored by the tool.")


def ending_words(answer: Answer, max_tokens: int | None) -> str:
    """Return the finish reason of an answer; guesses are marked as such."""
    if answer.finish:
        label = _ENDINGS.get(answer.finish)
        return str(label) if label else answer.finish
    tokens = answer.detail.get("output_tokens")
    if max_tokens and isinstance(tokens, int | float) and tokens >= max_tokens:
        return _("Probably cut off: max output tokens reached, no finish reason reported.")
    return _("Not reported by the tool.")
