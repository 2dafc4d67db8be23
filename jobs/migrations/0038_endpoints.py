"""Endpoints: engines that this dashboard did not start, and results measured on them."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0037_sources"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Endpoint",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True)),
                ("url", models.CharField(max_length=300)),
                ("api_key", models.CharField(blank=True, max_length=64)),
                ("model", models.CharField(max_length=200)),
                ("model_id", models.CharField(blank=True, max_length=100)),
                ("device", models.CharField(blank=True, max_length=100)),
                ("devices", models.PositiveIntegerField(blank=True, null=True)),
                ("engine", models.CharField(blank=True, max_length=64)),
                ("engine_version", models.CharField(blank=True, max_length=64)),
                ("max_context", models.PositiveIntegerField(blank=True, null=True)),
                ("found", models.JSONField(default=dict)),
                ("check_id", models.CharField(blank=True, max_length=64)),
                ("check_args", models.JSONField(default=dict)),
                ("checked_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("archived_at", models.DateTimeField(null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"ordering": ["name"]},
        ),
        migrations.AddField(
            model_name="result",
            name="endpoint",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="results",
                to="jobs.endpoint",
            ),
        ),
        migrations.AlterField(
            model_name="source",
            name="type",
            field=models.CharField(
                choices=[
                    ("git", "Git"),
                    ("index", "Index"),
                    ("hub", "Hub"),
                    ("revision", "Revision"),
                    ("image", "Image"),
                    ("data", "Data"),
                    ("endpoint", "Endpoint"),
                ],
                max_length=16,
            ),
        ),
    ]
