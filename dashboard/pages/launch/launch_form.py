"""Launch form from a kind's Params: fields, choices on the host, values of the URL."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.translation import gettext as _
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from dashboard.text.labels import STATES, disambiguate, phrase
from jobs.access.sources import offered
from jobs.kinds import KINDS
from jobs.kinds.lib.base import EXACT, AssetRef, Choice, Kind, Target, asset_fields
from jobs.kinds.lib.defaults import (
    asset_named,
    bounds,
    defaults_for,
    fitting_first,
    leading,
    unswitched,
)
from jobs.models import Deployment
from jobs.queries.deployments import deployment_down

# Entered value of a field: text, or a list of texts for several values.
Raw = dict[str, Any]

_SHORT_CHOICES = 4  # max choices shown as segments; more become a list
_SHORT_LABEL = 24
_SEGMENTS = 32  # max total width of segment labels, in English letters
_SEGMENT_EDGES = 4
# Kinds that produce an asset: without and with accelerator cards.
_MAKERS = {
    "weights": ("prepare", "prepare-weights"),
    "artifact": ("compile", "compile-vacc"),
    "deployment": ("deploy", "deploy-build-in"),
}
_WIDE_FROM = 300  # texts of this max length or more get a full row


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a field."""

    value: str
    label: str
    selected: bool


@dataclass(frozen=True, slots=True)
class Missing:
    """Field without choices on this host: its asset, and the kind that produces one."""

    asset: str
    message: str
    action: str
    kind: str


@dataclass(frozen=True, slots=True)
class Field:
    """Form field for display. ``control``: select, segments, number, text, lines or check."""

    name: str
    label: str
    help: str
    control: str
    value: str
    default: str
    unit: str = ""
    limit: str = ""
    options: tuple[Option, ...] = ()
    missing: Missing | None = None
    error: str = ""
    is_asset: bool = False
    when: tuple[str, str] | None = None  # (field, value) that this field depends on
    leads: bool = False  # defaults of other fields depend on it
    is_wide: bool = False
    down: Deployment | None = None  # the chosen deployment, if stopped
    source: str = ""  # type of source, of a field whose value must be permitted
    listed: tuple[str, ...] = ()  # permitted values to offer

    @property
    def changed(self) -> bool:
        """True if the value differs from the default."""
        return self.value != self.default

    @property
    def default_label(self) -> str:
        """Label of the default option."""
        if self.control == "check":
            return _("on") if self.default == "1" else _("off")
        labels = {option.value: option.label for option in self.options}
        return labels.get(self.default, self.default)

    @property
    def source_query(self) -> str:
        """Query of the page *Sources*, which fills its form with the value."""
        # A tag or a revision is no address.
        address = "" if self.source in ("image", "revision") else self.value
        return urlencode({"type": self.source, "address": address})

    @property
    def width(self) -> str:
        """CSS class in the grid of twelve columns."""
        if self.control == "lines" or self.is_wide or self.is_asset:
            return "c12"
        if self.control in ("number", "check"):
            return "c4 k"
        if self.control in ("select", "text") and not self.unit:
            return "c6"
        return "c4"


@dataclass(frozen=True, slots=True)
class Group:
    """Fields of one heading."""

    title: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class LaunchForm:
    """Filled form of a kind on one host."""

    kind: str
    host: str
    groups: tuple[Group, ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        """Return all fields in page order."""
        return tuple(field for group in self.groups for field in group.fields)

    @property
    def query(self) -> str:
        """Return the form's state as a query: the host, and values that differ from defaults.

        A chosen asset is always included, because its default changes over time.
        """
        state = [("host", self.host)]
        state += [
            (field.name, field.value) for field in self.fields if field.changed or field.is_asset
        ]
        return urlencode([(name, value) for name, value in state if value])

    @property
    def exact(self) -> Field | None:
        """Field for guide verbatim: a switch next to the command."""
        return next((field for field in self.fields if field.name == EXACT), None)

    @property
    def missing(self) -> Field | None:
        """Return the first field without choices."""
        return next((field for field in self.fields if field.missing), None)


def make_form(
    kind: Kind, target: Target, typed: Mapping[str, str], errors: Mapping[str, str]
) -> LaunchForm:
    """Build the form of ``kind`` on ``target`` with ``typed`` values, or defaults."""
    given = {name: _first(kind, target, name) for name in asset_fields(kind.Params)} | dict(typed)
    proposed, most = defaults_for(kind.Params, target, given), bounds(kind.Params, target, given)
    without_switch = unswitched(kind.Params, target, given)
    groups: dict[str, list[Field]] = {}
    for name, of_kind in _specs(kind.Params).items():
        if of_kind.get("needs_dies") and not target.has_dies:
            continue
        default = proposed.get(name, _default(kind, name))
        if name in without_switch and typed.get(name, default) == default:
            continue  # another value stays, with its error
        spec = {**of_kind, "most": most.get(name)}
        field = _field(kind, target, name, spec, _text(default), typed, errors.get(name, ""))
        groups.setdefault(spec.get("group") or "", []).append(field)
    return LaunchForm(
        kind=kind.name,
        host=target.name,
        groups=tuple(
            Group(_(title) if title else _("Settings"), tuple(fields))
            for title, fields in groups.items()
        ),
    )


# Former names of fields, by present name: people saved addresses with them.
_SAVED_LINKS = {"exclusive": "quiet"}


def typed_values(kind: Kind, data: QueryDict) -> dict[str, str]:
    """Return values of the kind's fields in ``data``; the last value of a name counts."""
    return {
        name: ", ".join(map(str, data.getlist(given)))
        if _takes_several(kind, name)
        else str(data[given])
        for name in kind.Params.model_fields
        if (given := name if name in data else _SAVED_LINKS.get(name, name)) in data
    }


def typed_from_params(kind: Kind, params: Mapping[str, Any]) -> dict[str, str]:
    """Return stored params as form input; a value that the job lacks is the default."""
    return {
        name: _text(value)
        for name, value in params.items()
        if value is not None and name in kind.Params.model_fields
    }


def raw_values(form: LaunchForm, kind: Kind) -> Raw:
    """Return the form's values for ``jobs.launch.launch``: texts, or lists for several values."""
    specs = _specs(kind.Params)
    raw: Raw = {}
    for field in form.fields:
        spec = specs[field.name]
        value = field.value.strip()
        if spec.get("type") == "array":
            raw[field.name] = [part for part in re.split(r"[,，、\s]+", value) if part]
        elif spec.get("type") == "boolean":
            raw[field.name] = value == "1"
        elif not value and spec.get("nullable"):
            raw[field.name] = None
        else:
            raw[field.name] = value
    return raw


def left_empty(form: LaunchForm) -> dict[str, str]:
    """Return errors for emptied numbers: a job only runs with values shown in the form."""
    return {
        field.name: _("Enter a number, such as %(value)s.") % {"value": field.default}
        for field in form.fields
        if field.control == "number" and not field.value.strip() and field.default
    }


def proposed_raw(kind: Kind, target: Target, typed: Mapping[str, str]) -> Raw:
    """Return defaults with the chosen assets: the base of "was"."""
    assets = {name: value for name, value in typed.items() if name in asset_fields(kind.Params)}
    return raw_values(make_form(kind, target, assets, {}), kind)


def offers(kind: Kind, target: Target, name: str) -> Sequence[Choice] | None:
    """Return choices of a field on ``target``; None: unknown field, or any value of its type."""
    if name not in kind.Params.model_fields:
        return None
    return _choices(kind, target, name, _specs(kind.Params)[name])


def _field(
    kind: Kind,
    target: Target,
    name: str,
    spec: Mapping[str, Any],
    default: str,
    typed: Mapping[str, str],
    error: str,
) -> Field:
    asset, source = spec.get("asset"), str(spec.get("source") or "")
    choices = _choices(kind, target, name, spec)
    if choices is not None and default not in [choice.value for choice in choices]:
        default = choices[0].value if choices else ""
    value = typed.get(name, default)
    options: tuple[Option, ...] = ()
    down = None
    if choices is not None:
        known = [choice.value for choice in choices]
        extra = []
        if value and value not in known:
            down = deployment_down(target.name, value) if asset == "deployment" else None
            gone = _down_label(down) if down else _gone_label(kind, target, name, value)
            extra = [Choice(value, gone)]
        options = tuple(
            Option(
                choice.value,
                _(choice.label) if choice.label else _("not set"),
                choice.value == value,
            )
            for choice in [*choices, *extra]
        )
    return Field(
        name=name,
        label=_(spec.get("label") or name.replace("_", " ").capitalize()),
        help=_(spec["description"]) if spec.get("description") else "",
        control=_control(spec, options if choices is not None else None),
        value=value,
        default=default,
        unit=_(spec["unit"]) if spec.get("unit") else "",
        limit=_limit(spec),
        options=options,
        missing=_missing(spec, target) if asset and not options else None,
        error=error,
        down=down,
        source=source,
        listed=tuple(offered(source, target.facts)) if source else (),
        is_asset=asset is not None,
        when=tuple(spec["when"]) if spec.get("when") else None,
        leads=name in leading(kind.Params),
        is_wide=spec.get("maxLength", 0) >= _WIDE_FROM,
    )


def _choices(
    kind: Kind, target: Target, name: str, spec: Mapping[str, Any]
) -> Sequence[Choice] | None:
    offered = kind.choices(name, target)
    asset = spec.get("asset")
    if asset:
        there = target.assets(asset)
        way = spec.get("way")
        refs = {ref.key: ref for ref in (fitting_first(there, way, target) if way else there)}
        if offered is None:
            offered = [Choice(ref.key, ref.label) for ref in refs.values()]
        named = [_asset_label(choice.label, refs.get(choice.value)) for choice in offered]
        if asset == "deployment":
            ports = [_number_and_port(refs.get(choice.value)) for choice in offered]
            named = disambiguate([(name, *one) for name, one in zip(named, ports, strict=True)])
        return [Choice(one.value, name) for one, name in zip(offered, named, strict=True)]
    if offered is None and "enum" in spec:
        return [Choice(_text(value), _text(value)) for value in spec["enum"]]
    return offered


def _number_and_port(ref: AssetRef | None) -> tuple[int | None, str]:
    return (ref.id, str(ref.data.get("port") or "")) if ref else (None, "")


def _asset_label(label: str, ref: AssetRef | None) -> str:
    label = phrase(label)
    if ref is not None and ref.endpoint is not None:
        device = str(ref.data.get("device") or "")
        args = {"name": label, "device": device}
        return (_("%(name)s (endpoint, %(device)s)") if device else _("%(name)s (endpoint)")) % args
    if ref is None or ref.job is None or f"#{ref.job}" in label:
        return label
    return _("%(asset)s (from job #%(job)d, not finished)") % {"asset": label, "job": ref.job}


def _gone_label(kind: Kind, target: Target, name: str, value: str) -> str:
    """Return the label of an unavailable value; for assets: missing or incompatible."""
    if name not in asset_fields(kind.Params):
        return value
    ref = asset_named(kind, name, value, target)
    if ref is not None:
        return _("%(asset)s, incompatible") % {"asset": phrase(ref.label)}
    return _("%(value)s, not on this host") % {"value": value}


def _down_label(deployment: Deployment) -> str:
    args = {"name": deployment.name, "state": STATES[deployment.state].word}
    return _("%(name)s, %(state)s") % args


def _missing(spec: Mapping[str, Any], target: Target) -> Missing | None:
    """Return the kind that produces an asset, with or without cards."""
    asset = str(spec["asset"])
    maker = {name: kinds[target.has_dies] for name, kinds in _MAKERS.items()}
    own = str(spec.get("made_by", ""))
    if own and KINDS[own].is_available(target):
        texts = _("No usable input on this host yet."), _("Prepare it")
        return Missing(asset, *texts, own)
    return {
        "weights": Missing(
            asset, _("No weights on this host yet."), _("Prepare weights"), maker["weights"]
        ),
        "artifact": Missing(
            asset, _("No artifact on this host yet."), _("Compile a model"), maker["artifact"]
        ),
        "deployment": Missing(
            asset,
            _("No deployment on this host yet."),
            _("Deploy a model"),
            maker["deployment"],
        ),
    }.get(asset)


def _control(spec: Mapping[str, Any], options: tuple[Option, ...] | None) -> str:
    if options is not None:
        widths = [_width(option.label) for option in options]
        short = (
            len(options) <= _SHORT_CHOICES
            and all(width <= _SHORT_LABEL for width in widths)
            and sum(widths) + _SEGMENT_EDGES * len(widths) <= _SEGMENTS
        )
        return "segments" if short and len(options) > 1 and not spec.get("asset") else "select"
    if spec.get("type") == "boolean":
        return "check"
    if spec.get("type") in ("integer", "number"):
        return "number"
    return "text"


def _width(label: str) -> int:
    """Return the width of a label in letters; a Chinese letter counts as two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "FW" else 1 for letter in label)


def _limit(spec: Mapping[str, Any]) -> str:
    """Format the field's bounds, given other values: "≤ 8", "≥ 1", "1–64"."""
    inner = spec.get("items", {}) if spec.get("type") == "array" else spec
    low, high = inner.get("minimum"), inner.get("maximum")
    high = min(filter(None, (high, spec.get("most"))), default=None) if high else high
    if high is None:
        return f"≥ {low}" if low not in (None, 0, 1) else ""
    if low in (None, 0, 1):
        return f"≤ {high}"
    return f"{low}–{high}"


@cache
def _specs(params: type[BaseModel]) -> Mapping[str, Mapping[str, Any]]:
    """Return field -> JSON schema without references; pydantic rebuilds it on each call."""
    schema = params.model_json_schema()
    return {name: _resolved(spec, schema) for name, spec in schema.get("properties", {}).items()}


def _resolved(spec: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Resolve the reference of ``spec``, and turn "or null" into ``nullable``."""
    resolved = dict(spec)
    for ref in (resolved.pop("$ref", None), *(p.get("$ref") for p in resolved.pop("allOf", []))):
        if ref:
            resolved = {**schema["$defs"][ref.rsplit("/", 1)[1]], **resolved}
    either = [part for part in resolved.pop("anyOf", []) if part.get("type") != "null"]
    if either:
        resolved = {**_resolved(either[0], schema), **resolved, "nullable": True}
    return resolved


def _first(kind: Kind, target: Target, name: str) -> str:
    """Return the default asset of a field; "" for none."""
    choices = offers(kind, target, name) or ()
    return next((choice.value for choice in choices), "")


def _default(kind: Kind, name: str) -> Any:
    value = kind.Params.model_fields[name].get_default(call_default_factory=True)
    return "" if value is PydanticUndefined else value


def _takes_several(kind: Kind, name: str) -> bool:
    return _specs(kind.Params)[name].get("type") == "array"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list | tuple):
        return ", ".join(_text(item) for item in value)
    return str(getattr(value, "value", value))
