"""Weights from a hub in the workspace of a VACC host: download and verification."""

from __future__ import annotations

import json

from django.utils.translation import gettext_noop as _

from jobs.catalog import HubSource, ZooModel
from jobs.plans import Check, Output, Plan, PlanFile, Step, literal
from jobs.tools.lib import hub
from jobs.tools.lib.hub import Download
from jobs.tools.lib.site import FILES, script
from jobs.tools.vacc.modification import EXPECTED, module
from jobs.tools.vacc.site import VaccSite

KIND = "prepare-weights"
PROGRAMS = (*hub.PROGRAMS, "python3")
_SCRIPT = "verify_weights.py"


def prepare_plan(
    model: ZooModel, source: HubSource, site: VaccSite, *, wanted: Download, read_all: bool
) -> Plan:
    """Download the weights (``wanted.source`` "folder": they exist) and verify them.

    ``read_all``: checksum every shard, which takes minutes per 100 GB.
    """
    check = Step(
        "verify",
        (
            *(site.python_word, f"{FILES}/{_SCRIPT}", literal(wanted.folder)),
            *("--expected", f"{FILES}/{EXPECTED}"),
            *(("--sha256",) if read_all else ()),
        ),
    )
    files = (script(_SCRIPT), module(), PlanFile(EXPECTED, _expected(model, source)))
    outputs = (Output("weights", "weights.json"),)
    if wanted.source == "folder":
        there = Check("path", (("path", literal(wanted.folder)), ("what", _("weights folder"))))
        return Plan(kind=KIND, steps=(check,), files=files, outputs=outputs, checks=(there,))
    room = (
        ("path", literal(wanted.folder)),
        ("bytes", str(source.bytes)),
        ("resumes", "yes"),
    )
    return Plan(
        kind=KIND,
        steps=(hub.step("download", wanted, site), check),
        files=(*map(script, hub.files_of_step()), *files),
        outputs=outputs,
        checks=(*hub.checks(wanted), Check("disk", room)),
    )


def _expected(model: ZooModel, source: HubSource) -> str:
    """Return the expected values for verify_weights.py."""
    expected = {
        "model": model.name,
        "precision": source.precision,
        "config": model.architecture.config_values(),
        "shards": source.shards,
        "bytes": None if source.is_about else source.bytes,
    }
    return json.dumps(expected, indent=1) + "\n"
