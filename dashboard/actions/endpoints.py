"""Endpoints: their form, and changes for page and API: permission, check, change, audit entry."""

from __future__ import annotations

import re
import time
from dataclasses import asdict
from typing import Any, ClassVar, NamedTuple
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.actions.action import Done, User, action
from dashboard.actions.rows import Line, RowForm
from dashboard.security.permissions import allowed, check
from dashboard.text.messages import message
from jobs.access import secrets, sources
from jobs.access.sources import SpecialAddress, clean
from jobs.base.errors import LaunchError, ParseError
from jobs.base.messages import Message
from jobs.base.sanitize import sanitize_text
from jobs.catalog import MODELS, THINKING_SWITCHES
from jobs.confined import SHORT, NotDone, Task
from jobs.host.base import engine_http
from jobs.metrics import measured
from jobs.metrics.measured import EngineAbout
from jobs.models import Endpoint, Source
from jobs.queries.engines import engine_keys

_MODEL = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9._/:@+-]{0,199}")
# In the order of requests: the first must be answered.
_PATHS = (measured.MODELS, measured.VERSION, measured.METRICS, measured.PROPS)
_ABOUT = Task("jobs.readings:about", EngineAbout, SHORT)
# Limits: seconds of a whole check with its lookup, bytes of one response.
CHECK_S = 10.0
LONGEST = 2 * 1024 * 1024
_LONGEST_PROBLEM = 200
_LONGEST_URL = 300
# Switches, with models whose templates have them.
_KNOWN_FOR = {"enable_thinking": "Qwen3, GLM-4.5", "thinking": "DeepSeek-V3.1"}
_UNREPORTED = gettext_lazy("Only if the engine does not report it.")
_GROUPS = (
    (gettext_lazy("Endpoint"), ("name", "url", "api_key")),
    (gettext_lazy("Model"), ("model", "model_id", "thinking_switch")),
    (gettext_lazy("Device"), ("device", "devices")),
    (gettext_lazy("Engine"), ("engine", "engine_version", "max_context", "in_gateway")),
)
_LABELS = {
    "name": gettext_lazy("Name"),
    "url": gettext_lazy("Address"),
    "api_key": gettext_lazy("API key"),
    "model": gettext_lazy("Model name"),
    "model_id": gettext_lazy("Catalogue model"),
    "thinking_switch": gettext_lazy("Thinking switch"),
    "device": gettext_lazy("Device"),
    "devices": gettext_lazy("Devices"),
    "engine": gettext_lazy("Engine"),
    "engine_version": gettext_lazy("Engine version"),
    "max_context": gettext_lazy("Max model length"),
    "in_gateway": gettext_lazy("In the gateway"),
}
_HINTS = {
    "name": gettext_lazy("As it appears in forms and results."),
    "url": gettext_lazy(
        "http or https, before /v1, such as http://10.0.0.5:8000. An administrator permits "
        "addresses under Sources."
    ),
    "api_key": gettext_lazy("Name of a secret that may be sent to this address."),
    "model": gettext_lazy("As the engine lists it. Empty: its only model."),
    "model_id": gettext_lazy("Compares results with ours. vLLM's client and OpenCompass need it."),
    "thinking_switch": gettext_lazy(
        "Variable of the chat template, so that evaluations can switch thinking on or off."
    ),
    "device": gettext_lazy("In words, such as 8 × H800."),
    "devices": gettext_lazy("Number of cards, for throughput per card."),
    "engine": _UNREPORTED,
    "engine_version": _UNREPORTED,
    "max_context": gettext_lazy(
        "Tokens of prompt and output. Only if the engine does not report it."
    ),
    "in_gateway": gettext_lazy(
        "Keys of the gateway may ask this engine. Only an administrator adds it; another address, "
        "key or model by someone else removes it."
    ),
}
_CHOSEN = ("api_key", "model_id", "thinking_switch")
_PUBLISHED = ("url", "api_key", "model")  # what an administrator lets into the gateway


class _Count(forms.IntegerField):
    """A whole number from 1, or nothing."""

    def __init__(self, most: int) -> None:
        widget = forms.TextInput(attrs={"inputmode": "numeric", "maxlength": 9})
        super().__init__(min_value=1, max_value=most, required=False, widget=widget)

    def clean(self, value: Any) -> Any:
        try:
            return super().clean(value)
        except ValidationError:
            text = _("Enter a whole number from 1 to %(most)s, or leave it empty.")
            raise ValidationError(text % {"most": self.max_value}) from None


class Checked(NamedTuple):
    """Outcome of a check: its message, and what the engine told; None: no answer."""

    message: Message
    about: EngineAbout | None = None


class EndpointForm(RowForm[Endpoint]):
    """An endpoint. Storing it asks its engine."""

    area, most = "endpoint", 500
    too_many = gettext_lazy("There are %(most)s endpoints. Edit an existing one instead.")
    name_taken = gettext_lazy("An endpoint named “%(name)s” exists. Choose another name.")

    devices = _Count(100_000)
    max_context = _Count(100_000_000)

    class Meta:
        model = Endpoint
        fields = tuple(_LABELS)
        field_classes: ClassVar = dict.fromkeys(
            ("name", "device", "engine", "engine_version"), Line
        )
        widgets: ClassVar = {
            **dict.fromkeys(_CHOSEN, forms.Select),
            "url": forms.TextInput(attrs={"class": "form-control mono"}),
            "model": forms.TextInput(attrs={"class": "form-control mono"}),
        }
        error_messages: ClassVar = {
            "name": {"required": gettext_lazy("Enter a name, such as “H800, DeepSeek-R1”.")}
        }

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        none = [("", _("none"))]
        keys = dict.fromkeys(filter(None, [*engine_keys(self.user), self["api_key"].value()]))
        known = (
            [(name, name) for name in keys],
            [(one.id, one.name) for one in MODELS.values()],
            [
                (name, _("%(name)s (%(models)s)") % {"name": name, "models": _KNOWN_FOR[name]})
                for name in THINKING_SWITCHES
            ],
        )
        for name, choices in zip(_CHOSEN, known, strict=True):
            self.fields[name].widget.choices = none + choices
            self.fields[name].widget.attrs["class"] = "form-select"
        self._may_publish = self.user is None or allowed(self.user, "source.manage")
        self.fields["in_gateway"].disabled = not self._may_publish
        for name in ("url", "model", *_CHOSEN):
            self.fields[name].required = name == "url"
            self.fields[name].validators.clear()  # the methods below have better messages
        self.fields["url"].error_messages["required"] = _no_address()

    def style(self, name: str, field: forms.Field) -> None:
        """Also: its texts, and no corrections of names and addresses by a browser."""
        super().style(name, field)
        field.label, field.help_text = _LABELS[name], _HINTS[name]
        if isinstance(field.widget, forms.TextInput):
            field.widget.attrs |= {"autocapitalize": "none", "spellcheck": "false"}

    def groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        return [(str(title), [self[name] for name in names]) for title, names in _GROUPS]

    def in_use(self) -> Any:
        """Archived ones count, too."""
        return Endpoint.objects.all()

    def clean_url(self) -> str:
        """Return the address before ``/v1``, host in lower case."""
        scheme, separator, rest = self.cleaned_data["url"].partition("://")
        host, slash, path = rest.partition("/")
        url = f"{scheme.lower()}{separator}{host.lower()}{slash}{path}".rstrip("/")
        try:
            url = clean(Source.Type.ENDPOINT, url.removesuffix("/v1"))
            has_port = urlsplit(url).port != 0
        except ValueError:
            has_port = False
        if not has_port or len(url) > _LONGEST_URL:
            raise ValidationError(_no_address())
        try:
            sources.check_endpoint(url)
        except LaunchError as error:
            raise ValidationError(str(error)) from None
        return url

    def clean_model(self) -> str:
        name = str(self.cleaned_data["model"])
        if name and not _MODEL.fullmatch(name):
            text = _(
                "Enter the model's name as the engine lists it: letters, digits and . _ / : @ + -"
            )
            raise ValidationError(text)
        return name

    def clean_model_id(self) -> str:
        model_id = str(self.cleaned_data["model_id"])
        if model_id and model_id not in MODELS:
            raise ValidationError(_("Unknown model. Choose one from the catalogue."))
        return model_id

    def clean_thinking_switch(self) -> str:
        name = str(self.cleaned_data["thinking_switch"])
        if name and name not in THINKING_SWITCHES:
            text = _("Unknown switch. Choose one of %(names)s, or none.")
            raise ValidationError(text % {"names": _(", ").join(THINKING_SWITCHES)})
        return name

    def clean(self) -> None:
        super().clean()
        given, row = self.cleaned_data, self.instance
        url, key = given.get("url"), given.get("api_key", "")
        # A key that stays where it was needs no right: it was checked for who chose it.
        if url and key and (row.api_key, row.url) != (key, url):
            try:
                secrets.check_endpoint(key, url, self.user)
            except LaunchError as error:
                self.add_error("api_key", str(error))
        if given.get("devices") and not given.get("device"):
            self.add_error("device", _("Describe the devices, such as “8 × H800”."))
        asks_for_it = str(self.data.get("in_gateway") or "") not in ("", "False")
        if asks_for_it and not self._may_publish and not row.in_gateway:
            self.add_error(
                "in_gateway", _("Only an administrator adds an endpoint to the gateway.")
            )
        if not self._may_publish and any(
            name in given and given[name] != getattr(row, name) for name in _PUBLISHED
        ):
            given["in_gateway"] = False
        if given.get("in_gateway") and url and key:
            try:
                secrets.endpoint_key_for(None, key, url)
            except secrets.SecretRefused as refused:
                self.add_error("in_gateway", refused.text)
        if url and row.url != url:  # another engine
            row.found = {}

    def store(self) -> Endpoint:
        """Ask the engine, then store, also without an answer."""
        if self.is_valid():
            try:
                _note(self.instance, check_engine(self.instance))
            except LaunchError as error:
                self.add_error(error.field, str(error))
        return super().store()

    def detail(self) -> dict[str, Any]:
        return _detail(self.instance)


def _no_address() -> str:
    text = _(
        "Enter a web address such as %(example)s, with http or https and without account, query or "
        "percent sign."
    )
    return text % {"example": sources.EXAMPLES[Source.Type.ENDPOINT]}


def _detail(row: Endpoint) -> dict[str, Any]:
    return {"name": row.name, "address": row.url, "secrets": row.api_key}


def save(user: User, form: EndpointForm) -> Endpoint:
    """Check an endpoint and store it, new or changed. Queued jobs use its new values."""
    is_new = form.instance.pk is None
    if user is not None and is_new:
        check(user, "endpoint.create")

    @action("endpoint.change", dispatches=not is_new, withdraws=True)
    def store(user: Any, row: Endpoint) -> Done[Endpoint]:
        row = form.store()
        did = "add" if is_new else "change"
        return Done(row, f"endpoint {row.pk}", did=did, **form.detail())

    return store(user, form.instance)


@action("endpoint.check")
def check_now(user: Any, row: Endpoint) -> Done[Checked]:
    """Check ``row`` and store the outcome. Raises ``LaunchError``: an earlier check stays."""
    checked = check_engine(row)
    _note(row, checked)
    row.save(update_fields=["found", "check_id", "check_args", "checked_at"])
    return Done(checked, f"endpoint {row.pk}", name=row.name)


@action("endpoint.change", dispatches=True, withdraws=True)
def archive(user: Any, row: Endpoint, *, is_archived: bool) -> Done[bool]:
    """Archive ``row``, or restore it. Queued jobs that need it are cancelled. False: no change."""
    rows = Endpoint.objects.filter(pk=row.pk, archived_at__isnull=is_archived)
    is_done = bool(rows.update(archived_at=now() if is_archived else None))
    did = "archive" if is_archived else "restore"
    return Done(is_done, f"endpoint {row.pk}", did=did, **_detail(row))


def _note(row: Endpoint, checked: Checked) -> None:
    """Set the outcome of a check. Without an answer, what an earlier check found stays; an empty
    model becomes the only one listed. Raises ``LaunchError``: it is unknown."""
    row.checked_at = now()
    row.check_id, row.check_args = checked.message.id, dict(checked.message.args)
    listed = list(checked.about.models) if checked.about else []
    if checked.about is not None:
        row.found = {**asdict(checked.about), "models": listed}
    if row.model:
        return
    fitting = [name for name in listed if _MODEL.fullmatch(name)]
    if not listed:
        raise LaunchError(_("Enter the model's name: the engine did not list its models."), "model")
    if len(listed) > 1 or not fitting:
        text = _("The engine lists several models. Enter one: %(models)s.")
        raise LaunchError(text, "model", models=", ".join(fitting[:20]))
    row.model = fitting[0]


def check_engine(row: Endpoint) -> Checked:
    """Ask the engine what it is. Redirects are not followed; time and bytes are bounded."""
    deadline = time.monotonic() + CHECK_S
    try:
        ips = sources.engine_ips(row.url)
    except SpecialAddress as special:
        return Checked(Message("endpoint:special", special.args_of_message))
    except LaunchError:
        return Checked(Message("endpoint:not_permitted", {"url": row.url}))
    except OSError as error:
        return Checked(_silent(row.url, error))
    headers = {}
    if row.api_key:
        try:
            key = secrets.endpoint_key(row.api_key, row.url)
        except secrets.SecretRefused:
            return Checked(Message("endpoint:key_refused", {"name": row.api_key, "url": row.url}))
        headers = {"Authorization": f"Bearer {key}"}
    answers = dict[str, tuple[int, bytes]]()
    for path in _PATHS:
        left = deadline - time.monotonic()
        try:
            if left > 0:
                answers[path] = engine_http.get(
                    f"{row.url}{path}", within_s=left, longest=LONGEST, headers=headers, ips=ips
                )
        except (OSError, ValueError) as error:
            if path == measured.MODELS:
                return Checked(_silent(row.url, error))
        if path == measured.MODELS and answers[path][0] != 200:
            return Checked(_refused(row.url, answers[path][0], has_key=bool(row.api_key)))
    try:
        about = _ABOUT(answers, row.model)
    except ParseError:
        return Checked(Message("endpoint:no_list", {"url": row.url}))
    except NotDone as error:
        raise LaunchError(message(error.message.id, error.message.args), "url") from error
    if row.model and row.model not in about.models:
        args = {"model": row.model, "models": ", ".join(about.models[:20])}
        return Checked(Message("endpoint:no_model", args), about)
    return Checked(Message(Endpoint.ANSWERS), about)


def _silent(url: str, error: Exception) -> Message:
    problem = sanitize_text(str(error))[:_LONGEST_PROBLEM]
    return Message(Endpoint.SILENT, {"url": url, "problem": problem})


def _refused(url: str, status: int, *, has_key: bool) -> Message:
    if status in (401, 403):
        name = "endpoint:key_wrong" if has_key else "endpoint:key_missing"
    else:
        name = "endpoint:redirect" if 300 <= status < 400 else "endpoint:status"
    return Message(name, {"url": url, "status": status})
