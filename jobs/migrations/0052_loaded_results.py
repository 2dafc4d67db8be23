"""Results of a loaded host count like disturbed ones; a point with failures is no peak."""

from django.db import migrations, models

RATE = "output_tokens_per_s"
FAILED_MOST = 0.01


def mark_loaded(apps, schema_editor):
    """A remark names the load of each run."""
    results = apps.get_model("jobs", "Result").objects
    results.filter(remarks__icontains='"result:host_loaded"').update(loaded=True)


def choose_peaks(apps, schema_editor):
    """Metrics of a result are those of its fastest point without failures."""
    model = apps.get_model("jobs", "Result")
    results = model.objects.filter(type="benchmark", incomplete=True)
    for result in results.prefetch_related("points").order_by("pk").iterator(200):
        points = list(result.points.all())
        held = [one for one in points if holds(one.metrics)]
        was = next((one for one in points if one.metrics.get(RATE) == result.metrics.get(RATE)), None)
        best = max(held, key=lambda one: one.metrics[RATE], default=None)
        if was is None or best is None or was.pk == best.pk or RATE not in result.metrics:
            continue
        kept = {name: one for name, one in result.metrics.items() if name not in was.metrics}
        kept["concurrency"] = best.concurrency
        model.objects.filter(pk=result.pk).update(metrics={**kept, **best.metrics})


def holds(metrics):
    """Return True where at most 1 % of the requests failed."""
    failed, done = (metrics.get(name) or 0 for name in ("failed_requests", "requests"))
    return bool(metrics.get(RATE)) and failed <= FAILED_MOST * (failed + done)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0051_content_of_questions")]

    operations = [
        migrations.AddField("result", "loaded", models.BooleanField(default=False)),
        migrations.RunPython(mark_loaded, migrations.RunPython.noop),
        migrations.RunPython(choose_peaks, migrations.RunPython.noop),
    ]
