from django.db import migrations

NAMES = ("requests", "failed_requests")
RATE = "output_tokens_per_s"


def tell_apart(apps, schema_editor):
    """A result had the requests of all its concurrencies beside the times of its fastest one."""
    results = apps.get_model("jobs", "Result").objects.filter(sort="benchmark")
    last = 0
    while part := list(results.filter(pk__gt=last).order_by("pk").prefetch_related("points")[:200]):
        for result in part:
            points = [point.metrics for point in result.points.all()]
            rate = result.metrics.get(RATE)
            best = next((one for one in points if one.get(RATE) == rate), None)
            if rate is None or best is None or not all(name in best for name in NAMES):
                continue
            whole = {f"{name}_all": result.metrics.get(name, 0) for name in NAMES}
            own = {name: best[name] for name in NAMES}
            results.filter(pk=result.pk).update(metrics={**result.metrics, **whole, **own})
        last = part[-1].pk


def put_back(apps, schema_editor):
    """One number again, that of all."""
    results = apps.get_model("jobs", "Result").objects.filter(metrics__has_key="requests_all")
    for result in results.order_by("pk").iterator():
        metrics = dict(result.metrics)
        metrics.update({name: metrics.pop(f"{name}_all", metrics.get(name, 0)) for name in NAMES})
        results.filter(pk=result.pk).update(metrics=metrics)


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0024_incomplete'),
    ]

    operations = [
        migrations.RunPython(tell_apart, put_back),
    ]
