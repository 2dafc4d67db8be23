"""Differences of a plan from the deployment guide, stored with the job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from jobs.base.errors import LaunchError
from jobs.kinds.lib.base import Kind, Target
from jobs.kinds.lib.defaults import EXACT
from jobs.plans import Plan


def guide_diff(kind: Kind, params: BaseModel, target: Target, plan: Plan) -> dict[str, Any]:
    """``{"notes": [{"id", "args"}], "plan": the guide's, as Plan.to_json()}``.

    The guide's plan is the same job with ``as_in_guide``. It has only the files that differ, and is
    null where ``plan`` is it, where the guide's own cannot be made, and on a host without dies, of
    which the guide does not speak. Empty for a kind of job that the guide does not know.
    """
    if EXACT not in type(params).model_fields:
        return {}
    notes = [{"id": note.id, "args": dict(note.args)} for note in kind.notes(params, target)]
    guide_plan = _guide_plan(kind, params, target) if target.has_dies else None
    if guide_plan is None or guide_plan.sha256() == plan.sha256():
        return {"notes": notes, "plan": None}
    return {"notes": notes, "plan": _without_common_files(guide_plan.to_json(), plan)}


def _guide_plan(kind: Kind, params: BaseModel, target: Target) -> Plan | None:
    try:
        exact = kind.Params.model_validate({**params.model_dump(mode="json"), EXACT: True})
        return kind.plan(exact, target)
    except (LaunchError, ValidationError):
        return None


def _without_common_files(data: Mapping[str, Any], plan: Plan) -> dict[str, Any]:
    own = {item.name: item.text for item in plan.files}
    files = [item for item in data["files"] if own.get(item["name"], item["text"]) != item["text"]]
    return {**data, "files": files}
