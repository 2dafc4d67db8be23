"""Storage of imported results: the record, its original files, and their removal."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from jobs.catalog import MODELS
from jobs.errors import JobsError, LaunchError
from jobs.imports.base import Reading
from jobs.models import Answer, Import, ImportedFile, Result, ResultPoint, SignOff
from jobs.queries.results import result_counts
from jobs.sanitize import sanitize, sanitize_text
from jobs.services.outcomes import answer_rows, identity, shortfall, token_use
from jobs.services.outcomes.outcomes import stored_numbers

LONGEST = 100
_COUNT = r"(?P<count>\d{1,5})"
# "8 × H800", "8x H800", "H800 × 8".
_DEVICES = (
    re.compile(rf"{_COUNT}\s*[×xX*]\s*(?P<name>\S.*)"),
    re.compile(rf"(?P<name>.*\S)\s*[×xX*]\s*{_COUNT}"),
)


@dataclass(frozen=True, slots=True)
class About:
    """Additions: the ``device`` in words, and the ``model`` (id or text; "": the file's)."""

    device: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Origin:
    """Folder on a host, and the job that collected its files."""

    job: int
    host: str
    folder: str


@dataclass(frozen=True, slots=True)
class Kept:
    """Import of one reading. ``is_new`` is False for files that were imported before."""

    row: Import
    is_new: bool


def device_of(text: str) -> dict[str, Any]:
    """Return ``{"text", "count"}`` of a device in words; the count is None if it has none."""
    for pattern in _DEVICES:
        match = pattern.fullmatch(text)
        if match and int(match["count"]):
            return {"text": text, "count": int(match["count"])}
    return {"text": text, "count": None}


def model_of(text: str) -> str:
    """Return the id of a model of the catalogue, by id or name; other text unchanged."""
    wanted = text.casefold()
    return next(
        (model.id for model in MODELS.values() if wanted in (model.id, model.name.casefold())), text
    )


def checked(about: About) -> About:
    """Return what people added, without spaces around.

    Raises:
        LaunchError: at the field.
    """
    values = {}
    for name in ("device", "model"):
        text = " ".join(getattr(about, name).split())
        if len(text) > LONGEST or not text.isprintable():
            message = _("Enter one line of at most %(most)s characters.")
            raise LaunchError(message % {"most": LONGEST}, name)
        values[name] = text
    return About(**values)


def earlier(files: Mapping[str, bytes], reading: Reading) -> Import | None:
    """Return the import that has a file of this result already; None for a new one."""
    digests = [hashlib.sha256(files[path]).hexdigest() for path in reading.sources]
    rows = Import.objects.filter(
        files__sha256__in=digests, files__is_source=True, part=_part(reading)
    )
    return rows.select_related("result").first()


def keep(
    files: Mapping[str, bytes],
    readings: Sequence[Reading],
    about: About,
    *,
    user: AbstractBaseUser | None,
    origin: Origin | None = None,
) -> list[Kept]:
    """Store each reading as a result, with its original files. Known files change nothing.

    ``origin``: None for an upload.

    Raises:
        LaunchError: at the field ``device`` or ``model``; at ``files`` if the disk is full or
            broken. Results stored before stay.
    """
    about = checked(about)
    return [_keep(files, reading, about, user, origin) for reading in readings]


def _keep(
    files: Mapping[str, bytes],
    reading: Reading,
    about: About,
    user: AbstractBaseUser | None,
    origin: Origin | None,
) -> Kept:
    known = earlier(files, reading)
    if known is not None:
        return Kept(known, is_new=False)
    folder: Path | None = None
    try:
        with transaction.atomic():
            row = _row(files, reading, about, user)
            folder = files_folder(row.pk)
            _write(files, reading, folder)
            _result(row, reading, about, origin)
    except IntegrityError:  # the same files at the same time
        known = earlier(files, reading)
        if known is None:
            raise
        return Kept(known, is_new=False)
    except OSError as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise not_stored(error) from error
    return Kept(row, is_new=True)


def not_stored(error: OSError) -> LaunchError:
    """Return the error of a disk that is full or broken."""
    text = _("Not stored: %(reason)s. Free disk space of the dashboard, then try again.")
    return LaunchError(text % {"reason": error.strerror or type(error).__name__}, "files")


def _row(
    files: Mapping[str, bytes], reading: Reading, about: About, user: AbstractBaseUser | None
) -> Import:
    digests = {path: hashlib.sha256(files[path]).hexdigest() for path in reading.files}
    sources = sorted(digests[path] for path in reading.sources)
    joined = hashlib.sha256("".join(sources).encode()).hexdigest()
    row = Import.objects.create(
        sha256=sources[0] if len(sources) == 1 else joined,
        part=_part(reading),
        name=reading.sources[0],
        bytes=sum(len(files[path]) for path in reading.files),
        tool=_line(reading.tool, 64),
        version=_line(reading.version, 32),
        model=_line(reading.model, LONGEST),
        device=about.device,
        created_by_id=user.pk if user else None,
    )
    ImportedFile.objects.bulk_create(
        ImportedFile(
            imported=row,
            index=index,
            path=path,
            bytes=len(files[path]),
            sha256=digests[path],
            is_source=path in reading.sources,
        )
        for index, path in enumerate(reading.files)
    )
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
        label="",
        what=_line(measured.what, 200),
        tool=_line(measured.tool, 64),
        metrics=stored_numbers(measured.metrics),
        asked=dict(reading.asked),
        remarks=sanitize([asdict(remark) for remark in measured.remarks]),
        run_context={
            "device": device_of(about.device),
            "sets": sanitize([asdict(one) for one in measured.sets]),
            **({"collected": asdict(origin)} if origin else {}),
        },
        incomplete=shortfall.of_measured(measured).failed > 0 or reading.missing > 0,
        created_by_id=row.created_by_id,
    )
    ResultPoint.objects.bulk_create(
        ResultPoint(
            result=result, index=index, concurrency=concurrency, metrics=stored_numbers(metrics)
        )
        for index, (concurrency, metrics) in enumerate(measured.points)
    )
    Answer.objects.bulk_create(
        [
            Answer(result=result, index=index, **sanitize(answer))
            for index, answer in enumerate(measured.answers)
        ],
        batch_size=1000,
    )
    answer_rows.keep(result)
    identity.keep(result)
    token_use.keep(result)


class Released(JobsError):
    """Import whose result has a sign-off that is not withdrawn."""

    id = "import:released"


def is_released(row: Import) -> bool:
    """Return True if the result of an import has a sign-off that is not withdrawn."""
    return SignOff.objects.filter(result__imported=row, withdrawn_at=None).exists()


def remove(row: Import) -> None:
    """Remove an import with its result and files.

    Raises:
        Released: the result is signed off; a released number does not vanish.
    """
    number = row.pk
    with transaction.atomic():
        Result.objects.select_for_update().get(pk=row.result.pk)  # no sign-off in between
        if is_released(row):
            raise Released
        row.delete()
    shutil.rmtree(files_folder(number), ignore_errors=True)
    result_counts.forget()


def files_folder(import_id: int) -> Path:
    """Return the folder of an import's original files."""
    return Path(settings.DATA_DIR, "imports", str(import_id))


def file_path(file: ImportedFile) -> Path:
    """Return the place of an original file."""
    return files_folder(file.imported_id) / str(file.index)


def _part(reading: Reading) -> str:
    return _line(reading.part, LONGEST)


def _line(text: str, most: int) -> str:
    """Return one printable line of foreign text."""
    clean = "".join(char if char.isprintable() else " " for char in sanitize_text(text))
    return " ".join(clean.split())[:most]
