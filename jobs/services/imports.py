"""Storage of imported results: the record, its original files, and their removal."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils.timezone import is_naive, make_aware, now
from django.utils.translation import gettext as _

from jobs.catalog import MODELS
from jobs.errors import JobsError, LaunchError
from jobs.imports import devices
from jobs.imports.base import Reading
from jobs.models import Answer, Baseline, Import, ImportedFile, Result, SignOff
from jobs.numbers import number_from
from jobs.queries.results import result_counts
from jobs.sanitize import sanitize, sanitize_text
from jobs.services.intake.limits import DiskReserved, check_disk
from jobs.services.outcomes import answer_rows, identity, shortfall, token_use
from jobs.services.outcomes.outcomes import keep_points, stored_numbers

LONGEST = 100
TEXTS = {
    "device": LONGEST,
    "model": LONGEST,
    "precision": 64,
    "engine": LONGEST,
    "workload": LONGEST,
}
NUMBERS = ("devices", "tp", "pp", "ep")


@dataclass(frozen=True, slots=True)
class About:
    """Declaration of a person: the ``device`` in words and the number of ``devices``, the ``model``
    (id or text; "": the file's), precision, engine with its version, parallel sizes, workload.
    """

    device: str = ""
    model: str = ""
    precision: str = ""
    engine: str = ""
    workload: str = ""
    devices: int | None = None
    tp: int | None = None
    pp: int | None = None
    ep: int | None = None


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


def model_of(text: str) -> str:
    """Return the id of a model of the catalogue, by id or name; other text unchanged."""
    wanted = text.casefold()
    return next(
        (model.id for model in MODELS.values() if wanted in (model.id, model.name.casefold())), text
    )


def about_of(given: Mapping[str, str]) -> About:
    """Return what people entered, by field; other names are ignored.

    Raises:
        LaunchError: at the field.
    """
    values: dict[str, Any] = {name: given.get(name, "") for name in TEXTS}
    for name in NUMBERS:
        text = given.get(name, "").strip()
        number = number_from(text)
        if text and not number:
            message = _("Enter a whole number from 1 to %(most)s.")
            raise LaunchError(message % {"most": devices.MOST}, name)
        values[name] = number
    return checked(About(**values))


def checked(about: About) -> About:
    """Return what people declare, without spaces around, with the number of devices in the text.

    Raises:
        LaunchError: at the field.
    """
    values: dict[str, Any] = {}
    for name, most in TEXTS.items():
        text = " ".join(getattr(about, name).split())
        if len(text) > most or not text.isprintable():
            message = _("Enter one line of at most %(most)s characters.")
            raise LaunchError(message % {"most": most}, name)
        values[name] = text
    for name in NUMBERS:
        number = values[name] = getattr(about, name)
        if number is not None and not 0 < number <= devices.MOST:
            message = _("Enter a whole number from 1 to %(most)s.")
            raise LaunchError(message % {"most": devices.MOST}, name)
    count = devices.count_of(values["device"])
    if count is not None and values["devices"] not in (None, count):
        message = _("The device says %(count)s. Correct one of both.")
        raise LaunchError(message % {"count": count}, "devices")
    values["devices"] = values["devices"] or count
    return About(**values)


def about_row(row: Import) -> About:
    """Return what is declared of an import."""
    model = row.result.model_id
    read = model_of(row.model)
    values = {name: getattr(row, name) for name in (*TEXTS, *NUMBERS) if name != "model"}
    return About(**values, model="" if model == read else model)


def declare(row: Import, about: About, user: AbstractBaseUser | None) -> dict[str, list[Any]]:
    """Replace what is declared of an import; return the changed fields with old and new value.

    Raises:
        LaunchError: at the field; at ``device`` if the result is a baseline or signed off, which
            belongs to what was declared.
    """
    about, before = checked(about), about_row(row)
    changed = {
        name: [old, new]
        for name, new in asdict(about).items()
        if (old := getattr(before, name)) != new
    }
    if not changed:
        return {}
    with transaction.atomic():
        result = Result.objects.select_for_update().get(imported=row)
        if Baseline.objects.filter(result=result, ended_at=None).exists():
            raise LaunchError(_("This result is a baseline. Remove the baseline first."), "device")
        if is_released(row):
            raise LaunchError(
                _("This result is signed off. Withdraw the sign-off first."), "device"
            )
        _declare(row, about, user)
        _apply(result, row, about)
        identity.keep(result)
    result_counts.forget()
    return changed


def _declare(row: Import, about: About, user: AbstractBaseUser | None) -> None:
    for name in (*TEXTS, *NUMBERS):
        if name != "model":
            setattr(row, name, getattr(about, name))
    row.declared_by_id, row.declared_at = (user.pk if user else None), now()
    row.save()


def _apply(result: Result, row: Import, about: About) -> None:
    """Store in the result what is declared of its import."""
    result.imported = row
    result.model_id = model_of(about.model or row.model)
    result.label, result.what = about.precision, about.workload or row.read_what
    device = {"text": about.device, "count": about.devices}
    result.run_context = {**result.run_context, "device": device}
    result.save(update_fields=["model_id", "label", "what", "run_context"])


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
        LaunchError: at the field of ``about``; at ``files`` if the disk is broken, full, or has
            only its reserve left. Results stored before stay.
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
        check_disk(sum(len(files[path]) for path in reading.files))
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
    except (OSError, DiskReserved) as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        raise not_stored(error) from error
    return Kept(row, is_new=True)


def not_stored(error: OSError | DiskReserved) -> LaunchError:
    """Return the error of a disk that is broken, full, or has only its reserve left."""
    text = _("Not stored: %(reason)s. Free disk space of the dashboard, then try again.")
    reason = getattr(error, "strerror", None) or type(error).__name__
    if isinstance(error, DiskReserved):
        reason = _("the disk has only its reserve left (DISK_RESERVE)")
    return LaunchError(text % {"reason": reason}, "files")


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
        read_what=_line(reading.measured.what, 200),
        measured_at=moment(reading.at),
        created_by_id=user.pk if user else None,
        **{name: getattr(about, name) for name in (*TEXTS, *NUMBERS) if name != "model"},
    )
    if about != About():
        row.declared_by_id, row.declared_at = row.created_by_id, row.created_at
        row.save(update_fields=["declared_by", "declared_at"])
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
    )
    keep_points(result, measured)
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


def moment(at: datetime | None) -> datetime | None:
    """Return a time with a zone: that of the dashboard where the file has none."""
    return make_aware(at) if at is not None and is_naive(at) else at


def _part(reading: Reading) -> str:
    return _line(reading.part, LONGEST)


def _line(text: str, most: int) -> str:
    """Return one printable line of foreign text."""
    clean = "".join(char if char.isprintable() else " " for char in sanitize_text(text))
    return " ".join(clean.split())[:most]
