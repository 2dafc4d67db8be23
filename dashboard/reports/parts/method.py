"""Method of a result: commands, environment, identity, provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from dashboard.pages.shared.provenance import identity_rows, provenance_rows, unknown_words
from dashboard.reports.document import Block, Cell, Code, Facts, Listing, Paragraph
from dashboard.templatetags.results import setting
from dashboard.text.formatting import size
from dashboard.text.labels import result_place, setting_title
from jobs.models import Job, Result
from jobs.plans import from_json, script
from jobs.queries.results.results import ResultPage

LONGEST_FILE = 4_000  # characters of a file that a command list has in full


def commands(job: Job | None) -> list[Block]:
    """Return the commands of a job as a script; secrets are names there. An import has none."""
    if job is None:
        return []
    return [code(_("Commands of job #%(job)s") % {"job": job.pk}, job, longest_file=LONGEST_FILE)]


def code(title: str, job: Job, *, longest_file: int, is_folded: bool = False) -> Code:
    """Return the commands of a job; longer files are named with their checksum."""
    text = script(from_json(job.plan), job.values, longest_file=longest_file)
    return Code(title, text, is_folded)


def environment(page: ResultPage) -> Facts:
    """Return tool, host and software of a result."""
    result = page.result
    rows = [(_("Tool"), Cell(result.tool)), (_("Host"), Cell(result_place(result)))]
    rows += [(setting_title(name), Cell(value)) for name, value in page.host_facts]
    if page.artifact:
        number, unit = size(page.artifact.bytes)
        rows.append((_("Artifact"), Cell(f"sha256 {page.artifact.sha256}")))
        rows.append((_("Size"), Cell(number, unit)))
    rows += [
        (str(one.get("name", "")), Cell(str(one.get("fingerprint", ""))))
        for one in _environments(result)
    ]
    if result.job:
        rows.append((_("Plan"), Cell(f"sha256 {result.job.plan_sha256}")))
    return Facts(rows, _("Environment"))


def inputs(result: Result) -> list[Facts]:
    """Return the fields of the form that started the run. An import had none."""
    return [Facts(fields(result.job.params), _("Inputs"))] if result.job else []


def fields(params: Mapping[str, Any]) -> list[tuple[str, Cell]]:
    """Return fields of a form with their values; the deployment has a fact of its own."""
    return [
        (setting_title(name), Cell(setting(value, name) or _("none")))
        for name, value in params.items()
        if name != "deployment"
    ]


def identity(result: Result) -> list[Block]:
    """Return the parts that define the measurement, by group."""
    blocks: list[Block] = []
    for group in identity_rows(result):
        title = _("Identity: %(group)s") % {"group": group.title}
        rows = [
            (name, Cell(_("unknown"), tone="dim") if value is None else Cell(value))
            for name, value in group.rows
        ]
        blocks.append(Facts(rows, title))
    unknown = unknown_words(result)
    if unknown:
        text = _("Cannot be grouped. Unknown: %(unknown)s.")
        blocks.append(Paragraph(text % {"unknown": unknown}))
    elif result.fingerprint:
        rows = [(_("Fingerprint"), Cell(result.fingerprint))]
        blocks.append(Facts(rows, _("Identity: %(group)s") % {"group": "SHA-256"}))
    return blocks


def provenance(result: Result) -> Facts:
    """Return the host and the software at the time of the run."""
    rows = [
        (name, Cell(_("not recorded"), tone="dim") if value is None else Cell(value))
        for name, value in provenance_rows(result)
    ]
    return Facts(rows, _("Provenance"))


def packages(results: Sequence[Result]) -> list[Listing]:
    """Return the packages of each environment, once for several results."""
    found: dict[str, Listing] = {}
    for result in results:
        for one in _environments(result):
            versions = one.get("versions")
            if isinstance(versions, Mapping) and versions:
                title = _("Packages of %(name)s") % {"name": one.get("name", "")}
                items = [f"{name} {version}" for name, version in versions.items()]
                found.setdefault(str(one.get("fingerprint", "")), Listing(items, title))
    return list(found.values())


def _environments(result: Result) -> list[Mapping[str, Any]]:
    rows = result.run_context.get("environments") or []
    return [one for one in rows if isinstance(one, Mapping)]
