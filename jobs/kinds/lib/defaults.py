"""Defaults of forms and launches, by host and by other chosen values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, cast

from pydantic import BaseModel

from jobs.catalog import MODELS, QUESTION_SETS, STACKS
from jobs.catalog.questions_schema import LANGUAGES
from jobs.catalog.schema import PathName
from jobs.kinds.lib import ports
from jobs.kinds.lib.base import AssetRef, Target
from jobs.kinds.lib.lengths import longest_answer
from jobs.kinds.lib.thinking import switch_of

EXACT = "as_in_guide"  # the field of Params for guide verbatim
_YES = frozenset({"true", "1", "on", "yes"})
_STACK, _TODAY = "stack", "current"


def is_asked(raw: Mapping[str, Any]) -> bool:
    """True if the entered values request guide verbatim."""
    return str(raw.get(EXACT, False)).lower() in _YES


def defaults_for(
    params: type[BaseModel], target: Target, raw: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return defaults on ``target`` that differ from the field's own: field -> value.

    ``raw``: values of other fields. Lengths of the guide are not fitted to a deployment.
    """
    given, extras = raw or {}, _extras(params)
    chosen, taken = _chosen(extras, target, given), ports.held(target.servers)
    stack = _stack(params, given, extras, chosen)
    exact = is_asked(given) and extras.get(EXACT, {}).get("when", (_STACK, stack))[1] == stack
    fitting = {} if exact else chosen
    defaults: dict[str, Any] = {}
    for name, extra in extras.items():
        default = params.model_fields[name].default
        value = extra.get("at_launch", default)
        value = extra["without_dies"] if _is_for_a_processor(extra, target) else value
        if exact and stack == _TODAY:
            value = extra.get("on_page", value)
        value = _followed(value, extra.get("follows"), chosen)
        value = _for_thought(value, extra.get("thinks"), chosen)
        value = _spoken(value, extra.get("speaks"), chosen)
        value = _within(value, extra.get("within", ()), fitting)
        value = min([value, *_beside_prompt(extra, fitting)]) if "beside" in extra else value
        if value and extra.get("free_port") and not (exact and extra.get("printed")):
            own = {_number(given.get(key) or defaults.get(key)) for key in _ports(extras) - {name}}
            value = ports.next_free(value, {*taken, *own})
        if value != default:
            defaults[name] = value
    return defaults


def bounds(
    params: type[BaseModel], target: Target, raw: Mapping[str, Any] | None = None
) -> dict[str, int]:
    """Return upper bounds of fields, given other values: limits of the deployment, the stack or
    the model below the field's own. Verbatim mode has no such bounds.
    """
    given, extras = raw or {}, _extras(params)
    if is_asked(given):
        return {}
    chosen = _chosen(extras, target, given)
    stack = _stack(params, given, extras, chosen)
    limits: dict[str, list[int]] = {}
    for name, extra in extras.items():
        limits[name] = [
            int(chosen[field].data[key])
            for field, key, _share in extra.get("within", ())
            if field in chosen and chosen[field].data.get(key)
        ]
        limits[name] += _beside_prompt(extra, chosen)
        if "set_size" in extra:
            default = params.model_fields[extra["set_size"]].default
            known = QUESTION_SETS.get(str(given.get(extra["set_size"]) or default))
            limits[name].append(len(known.questions) if known else 0)
        if "stack_most" in extra and stack in STACKS and not _is_external(chosen):
            limits[name].append(getattr(STACKS[stack].vllm, extra["stack_most"]) or 0)
        if "of_model" in extra:
            limits[name] += _of_model(extra["of_model"], chosen, stack, given)
    return {name: min(filter(None, most)) for name, most in limits.items() if any(most)}


def _is_external(chosen: Mapping[str, AssetRef]) -> bool:
    """True if an engine is chosen that the stack's limits say nothing about."""
    return any(ref.endpoint is not None for ref in chosen.values())


def _beside_prompt(extra: Mapping[str, Any], chosen: Mapping[str, AssetRef]) -> list[int]:
    """Return tokens that the chosen deployment's context leaves for an answer, if known."""
    field, prompt = extra.get("beside", ("", 0))
    most = longest_answer(chosen[field].data, prompt) if field in chosen else None
    return [] if most is None else [max(1, most)]


def _of_model(
    rule: Sequence[str], chosen: Mapping[str, AssetRef], stack: str, given: Mapping[str, Any]
) -> list[int]:
    """Return the model's limit, and the published limit of running it this way."""
    path_name, limit = rule
    weights = chosen.get("weights")
    model = MODELS.get(str(weights.data.get("model_id", ""))) if weights else None
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


def unswitched(
    params: type[BaseModel], target: Target, raw: Mapping[str, Any] | None = None
) -> frozenset[str]:
    """Return fields without effect, because a chosen deployment has no switch for them."""
    extras = _extras(params)
    chosen = _chosen(extras, target, raw or {})
    return frozenset(
        name
        for name, extra in extras.items()
        if not all(
            field in chosen and switch_of(chosen[field]) for field in extra.get("switch_of", ())
        )
    )


@cache
def leading(params: type[BaseModel]) -> frozenset[str]:
    """Return fields whose change can change defaults of others."""
    fields = set()
    for extra in _extras(params).values():
        fields |= {rule[0] for rule in extra.get("within", ())}
        fields |= {EXACT} if extra.get("within") else set()
        fields |= {extra["beside"][0]} if "beside" in extra else set()
        fields |= {extra["set_size"]} if "set_size" in extra else set()
        fields |= {EXACT, _STACK} if "on_page" in extra else set()
        fields |= {extra["follows"][0]} if "follows" in extra else set()
        fields |= {extra["thinks"][0]} if "thinks" in extra else set()
        fields |= {extra["speaks"]} if "speaks" in extra else set()
        fields |= set(extra.get("switch_of", ()))
    return frozenset(fields & set(params.model_fields))


def _extras(params: type[BaseModel]) -> dict[str, Mapping[str, Any]]:
    return {
        name: info.json_schema_extra
        for name, info in params.model_fields.items()
        if isinstance(info.json_schema_extra, dict)
    }


def _stack(
    params: type[BaseModel],
    raw: Mapping[str, Any],
    extras: Mapping[str, Mapping[str, Any]],
    chosen: Mapping[str, AssetRef],
) -> str:
    """Return the given or default stack; "" for a kind without stacks."""
    if _STACK not in params.model_fields:
        return ""
    proposed = _followed(
        params.model_fields[_STACK].default, extras.get(_STACK, {}).get("follows"), chosen
    )
    return str(raw.get(_STACK) or proposed)


def _is_for_a_processor(extra: Mapping[str, Any], target: Target) -> bool:
    return "without_dies" in extra and not target.has_dies


def _chosen(
    extras: Mapping[str, Mapping[str, Any]], target: Target, raw: Mapping[str, Any]
) -> dict[str, AssetRef]:
    """Return field -> the asset it names."""
    return {
        name: ref
        for name, extra in extras.items()
        if "asset" in extra
        for ref in target.assets(str(extra["asset"]))
        if ref.key == str(raw.get(name, ""))
    }


def _followed(value: Any, rule: Sequence[str] | None, chosen: Mapping[str, AssetRef]) -> Any:
    if rule is None or rule[0] not in chosen:
        return value
    return chosen[rule[0]].data.get(rule[1]) or value


def _for_thought(value: Any, rule: Sequence[Any] | None, chosen: Mapping[str, AssetRef]) -> Any:
    """Return the value for a reasoning model, or a deployment that reasons."""
    if rule is None or rule[0] not in chosen:
        return value
    served = chosen[rule[0]].data
    model = MODELS.get(str(served.get("model_id", "")))
    return rule[1] if served.get("reasoning") or (model and model.reasoning) else value


def _spoken(value: Any, field: str | None, chosen: Mapping[str, AssetRef]) -> Any:
    """Return the only language of questions that the model knows; ``value`` if it knows more."""
    if field is None or field not in chosen:
        return value
    model = MODELS.get(str(chosen[field].data.get("model_id", "")))
    known = LANGUAGES.intersection(model.languages if model else LANGUAGES)
    return next(iter(known)) if len(known) == 1 else value


def _within(value: Any, rules: Iterable[Sequence[Any]], chosen: Mapping[str, AssetRef]) -> Any:
    for name, key, share in rules:
        most = chosen[name].data.get(key) if name in chosen else None
        if most:
            value = min(value, max(1, int(int(most) * share)))
    return value


def _ports(extras: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Return fields that hold a port."""
    return {name for name, extra in extras.items() if extra.get("free_port")}


def _number(value: Any) -> int:
    """Parse a typed port; 0 if invalid."""
    text = str(value)
    return int(text) if text.isdecimal() and len(text) <= len("65535") else 0
