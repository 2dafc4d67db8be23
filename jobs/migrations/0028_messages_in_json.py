"""Messages inside JSON: what a host found, what a job asks for, and who confirmed it."""

from __future__ import annotations

from django.db import migrations

TODAY = {"sentence_id": "message_id", "sentence_args": "message_args"}
BEFORE = {new: old for old, new in TODAY.items()}
BATCH = 200
# Messages hold messages where they tell several at once (``args["found"]``).
COLUMNS = {
    "Job": ("message_args", "asks", "confirmed"),
    "Deployment": ("message_args",),
    "DeploymentEvent": ("message_args",),
    "Preflight": ("findings",),
}


def renamed(value, names):
    """``value`` with the keys of all mappings in it renamed."""
    if isinstance(value, dict):
        return {names.get(key, key): renamed(item, names) for key, item in value.items()}
    if isinstance(value, list):
        return [renamed(item, names) for item in value]
    return value


def rename_all(apps, names):
    """Rename in every row that has such keys; others are not written."""
    for model, columns in COLUMNS.items():
        rows = apps.get_model("jobs", model).objects
        changed = []
        for row in rows.only("pk", *columns).order_by("pk").iterator(BATCH):
            before = [getattr(row, column) for column in columns]
            after = [renamed(value, names) for value in before]
            if after == before:
                continue
            for column, value in zip(columns, after, strict=True):
                setattr(row, column, value)
            changed.append(row)
            if len(changed) == BATCH:
                rows.bulk_update(changed, columns)
                changed.clear()
        rows.bulk_update(changed, columns)


def to_today(apps, schema_editor):
    """Give them the names of today."""
    rename_all(apps, TODAY)


def to_before(apps, schema_editor):
    """Give them the names of before."""
    rename_all(apps, BEFORE)


class Migration(migrations.Migration):
    """Rename keys; no value changes."""

    dependencies = [("jobs", "0027_messages_and_types")]

    operations = [migrations.RunPython(to_today, to_before)]
