from django.db import migrations, models


def mark_incomplete(apps, schema_editor):
    """That requests failed or questions were not scored was a remark or a metric alone."""
    results = apps.get_model("jobs", "Result").objects
    rows = results.order_by("pk").values_list("pk", "metrics", "remarks")
    found = [
        pk
        for pk, metrics, remarks in rows.iterator()
        if metrics.get("failed_requests")
        or any(one["id"] == "evaluate:unscored" for one in remarks)
    ]
    for start in range(0, len(found), 500):
        results.filter(pk__in=found[start : start + 500]).update(incomplete=True)


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0023_hits_since_start'),
    ]

    operations = [
        migrations.AddField(
            model_name='result',
            name='incomplete',
            field=models.BooleanField(default=False),
        ),
        migrations.RunPython(mark_incomplete, migrations.RunPython.noop),
    ]
