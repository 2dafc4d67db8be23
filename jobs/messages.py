"""What pydantic found wrong with values, in words for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from pydantic import ValidationError


def messages(error: ValidationError) -> dict[str, str]:
    """Field → what is wrong with it first, in words for people; "" is the form as a whole."""
    return {_field(item): message_of(item) for item in reversed(error.errors())}


def message_of(item: Mapping[str, Any]) -> str:
    """One of the errors of a ValidationError, in words for people."""
    limits = item.get("ctx") or {}
    words = {
        "missing": _("This is needed."),
        "greater_than_equal": _("At least %(ge)s."),
        "less_than_equal": _("At most %(le)s."),
        "greater_than": _("More than %(gt)s."),
        "less_than": _("Less than %(lt)s."),
        "int_parsing": _("A whole number."),
        "int_from_float": _("A whole number."),
        "float_parsing": _("A number."),
        "literal_error": _("One of %(expected)s."),
        "extra_forbidden": _("This kind of job has no such field."),
        "too_short": _("At least %(min_length)s is needed."),
        "too_long": _("At most %(max_length)s values."),
        "string_too_long": _("At most %(max_length)s characters."),
        "reserved_id": _("The dashboard has a page of this name; choose another id."),
        "string_pattern_mismatch": _("Letters, digits, dots, dashes and underscores only."),
    }
    text = words.get(item["type"])
    return text % limits if text else str(item["msg"]).removeprefix("Value error, ")


def _field(item: Mapping[str, Any]) -> str:
    return str(item["loc"][0]) if item["loc"] else ""
