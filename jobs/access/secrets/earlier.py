"""Secrets of earlier versions: a plain file each in ``DATA_DIR/secrets/jobs/``.

``manage.py setup`` stores them in the database, encrypted, and removes the files. Their purpose is
that of the plans that name them. Their endpoints are unknown: until an administrator completes such
a secret, only jobs that were launched before get it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import TextField
from django.db.models.functions import Cast

from jobs.access.secrets import NAME, encrypted, keys
from jobs.access.secrets.uses import uses
from jobs.base.errors import PlanError
from jobs.models import Job, Secret
from jobs.plans import SECRET, from_json


def adopt() -> list[str]:
    """Store every file whose name has no record, then remove the files; return the stored names.

    Safe to repeat: a file is removed only after its record is stored.

    Raises:
        KeyUnusable: the key file is missing or cannot be used; then nothing has changed.
    """
    folder = Path(settings.DATA_DIR) / "secrets" / "jobs"
    if not folder.is_dir():
        return []
    files = sorted(path for path in folder.iterdir() if NAME.match(path.name) and path.is_file())
    with keys.alone(), transaction.atomic():
        known = set(Secret.objects.values_list("name", flat=True))
        adopted = [path for path in files if path.name not in known]
        purposes = _purposes({path.name for path in adopted})
        for path in adopted:
            value = path.read_text(encoding="utf-8")
            Secret.objects.create(
                name=path.name,
                purpose=purposes.get(path.name, ""),
                all_hosts=True,
                everyone=True,
                encrypted=encrypted(path.name, value),
            )
    drafts = folder.glob(".*")  # of a killed process
    for path in (*files, *drafts):
        path.unlink()
    with suppress(OSError):  # other files
        folder.rmdir()
    return [path.name for path in adopted]


def _purposes(names: set[str]) -> dict[str, str]:
    """Return name → purpose, of those that all plans use for the same purpose."""
    found: dict[str, set[str]] = {}
    if not names:
        return {}
    jobs = Job.objects.annotate(text=Cast("plan", TextField()))
    naming = jobs.filter(text__contains=f"{{{SECRET}").order_by()
    for plan in naming.values_list("plan", flat=True).iterator():
        try:
            wanted = uses(from_json(plan))
        except PlanError:  # of a much older version
            continue
        for use in wanted:
            if use.name in names:
                found.setdefault(use.name, set()).add(use.purpose)
    return {name: next(iter(those)) for name, those in found.items() if len(those) == 1}
