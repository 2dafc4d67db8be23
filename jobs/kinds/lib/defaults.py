"""Defaults and bounds of fields by host and other values; errors for values not offered."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, cast

from django.utils.translation import gettext as _
from pydantic import BaseModel

from jobs.base.errors import LaunchError
from jobs.catalog import MODELS, QUESTION_SETS, STACKS, ZooModel
from jobs.catalog.questions import LANGUAGES
from jobs.catalog.schema import PathName
from jobs.kinds.lib import ports
from jobs.kinds.lib.base import EXACT, AssetRef, Kind, Rules, Target, asset_fields, rules_of
from jobs.kinds.lib.evaluations import switch_of
from jobs.kinds.lib.load import longest_answer
from jobs.kinds.lib.vacc import stack_choices

_YES = frozenset({"true", "1", "on", "yes"})
_STACK, _TODAY = "stack", "current"
Chosen = Mapping[str, AssetRef]  # field -> the asset that it names


def is_asked(raw: Mapping[str, Any]) -> bool:
    return str(raw.get(EXACT, False)).lower() in _YES


def defaults_for(
    params: type[BaseModel], target: Target, raw: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return defaults on ``target`` that differ from the field's own: field -> value. ``raw``:
    values of other fields. Lengths of the guide are not fitted to a deployment."""
    given, every = raw or {}, rules_of(params)
    chosen, taken = _chosen(params, target, given), ports.held(target.servers)
    stack = _stack(params, given, chosen)
    when = every[EXACT].when if EXACT in every else None
    exact = is_asked(given) and (when is None or when[1] == stack)
    port_fields = {name for name, rules in every.items() if rules.free_port}
    defaults: dict[str, Any] = {}
    for name, rules in every.items():
        default = params.model_fields[name].default
        value = default if rules.at_launch is None else rules.at_launch
        if rules.without_dies is not None and not target.has_dies:
            value = rules.without_dies
        if exact and stack == _TODAY and rules.on_page is not None:
            value = rules.on_page
        value = _of_assets(value, rules, chosen)
        if not exact:
            value = _fitting(value, rules, chosen)
        if value and rules.free_port and not (exact and rules.printed):
            own = {_number(given.get(key) or defaults.get(key)) for key in port_fields - {name}}
            value = ports.next_free(value, {*taken, *own})
        if value != default:
            defaults[name] = value
    return defaults


def _of_assets(value: Any, rules: Rules, chosen: Chosen) -> Any:
    """Return what the chosen assets say of a value."""
    if rules.follows and rules.follows[0] in chosen:
        value = chosen[rules.follows[0]].data.get(rules.follows[1]) or value
    if rules.thinks and rules.thinks[0] in chosen:
        served = chosen[rules.thinks[0]]
        model = _model_of(served)
        if served.data.get("reasoning") or (model and model.reasoning):
            value = rules.thinks[1]
    if rules.speaks and rules.speaks in chosen:
        model = _model_of(chosen[rules.speaks])
        known = LANGUAGES.intersection(model.languages if model else LANGUAGES)
        value = next(iter(known)) if len(known) == 1 else value
    return value


def _fitting(value: Any, rules: Rules, chosen: Chosen) -> Any:
    """Return at most what the chosen assets take."""
    for name, key, share in rules.within or ():
        most = chosen[name].data.get(key) if name in chosen else None
        if most:
            value = min(value, max(1, int(int(most) * share)))
    return min([value, *_beside_prompt(rules, chosen)]) if rules.beside else value


def bounds(
    params: type[BaseModel], target: Target, raw: Mapping[str, Any] | None = None
) -> dict[str, int]:
    """Return upper bounds of fields, given other values: limits of the deployment, the stack or the
    model below the field's own. Verbatim mode has no such bounds."""
    given = raw or {}
    if is_asked(given):
        return {}
    chosen = _chosen(params, target, given)
    stack = _stack(params, given, chosen)
    # The stack's limits say nothing about an endpoint.
    is_external = any(ref.endpoint is not None for ref in chosen.values())
    limits: dict[str, list[int]] = {}
    for name, rules in rules_of(params).items():
        limits[name] = [
            int(chosen[field].data[key])
            for field, key, _share in rules.within or ()
            if field in chosen and chosen[field].data.get(key)
        ]
        limits[name] += _beside_prompt(rules, chosen)
        if rules.set_size:
            default = params.model_fields[rules.set_size].default
            known = QUESTION_SETS.get(str(given.get(rules.set_size) or default))
            limits[name].append(len(known.questions) if known else 0)
        if rules.stack_most and stack in STACKS and not is_external:
            limits[name].append(getattr(STACKS[stack].vllm, rules.stack_most) or 0)
        if rules.of_model:
            limits[name] += _of_model(rules.of_model, chosen, stack, given)
    return {name: min(filter(None, most)) for name, most in limits.items() if any(most)}


def _beside_prompt(rules: Rules, chosen: Chosen) -> list[int]:
    """Return tokens that the chosen deployment's context leaves for an answer, if known."""
    field, prompt = rules.beside or ("", 0)
    most = longest_answer(chosen[field].data, prompt) if field in chosen else None
    return [] if most is None else [max(1, most)]


def _of_model(
    rule: tuple[str, str], chosen: Chosen, stack: str, given: Mapping[str, Any]
) -> list[int]:
    path_name, limit = rule
    model = _model_of(chosen["weights"]) if "weights" in chosen else None
    path = model.paths.get(cast(PathName, path_name)) if model else None
    if model is None or path is None:
        return []
    stages = _number(given.get("pp", 1)) or 1
    published = [
        getattr(one, limit) or 0
        for one in path.limits
        if one.pp == stages and (not one.stacks or stack in one.stacks)
    ]
    return [model.context_tokens, *published]


def _model_of(ref: AssetRef) -> ZooModel | None:
    return MODELS.get(str(ref.data.get("model_id", "")))


def unswitched(
    params: type[BaseModel], target: Target, raw: Mapping[str, Any] | None = None
) -> frozenset[str]:
    """Return fields without effect, because a chosen deployment has no switch for them."""
    chosen = _chosen(params, target, raw or {})
    return frozenset(
        name
        for name, rules in rules_of(params).items()
        if not all(field in chosen and switch_of(chosen[field]) for field in rules.switch_of or ())
    )


@cache
def leading(params: type[BaseModel]) -> frozenset[str]:
    fields = set()
    for rules in rules_of(params).values():
        fields |= rules.leaders
        fields |= {EXACT} if rules.within else set()
        fields |= {EXACT, _STACK} if rules.on_page is not None else set()
    return frozenset(fields & set(params.model_fields))


def _stack(params: type[BaseModel], raw: Mapping[str, Any], chosen: Chosen) -> str:
    """Return the given or default stack; "" for a kind without stacks."""
    if _STACK not in params.model_fields:
        return ""
    default = params.model_fields[_STACK].default
    return str(raw.get(_STACK) or _of_assets(default, rules_of(params)[_STACK], chosen))


def _chosen(params: type[BaseModel], target: Target, raw: Mapping[str, Any]) -> Chosen:
    return {
        name: ref
        for name, asset in asset_fields(params).items()
        for ref in target.assets(asset)
        if ref.key == str(raw.get(name, ""))
    }


def _number(value: Any) -> int:
    """Parse a typed port; 0 if invalid."""
    text = str(value)
    return int(text) if text.isdecimal() and len(text) <= len("65535") else 0


def unavailable(kind: Kind, params: BaseModel, target: Target) -> dict[str, str]:
    """Return field → why its value is refused; the plan gives the reason if it can."""
    errors = {}
    for name in type(params).model_fields:
        offered = kind.choices(name, target)
        value = str(getattr(params, name))
        if offered is None or value in {choice.value for choice in offered}:
            continue
        ref = asset_named(kind, name, value, target)
        if ref is None:
            errors[name] = _("“%(value)s” is not available on this host.") % {"value": value}
        else:
            message = _("This job type cannot use %(asset)s. Choose another.")
            errors[name] = message % {"asset": ref.label}
        try:
            kind.plan(params, target)
        except LaunchError as error:
            if error.field == name and str(error):
                errors[name] = str(error)
    return errors


def fitting_first(refs: Sequence[AssetRef], way: str, target: Target) -> list[AssetRef]:
    """Sort weights for a form: the first one is the default. ``way``: how the model is run, e.g.
    "vllm". Weights that no stack of the host can run so come last. They stay available, because
    verbatim mode may try them."""
    stacks = {one.value for one in stack_choices(target) if way in STACKS[one.value].paths}

    def fits(ref: AssetRef) -> bool:
        model = _model_of(ref)
        path = model.paths.get(cast(PathName, way)) if model else None
        if path is None or not path.limits:
            return path is not None and bool(stacks)
        return any(not one.stacks or stacks & set(one.stacks) for one in path.limits)

    return sorted(refs, key=lambda ref: not fits(ref))


def asset_named(kind: Kind, field: str, value: str, target: Target) -> AssetRef | None:
    """Return the host's asset named by ``value``, usable by the kind or not."""
    refs = target.assets(asset_fields(kind.Params).get(field, ""))
    return next((ref for ref in refs if ref.key == value), None)
