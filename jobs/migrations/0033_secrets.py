"""Secrets move from files into the database, with purpose, endpoints, hosts and people.

``manage.py setup`` stores the files of an earlier version: jobs.access.secrets.earlier.
"""

import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0032_host_refusals"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Secret",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=64, unique=True)),
                (
                    "purpose",
                    models.CharField(
                        blank=True,
                        choices=[("hub", "Hub"), ("registry", "Registry"), ("engine", "Engine")],
                        max_length=16,
                    ),
                ),
                ("endpoints", models.JSONField(default=list)),
                ("all_hosts", models.BooleanField(default=False)),
                ("everyone", models.BooleanField(default=False)),
                ("encrypted", models.TextField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("set_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("hosts", models.ManyToManyField(blank=True, related_name="+", to="jobs.host")),
                (
                    "people",
                    models.ManyToManyField(
                        blank=True, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={"ordering": ["name"]},
        ),
    ]
