"""Output files of jobs, in ``DATA_DIR/outputs/<job>/<path>``."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.db import transaction

from jobs.errors import JobsError, OffsetMismatch
from jobs.models import Job, OutputFile

_PATH_MAX = 400


class BadOutput(JobsError):
    """Invalid path or size of an output. Nothing was written."""

    id = "intake:output"


@dataclass(frozen=True, slots=True)
class Declared:
    """Output as declared by its host: ``total`` bytes, ``sha256`` of the whole file."""

    name: str
    path: str
    total: int
    sha256: str


def outputs_folder(job_id: int) -> Path:
    """Return the folder of a job's outputs."""
    return Path(settings.DATA_DIR, "outputs", str(job_id))


def output_path(job_id: int, path: str) -> Path:
    """Return the path of an output on the dashboard's disk.

    Raises:
        BadOutput: ``path`` is not a plain relative path; it could leave the job's folder.
    """
    parts = PurePosixPath(path).parts
    plain = path and "\0" not in path and "\\" not in path and len(path) <= _PATH_MAX
    if not plain or path.startswith("/") or not parts or ".." in path.split("/"):
        raise BadOutput(f"not the path of an output: {path!r}")
    return outputs_folder(job_id).joinpath(*parts)


def append_output(job: Job, declared: Declared, *, offset: int, data: bytes) -> int:
    """Append ``data`` to an output; return the new size. Synced to disk on return.

    For a job with removed files, nothing is stored and the full size is returned.

    Raises:
        OffsetMismatch: the file does not end at ``offset``. With size 0: complete, but the
        checksum differs; it must be sent again.
        BadOutput: see :func:`output_path`; or more bytes than declared, or an unknown name.
    """
    path = output_path(job.pk, declared.path)
    if declared.name not in {output["name"] for output in job.plan["outputs"]}:
        raise BadOutput(f"the plan has no output {declared.name!r}")
    if offset + len(data) > declared.total:
        raise BadOutput(f"{declared.path!r} has more than {declared.total} bytes")
    with transaction.atomic():
        # One writer per job.
        owner = Job.objects.select_for_update().get(pk=job.pk)
        row, _ = OutputFile.objects.get_or_create(
            job=job,
            path=declared.path,
            defaults={"name": declared.name, "bytes": declared.total, "sha256": declared.sha256},
        )
        if owner.removed_at is not None:
            return declared.total  # name, size and checksum are stored; the host is done
        if (row.bytes, row.sha256) != (declared.total, declared.sha256):
            row.bytes, row.sha256, row.received_bytes = declared.total, declared.sha256, 0
        if row.received_bytes != offset:
            raise OffsetMismatch(row.received_bytes)
        row.received_bytes = _write(path, offset, data)
        if row.is_whole and _sha256(path) != row.sha256:
            row.received_bytes = 0
        row.save()
        if owner.stored_bytes is not None:
            Job.objects.filter(pk=job.pk).update(stored_bytes=None)  # to be measured again
    if row.received_bytes < offset + len(data):
        raise OffsetMismatch(row.received_bytes)
    return row.received_bytes


def received(job: Job) -> dict[str, int]:
    """Return path -> received bytes; complete for a job with removed files."""
    size = "received_bytes" if job.removed_at is None else "bytes"
    return dict(job.outputs.values_list("path", size))


def contents(job: Job) -> dict[str, bytes]:
    """Return path -> content of every complete output, sorted by path."""
    return {
        row.path: output_path(job.pk, row.path).read_bytes()
        for row in job.outputs.all()
        if row.is_whole
    }


def _write(path: Path, offset: int, data: bytes) -> int:
    """Write ``data`` at ``offset``, and truncate leftovers of a killed writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    with os.fdopen(fd, "r+b") as file:
        file.truncate(offset)
        file.seek(offset)
        file.write(data)
        file.flush()
        os.fdatasync(file.fileno())
    return offset + len(data)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
