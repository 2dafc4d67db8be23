"""Matrices: benchmark jobs that fill one table."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0041_organised_results"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Matrix",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(max_length=200)),
                ("kind", models.CharField(max_length=32)),
                ("model_id", models.CharField(blank=True, max_length=100)),
                ("spec", models.JSONField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("cancelled_at", models.DateTimeField(null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="matrices",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "host",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="matrices",
                        to="jobs.host",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="MatrixCell",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("row", models.PositiveSmallIntegerField()),
                ("column", models.PositiveSmallIntegerField()),
                ("repeat", models.PositiveSmallIntegerField(default=1)),
                ("place", models.PositiveSmallIntegerField()),
                ("input_tokens", models.PositiveIntegerField(null=True)),
                ("output_tokens", models.PositiveIntegerField()),
                ("concurrency", models.PositiveIntegerField()),
                ("skip_id", models.CharField(blank=True, max_length=64)),
                ("skip_args", models.JSONField(default=dict)),
                (
                    "job",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="cell",
                        to="jobs.job",
                    ),
                ),
                (
                    "matrix",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cells",
                        to="jobs.matrix",
                    ),
                ),
            ],
            options={
                "ordering": ["matrix_id", "place", "id"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("matrix", "row", "column", "repeat"), name="matrix_cell_once"
                    )
                ],
            },
        ),
    ]
