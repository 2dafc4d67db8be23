"""Plans against an endpoint: an engine that this dashboard did not start.

Whatever tool measures, the first step checks the endpoint from the same host, and keeps what the
engine answers about itself.
"""

from __future__ import annotations

from dataclasses import replace

from django.utils.translation import pgettext_lazy

from jobs.parsers.engine_about import ENDPOINT_FILE
from jobs.plans import DIES, Output, Plan, Step
from jobs.toolchains.site import DIRECT, FILES, script

STEPS = {"endpoint": pgettext_lazy("step", "check endpoint")}
_SCRIPT = "check_endpoint.py"
_NO_PROXY, _HOST = "no_proxy", "{deployment.host}"
_ENGINE = "engine"  # watch of the engine's counters
_PREFLIGHT = "endpoint"  # preflight check, which has no key


def checked(plan: Plan, python: str, *, key: str, has_counters: bool) -> Plan:
    """Return ``plan``, made for a deployment, as a plan against an endpoint.

    ``python``: interpreter of the host, as an argument. ``key``: name of a secret, or "". The dies
    of the host are not the engine's, so they are not watched; ``has_counters``: the engine's
    counters are, with the key.
    """
    secret = f"{{secret:{key}}}" if key else ""
    argv = (
        *(python, f"{FILES}/{_SCRIPT}", "{deployment.url}"),
        *("--served-model-name", "{deployment.name}", "--to", ENDPOINT_FILE),
    )
    env = (("PYTHONUNBUFFERED", "1"), *((("API_KEY", secret),) if key else ()))
    return replace(
        plan,
        steps=(Step("endpoint", argv, env=env), *map(_direct, plan.steps)),
        files=tuple(dict.fromkeys((script(_SCRIPT), script(DIRECT), *plan.files))),
        outputs=(Output("endpoint", ENDPOINT_FILE), *plan.outputs),
        watches=tuple(
            replace(watch, key=secret if watch.name == _ENGINE else "")
            for watch in plan.watches
            if watch.reader != DIES and (watch.name != _ENGINE or has_counters)
        ),
        checks=tuple(check for check in plan.checks if check.name != _PREFLIGHT or not key),
    )


def _direct(step: Step) -> Step:
    """Return the step without a proxy in between, if it names addresses without one."""
    return replace(
        step,
        env=tuple(
            (name, f"{value},{_HOST}" if name == _NO_PROXY and _HOST not in value else value)
            for name, value in step.env
        ),
    )
