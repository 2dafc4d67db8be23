"""Plan of a stopped evaluation that continues: it takes the answers of the earlier job over.

EvalScope continues from them with ``--use-cache``, OpenCompass with ``-r``. The plan differs from
the earlier one by these words, a first step, its script and a check only.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from django.utils.translation import gettext_noop as _
from django.utils.translation import pgettext_lazy

from jobs.plans import Check, Plan, Step, literal
from jobs.tools.lib.site import FILES, script

TAKE_OVER = "take-over"
STEPS = {TAKE_OVER: pgettext_lazy("step", "take over answers")}
_SCRIPT = "take_over.py"
_WHAT = _("answers of the earlier job; launch the evaluation from its start")


def resumed(plan: Plan, earlier: str, *, step: str, folder: str, words: tuple[str, ...]) -> Plan:
    """Return ``plan``, continued from the job in the folder ``earlier``.

    ``step`` asks the questions, and writes answers to ``folder`` below the work folder. ``words``
    make its tool continue.
    """
    asking = next(one for one in plan.steps if one.name == step)
    taken = Step(
        TAKE_OVER,
        (
            _python(asking.argv[0]),
            f"{FILES}/{_SCRIPT}",
            literal(str(PurePosixPath(earlier, "work", folder))),
            folder,
        ),
    )
    there = Check("path", (("path", literal(f"{earlier}/work")), ("what", _WHAT)))
    argv = asking.argv if asking.argv[-len(words) :] == words else (*asking.argv, *words)
    return replace(
        plan,
        steps=(
            taken,
            *(
                replace(one, argv=argv) if one is asking else one
                for one in plan.steps
                if one.name != TAKE_OVER
            ),
        ),
        files=(*(one for one in plan.files if one.name != _SCRIPT), script(_SCRIPT)),
        checks=(there, *(one for one in plan.checks if dict(one.args).get("what") != _WHAT)),
    )


def _python(program: str) -> str:
    """Return the interpreter of an environment's program: itself, or the one beside it."""
    path = PurePosixPath(program)
    is_python = path.name.startswith("python") or program.startswith("{")
    return program if is_python else str(path.with_name("python"))
