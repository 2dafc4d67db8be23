"""Declared parts of imports, and their removal."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.timezone import now
from django.utils.translation import gettext as _

from jobs.base.errors import JobsError, LaunchError
from jobs.base.numbers import number_from
from jobs.catalog import MODELS
from jobs.models import Baseline, Import, ImportedFile, Result, SignOff
from jobs.queries.results import result_counts
from jobs.services import devices
from jobs.services.intake.limits import DiskReserved
from jobs.services.outcomes import identity

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


def not_stored(error: OSError | DiskReserved) -> LaunchError:
    """Return the error of a disk that is broken, full, or has only its reserve left."""
    text = _("Not stored: %(reason)s. Free disk space of the dashboard, then try again.")
    reason = getattr(error, "strerror", None) or type(error).__name__
    if isinstance(error, DiskReserved):
        reason = _("the disk has only its reserve left (DISK_RESERVE)")
    return LaunchError(text % {"reason": reason}, "files")
