"""Files that a job collected on a host, for an import."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.kinds import KINDS
from jobs.models import Job, OutputFile
from jobs.services.imports import Origin

FIELD = "job"


@dataclass(frozen=True, slots=True)
class Collected:
    """A job with files to import. ``job`` has the message about what was left out."""

    job: Job
    output: OutputFile

    @property
    def origin(self) -> Origin:
        """Return host and folder."""
        return Origin(self.job.pk, self.job.host.name, str(self.job.params.get("folder", "")))


def has_files(job: Job) -> bool:
    """Return True for a job that collects files, succeeded and has not lost them."""
    kind = KINDS.get(job.kind)
    return (
        kind is not None
        and bool(kind.collects)
        and job.state == Job.State.SUCCEEDED
        and job.removed_at is None
    )


def collected(job_id: int | None) -> Collected:
    """Return what a job collected.

    Raises:
        LaunchError: at ``job``: there is no such job, it collects nothing, has not succeeded, or
            its files were removed.
    """
    job = Job.objects.select_related("host").filter(pk=job_id or 0).first()
    kind = KINDS.get(job.kind) if job else None
    if job is None or kind is None or not kind.collects:
        raise LaunchError(_("This job collects no files. Choose another job or files."), FIELD)
    if job.state != Job.State.SUCCEEDED:
        text = _("Job #%(id)s has no files: it has not succeeded. Wait, or start it again.")
        raise LaunchError(text % {"id": job.pk}, FIELD)
    output = job.outputs.filter(path=kind.collects).first()
    if not has_files(job) or output is None or not output.is_whole:
        raise gone(job)
    return Collected(job, output)


def gone(job: Job) -> LaunchError:
    """Return the error of removed files."""
    text = _("Files of job #%(id)s were removed. Collect them again.")
    return LaunchError(text % {"id": job.pk}, FIELD)
