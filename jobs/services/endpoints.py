"""Endpoints: save, check, archive. What is called is decided by the list of permitted sources."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils.timezone import now
from django.utils.translation import gettext as _

from jobs.access import secrets, sources
from jobs.access.source_addresses import clean
from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.base.numbers import number_from
from jobs.catalog import MODELS, THINKING_SWITCHES
from jobs.metrics.measured import EngineAbout
from jobs.models import Endpoint, Source

MOST = 500
LONGEST_NAME, LONGEST_DEVICE, LONGEST_ENGINE = 100, 100, 64
MOST_DEVICES, MOST_CONTEXT = 100_000, 100_000_000
_LONGEST_URL = 300
_MODEL = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9._/:@+-]{0,199}")
_API = "/v1"
OK = "endpoint:ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """Values of the form, as typed."""

    name: str = ""
    url: str = ""
    api_key: str = ""
    model: str = ""
    model_id: str = ""
    device: str = ""
    devices: str = ""
    engine: str = ""
    engine_version: str = ""
    max_context: str = ""
    thinking_switch: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """Outcome of a check: its message, and what the engine told; None: no answer."""

    message: Message
    about: EngineAbout | None = None


def entered(row: Endpoint) -> Entered:
    """Return the values of ``row`` for its form."""
    values = {name: getattr(row, name) for name in Entered.__dataclass_fields__}
    return Entered(**{name: "" if value is None else str(value) for name, value in values.items()})


def draft(typed: Entered, user: AbstractBaseUser | None, row: Endpoint | None = None) -> Endpoint:
    """Return ``row``, or a new endpoint, with the typed values; nothing is stored.

    ``model`` may still be empty: see :func:`save`.

    Raises:
        LaunchError: a wrong or missing value; ``field`` names it.
    """
    name = _line(typed.name, "name", LONGEST_NAME)
    if not name:
        raise LaunchError(_("Enter a name, such as “H800, DeepSeek-R1”."), "name")
    url = _base(typed.url)
    sources.check_endpoint(url)
    # A key that stays where it was needs no right: it was checked for the person who chose it.
    if typed.api_key and (row is None or (row.api_key, row.url) != (typed.api_key, url)):
        secrets.check_endpoint(typed.api_key, url, user)
    if typed.model and not _MODEL.fullmatch(typed.model):
        text = _("Enter the model's name as the engine lists it: letters, digits and . _ / : @ + -")
        raise LaunchError(text, "model")
    if typed.model_id and typed.model_id not in MODELS:
        raise LaunchError(_("Unknown model. Choose one from the catalogue."), "model_id")
    if typed.thinking_switch and typed.thinking_switch not in THINKING_SWITCHES:
        text = _("Unknown switch. Choose one of %(names)s, or none.")
        names = _(", ").join(THINKING_SWITCHES)
        raise LaunchError(text % {"names": names}, "thinking_switch")
    changed = row or Endpoint(created_by_id=user.pk if user else None)
    if changed.url != url:  # another engine
        changed.found = {}
    changed.name, changed.url, changed.api_key = name, url, typed.api_key
    changed.model, changed.model_id = typed.model, typed.model_id
    changed.thinking_switch = typed.thinking_switch
    changed.device = _line(typed.device, "device", LONGEST_DEVICE)
    changed.devices = _count(typed.devices, "devices", MOST_DEVICES)
    if changed.devices and not changed.device:
        raise LaunchError(_("Describe the devices, such as “8 × H800”."), "device")
    changed.engine = _line(typed.engine, "engine", LONGEST_ENGINE)
    changed.engine_version = _line(typed.engine_version, "engine_version", LONGEST_ENGINE)
    changed.max_context = _count(typed.max_context, "max_context", MOST_CONTEXT)
    return changed


def save(row: Endpoint, checked: Checked) -> Endpoint:
    """Store a drafted endpoint with its check. An empty model becomes the only one listed.

    Raises:
        LaunchError: the model is empty and unknown, the name is in use, or there are too many.
    """
    row.model = row.model or _only_model(checked.about.models if checked.about else ())
    _note(row, checked)
    is_new = row.pk is None
    if is_new and Endpoint.objects.count() >= MOST:
        text = _("There are %(most)s endpoints. Edit an existing one instead.")
        raise LaunchError(text % {"most": MOST}, "name")
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        text = _("An endpoint named “%(name)s” exists. Choose another name.")
        raise LaunchError(text % {"name": row.name}, "name") from None
    return row


def keep_check(row: Endpoint, checked: Checked) -> None:
    """Store the outcome of a check; without an answer, what an earlier check found stays."""
    _note(row, checked)
    row.save(update_fields=["found", "check_id", "check_args", "checked_at"])


def archive(endpoint_id: int, *, is_archived: bool) -> bool:
    """Archive an endpoint, or bring it back. False: it is so already."""
    rows = Endpoint.objects.filter(pk=endpoint_id, archived_at__isnull=is_archived)
    return bool(rows.update(archived_at=now() if is_archived else None))


def _note(row: Endpoint, checked: Checked) -> None:
    row.checked_at = now()
    row.check_id, row.check_args = checked.message.id, dict(checked.message.args)
    if checked.about is not None:
        row.found = {**asdict(checked.about), "models": list(checked.about.models)}


def _only_model(listed: Sequence[str]) -> str:
    fitting = [name for name in listed if _MODEL.fullmatch(name)]
    if len(listed) == 1 and fitting:
        return fitting[0]
    if not listed:
        text = _("Enter the model's name: the engine did not list its models.")
        raise LaunchError(text, "model")
    text = _("The engine lists several models. Enter one: %(models)s.")
    raise LaunchError(text % {"models": ", ".join(fitting[:20])}, "model")


def _base(typed: str) -> str:
    """Return the address before ``/v1``, host in lower case.

    Raises:
        LaunchError: no such address.
    """
    scheme, separator, rest = typed.strip().partition("://")
    host, slash, path = rest.partition("/")
    url = f"{scheme.lower()}{separator}{host.lower()}{slash}{path}".rstrip("/")
    try:
        url = clean(Source.Type.ENDPOINT, url.removesuffix(_API))
        has_port = urlsplit(url).port != 0
    except ValueError:
        has_port = False
    if not has_port or len(url) > _LONGEST_URL:
        text = _(
            "Enter a web address such as %(example)s, with http or https and without account, "
            "query or percent sign."
        )
        raise LaunchError(text % {"example": sources.EXAMPLES[Source.Type.ENDPOINT]}, "url")
    return url


def _line(typed: str, field: str, longest: int) -> str:
    text = typed.strip()
    if len(text) > longest or not text.isprintable():
        message = _("Enter one line of at most %(most)s characters.")
        raise LaunchError(message % {"most": longest}, field)
    return text


def _count(typed: str, field: str, most: int) -> int | None:
    if not typed.strip():
        return None
    number = number_from(typed.strip())
    if number is None or not 1 <= number <= most:
        message = _("Enter a whole number from 1 to %(most)s, or leave it empty.")
        raise LaunchError(message % {"most": most}, field)
    return number
