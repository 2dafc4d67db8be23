"""Messages of the greedy probe."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

PROBE_MESSAGES: dict[str, str | Promise] = {
    "probe:done": _(
        "%(equal)s of %(compared)s answers are equal. Second answers equal to the first: "
        "%(same)s of %(again)s."
    ),
    "probe:once": _(
        "%(equal)s of %(compared)s answers are equal. No prompt was sent twice to the same engine."
    ),
    "probe:partly": _(
        "%(equal)s of %(compared)s answers are equal. Prompts without both answers: %(failed)s."
    ),
    "probe:none": _("None of %(prompts)s prompts has answers of both engines."),
}
