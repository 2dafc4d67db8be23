"""Imports: declarations, drafts, collected files, removal. A draft is an upload before its import,
in ``DATA_DIR/import-drafts/<id>``, kept a day at most. It has no record and no backup."""

import json
import re
import shutil
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.timezone import now
from django.utils.translation import gettext as _

from jobs.base.errors import JobsError, LaunchError
from jobs.base.numbers import number_from
from jobs.base.validation_errors import one_line
from jobs.catalog import MODELS
from jobs.kinds import KINDS
from jobs.models import Baseline, Import, ImportedFile, Job, OutputFile, Result, SignOff
from jobs.queries.results import listing
from jobs.services.intake.quotas import DiskReserved, check_disk
from jobs.services.outcomes import identity

LONGEST = 100
TEXTS = {"device": LONGEST, "model": LONGEST, "precision": 64}
TEXTS |= {"engine": LONGEST, "workload": LONGEST}
NUMBERS = ("devices", "tp", "pp", "ep")
# Descriptions of the fields, in the API's document and the command's help.
ABOUT_FIELDS = {
    "device": "measured on, such as 8 × H800 or 2 × 8 H800",
    "model": "id of the catalogue or a name; empty: as in the files",
    "devices": "number of devices; null: as in device",
    "precision": "such as fp8",
    "engine": "with its version, such as vLLM 0.7.2",
    "tp": "tensor parallel size",
    "pp": "pipeline parallel size",
    "ep": "expert parallel size",
    "workload": "as on the results to compare with",
}
# Columns of an import that people declare; the model is that of the result.
DECLARED = tuple(name for name in (*TEXTS, *NUMBERS) if name != "model")
DRAFT_KEPT_S = 24 * 3600
MOST_DRAFTS = 5  # of one person
_ABOUT = "about.json"
_ID = re.compile(r"[0-9a-f]{32}")
# Number of devices in words: "8 × H800", "2 × 8 H800", "8卡 H800".
MOST_DEVICES = 100_000
_NUMBER = r"\d{1,5}"
_TIMES = r"\s*(?:[×*✕]|(?<![A-Za-z])[xX])\s*"  # not the last letter of "RTX 4090"
_UNIT = r"\s*(?:nodes?|servers?|cards?|gpus?|台|机|节点|卡|张|块|片|颗|个)\s*"
_NAME = r"(?P<name>\D.*|\d*[A-Za-z].*)"
# Servers times devices before or after the name; one number with a unit or without.
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?P<a>{_NUMBER})(?:{_UNIT})?{_TIMES}(?P<b>{_NUMBER})(?:{_UNIT}|{_TIMES}|\s+){_NAME}",
        rf"(?P<a>{_NUMBER})(?:{_UNIT}|{_TIMES}|\s+){_NAME}",
        rf"(?P<name>.*\S){_TIMES}(?P<a>{_NUMBER})(?:{_UNIT})?{_TIMES}(?P<b>{_NUMBER})(?:{_UNIT})?",
        rf"(?P<name>.*\S){_TIMES}(?P<a>{_NUMBER})(?:{_UNIT})?",
        rf"(?P<name>.*[^\s\d])\s*(?P<a>{_NUMBER}){_UNIT}",
        rf"(?P<name>.*\S)\s+(?P<a>{_NUMBER}){_UNIT}",
    )
)
# In a name: a further count, as in "2机8卡 H800" (8 or 16), but no part of "MI300X 192GB"; further
# devices; no letter, as in "8 × 4090".
_NOT_ONE = re.compile(
    rf"(?<![A-Za-z\d]){_NUMBER}(?:{_UNIT}|{_TIMES})|(?:[×*✕]|\sx)\s*\d"
    r"|[+＋&和与及]|\band\b|[,，、;；]\s*\d|\s/\s*\d|^[\W\d]*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class About:
    """Declaration of a person: the ``device`` in words and the number of ``devices``, the ``model``
    (id or text; "": the file's), precision, engine with its version, parallel sizes, workload."""

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


class ImportDraft(NamedTuple):
    """Files of one upload, or of a folder on a host (``origin``)."""

    id: str
    files: Mapping[str, bytes]
    about: About
    origin: Origin | None = None


class Collected(NamedTuple):
    """A job with files to import. ``job`` has the message about what was left out."""

    job: Job
    output: OutputFile

    @property
    def origin(self) -> Origin:
        return Origin(self.job.pk, self.job.host.name, str(self.job.params.get("folder", "")))


class Released(JobsError):
    """Import whose result has a sign-off that is not withdrawn."""

    id = "import:released"


def device_count(text: str) -> int | None:
    """None where the text has no number, or it is not understood."""
    for form in _FORMS:
        match = form.fullmatch(text.strip())
        if match is None:
            continue
        if _NOT_ONE.search(match["name"]):
            return None
        found = int(match["a"]) * int(match.groupdict().get("b") or 1)
        return found if 0 < found <= MOST_DEVICES else None
    return None


def model_of(text: str) -> str:
    """Return the id of a model of the catalogue, by id or name; other text unchanged."""
    wanted = text.casefold()
    same = (one.id for one in MODELS.values() if wanted in (one.id, one.name.casefold()))
    return next(same, text)


def about_of(given: Mapping[str, str]) -> About:
    """Return the entered values by field, without other names. Raises ``LaunchError``."""
    values: dict[str, Any] = {name: given.get(name, "") for name in TEXTS}
    for name in NUMBERS:
        text = given.get(name, "").strip()
        # No number is out of bounds.
        values[name] = (number_from(text) or 0) if text else None
    return checked(About(**values))


def checked(about: About) -> About:
    """Clean what people declare; the device's text may give the number. Raises ``LaunchError``."""
    values: dict[str, Any] = {}
    for name, most in TEXTS.items():
        values[name] = one_line(getattr(about, name), name, most=most, is_optional=True)
    for name in NUMBERS:
        number = values[name] = getattr(about, name)
        if number is not None and not 0 < number <= MOST_DEVICES:
            message = _("Enter a whole number from 1 to %(most)s.")
            raise LaunchError(message % {"most": MOST_DEVICES}, name)
    count = device_count(values["device"])
    if count is not None and values["devices"] not in (None, count):
        message = _("The device says %(count)s. Correct one of both.")
        raise LaunchError(message % {"count": count}, "devices")
    values["devices"] = values["devices"] or count
    return About(**values)


def about_row(row: Import) -> About:
    model = row.result.model_id
    values = {name: getattr(row, name) for name in DECLARED}
    return About(**values, model="" if model == model_of(row.model) else model)


def declare(row: Import, about: About, user: AbstractBaseUser | None) -> dict[str, list[Any]]:
    """Replace what is declared; return changed fields with old and new value. Raises
    ``LaunchError``, at ``device`` for a baseline or a sign-off: it belongs to what was declared."""
    about, before = checked(about), asdict(about_row(row))
    changed = {
        name: [before[name], new] for name, new in asdict(about).items() if before[name] != new
    }
    if not changed:
        return {}
    with transaction.atomic():
        result = Result.objects.select_for_update().get(imported=row)
        if Baseline.objects.filter(result=result, ended_at=None).exists():
            raise LaunchError(_("This result is a baseline. Remove the baseline first."), "device")
        if is_released(row):
            text = _("This result is signed off. Withdraw the sign-off first.")
            raise LaunchError(text, "device")
        for name in DECLARED:
            setattr(row, name, getattr(about, name))
        row.declared_by_id, row.declared_at = (user.pk if user else None), now()
        row.save()
        result.imported = row
        result.model_id = model_of(about.model or row.model)
        result.label, result.what = about.precision, about.workload or row.read_what
        device = {"text": about.device, "count": about.devices}
        result.run_context = {**result.run_context, "device": device}
        result.save(update_fields=["model_id", "label", "what", "run_context"])
        identity.keep(result)
    listing.forget()
    return changed


def is_released(row: Import) -> bool:
    """True if the result of an import has a sign-off that is not withdrawn."""
    return SignOff.objects.filter(result__imported=row, withdrawn_at=None).exists()


def remove(row: Import) -> None:
    """Remove an import with its result and files. Raises ``Released``."""
    number = row.pk
    with transaction.atomic():
        Result.objects.select_for_update().get(pk=row.result.pk)  # no sign-off in between
        if is_released(row):
            raise Released
        row.delete()
    shutil.rmtree(files_folder(number), ignore_errors=True)
    listing.forget()


def files_folder(import_id: int) -> Path:
    """Folder of an import's original files."""
    return Path(settings.DATA_DIR, "imports", str(import_id))


def file_path(file: ImportedFile) -> Path:
    return files_folder(file.imported_id) / str(file.index)


def not_stored(error: OSError | DiskReserved) -> LaunchError:
    """Return the error of a disk that is broken, full, or has only its reserve left."""
    text = _("Not stored: %(reason)s. Free disk space of the dashboard, then try again.")
    reason = getattr(error, "strerror", None) or type(error).__name__
    if isinstance(error, DiskReserved):
        reason = _("the disk has only its reserve left (DISK_RESERVE)")
    return LaunchError(text % {"reason": reason}, "files")


def save_draft(
    user_id: int, files: Mapping[str, bytes], about: About, origin: Origin | None = None
) -> str:
    """Store a draft and return its id; older ones go. ``LaunchError`` at ``files``: disk errors."""
    _clean(user_id)
    number = uuid.uuid4().hex
    folder = _drafts() / number
    try:
        check_disk(sum(map(len, files.values())))
        folder.mkdir(parents=True, mode=0o750)
        for index, content in enumerate(files.values()):
            (folder / str(index)).write_bytes(content)
        known = {
            "user": user_id,
            "paths": list(files),
            "about": asdict(about),
            "origin": asdict(origin) if origin else None,
        }
        (folder / _ABOUT).write_text(json.dumps(known), encoding="utf-8")
    except (OSError, DiskReserved) as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise not_stored(error) from error
    return number


def load_draft(user_id: int, draft_id: str, *, with_files: bool = True) -> ImportDraft | None:
    known = _draft_about(draft_id)
    if known is None or known["user"] != user_id:
        return None
    folder = _drafts() / draft_id
    paths = known["paths"] if with_files else ()
    try:
        files = {path: (folder / str(index)).read_bytes() for index, path in enumerate(paths)}
    except FileNotFoundError:  # removed meanwhile
        return None
    origin = Origin(**known["origin"]) if known["origin"] else None
    return ImportDraft(draft_id, files, About(**known["about"]), origin)


def remove_draft(draft: ImportDraft) -> None:
    shutil.rmtree(_drafts() / draft.id, ignore_errors=True)


def _drafts() -> Path:
    return Path(settings.DATA_DIR, "import-drafts")


def _draft_about(draft_id: str) -> dict[str, Any] | None:
    if not _ID.fullmatch(draft_id):
        return None
    try:
        known = json.loads((_drafts() / draft_id / _ABOUT).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # removed, or its upload was killed
        return None
    return known if isinstance(known, dict) else None


def _clean(user_id: int) -> None:
    """Remove drafts that are a day old, and those of the person above ``MOST_DRAFTS``."""
    drafts, own = [], 0
    for folder in _drafts().glob("*"):
        with suppress(FileNotFoundError):  # removed meanwhile
            drafts.append((folder.stat().st_mtime, folder))
    for at, folder in sorted(drafts, reverse=True):
        is_own = (_draft_about(folder.name) or {}).get("user") == user_id
        own += is_own
        if time.time() - at > DRAFT_KEPT_S or (is_own and own >= MOST_DRAFTS):
            shutil.rmtree(folder, ignore_errors=True)


def has_files(job: Job) -> bool:
    """True for a job that collects files, succeeded and has not lost them."""
    collects = job.kind in KINDS and bool(KINDS[job.kind].collects)
    return collects and job.state == Job.State.SUCCEEDED and job.removed_at is None


def collected(job_id: int | None) -> Collected:
    """Return the files that a job collected.
    Raises ``LaunchError`` at ``job``: none, none yet, or removed ones."""
    job = Job.objects.select_related("host").filter(pk=job_id or 0).first()
    kind = KINDS.get(job.kind) if job else None
    if job is None or kind is None or not kind.collects:
        raise LaunchError(_("This job collects no files. Choose another job or files."), "job")
    if job.state != Job.State.SUCCEEDED:
        text = _("Job #%(id)s has no files: it has not succeeded. Wait, or start it again.")
        raise LaunchError(text % {"id": job.pk}, "job")
    output = job.outputs.filter(path=kind.collects).first()
    if not has_files(job) or output is None or not output.is_whole:
        raise files_gone(job)
    return Collected(job, output)


def files_gone(job: Job) -> LaunchError:
    text = _("Files of job #%(id)s were removed. Collect them again.")
    return LaunchError(text % {"id": job.pk}, "job")
