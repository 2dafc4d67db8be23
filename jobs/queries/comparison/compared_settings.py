"""Configuration of compared results, one line per setting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobs.base.errors import PlanError
from jobs.kinds import KINDS
from jobs.kinds.lib.base import asset_fields as assets_of
from jobs.models import Result
from jobs.plans import from_json
from jobs.queries.comparison.engine_settings import NO, YES, engine_settings

_HOST = ("os", "cpu", "cores")


@dataclass(frozen=True, slots=True)
class Setting:
    """Setting with its value for each result."""

    name: str
    values: Sequence[str]

    @property
    def differs(self) -> bool:
        """Return True when the values are not all equal."""
        return len(set(self.values)) > 1


def settings(results: Sequence[Result]) -> list[Setting]:
    """Return the settings of each result: host, model, tool, form fields, arguments of the plan."""
    columns = [_settings_of(result) for result in results]
    names = dict.fromkeys(name for column in columns for name in column)
    return [Setting(name, [column.get(name, "") for column in columns]) for name in names]


def _settings_of(result: Result) -> dict[str, str]:
    settings = {
        "host": result.host.name if result.host else "",
        **({"device": result.device} if result.device else {}),
        "model": result.model_id,
        "precision": result.label,
        "deployment": result.deployment.name if result.deployment else "",
        **_external(result),
        "tool": result.tool,
        "what": result.what,
    }
    job, host = result.job, result.host
    if job is None or host is None:
        return {name: text for name, text in settings.items() if text}
    assets = asset_fields(job.kind)
    settings |= {name: text_of(value) for name, value in job.params.items() if name not in assets}
    settings |= _engine_settings(result)
    facts = host.facts
    cpu = facts.get("cpu")
    if isinstance(cpu, dict):
        facts = {**facts, "cpu": cpu.get("model"), "cores": cpu.get("cores")}
    settings |= {f"host {name}": text_of(facts[name]) for name in _HOST if facts.get(name)}
    return settings


def _external(result: Result) -> dict[str, str]:
    """Return endpoint and engine of an external result."""
    known = result.run_context.get("endpoint")
    if not result.endpoint_id or not isinstance(known, dict):
        return {}
    settings = {
        "endpoint_url": known.get("url"),
        "engine_name": known.get("engine"),
        "engine_version": known.get("version"),
    }
    return {name: str(value) for name, value in settings.items() if value}


def asset_fields(kind: str) -> set[str]:
    """Return fields that name assets of a host: covered by model, precision and deployment."""
    return {*(assets_of(KINDS[kind].Params) if kind in KINDS else ()), "deployment"}


def _engine_settings(result: Result) -> dict[str, str]:
    """Return the engine settings of the deployment: these affect every metric."""
    if result.deployment is None:
        return {}
    try:
        return engine_settings(from_json(result.deployment.job.plan))
    except PlanError:
        return {}


def text_of(value: Any) -> str:
    """Return the value of a setting as text; booleans as YES and NO of
    ``jobs.queries.comparison.engine_settings``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, list | tuple):
        return ", ".join(map(text_of, value))
    if isinstance(value, dict):
        return ", ".join(f"{k} {text_of(v)}" for k, v in value.items())
    return str(value)
