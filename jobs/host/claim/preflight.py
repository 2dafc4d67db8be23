"""Runs the checks of a plan on this host, before any of its commands."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from jobs.base.errors import PlanError
from jobs.host.base.config import Config
from jobs.host.checks import CHECKS
from jobs.host.checks.results import CheckResult
from jobs.plans import Check, Plan, fill_text

log = logging.getLogger(__name__)


def run(config: Config, plan: Plan, values: Mapping[str, str]) -> list[dict[str, Any]]:
    """A finding for each check, in the plan's order.

    ``{"name", "level", "message_id", "message_args"}``; level: *ok* holds, *warn* does not and a
    person may go on, *failed* does not, *unknown* could not be checked.
    """
    return [_check(config, check, values) for check in plan.checks]


def _check(config: Config, check: Check, values: Mapping[str, str]) -> dict[str, Any]:
    known = CHECKS.get(check.name)
    if known is None:  # a newer dashboard knows more checks
        return _finding(check, "unknown", "check:unknown", {"name": check.name})
    try:
        args = {key: fill_text(value, values) for key, value in check.args}
    except PlanError:  # what fills the slot is made by a job before this one
        return _finding(check, "unknown", "check:later", {"check": check.name})
    try:
        result: CheckResult = known(config, args)
    except (OSError, ValueError, LookupError) as error:
        log.warning("check %s: %s", check.name, error)
        args = {"name": check.name, "problem": str(error)}
        return _finding(check, "unknown", "check:broke", args)
    level = "ok" if result.holds else "warn" if check.asks else "failed"
    return _finding(check, level, result.message_id, result.args)


def _finding(check: Check, level: str, message_id: str, args: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": check.name,
        "level": level,
        "message_id": message_id,
        "message_args": dict(args),
    }
