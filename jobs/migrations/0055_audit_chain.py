"""Entries of the audit log follow one another by a digest."""

import hashlib
import json
from datetime import UTC

from django.db import migrations, models

BATCH = 100


def chain_entries(apps, schema_editor):
    """Give every entry its digest, in the order of their numbers."""
    entries = apps.get_model("jobs", "AuditEntry").objects
    head, after = "", 0
    while batch := list(entries.filter(pk__gt=after).order_by("pk")[:BATCH]):
        for entry in batch:
            head = entry.digest = digest(head, entry)
        entries.bulk_update(batch, ["digest"])
        after = batch[-1].pk
    if head:
        apps.get_model("jobs", "Instance").objects.update_or_create(
            pk=1, defaults={"audit_head": head}
        )


def digest(previous, entry):
    """Return what ``AuditEntry.digest_after`` returns."""
    said = (entry.user_id, entry.action, entry.subject, entry.detail, entry.origin)
    moment = entry.at.astimezone(UTC).isoformat()
    text = json.dumps([previous, moment, *said], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


class Migration(migrations.Migration):
    dependencies = [("jobs", "0054_scores_of_rows")]

    operations = [
        migrations.AddField(
            "auditentry",
            "digest",
            models.CharField(default="", editable=False, max_length=64),
        ),
        migrations.AddField(
            "instance",
            "audit_head",
            models.CharField(blank=True, default="", max_length=64),
        ),
        migrations.RunPython(chain_entries, migrations.RunPython.noop),
    ]
