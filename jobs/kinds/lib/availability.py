"""Errors for values that a host does not offer."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils.translation import gettext as _
from pydantic import BaseModel

from jobs.base.errors import LaunchError
from jobs.catalog import MODELS, STACKS
from jobs.kinds.lib.base import AssetRef, Kind, Target
from jobs.kinds.lib.vacc import stack_choices


def unavailable(kind: Kind, params: BaseModel, target: Target) -> dict[str, str]:
    """Return field → why its value is refused; the plan gives the reason if it can."""
    errors = {}
    for name in type(params).model_fields:
        offered = kind.choices(name, target)
        value = str(getattr(params, name))
        if offered is not None and value not in {choice.value for choice in offered}:
            errors[name] = _reason(kind, params, target, name) or _plain(kind, name, value, target)
    return errors


def fitting_first(refs: Sequence[AssetRef], way: str, target: Target) -> list[AssetRef]:
    """Sort weights for a form: the first one is the default.

    ``way``: how the model is run, e.g. "vllm". Weights that no stack of the host can run so come
    last. They stay available, because verbatim mode may try them.
    """
    return sorted(refs, key=lambda ref: not _has_way(ref, way, target))


def _has_way(weights: AssetRef, way: str, target: Target) -> bool:
    model = MODELS.get(str(weights.data.get("model_id", "")))
    path = next((one for name, one in model.paths.items() if name == way), None) if model else None
    if path is None:
        return False
    stacks = {one.value for one in stack_choices(target) if way in STACKS[one.value].paths}
    if not path.limits:
        return bool(stacks)
    return any(not one.stacks or stacks & set(one.stacks) for one in path.limits)


def asset_named(kind: Kind, field: str, value: str, target: Target) -> AssetRef | None:
    """Return the host's asset named by ``value``, usable by the kind or not."""
    extra = kind.Params.model_fields[field].json_schema_extra
    asset_type = extra.get("asset") if isinstance(extra, dict) else None
    refs = target.assets(str(asset_type)) if asset_type else ()
    return next((ref for ref in refs if ref.key == value), None)


def _reason(kind: Kind, params: BaseModel, target: Target, name: str) -> str:
    """Return the plan's error at this field; "" for none."""
    try:
        kind.plan(params, target)
    except LaunchError as error:
        return str(error) if error.field == name else ""
    return ""


def _plain(kind: Kind, name: str, value: str, target: Target) -> str:
    ref = asset_named(kind, name, value, target)
    if ref is None:
        return _("“%(value)s” is not available on this host.") % {"value": value}
    text = _("This job type cannot use %(asset)s. Choose another.")
    return text % {"asset": ref.label}
