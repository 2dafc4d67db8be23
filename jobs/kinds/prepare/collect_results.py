"""Collect result files: copy those of a folder on a host to the dashboard, for an import."""

from pathlib import PurePosixPath

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.kinds.lib.base import Kind, KindParams, Target, field
from jobs.kinds.lib.common import is_inside, site
from jobs.plans import Plan
from jobs.tools.lib import folders
from jobs.tools.lib.site import Site


class Params(KindParams):
    """Folder to collect."""

    # One argument that no shell reads: names of other teams have spaces and any script.
    folder: str = field("", "Folder", "Results", max_length=255)
    """Folder of a run, below the host's workspace. JSON, JSON lines, CSV, Markdown, YAML, text
    files and logs are copied; nothing is changed."""


class CollectResults(Kind, params=Params):
    """Copy the result files of a folder on a host, for an import."""

    name = folders.COLLECT
    title = "Collect result files"
    reads = "readings.collected"
    family = "prepare"
    programs = folders.COLLECT_PROGRAMS
    steps = folders.COLLECT_STEPS
    collects = folders.ARCHIVE

    def title_of(self, params: Params, target: Target) -> str:
        return params.folder

    def plan(self, params: Params, target: Target) -> Plan:
        here = site(target)
        return folders.collect_plan(_folder(params.folder, here), here)


def _folder(path: str, here: Site) -> str:
    if not path.isprintable() or not is_inside(path, here.workspace):
        raise LaunchError(
            _("Enter an absolute path below %(folder)s.") % {"folder": here.workspace}, "folder"
        )
    folder = PurePosixPath(path)
    if folder == PurePosixPath(here.workspace):
        text = _("Enter the folder of one run or of some runs, not the whole workspace.")
        raise LaunchError(text, "folder")
    if any(is_inside(path, own) for own in here.own_folders):
        text = _("This folder is one of jobs or environments. Files of a job are on its page.")
        raise LaunchError(text, "folder")
    return str(folder)
