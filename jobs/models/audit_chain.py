"""The audit log: entries that are only added, chained by their digests."""

import json
from datetime import UTC
from typing import Any, ClassVar

from django.db import models, transaction
from django.db.models import Index
from django.utils.timezone import now

from jobs.base.errors import JobsError
from jobs.base.files import text_sha256
from jobs.models.access import Instance
from jobs.models.hosts import USER


class AppendOnlyError(JobsError):
    """Attempt to change or delete a row of a table that is only added to."""

    id = "internal:append_only"


def _refuse(*args: Any, **kwargs: Any) -> Any:
    raise AppendOnlyError("entries of the audit log are never changed or deleted")


class AppendOnlyQuerySet(models.QuerySet["AuditEntry"]):
    """Rows that are added one by one, and read. Only a database shell goes around this."""

    update = aupdate = _update = _refuse
    bulk_create = abulk_create = bulk_update = abulk_update = _refuse
    update_or_create = aupdate_or_create = _refuse
    delete = adelete = _raw_delete = _refuse


class AuditEntry(models.Model):
    """One act of a person, a host or a stranger. Entries are only added; their numbers are their
    order. ``digest`` covers the entry and the digest before it, so a changed or missing entry
    breaks the chain (``jobs.queries.audit``). ``origin``: address of the request, "manage.py" for a
    command on the server, "" if unknown."""

    user = models.ForeignKey(USER, models.PROTECT, null=True, blank=True)
    action = models.CharField(max_length=50)
    subject = models.CharField(max_length=100)  # e.g. "job 17"
    detail = models.JSONField(default=dict)
    at = models.DateTimeField(default=now, db_index=True)
    origin = models.CharField(max_length=64, default="", blank=True)
    digest = models.CharField(max_length=64, default="", editable=False)

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-at", "-id"]
        base_manager_name = "objects"
        indexes: ClassVar = [
            Index(fields=["user", "-at", "-id"], name="audit_by_person"),
            Index(fields=["action", "-at", "-id"], name="audit_by_action"),
        ]

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            _refuse()
        kwargs["force_insert"] = True  # a number that exists is an error, and no change
        with transaction.atomic():
            heads = Instance.objects.select_for_update().only("audit_head")
            head, _is_new = heads.get_or_create(pk=1)
            self.digest = self.digest_after(head.audit_head)
            super().save(*args, **kwargs)
            Instance.objects.filter(pk=1).update(audit_head=self.digest)

    delete = adelete = _refuse

    def digest_after(self, previous: str) -> str:
        """SHA-256 of the entry as it follows the entry with the digest ``previous``."""
        said = (self.user_id, self.action, self.subject, self.detail, self.origin)
        moment = self.at.astimezone(UTC).isoformat()
        text = json.dumps([previous, moment, *said], sort_keys=True, separators=(",", ":"))
        return text_sha256(text)
