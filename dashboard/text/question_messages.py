"""Messages on data sets and their files."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

QUESTION_MESSAGES: dict[str, str | Promise] = {
    "check:data_files": _("%(tool)s: %(path)s, %(files)s files, %(size)s."),
    "check:data_files_many": _("%(tool)s: %(path)s, more than %(files)s files."),
    "check:data_files_missing": _("%(tool)s: not found, %(path)s."),
}
