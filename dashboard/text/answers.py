"""Texts for flags, scoring rules and finish reasons of answers; texts of models, safe to read."""

import re
from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from jobs.models import Answer

# Filter of the reader -> title.
TITLES: Mapping[str, str | Promise] = {
    "incorrect": _("Incorrect"),
    "correct": _("Correct"),
    "unscored": _("Unscored"),
    "faulty": _("Faulty"),
    "cut": _("Cut off"),
    "open_thought": _("Unfinished reasoning"),
    "not_extracted": _("Not extracted"),
    "empty": pgettext_lazy("answer", "Empty"),
    "failed": _("Request failed"),
    "looping": _("Loop"),
    "no_score": _("No score"),
    "changed": pgettext_lazy("verdict", "Changed"),
    "slow": pgettext_lazy("answer", "Slow"),
    "long": pgettext_lazy("answer", "Long"),
}
# Meaning of a flag, one sentence.
MEANINGS: Mapping[str, str | Promise] = {
    "incorrect": _("Scored by the tool as incorrect."),
    "correct": _("Scored by the tool as correct."),
    "unscored": _("The tool gave no score. Unscored is not incorrect."),
    "faulty": _("Any of the flags that make a verdict doubtful."),
    "cut": _("The answer ended at max output tokens."),
    "open_thought": _("The reasoning never ended, so there is no answer to score."),
    "not_extracted": _("The answer has text, but the tool extracted nothing to score."),
    "empty": _("The model returned no text after its reasoning."),
    "failed": _("The request failed: nothing was answered."),
    "looping": _("The text repeats itself: see the guide for the exact rule."),
    "no_score": _("The tool scored other answers of the set, but not this one."),
    "changed": _("Other verdict than in the selected result."),
    "slow": _("Above the 95th percentile of this result's durations."),
    "long": _("Above the 95th percentile of this result's lengths."),
}
_RULES: Mapping[str, str | Promise] = {
    "number": _("Numeric comparison of the final number."),
    "no_number": _("Every number of the answer is one of the question's."),
    "several_numbers": _("Two conflicting numbers."),
    "letter": _("Comparison of the chosen letter."),
    "letter_by_text": _("Contains the text of exactly one choice."),
    "letter_contradicted": _("Letter and text name different choices."),
    "no_letter": _("No letter chosen, or choices only listed."),
    "empty": _("Empty: no text after the reasoning."),
}
# Rules of results from before answers recorded their rule.
_EARLIER: Mapping[str, str | Promise] = {
    "short": _("Earlier rule: accepted answer anywhere in the text."),
    "choice": _("Earlier rule: last letter in the text."),
}
_ENDINGS: Mapping[str, str | Promise] = {
    "stop": _("Finished by the model."),
    "length": _("Stopped at max output tokens."),
    "content_filter": _("Stopped by a content filter."),
    "tool_calls": _("Ended with a tool call."),
}
# Invisible characters, and those that turn the order of the text around.
_HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Return a text with visible control characters and changes of direction."""
    return _HIDDEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)


def rule_words(answer: Answer) -> str:
    if answer.status:
        return gettext("No score from the tool (%(status)s).") % {"status": answer.status}
    rule = str(answer.detail.get("rule") or "")
    if rule == "text":
        is_found = answer.score >= 0.5
        found, none = gettext("Contains an accepted answer."), gettext("No accepted answer.")
        return found if is_found else none
    if rule in _RULES:
        return str(_RULES[rule])
    subset, _underscore, language = answer.subset.partition("_")
    if language in ("en", "zh") and subset in _EARLIER:
        return str(_EARLIER[subset])
    return gettext("Scored by the tool.")


def finish_words(finish_reason: str) -> str:
    return str(_ENDINGS.get(finish_reason, finish_reason))


def ending_words(answer: Answer, max_tokens: int | None) -> str:
    """Return the finish reason of an answer; guesses are marked as such."""
    if answer.finish:
        return finish_words(answer.finish)
    tokens = answer.detail.get("output_tokens")
    if max_tokens and isinstance(tokens, int | float) and tokens >= max_tokens:
        return gettext("Probably cut off: max output tokens reached, no finish reason reported.")
    return gettext("Not reported by the tool.")
