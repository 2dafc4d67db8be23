"""Launch form from a kind's Params: fields, choices on the host, values of the URL."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from dashboard.text.labels import STATES, disambiguate, phrase
from jobs.access.sources import offered as listed_sources
from jobs.catalog import MODELS
from jobs.kinds import KINDS
from jobs.kinds.lib import defaults
from jobs.kinds.lib.base import EXACT, AssetRef, Choice, Kind, Rules, Target, asset_fields, rules_of
from jobs.launch.pipelines import pipelines_of
from jobs.models import Deployment
from jobs.queries.engines import deployment_down

# Entered value of a field: text, or a list of texts for several values.
Raw = dict[str, Any]

_SHORT_CHOICES = 4  # max choices shown as segments; more become a list
_SHORT_LABEL = 24
_SEGMENTS = 32  # max total width of segment labels, in English letters
_SEGMENT_EDGES = 4
# Kinds that produce an asset, without and with accelerator cards, and the words for it.
_MAKERS: dict[str, tuple[tuple[str, str], Promise, Promise]] = {
    "weights": (
        ("prepare", "prepare-weights"),
        gettext_lazy("No weights on this host yet."),
        gettext_lazy("Prepare weights"),
    ),
    "artifact": (
        ("compile", "compile-vacc"),
        gettext_lazy("No artifact on this host yet."),
        gettext_lazy("Compile a model"),
    ),
    "deployment": (
        ("deploy", "deploy-build-in"),
        gettext_lazy("No deployment on this host yet."),
        gettext_lazy("Deploy a model"),
    ),
}
_WIDE_FROM = 300  # texts of this max length or more get a full row


class Missing(NamedTuple):
    """Field without choices on this host: the kind that produces one, and its form.
    ``pipeline``: address of the form that does all steps of the model; "" without one."""

    message: str
    action: str
    kind: str
    address: str
    pipeline: str


class Field(NamedTuple):
    """Form field for display. ``control``: select, segments, number, text, lines or check."""

    name: str
    label: str
    help: str
    control: str
    value: str
    default: str
    unit: str = ""
    limit: str = ""
    options: tuple[Choice, ...] = ()
    missing: Missing | None = None
    error: str = ""
    is_left: bool = False  # needs a value, and nobody gave one yet
    is_hidden: bool = False  # does not count with the value of another field: ``when``
    is_asset: bool = False
    when: tuple[str, str] | None = None  # (field, value) that this field depends on
    leads: bool = False  # defaults of other fields depend on it
    is_wide: bool = False
    down: Deployment | None = None  # the chosen deployment, if stopped
    source: str = ""  # type of source, of a field whose value must be permitted
    listed: tuple[str, ...] = ()  # permitted values to offer

    @property
    def changed(self) -> bool:
        return self.value != self.default

    @property
    def default_label(self) -> str:
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


class FieldGroup(NamedTuple):
    """Fields of one heading."""

    title: str
    fields: tuple[Field, ...]

    @property
    def titles_its_field(self) -> bool:
        """Return True for one field whose label would repeat the heading."""
        return len(self.fields) == 1 and self.fields[0].label == self.title


class LaunchForm(NamedTuple):
    """Filled form of a kind on one host."""

    kind: str
    host: str
    groups: tuple[FieldGroup, ...]

    @property
    def fields(self) -> tuple[Field, ...]:
        return tuple(field for group in self.groups for field in group.fields)

    @property
    def query(self) -> str:
        """Return the values that differ from defaults, and assets, whose default changes."""
        state = [("host", self.host)]
        state += [
            (field.name, field.value) for field in self.fields if field.changed or field.is_asset
        ]
        return urlencode([(name, value) for name, value in state if value])

    @property
    def exact(self) -> Field | None:
        return self.field(EXACT)

    @property
    def wrong(self) -> list[Field]:
        return [field for field in self.fields if field.error and not field.missing]

    @property
    def left(self) -> list[Field]:
        return [field for field in self.fields if field.is_left]

    def without(self, *fields: Field | None) -> "LaunchForm":
        """Return the form without fields that are drawn elsewhere, and without empty groups."""
        kept = (
            FieldGroup(one.title, tuple(field for field in one.fields if field not in fields))
            for one in self.groups
        )
        return self._replace(groups=tuple(group for group in kept if group.fields))

    def untouched(self) -> "LaunchForm":
        """Return the form before it was sent: a field without a value is not wrong yet."""

        def at_rest(field: Field) -> Field:
            is_left = bool(field.error) and not (field.value or field.default or field.missing)
            return field._replace(is_left=True, error="") if is_left else field

        groups = (FieldGroup(one.title, tuple(map(at_rest, one.fields))) for one in self.groups)
        return self._replace(groups=tuple(groups))

    def field(self, name: str) -> Field | None:
        return next((field for field in self.fields if field.name == name), None)

    @property
    def missing(self) -> Field | None:
        return next((field for field in self.fields if field.missing), None)


def make_form(
    kind: Kind,
    target: Target,
    typed: Mapping[str, str],
    errors: Mapping[str, str],
    model: str = "",
) -> LaunchForm:
    """Build the form of ``kind`` on ``target`` with ``typed`` values, or defaults. ``model``: only
    its assets are offered."""
    given = dict(typed)
    if model:
        weights, artifacts, deployments = (
            tuple(ref for ref in refs if ref.data.get("model_id") == model)
            for refs in (target.weights, target.artifacts, target.deployments)
        )
        target = replace(target, weights=weights, artifacts=artifacts, deployments=deployments)
    for name in asset_fields(kind.Params):
        usual = next(iter(offers(kind, target, name) or ()), None)
        given.setdefault(name, usual.value if usual else "")
    proposed, bound = (
        defaults.defaults_for(kind.Params, target, given),
        defaults.bounds(kind.Params, target, given),
    )
    without_switch = defaults.unswitched(kind.Params, target, given)
    groups: dict[str, list[Field]] = {}
    for name, rules in rules_of(kind.Params).items():
        if rules.needs_dies and not target.has_dies:
            continue
        default = proposed.get(name, kind.Params.model_fields[name].default)
        default = "" if default is PydanticUndefined else default
        if name in without_switch and typed.get(name, default) == default:
            continue  # another value stays, with its error
        limit = _limit(specs(kind.Params)[name], bound.get(name))
        field = _field(kind, target, name, text_of(default), typed, model)
        field = field._replace(error=errors.get(name, ""), limit=limit)
        groups.setdefault(rules.group, []).append(field)
    values = {field.name: field.value for fields in groups.values() for field in fields}
    return LaunchForm(
        kind=kind.name,
        host=target.name,
        groups=tuple(
            FieldGroup(_(title), tuple(_counted(field, values) for field in fields))
            for title, fields in groups.items()
        ),
    )


def _counted(field: Field, values: Mapping[str, str]) -> Field:
    """Return a field that does not count with its default: a hidden value blocks no launch."""
    if field.when is None or values.get(field.when[0], field.when[1]) == field.when[1]:
        return field
    return field._replace(value=field.default, error="", is_hidden=True)


def typed_values(kind: Kind, data: QueryDict) -> dict[str, str]:
    """Return values of the kind's fields in ``data``; the last value of a name counts."""
    return {
        name: ", ".join(map(str, data.getlist(name)))
        if spec.get("type") == "array"
        else str(data[name])
        for name, spec in specs(kind.Params).items()
        if name in data
    }


def typed_from_params(kind: Kind, params: Mapping[str, Any]) -> dict[str, str]:
    """Return stored params as form input; a value that the job lacks is the default."""
    return {
        name: text_of(value)
        for name, value in params.items()
        if value is not None and name in kind.Params.model_fields
    }


def raw_values(fields: Iterable[Field], params: type[BaseModel]) -> Raw:
    """Return the values of a form for ``params``: texts, or lists for several values."""
    raw: Raw = {}
    for field in fields:
        spec = specs(params)[field.name]
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


def offers(kind: Kind, target: Target, name: str) -> Sequence[Choice] | None:
    """Return choices of a field on ``target``; None: unknown field, or any value of its type."""
    rules = rules_of(kind.Params).get(name)
    if rules is None:
        return None
    offered = kind.choices(name, target)
    if not rules.asset:
        enum = specs(kind.Params)[name].get("enum")
        if offered is None and enum is not None:
            return [Choice(text_of(value), text_of(value)) for value in enum]
        return offered
    assets: Sequence[AssetRef] = target.assets(rules.asset)
    refs = {
        r.key: r
        for r in (defaults.fitting_first(assets, rules.way, target) if rules.way else assets)
    }
    if offered is None:
        offered = [Choice(ref.key, ref.label) for ref in refs.values()]
    if rules.asset == "deployment":  # the first one is the default

        def is_measurable(choice: Choice) -> bool:
            return choice.value in refs and kind.can_measure(refs[choice.value], target)

        offered = sorted(offered, key=is_measurable, reverse=True)
    named = [_asset_label(choice.label, refs.get(choice.value)) for choice in offered]
    if rules.asset == "deployment":
        there = [refs.get(choice.value) for choice in offered]
        ports = [str(ref.data.get("port") or "") if ref else "" for ref in there]
        numbers = [ref.id if ref else None for ref in there]
        named = disambiguate(list(zip(named, numbers, ports, strict=True)))
    return [Choice(one.value, label) for one, label in zip(offered, named, strict=True)]


def _field(
    kind: Kind,
    target: Target,
    name: str,
    default: str,
    typed: Mapping[str, str],
    model: str,
) -> Field:
    rules, spec, choices = rules_of(kind.Params)[name], specs(kind.Params)[name], None
    offered = offers(kind, target, name)
    if offered is not None and default not in [choice.value for choice in offered]:
        default = offered[0].value if offered else ""
    value, down = typed.get(name, default), None
    if offered is not None:
        choices = list(offered)
        if value and value not in [choice.value for choice in offered]:
            down = deployment_down(target.name, value) if rules.asset == "deployment" else None
            choices.append(Choice(value, _gone_label(kind, target, name, value, down)))
    options = tuple(
        Choice(one.value, _(one.label) if one.label else _("not set")) for one in choices or ()
    )
    return Field(
        name=name,
        label=_(rules.label),
        help=_(spec["description"]),
        control=_control(spec, rules, options if choices is not None else None),
        value=value,
        default=default,
        unit=_(rules.unit) if rules.unit else "",
        options=options,
        missing=_missing(rules, target, model) if rules.asset and not options else None,
        down=down,
        source=rules.source or "",
        listed=tuple(listed_sources(rules.source, target.facts)) if rules.source else (),
        is_asset=rules.asset is not None,
        when=rules.when,
        leads=name in defaults.leading(kind.Params),
        is_wide=spec.get("maxLength", 0) >= _WIDE_FROM,
    )


def _asset_label(label: str, ref: AssetRef | None) -> str:
    label = phrase(label)
    if ref is not None and ref.endpoint is not None:
        device = str(ref.data.get("device") or "")
        args = {"name": label, "device": device}
        return (_("%(name)s (endpoint, %(device)s)") if device else _("%(name)s (endpoint)")) % args
    if ref is None or ref.job is None or f"#{ref.job}" in label:
        return label
    return _("%(asset)s (from job #%(job)d, not finished)") % {"asset": label, "job": ref.job}


def _gone_label(kind: Kind, target: Target, name: str, value: str, down: Deployment | None) -> str:
    """Return the label of an unavailable value; for assets: stopped, incompatible or missing."""
    if down:
        args = {"name": down.name, "state": STATES[down.state].word}
        return _("%(name)s, %(state)s") % args
    if name not in asset_fields(kind.Params):
        return value
    ref = defaults.asset_named(kind, name, value, target)
    if ref is not None:
        return _("%(asset)s, incompatible") % {"asset": phrase(ref.label)}
    return _("%(value)s, not on this host") % {"value": value}


def _missing(rules: Rules, target: Target, model: str) -> Missing | None:
    if rules.made_by and KINDS[rules.made_by].is_available(target):
        text, action, kind = _("No usable input on this host yet."), _("Prepare it"), rules.made_by
    elif rules.asset in _MAKERS:
        makers, title, do = _MAKERS[rules.asset]
        text, action, kind = str(title), str(do), makers[target.has_dies]
    else:
        return None
    address, query = reverse("launch-form", args=[kind]), {"host": target.name}
    name = MODELS[model].name if model in MODELS else model
    whole = f"{reverse('launch')}?{urlencode({'model': model, 'for': 'pipeline', **query})}"
    pipeline = whole if model in MODELS and pipelines_of(MODELS[model]) else ""
    if model and rules.asset == "deployment":  # another model may need another tool and host
        text, action = _("%(model)s is not served on any host.") % {"model": name}, _("Serve it")
        address, query = reverse("launch"), {"model": model, "for": "serve"}
    elif model:
        text = _("%(model)s: %(reason)s") % {"model": name, "reason": text}
        query["model"] = model
    return Missing(text, action, kind, f"{address}?{urlencode(query)}", pipeline)


def _control(spec: Mapping[str, Any], rules: Rules, options: tuple[Choice, ...] | None) -> str:
    if options is not None:
        widths = [  # in letters; a Chinese letter counts as two
            sum(2 if unicodedata.east_asian_width(letter) in "FW" else 1 for letter in option.label)
            for option in options
        ]
        short = (
            len(options) <= _SHORT_CHOICES
            and all(width <= _SHORT_LABEL for width in widths)
            and sum(widths) + _SEGMENT_EDGES * len(widths) <= _SEGMENTS
        )
        return "segments" if short and len(options) > 1 and not rules.asset else "select"
    if spec.get("type") == "boolean":
        return "check"
    if spec.get("type") in ("integer", "number"):
        return "number"
    return "text"


def _limit(spec: Mapping[str, Any], most: int | None) -> str:
    """Format the field's bounds, given other values: "≤ 8", "≥ 1", "1–64"."""
    inner = spec.get("items", {}) if spec.get("type") == "array" else spec
    low, high = inner.get("minimum"), inner.get("maximum")
    high = min(filter(None, (high, most)), default=None) if high else high
    if high is None:
        return f"≥ {low}" if low not in (None, 0, 1) else ""
    if low in (None, 0, 1):
        return f"≤ {high}"
    return f"{low}–{high}"


@cache
def specs(params: type[BaseModel]) -> Mapping[str, Mapping[str, Any]]:
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


def text_of(value: Any) -> str:
    """Return a value as the form has it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, list | tuple):
        return ", ".join(text_of(item) for item in value)
    return str(getattr(value, "value", value))
