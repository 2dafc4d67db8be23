"""Output files of jobs, in ``DATA_DIR/outputs/<job>/<path>``."""

import errno
import hashlib
import os
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from jobs.base.bounds import NAME_CHARS, OUTPUTS_MAX, PATH_CHARS
from jobs.base.errors import JobsError, OffsetMismatch
from jobs.models import Job, OutputFile

# Bytes of all files that a parser reads: the largest real ones (answers of MMLU) have 60 MB.
PARSED_MAX = 512 * 1000 * 1000
# Errors of a path that no file can have: too long a name, a folder, a file as a folder, a link.
_PATH_ERRORS = frozenset((errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.ELOOP))


class BadOutput(JobsError):
    """Output that the plan does not allow, or a file too large to parse. Nothing was written."""

    id = "intake:output"


class Declared(NamedTuple):
    """Output as declared by its host: ``total`` bytes, ``sha256`` of the whole file."""

    name: str
    path: str
    total: int
    sha256: str


def outputs_folder(job_id: int) -> Path:
    return Path(settings.DATA_DIR, "outputs", str(job_id))


def output_path(job_id: int, path: str) -> Path:
    """Raises ``BadOutput``: ``path`` is not plain and relative; it could leave the job's folder."""
    parts = PurePosixPath(path).parts
    plain = path and "\0" not in path and "\\" not in path and len(path) <= PATH_CHARS
    if not plain or path.startswith("/") or not parts or ".." in path.split("/"):
        raise BadOutput(f"not the path of an output: {path!r}")
    return outputs_folder(job_id).joinpath(*parts)


def append_output(job: Job, declared: Declared, *, offset: int, data: bytes) -> int:
    """Append ``data``, synced to disk; return the new size, of a job with removed files the full
    one. Raises ``OffsetMismatch``, with size 0 if the checksum differs; ``BadOutput``."""
    path = output_path(job.pk, declared.path)
    _check_declared(job, declared, offset + len(data))
    with transaction.atomic():
        # One writer per job.
        owner = Job.objects.select_for_update().get(pk=job.pk)
        if owner.removed_at is None:
            _check_sum(job, declared)
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
        if row.is_whole:
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != row.sha256:
                    row.received_bytes = 0
        row.save()
        if owner.stored_bytes is not None:
            Job.objects.filter(pk=job.pk).update(stored_bytes=None)  # to be measured again
    if row.received_bytes < offset + len(data):
        raise OffsetMismatch(row.received_bytes)
    return row.received_bytes


def received(job: Job) -> dict[str, int]:
    """Path -> received bytes; complete for a job with removed files."""
    size = "received_bytes" if job.removed_at is None else "bytes"
    return dict(job.outputs.values_list("path", size))


class Contents(Mapping[str, bytes]):
    """Path -> content of every complete output of a job, by path, read when asked for; ``more``:
    other contents. Raises ``BadOutput``: all that is asked for exceeds ``PARSED_MAX``."""

    def __init__(self, job: Job, more: Mapping[str, bytes] | None = None) -> None:
        self._job_id = job.pk
        self._more = dict(more or {})
        self._sizes = {row.path: row.bytes for row in job.outputs.all() if row.is_whole}
        self._read: dict[str, int] = {}

    def __getitem__(self, path: str) -> bytes:
        if path in self._more:
            return self._more[path]
        self._read[path] = self._sizes[path]
        if sum(self._read.values()) > PARSED_MAX:
            raise BadOutput(f"files up to {path!r} have more than {PARSED_MAX} bytes")
        return output_path(self._job_id, path).read_bytes()

    def __iter__(self) -> Iterator[str]:
        return iter([*self._sizes, *self._more])

    def __len__(self) -> int:
        return len(self._sizes) + len(self._more)


def end_of(job: Job, path: str, size: int) -> tuple[bytes, bool]:
    """The last ``size`` bytes of an output, and whether that is all of it."""
    with output_path(job.pk, path).open("rb") as file:
        whole = file.seek(0, os.SEEK_END)
        file.seek(max(0, whole - size))
        return file.read(size), whole <= size


def _check_declared(job: Job, declared: Declared, size: int) -> None:
    """Refuse a file that the plan does not name, and bytes above its declared ``total``."""
    named = [output for output in job.plan["outputs"] if output["name"] == declared.name]
    if not named or len(declared.name) > NAME_CHARS:
        raise BadOutput(f"the plan has no output {declared.name[:NAME_CHARS]!r}")
    parts = PurePosixPath(declared.path).parts
    globs = [PurePosixPath(str(output["pattern"])).parts for output in named]
    # Part by part, because a star matches no slash.
    if not any(len(parts) == len(one) and all(map(fnmatchcase, parts, one)) for one in globs):
        raise BadOutput(f"{declared.path!r} is no path of output {declared.name!r}")
    if size > declared.total:
        raise BadOutput(f"{declared.path!r} has more than {declared.total} bytes")


def _check_sum(job: Job, declared: Declared) -> None:
    """Refuse a file with which the job leaves too many files, or too many bytes."""
    others = job.outputs.exclude(path=declared.path)
    if others.count() >= OUTPUTS_MAX:
        raise BadOutput(f"the job has more than {OUTPUTS_MAX} files")
    total = (others.aggregate(sum=Sum("bytes"))["sum"] or 0) + declared.total
    if total > settings.JOB_OUTPUTS_LIMIT_BYTES:
        limit = settings.JOB_OUTPUTS_LIMIT_BYTES
        raise BadOutput(f"its files have {total} bytes, JOB_OUTPUTS_LIMIT is {limit}")


def _write(path: Path, offset: int, data: bytes) -> int:
    """Write at ``offset``, and truncate leftovers of a killed writer. Raises ``BadOutput``."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    except OSError as error:
        if error.errno not in _PATH_ERRORS and not isinstance(error, FileExistsError):
            raise
        raise BadOutput(f"{path.name[:NAME_CHARS]!r}: {error.strerror}") from error
    with os.fdopen(fd, "r+b") as file:
        file.truncate(offset)
        file.seek(offset)
        file.write(data)
        file.flush()
        os.fdatasync(file.fileno())
    return offset + len(data)
