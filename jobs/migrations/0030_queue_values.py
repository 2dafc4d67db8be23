"""Keys inside JSON columns: a job is retried, copied and shown by its stored params, and a result
by its run context, so that both are read by the new names.

Neither key is a part of an identity: fingerprints stay as they are.
"""

from django.db import migrations

RENAMED = (
    ("Job", "params", "quiet", "exclusive"),
    ("Result", "run_context", "beside", "concurrent_load"),
)
AT_ONCE = 500


def rename(apps, column, *, backwards=False):
    model_name, field, old, new = column
    if backwards:
        old, new = new, old
    model = apps.get_model("jobs", model_name)
    rows = model.objects.filter(**{f"{field}__has_key": old})
    numbers = list(rows.order_by("pk").values_list("pk", flat=True))
    for start in range(0, len(numbers), AT_ONCE):
        part = list(model.objects.filter(pk__in=numbers[start : start + AT_ONCE]).only(field))
        for row in part:
            value = getattr(row, field)
            setattr(row, field, {new if name == old else name: it for name, it in value.items()})
        model.objects.bulk_update(part, [field])


def forwards(apps, schema_editor):
    for column in RENAMED:
        rename(apps, column)


def backwards(apps, schema_editor):
    for column in RENAMED:
        rename(apps, column, backwards=True)


class Migration(migrations.Migration):

    dependencies = [("jobs", "0029_queue_names")]

    operations = [migrations.RunPython(forwards, backwards)]
