"""Plans against an endpoint: an engine that this dashboard did not start.

Whatever tool measures, the first step checks the endpoint from the same host, and keeps what the
engine answers about itself.
"""

from __future__ import annotations

from dataclasses import replace

from django.utils.translation import pgettext_lazy

from jobs.plans import DIES, Check, Output, Plan, PlanFile, Step
from jobs.tools.lib.site import DIRECT, FILES, script

STEPS = {
    "endpoint": pgettext_lazy("step", "check endpoint"),
    "endpoint-reference": pgettext_lazy("step", "check reference endpoint"),
}
# Output of check_endpoint.py: path -> [status, body].
ENDPOINT_FILE = "endpoint.json"
REFERENCE_FILE = "endpoint-reference.json"
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
    step = _step("endpoint", python, "deployment", ENDPOINT_FILE, "API_KEY", secret)
    return replace(
        plan,
        steps=(step, *map(_direct, plan.steps)),
        files=_with_script(plan),
        outputs=(Output("endpoint", ENDPOINT_FILE), *plan.outputs),
        watches=tuple(
            replace(watch, key=secret if watch.name == _ENGINE else "")
            for watch in plan.watches
            if watch.reader != DIES and (watch.name != _ENGINE or has_counters)
        ),
        checks=tuple(check for check in plan.checks if not key or not _is_preflight(check)),
    )


def reference_checked(plan: Plan, python: str, *, key: str) -> Plan:
    """Return ``plan`` with the check of a second endpoint, in the slots ``{reference.…}``, first.

    ``python``, ``key``: as in :func:`checked`.
    """
    variable, secret = "REFERENCE_API_KEY", f"{{secret:{key}}}" if key else ""
    step = _step("endpoint-reference", python, "reference", REFERENCE_FILE, variable, secret)
    return replace(
        plan,
        steps=(step, *plan.steps),
        files=_with_script(plan),
        outputs=(Output("endpoint-reference", REFERENCE_FILE), *plan.outputs),
    )


def _step(name: str, python: str, slot: str, to: str, variable: str, secret: str) -> Step:
    """Return the step that checks the endpoint of ``slot``. ``variable``: has its key."""
    argv = (
        *(python, f"{FILES}/{_SCRIPT}", f"{{{slot}.url}}"),
        *("--served-model-name", f"{{{slot}.name}}", "--to", to),
        *(("--key-variable", variable) if variable != "API_KEY" else ()),
    )
    key = ((variable, secret),) if secret else ()
    return Step(name, argv, env=(("PYTHONUNBUFFERED", "1"), *key))


def _with_script(plan: Plan) -> tuple[PlanFile, ...]:
    return tuple(dict.fromkeys((script(_SCRIPT), script(DIRECT), *plan.files)))


def _is_preflight(check: Check) -> bool:
    return check.name == _PREFLIGHT and dict(check.args)["url"] == "{deployment.url}"


def _direct(step: Step) -> Step:
    """Return the step without a proxy in between, if it names addresses without one."""
    return replace(
        step,
        env=tuple(
            (name, f"{value},{_HOST}" if name == _NO_PROXY and _HOST not in value else value)
            for name, value in step.env
        ),
    )
