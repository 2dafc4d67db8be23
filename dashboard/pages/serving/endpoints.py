"""Pages about endpoints: engines that this dashboard did not start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.actions import endpoints as actions
from dashboard.security.permissions import allowed, check, requires
from dashboard.security.request import person
from dashboard.text.formatting import number
from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.catalog import MODELS, THINKING_SWITCHES
from jobs.kinds import KINDS
from jobs.kinds.lib.base import endpoint_key
from jobs.models import Endpoint
from jobs.queries.endpoints import endpoint_page, endpoints, engine_keys, jobs_against
from jobs.services.endpoints import Entered, entered


@require_GET
@requires("endpoint.view")
def endpoint_list(request: HttpRequest) -> HttpResponse:
    """List endpoints; ``?all=1`` includes archived ones."""
    show_all = request.GET.get("all") == "1"
    rows = endpoints(with_archived=show_all)
    context = {
        "rows": [(row, *state_of(row)) for row in rows],
        "show_all": show_all,
        "may_add": allowed(request.user, "endpoint.create"),
    }
    return render(request, "endpoints/list.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("endpoint.create")
def endpoint_add(request: HttpRequest) -> HttpResponse:
    """Show the form (GET), then check and store the endpoint (POST)."""
    typed = _typed(request.POST if request.method == "POST" else request.GET)
    if request.method != "POST":
        return _form(request, typed, {}, None)
    try:
        row = actions.create(request.user, typed)
    except LaunchError as error:
        return _form(request, typed, {error.field: str(error)}, None)
    return redirect("endpoint-detail", row.pk)


@require_GET
@requires("endpoint.view")
def endpoint_detail(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    """One endpoint: its check, what the engine told, results, active jobs."""
    try:
        page = endpoint_page(endpoint_id)
    except Endpoint.DoesNotExist as error:
        raise Http404(f"there is no endpoint {endpoint_id}") from error
    row = page.endpoint
    state, word = state_of(row)
    context = {
        "page": page,
        "endpoint": row,
        "state": state,
        "state_word": word,
        "check_text": message(row.check_id, row.check_args),
        "found": found_rows(row),
        "missing": missing_words(row),
        "launches": launches(row) if row.archived_at is None else [],
        "chat_key": endpoint_key(row.pk),
        "may_check": allowed(request.user, "endpoint.check", row),
        "may_change": allowed(request.user, "endpoint.change", row),
    }
    return render(request, "endpoints/detail.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("endpoint.change")
def endpoint_edit(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    """Show the form (GET), then check and store the new values (POST)."""
    row = get_object_or_404(Endpoint, pk=endpoint_id)
    check(request.user, "endpoint.change", row)
    if request.method != "POST":
        return _form(request, entered(row), {}, row)
    typed, title = _typed(request.POST), row.name
    try:
        actions.change(request.user, row, typed)
    except LaunchError as error:
        row.name = title
        return _form(request, typed, {error.field: str(error)}, row)
    return redirect("endpoint-detail", endpoint_id)


@require_POST
@requires("endpoint.check")
def endpoint_check(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    """Ask the engine now, from the dashboard's machine."""
    try:
        actions.ask(request.user, get_object_or_404(Endpoint, pk=endpoint_id))
    except LaunchError as error:
        context = {"why": str(error)}
        return render(request, "errors/busy.html", context, status=HTTPStatus.SERVICE_UNAVAILABLE)
    return redirect("endpoint-detail", endpoint_id)


@require_http_methods(["GET", "HEAD", "POST"])
@requires("endpoint.change")
def endpoint_archive(request: HttpRequest, endpoint_id: int) -> HttpResponse:
    """Ask (GET), then archive the endpoint, or bring it back with ``archived=0`` (POST)."""
    row = get_object_or_404(Endpoint, pk=endpoint_id)
    check(request.user, "endpoint.change", row)
    if request.method != "POST":
        context = {"endpoint": row, "jobs": jobs_against(row)}
        return render(request, "endpoints/archive.html", context)
    is_archived = request.POST.get("archived", "1") != "0"
    if actions.archive(request.user, row, is_archived=is_archived):
        text = _("%(name)s archived.") if is_archived else _("%(name)s restored.")
        messages.success(request, text % {"name": row.name})
    return redirect("endpoint-detail", endpoint_id)


def _form(
    request: HttpRequest, typed: Entered, errors: dict[str, str], row: Endpoint | None
) -> HttpResponse:
    context: dict[str, Any] = {
        "endpoint": row,
        "groups": form_groups(typed, errors, person(request)),
        "problem": errors.get("", ""),
    }
    return render(request, "endpoints/edit.html", context, status=422 if errors else 200)


def _typed(data: QueryDict) -> Entered:
    return Entered(**{field.name: data.get(field.name, "").strip() for field in fields(Entered)})


# Kinds offered on an endpoint's page, the usual ones first: those that measure a deployment.
_USUAL = ("benchmark", "evaluate")
KINDS_OFFERED = sorted(
    (
        name
        for name, kind in KINDS.items()
        if kind.family in ("benchmark", "evaluate") and "deployment" in kind.Params.model_fields
    ),
    key=lambda name: (name not in _USUAL, name),
)
# Switches, with models whose templates have them.
_KNOWN_FOR = {"enable_thinking": "Qwen3, GLM-4.5", "thinking": "DeepSeek-V3.1"}
_ARCHIVED, _ANSWERS, _SILENT = "stopped", "ready", "unhealthy"


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of the form. ``options``: (value, label) of a list; () for a text."""

    name: str
    label: str | Promise
    hint: str | Promise
    value: str
    error: str
    options: Sequence[tuple[str, str]] = ()
    mono: bool = False
    required: bool = False
    most: int = 300

    @property
    def is_number(self) -> bool:
        """Return True for a field of digits."""
        return self.name in ("devices", "max_context")


@dataclass(frozen=True, slots=True)
class FormGroup:
    """Fields under one heading."""

    title: str | Promise
    fields: Sequence[FormField]


_LABELS: Mapping[str, tuple[str | Promise, str | Promise]] = {
    "name": (gettext_lazy("Name"), gettext_lazy("As it appears in forms and results.")),
    "url": (
        gettext_lazy("Address"),
        gettext_lazy(
            "http or https, before /v1, such as http://10.0.0.5:8000. An administrator permits "
            "addresses under Sources."
        ),
    ),
    "api_key": (
        gettext_lazy("API key"),
        gettext_lazy("Name of a secret that may be sent to this address."),
    ),
    "model": (
        gettext_lazy("Model name"),
        gettext_lazy("As the engine lists it. Empty: its only model."),
    ),
    "model_id": (
        gettext_lazy("Catalogue model"),
        gettext_lazy("Compares results with ours. vLLM's client and OpenCompass need it."),
    ),
    "thinking_switch": (
        gettext_lazy("Thinking switch"),
        gettext_lazy(
            "Variable of the chat template, so that evaluations can switch thinking on or off."
        ),
    ),
    "device": (gettext_lazy("Device"), gettext_lazy("In words, such as 8 × H800.")),
    "devices": (gettext_lazy("Devices"), gettext_lazy("Number of cards, for figures per device.")),
    "engine": (gettext_lazy("Engine"), gettext_lazy("Only if the engine does not report it.")),
    "engine_version": (
        gettext_lazy("Engine version"),
        gettext_lazy("Only if the engine does not report it."),
    ),
    "max_context": (
        gettext_lazy("Max model length"),
        gettext_lazy("Tokens of prompt and output. Only if the engine does not report it."),
    ),
}
_GROUPS: tuple[tuple[str | Promise, tuple[str, ...]], ...] = (
    (gettext_lazy("Address"), ("name", "url", "api_key")),
    (gettext_lazy("Model"), ("model", "model_id", "thinking_switch")),
    (gettext_lazy("Device"), ("device", "devices")),
    (gettext_lazy("Engine"), ("engine", "engine_version", "max_context")),
)
_LONGEST = {"name": 100, "model": 200, "device": 100, "engine": 64, "engine_version": 64}


def switch_label(name: str) -> str:
    """Return a variable with the models that have it: "thinking (DeepSeek-V3.1)"."""
    return _("%(name)s (%(models)s)") % {"name": name, "models": _KNOWN_FOR[name]}


def form_groups(
    typed: Entered, errors: Mapping[str, str], user: AbstractBaseUser | None
) -> list[FormGroup]:
    """Return the form with ``typed`` values and ``errors`` by field."""
    keys = dict.fromkeys(filter(None, [*engine_keys(user), typed.api_key]))
    options = {
        "api_key": [("", _("none")), *((name, name) for name in keys)],
        "model_id": [("", _("none")), *((one.id, one.name) for one in MODELS.values())],
        "thinking_switch": [
            ("", _("none")),
            *((name, switch_label(name)) for name in THINKING_SWITCHES),
        ],
    }

    def field(name: str) -> FormField:
        label, hint = _LABELS[name]
        return FormField(
            name=name,
            label=label,
            hint=hint,
            value=getattr(typed, name),
            error=errors.get(name, ""),
            options=options.get(name, ()),
            mono=name in ("url", "model"),
            required=name in ("name", "url"),
            most=_LONGEST.get(name, 300),
        )

    return [FormGroup(title, [field(name) for name in names]) for title, names in _GROUPS]


def state_of(row: Endpoint) -> tuple[str, str]:
    """Return (state of the table of styles, word)."""
    if row.archived_at is not None:
        return _ARCHIVED, _("archived")
    if row.is_answering:
        return _ANSWERS, pgettext("of an endpoint", "answers")
    return _SILENT, _("check failed")


def found_rows(row: Endpoint) -> list[tuple[str, str, str]]:
    """Return (name, value, source) of what is known of the engine; value "": unknown."""
    found, told, stated = row.found, _("reported by the engine"), _("stated")
    context = row.context

    def source(name: str) -> str:
        return told if found.get(name) else stated

    return [
        (_("Engine"), row.engine_name, source("engine") if row.engine_name else ""),
        (_("Engine version"), row.version, source("version") if row.version else ""),
        (
            _("Max model length"),
            _("%(n)s tokens") % {"n": number(context)} if context else "",
            (stated if row.max_context else told) if context else "",
        ),
        (_("Listed models"), ", ".join(map(str, found.get("models") or ())), ""),
        (_("Counters"), _("read during benchmarks") if found.get("has_counters") else "", ""),
    ]


def launches(row: Endpoint) -> list[tuple[str, str]]:
    """Return (title, address of its form with this endpoint): the usual kind, a matrix, others."""
    query = urlencode({"deployment": endpoint_key(row.pk)})
    first, *others = (
        (_(KINDS[name].title), f"{reverse('launch-form', args=[name])}?{query}")
        for name in KINDS_OFFERED
    )
    return [first, (_("Matrix"), f"{reverse('launch-matrix')}?{query}"), *others]


def missing_words(row: Endpoint) -> str:
    """Return what must be known before results count as repeats; "" for nothing."""
    parts = {_("engine"): row.engine_name, _("version"): row.version, _("device"): row.device}
    return _(", ").join(name for name, value in parts.items() if not value)


urlpatterns: list[URLPattern] = [
    path("", endpoint_list, name="endpoint-list"),
    path("add/", endpoint_add, name="endpoint-add"),
    path("<int:endpoint_id>/", endpoint_detail, name="endpoint-detail"),
    path("<int:endpoint_id>/edit/", endpoint_edit, name="endpoint-edit"),
    path("<int:endpoint_id>/check/", endpoint_check, name="endpoint-check"),
    path("<int:endpoint_id>/archive/", endpoint_archive, name="endpoint-archive"),
]
