"""VACC patch: the vendor's model files in the weights folder of a Qwen distill.

``config_vacc.json`` is generated on the host from its current ``config.json``, by the catalogue's
module, which the plan contains. A config stored by the dashboard could be older than the weights.
"""

from __future__ import annotations

import json
from pathlib import Path

from django.utils.translation import gettext_noop as _
from django.utils.translation import pgettext_lazy

from jobs.catalog import ZooModel, modification
from jobs.plans import Check, Output, Plan, PlanFile, Step, literal
from jobs.tools.lib.site import FILES, script
from jobs.tools.vacc.site import VaccSite

PROGRAMS = ("python3",)
STEPS = {
    "show": pgettext_lazy("step", "show differences"),
    "apply": pgettext_lazy("step", "apply"),
    "undo": pgettext_lazy("step", "undo"),
}
KIND = "apply-modification"
EXPECTED = "expected.json"
_SCRIPT = "apply_modification.py"
_FOLDER = "{weights.path}"


def module() -> PlanFile:
    """Return the catalogue's module as a plan file for importing scripts."""
    return PlanFile("modification.py", Path(modification.__file__).read_text(encoding="utf-8"))


def plan(model: ZooModel, site: VaccSite, *, undo: bool, only_show: bool) -> Plan:
    """Show changes, then apply them; or undo. The weights are in the slot."""
    if undo:
        return Plan(
            kind=KIND,
            steps=(_step("undo", site),),
            files=(script(_SCRIPT), module()),
            outputs=(Output("modification", "modification.json"),),
        )
    source = literal(site.modification)
    expected = json.dumps(model.architecture.config_values(), indent=1) + "\n"
    options = ("--source", source, "--expected", f"{FILES}/{EXPECTED}")
    show, apply = _step("show", site, *options), _step("apply", site, *options)
    return Plan(
        kind=KIND,
        steps=(show,) if only_show else (show, apply),
        files=(script(_SCRIPT), module(), PlanFile(EXPECTED, expected)),
        outputs=(Output("modification", "modification.json"),),
        checks=(
            Check("weights", (("path", _FOLDER),)),
            *(
                Check(
                    "path",
                    (("path", f"{source}/{name}"), ("what", _("vendor's patched model file"))),
                )
                for name in model.modification
                if name != modification.CONFIG_VACC
            ),
        ),
    )


def _step(what: str, site: VaccSite, *options: str) -> Step:
    return Step(what, (site.python_word, f"{FILES}/{_SCRIPT}", what, _FOLDER, *options))
