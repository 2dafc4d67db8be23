from django.db import migrations, models

# As jobs.kinds.lib.lengths had it when this was written.
BOTH = ("input_tokens", "output_tokens")
ASKS = {
    "benchmark": ("output_tokens",),
    "benchmark-online": BOTH,
    "benchmark-throughput": BOTH,
    "benchmark-latency": BOTH,
}


def fill(apps, schema_editor):
    """What older benchmarks asked for, as far as the params of their jobs tell."""
    results = apps.get_model("jobs", "Result").objects
    rows = results.filter(job__kind__in=ASKS).values_list("pk", "job__kind", "job__params")
    last = 0
    while part := list(rows.filter(pk__gt=last).order_by("pk")[:500]):
        for pk, kind, params in part:
            names = ASKS[kind] if params.get("dataset") != "sharegpt" else ("output_tokens",)
            asked = {name: params[name] for name in names if isinstance(params.get(name), int)}
            if asked:
                results.filter(pk=pk).update(asked=asked)
        last = part[-1][0]


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0017_identity'),
    ]

    operations = [
        migrations.AddField(
            model_name='result',
            name='asked',
            field=models.JSONField(default=dict),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
