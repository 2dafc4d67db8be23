"""Keys inside JSON columns and actions of the audit log, by their present names.

``Host.load``: what a host said last stays readable while it is away. ``removed_args``: the limits by
which a log was removed, named as the settings are now.
"""

from django.db import migrations

AT_ONCE = 500
KEYS = (
    ("load", "made", "disk_usage"),
    ("removed_args", "keep_for_s", "retention_age_s"),
    ("removed_args", "keep_within_bytes", "retention_size_bytes"),
)
ACTIONS = (("host.give_up", "host.mark_lost"),)


def rename_key(apps, field, old, new):
    for model in apps.get_app_config("jobs").get_models():
        if field not in {column.name for column in model._meta.get_fields()}:
            continue
        rows = model.objects.filter(**{f"{field}__has_key": old})
        numbers = list(rows.order_by("pk").values_list("pk", flat=True))
        for start in range(0, len(numbers), AT_ONCE):
            part = list(model.objects.filter(pk__in=numbers[start : start + AT_ONCE]).only(field))
            for row in part:
                value = getattr(row, field)
                setattr(row, field, {new if key == old else key: it for key, it in value.items()})
            model.objects.bulk_update(part, [field])


def forwards(apps, schema_editor):
    for field, old, new in KEYS:
        rename_key(apps, field, old, new)
    for old, new in ACTIONS:
        apps.get_model("jobs", "AuditEntry").objects.filter(action=old).update(action=new)


def backwards(apps, schema_editor):
    for field, old, new in KEYS:
        rename_key(apps, field, new, old)
    for old, new in ACTIONS:
        apps.get_model("jobs", "AuditEntry").objects.filter(action=new).update(action=old)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0030_queue_values")]

    operations = [migrations.RunPython(forwards, backwards)]
