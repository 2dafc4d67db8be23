"""Variants of a plan: against an endpoint, and continued from a stopped job.

An endpoint is an engine that this dashboard did not start. Whatever tool measures, the first step
checks it from the same host, and keeps what the engine answers about itself.
"""

from dataclasses import replace
from pathlib import PurePosixPath

from django.utils.translation import gettext_noop as _
from django.utils.translation import pgettext_lazy

from jobs.plans import DIES, Output, Plan, Step, literal
from jobs.tools.lib.site import DIRECT, FILES, UNBUFFERED, check, endpoint_check, script, secret

ENDPOINT_STEPS = {
    "endpoint": pgettext_lazy("step", "check endpoint"),
    "endpoint-reference": pgettext_lazy("step", "check reference endpoint"),
}
# Output of check_endpoint.py: path -> [status, body].
ENDPOINT_FILE = "endpoint.json"
_CHECK = "check_endpoint.py"
_HOST = "{deployment.host}"
_ENGINE = "engine"  # watch of the engine's counters

TAKE_OVER = "take-over"
RESUME_STEPS = {TAKE_OVER: pgettext_lazy("step", "take over answers")}
_TAKE_OVER = "take_over.py"
_ANSWERS = _("answers of the earlier job; launch the evaluation from its start")


def checked(plan: Plan, python: str, *, key: str, has_counters: bool) -> Plan:
    """Return ``plan``, made for a deployment, as a plan against an endpoint.

    ``python``: interpreter of the host, as an argument. ``key``: name of a secret, or "". The dies
    of the host are not the engine's, so they are not watched; ``has_counters``: the engine's
    counters are, with the key.
    """
    plan = _checked(plan, python, "deployment", "", "API_KEY", key)
    secret_key = f"{{secret:{key}}}" if key else ""
    return replace(
        plan,
        steps=tuple(map(_direct, plan.steps)),
        watches=tuple(
            replace(watch, key=secret_key if watch.name == _ENGINE else "")
            for watch in plan.watches
            if watch.reader != DIES and (watch.name != _ENGINE or has_counters)
        ),
        # A preflight check has no key.
        checks=tuple(one for one in plan.checks if not key or one != endpoint_check()),
    )


def reference_checked(plan: Plan, python: str, *, key: str) -> Plan:
    """Return ``plan`` with the check of a second endpoint, ``{reference.…}``, first."""
    return _checked(plan, python, "reference", "-reference", "REFERENCE_API_KEY", key)


def _checked(plan: Plan, python: str, slot: str, suffix: str, variable: str, key: str) -> Plan:
    """``variable``: has the key of the endpoint in ``slot``."""
    name, to = f"endpoint{suffix}", f"endpoint{suffix}.json"
    argv = (
        *(python, f"{FILES}/{_CHECK}", f"{{{slot}.url}}"),
        *("--served-model-name", f"{{{slot}.name}}", "--to", to),
        *(("--key-variable", variable) if suffix else ()),
    )
    return replace(
        plan,
        steps=(Step(name, argv, env=(*UNBUFFERED, *secret(variable, key))), *plan.steps),
        files=tuple(dict.fromkeys((script(_CHECK), script(DIRECT), *plan.files))),
        outputs=(Output(name, to), *plan.outputs),
    )


def _direct(step: Step) -> Step:
    """Return the step without a proxy in between, if it names addresses without one."""
    env = dict(step.env)
    if _HOST not in env.get("no_proxy", _HOST):
        env["no_proxy"] += f",{_HOST}"
    return replace(step, env=tuple(env.items()))


def resumed(plan: Plan, earlier: str, *, step: str, folder: str, words: tuple[str, ...]) -> Plan:
    """Return ``plan`` of an evaluation, continued with the answers of the job in ``earlier``.

    ``step`` asks the questions, and writes answers to ``folder`` below the work folder. ``words``
    make its tool continue: EvalScope with ``--use-cache``, OpenCompass with ``-r``. The plan
    differs from the earlier one by these words, a first step, its script and a check only.
    """
    asking = next(one for one in plan.steps if one.name == step)
    program = PurePosixPath(asking.argv[0])
    # The interpreter of an environment's program is beside it.
    is_python = program.name.startswith("python") or asking.argv[0].startswith("{")
    python = asking.argv[0] if is_python else str(program.with_name("python"))
    source = literal(str(PurePosixPath(earlier, "work", folder)))
    taken = Step(TAKE_OVER, (python, f"{FILES}/{_TAKE_OVER}", source, folder))
    there = check("path", path=literal(f"{earlier}/work"), what=_ANSWERS)
    argv = asking.argv if asking.argv[-len(words) :] == words else (*asking.argv, *words)
    steps = [replace(one, argv=argv) if one is asking else one for one in plan.steps]
    return replace(
        plan,
        steps=(taken, *(one for one in steps if one.name != TAKE_OVER)),
        files=(*(one for one in plan.files if one.name != _TAKE_OVER), script(_TAKE_OVER)),
        checks=(there, *(one for one in plan.checks if dict(one.args).get("what") != _ANSWERS)),
    )
