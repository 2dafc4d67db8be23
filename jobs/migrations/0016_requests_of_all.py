from django.db import migrations


def add_up(apps, schema_editor):
    """A result had the requests of its fastest concurrency alone, and 0 failed beside a warning."""
    results = apps.get_model("jobs", "Result").objects
    points = apps.get_model("jobs", "ResultPoint").objects.values_list("result", "metrics")
    sums = {}
    for number, metrics in points.order_by("result").iterator():
        if "requests" in metrics and "failed_requests" in metrics:
            whole = sums.setdefault(number, {"requests": 0, "failed_requests": 0})
            for name in whole:
                whole[name] += metrics[name]
    for number, whole in sums.items():
        result = results.get(pk=number)
        results.filter(pk=number).update(metrics={**result.metrics, **whole})


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0015_made'),
    ]

    operations = [
        migrations.RunPython(add_up, migrations.RunPython.noop),
    ]
