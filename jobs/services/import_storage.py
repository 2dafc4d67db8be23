"""Storage of a recognised import: the record, its original files, its result. In a worker only."""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils.timezone import is_naive, make_aware

from jobs.base.sanitize import sanitize, sanitize_text
from jobs.models import Import, ImportedFile, Result
from jobs.services.imports import (
    DECLARED,
    LONGEST,
    About,
    Origin,
    checked,
    files_folder,
    model_of,
    not_stored,
)
from jobs.services.intake.quotas import DiskReserved, check_disk
from jobs.services.outcomes import shortfall
from jobs.services.outcomes.stored_results import keep_parts, stored_numbers
from jobs.tools.imports import Reading


class Kept(NamedTuple):
    """Import of one reading. ``is_new`` is False for files that were imported before."""

    row: Import
    is_new: bool


def earlier(files: Mapping[str, bytes], reading: Reading) -> Import | None:
    """The import that has a file of this result already; None for a new one."""
    digests = [hashlib.sha256(files[path]).hexdigest() for path in reading.sources]
    same = Import.objects.filter(files__sha256__in=digests, files__is_source=True)
    return same.filter(part=_line(reading.part, LONGEST)).select_related("result").first()


def keep(
    files: Mapping[str, bytes],
    readings: Sequence[Reading],
    about: About,
    *,
    user: AbstractBaseUser | None,
    origin: Origin | None = None,
) -> list[Kept]:
    """Store each reading as a result, with its original files. Known files change nothing.
    ``origin``: None for an upload. Raises ``LaunchError``: at the field of ``about``; at ``files``
    if the disk is broken, full, or has only its reserve left. Results stored before stay."""
    about = checked(about)
    return [_keep(files, reading, about, user, origin) for reading in readings]


def _keep(
    files: Mapping[str, bytes],
    reading: Reading,
    about: About,
    user: AbstractBaseUser | None,
    origin: Origin | None,
) -> Kept:
    if known := earlier(files, reading):
        return Kept(known, is_new=False)
    folder: Path | None = None
    try:
        check_disk(sum(len(files[path]) for path in reading.files))
        with transaction.atomic():
            row = _row(files, reading, about, user)
            folder = files_folder(row.pk)
            _write(files, reading, folder)
            _result(row, reading, about, origin)
    except IntegrityError:  # the same files at the same time
        if known := earlier(files, reading):
            return Kept(known, is_new=False)
        raise
    except (OSError, DiskReserved) as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise not_stored(error) from error
    return Kept(row, is_new=True)


def _row(
    files: Mapping[str, bytes], reading: Reading, about: About, user: AbstractBaseUser | None
) -> Import:
    digests = {path: hashlib.sha256(files[path]).hexdigest() for path in reading.files}
    sources = sorted(digests[path] for path in reading.sources)
    joined = hashlib.sha256("".join(sources).encode()).hexdigest()
    row = Import.objects.create(
        sha256=sources[0] if len(sources) == 1 else joined,
        part=_line(reading.part, LONGEST),
        name=reading.sources[0],
        bytes=sum(len(files[path]) for path in reading.files),
        tool=_line(reading.tool, 64),
        version=_line(reading.version, 32),
        model=_line(reading.model, LONGEST),
        read_what=_line(reading.measured.what, 200),
        measured_at=moment(reading.at),
        created_by_id=user.pk if user else None,
        **{name: getattr(about, name) for name in DECLARED},
    )
    if about != About():
        row.declared_by_id, row.declared_at = row.created_by_id, row.created_at
        row.save(update_fields=["declared_by", "declared_at"])
    kept = []
    for index, path in enumerate(reading.files):
        known = {"path": path, "sha256": digests[path], "is_source": path in reading.sources}
        kept.append(ImportedFile(imported=row, index=index, bytes=len(files[path]), **known))
    ImportedFile.objects.bulk_create(kept)
    return row


def _write(files: Mapping[str, bytes], reading: Reading, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # of a write that a crash rolled back
    folder.mkdir(parents=True, mode=0o750)
    for index, path in enumerate(reading.files):
        with (folder / str(index)).open("wb") as file:
            file.write(files[path])
            file.flush()
            os.fdatasync(file.fileno())


def _result(row: Import, reading: Reading, about: About, origin: Origin | None) -> None:
    measured = reading.measured
    result = Result.objects.create(
        imported=row,
        type=measured.type,
        model_id=model_of(about.model or row.model),
        label=about.precision,
        what=about.workload or row.read_what,
        tool=_line(measured.tool, 64),
        metrics=stored_numbers(measured.metrics),
        asked=dict(reading.asked),
        remarks=sanitize([asdict(remark) for remark in measured.remarks]),
        run_context={
            "device": {"text": about.device, "count": about.devices},
            "sets": sanitize([asdict(one) for one in measured.sets]),
            **({"collected": asdict(origin)} if origin else {}),
        },
        incomplete=shortfall.of_measured(measured).failed > 0 or reading.missing > 0,
        created_by_id=row.created_by_id,
        created_at=row.measured_at or row.created_at,
    )
    keep_parts(result, measured)


def moment(at: datetime | None) -> datetime | None:
    """A time with a zone: that of the dashboard where the file has none."""
    return make_aware(at) if at is not None and is_naive(at) else at


def _line(text: str, most: int) -> str:
    """One printable line of foreign text."""
    clean = "".join(char if char.isprintable() else " " for char in sanitize_text(text))
    return " ".join(clean.split())[:most]
