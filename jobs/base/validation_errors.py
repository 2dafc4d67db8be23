"""Messages for pydantic's validation errors."""

from collections.abc import Mapping
from typing import Any
from unicodedata import normalize

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import ValidationError

from jobs.base.errors import LaunchError

_NO_NUMBER = ("int_parsing", "int_from_float")
_SHOWN = 40  # max characters of a quoted value
_NAME = gettext_lazy(
    "Begin with a letter or digit; then letters, digits, dots, dashes and underscores."
)
_WEB_ADDRESS = gettext_lazy(
    "Enter a web address that begins with http:// or https://, without spaces."
)
_PART = r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*"
# Messages by the pattern of a field. A test checks that each pattern has one.
PATTERNS: dict[str, str | Promise] = {
    r"^$|^/[A-Za-z0-9._/@+-]*$": gettext_lazy(
        "Enter an absolute path, such as /nfs/workspace/weights, without spaces."
    ),
    r"^/[A-Za-z0-9/_.-]*$": gettext_lazy("Enter a path that begins with a slash, such as /health."),
    r"^$|^https?://[A-Za-z0-9][A-Za-z0-9._:/-]*$": _WEB_ADDRESS,
    r"^$|^https?://[A-Za-z0-9][A-Za-z0-9._/:%+-]*$": _WEB_ADDRESS,
    r"^https?://[A-Za-z0-9][A-Za-z0-9._:/-]*$": _WEB_ADDRESS,
    r"^$|^https://[A-Za-z0-9][A-Za-z0-9._/:%+-]*$": gettext_lazy(
        "Enter a web address that begins with https://, without spaces."
    ),
    r"^$|^[A-Za-z0-9][A-Za-z0-9._/-]*$": gettext_lazy(
        "Begin with a letter or digit; then letters, digits, dots, dashes, underscores and slashes."
    ),
    r"^$|^[A-Za-z0-9][A-Za-z0-9._-]*$": _NAME,
    r"^[A-Za-z0-9][A-Za-z0-9._-]*$": _NAME,
    r"^$|^[A-Za-z0-9_][A-Za-z0-9._-]*$": gettext_lazy(
        "Begin with a letter, digit or underscore; then letters, digits, dots, dashes and"
        " underscores."
    ),
    r"^$|^[A-Za-z0-9][A-Za-z0-9._@+$-]*$": gettext_lazy(
        "Begin with a letter or digit; then letters, digits and the signs . _ @ + $ -"
    ),
    r"^$|^[A-Z][A-Z0-9_]{1,63}$": gettext_lazy(
        "Enter the name of a secret: capital letters, digits and underscores, such as HF_TOKEN."
    ),
    r"^$|^cpu$|^cuda(:[0-9]{1,2})?$": gettext_lazy("Enter cpu, cuda, or a card such as cuda:0."),
    r"^$|^[0-9][0-9A-Za-z.]*$": gettext_lazy("Enter a version, such as 4.51.3."),
    r"^$|^[0-9A-Fa-f.:]+$": gettext_lazy("Enter an IP address, such as 0.0.0.0 or ::."),
    r"^$|^[0-9]{1,3}(\.[0-9]{1,3}){3}$": gettext_lazy("Enter an IPv4 address, such as 0.0.0.0."),
    # Fields of a model of one's own (jobs.catalog.schema).
    r"^[a-z0-9]+([.-][a-z0-9]+)*$": gettext_lazy(
        "Use lower-case letters and digits, with single dashes or dots in between."
    ),
    rf"^{_PART}$": gettext_lazy(
        "Enter a file name: letters, digits, single dots, dashes and underscores."
    ),
    rf"^{_PART}/{_PART}$": gettext_lazy(
        "Enter owner/name: letters, digits, dots, dashes and underscores."
    ),
    rf"^{_PART}(/{_PART})*$": gettext_lazy("Enter a relative path, such as folder/model.gguf."),
    r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$": gettext_lazy(
        "Enter the name of a Python package."
    ),
    r"^[A-Za-z0-9][A-Za-z0-9.+!]*$": gettext_lazy("Enter a version, such as 4.51.3."),
    r"^\P{C}+$": gettext_lazy("Enter one line of text, without control characters."),
    r"^[A-Za-z0-9_]+$": gettext_lazy("Use only letters, digits and underscores."),
    r"^[0-9a-f]{64}$": gettext_lazy("Enter 64 lower-case hexadecimal digits."),
}


def messages(error: ValidationError) -> dict[str, str]:
    """Field -> message; "" is the whole form. Each wrong value of a field is named."""
    by_field: dict[str, list[str]] = {}
    for item in error.errors():
        of_value = len(item["loc"]) > 1 and isinstance(item["loc"][1], int)
        before = by_field.setdefault(str(item["loc"][0]) if item["loc"] else "", [])
        if of_value:
            quoted = {"value": str(item.get("input"))[:_SHOWN], "wrong": message_of(item)}
            before.append(_("“%(value)s”: %(wrong)s") % quoted)
            if item["type"] in _NO_NUMBER:
                before.append(_("Separate several values with commas, such as 1, 2, 4."))
        elif not before:  # "too few" is redundant if some values are wrong
            before.append(message_of(item))
    return {field: " ".join(texts) for field, texts in by_field.items()}


def message_of(item: Mapping[str, Any]) -> str:
    limits = item.get("ctx") or {}
    texts = {
        "missing": _("Required."),
        "greater_than_equal": _("At least %(ge)s."),
        "less_than_equal": _("At most %(le)s."),
        "greater_than": _("Enter more than %(gt)s."),
        "less_than": _("Enter less than %(lt)s."),
        **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), _("Enter a whole number.")),
        **dict.fromkeys(("bool_type", "bool_parsing"), _("Enter true or false.")),
        "string_type": _("Enter a text."),
        **dict.fromkeys(("dict_type", "model_attributes_type"), _("Enter an object.")),
        "float_parsing": _("Enter a number."),
        "literal_error": _("Choose one of %(expected)s."),
        **dict.fromkeys(("tuple_type", "list_type"), _("Enter a list of values, such as [1, 4].")),
        "extra_forbidden": _("This job type has no such field."),
        "too_short": _("Enter one value, or several separated by commas."),
        "too_long": _("At most %(max_length)s values."),
        "string_too_long": _("At most %(max_length)s characters."),
        "reserved_id": _("This ID is reserved for a dashboard page. Choose another."),
    }
    if item["type"] == "string_pattern_mismatch":
        return str(PATTERNS.get(str(limits.get("pattern")), _("Invalid format.")))
    # Python parses "nan" as a number, and no limit catches it.
    if str(item.get("input")).strip().lower().lstrip("+-") == "nan":
        return texts["float_parsing"]
    text = texts.get(item["type"])
    return text % limits if text else str(item["msg"]).removeprefix("Value error, ")


def one_line(text: str, field: str, *, most: int, is_optional: bool = False) -> str:
    """Return one line of single spaces, in composed form (NFC). Raises ``LaunchError``."""
    line = " ".join(normalize("NFC", text).split())
    if not (line or is_optional):
        raise LaunchError(_("Enter a text."), field)
    if len(line) > most or not line.isprintable():
        raise LaunchError(_("Enter one line of at most %(most)s characters."), field, most=most)
    return line
