"""Permitted sources of code and data, added by administrators. None is taken over from past jobs."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0036_roles"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Source",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "type",
                    models.CharField(
                        choices=[
                            ("git", "Git"),
                            ("index", "Index"),
                            ("hub", "Hub"),
                            ("revision", "Revision"),
                            ("image", "Image"),
                            ("data", "Data"),
                        ],
                        max_length=16,
                    ),
                ),
                ("address", models.CharField(max_length=300)),
                ("note", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
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
            options={
                "ordering": ["type", "address"],
                "constraints": [
                    models.UniqueConstraint(fields=("type", "address"), name="source_once")
                ],
            },
        ),
    ]
