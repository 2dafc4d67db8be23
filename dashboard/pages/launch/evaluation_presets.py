"""Presets of evaluations as links that fill the launch form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import reverse

from dashboard.pages.launch.launch_form import LaunchForm, offers
from jobs.catalog.presets import EVALUATION_PRESETS, EvaluationPreset
from jobs.kinds import KINDS
from jobs.kinds.lib.base import Kind, Target

_FAMILY = "evaluate"
_OWN = "own"


@dataclass(frozen=True, slots=True)
class PresetLink:
    """Preset for display. ``address`` "": this host has no kind for it. ``kind``: of the form."""

    preset: EvaluationPreset
    kind: str
    address: str
    is_current: bool


def preset_links(kind: Kind, target: Target, form: LaunchForm) -> list[PresetLink]:
    """Return the presets on ``target``; none for a kind that evaluates nothing."""
    if kind.family != _FAMILY:
        return []
    values = {field.name: field.value for field in form.fields}
    current = next(
        (one.id for one in EVALUATION_PRESETS.values() if _fits(one, kind, values)), _OWN
    )
    return [
        _link(one, kind, target, values, is_current=one.id == current)
        for one in EVALUATION_PRESETS.values()
    ]


def _link(
    preset: EvaluationPreset,
    kind: Kind,
    target: Target,
    values: Mapping[str, str],
    *,
    is_current: bool,
) -> PresetLink:
    chosen = _kind_for(preset, kind, target)
    if chosen is None:
        return PresetLink(preset, "", "", is_current=False)
    query = {"host": target.name}
    deployment = values.get("deployment", "")
    # Each kind has its own choice of deployments.
    offered = [one.value for one in offers(chosen, target, "deployment") or ()]
    if deployment in offered:
        query["deployment"] = deployment
    address = reverse("launch-form", args=[chosen.name])
    query |= preset.kinds[chosen.name]
    return PresetLink(preset, chosen.name, f"{address}?{urlencode(query)}", is_current)


def _kind_for(preset: EvaluationPreset, kind: Kind, target: Target) -> Kind | None:
    """Return the form's own kind if the preset has it, else the first that the host supports."""
    if kind.name in preset.kinds:
        return kind
    there: Sequence[Kind] = [KINDS[name] for name in preset.kinds]
    return next((one for one in there if one.is_available(target)), None)


def _fits(preset: EvaluationPreset, kind: Kind, values: Mapping[str, str]) -> bool:
    wanted = preset.kinds.get(kind.name)
    if not wanted:
        return False
    return all(values.get(name) == value for name, value in wanted.items())
