"""Result files of a folder on a host, packed as one archive.

An archive, because file names of a host then name no path of the dashboard.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _
from django.utils.translation import pgettext_lazy

from jobs.plans import Check, Output, Plan, Step, literal
from jobs.tools.lib.site import FILES, Site, script

KIND = "collect-results"
PROGRAMS = ("python3",)
STEPS = {"collect": pgettext_lazy("step", "collect")}
ARCHIVE, REPORT = "collected.tar.gz", "collected.json"
_SCRIPT = "collect_results.py"


def plan(folder: str, site: Site) -> Plan:
    """Plan one step; ``folder`` is absolute, without slots."""
    without = [word for path in site.own_folders for word in ("--without", literal(path))]
    argv = (
        *(literal(site.python), f"{FILES}/{_SCRIPT}", literal(folder)),
        *("--inside", literal(site.workspace), *without),
    )
    there = Check("path", (("path", literal(folder)), ("what", _("folder with results"))))
    return Plan(
        kind=KIND,
        steps=(Step("collect", argv),),
        files=(script(_SCRIPT),),
        outputs=(Output("archive", ARCHIVE), Output("report", REPORT)),
        checks=(there,),
    )
