"""Prompts that a team uploads for its benchmarks; concurrency of older results."""
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


def add_concurrency(apps, _editor):
    """Store the concurrency of each result's best point, which older versions left out."""
    result_model, point_model = (apps.get_model("jobs", name) for name in ("Result", "ResultPoint"))
    rows = result_model.objects.filter(type="benchmark").exclude(metrics__has_key="concurrency")
    for result in rows.only("metrics").iterator():
        points = point_model.objects.filter(result=result, concurrency__gt=0)
        rates = [
            (float(metrics.get("output_tokens_per_s") or 0), concurrency)
            for concurrency, metrics in points.values_list("concurrency", "metrics")
        ]
        if rates:
            best = max(rates, key=lambda pair: (pair[0], -pair[1]))[1]
            result.metrics["concurrency"] = float(best)
            result.save(update_fields=["metrics"])


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0045_verdicts'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='PromptSet',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60)),
                ('language', models.CharField(blank=True, max_length=40)),
                ('text', models.TextField()),
                ('prompts', models.PositiveIntegerField()),
                ('bytes', models.PositiveIntegerField()),
                ('longest', models.PositiveIntegerField()),
                ('sha256', models.CharField(max_length=64)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
                ('removed_at', models.DateTimeField(blank=True, null=True)),
                ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['name', 'id'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('removed_at', None)), fields=('name',), name='prompt_set_name_once')],
            },
        ),
        migrations.RunPython(add_concurrency, migrations.RunPython.noop),
    ]
