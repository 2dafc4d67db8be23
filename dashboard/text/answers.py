"""Texts for flags of answers, and texts of models made safe to read."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

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

# Invisible characters, and those that turn the order of the text around.
_HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Return a text with visible control characters and changes of direction."""
    return _HIDDEN.sub(lambda match: f"[U+{ord(match[0]):04X}]", text)
