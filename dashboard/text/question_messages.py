"""Messages on data sets and their files."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

QUESTION_MESSAGES: dict[str, str | Promise] = {
    "check:data_files": _("%(tool)s: %(path)s, %(files)s files, %(size)s."),
    "check:data_files_many": _("%(tool)s: %(path)s, more than %(files)s files."),
    "check:data_files_missing": _("%(tool)s: not found, %(path)s."),
    "check:data_set": _("%(name)s: %(path)s has data."),
    "check:data_set_missing": _(
        "%(name)s: no data in %(path)s. Copy the files of %(repository)s there."
    ),
    "check:data_set_card_missing": _(
        "%(name)s: %(card)s is missing in %(path)s. Copy it from %(repository)s."
    ),
}
