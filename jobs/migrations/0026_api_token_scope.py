"""Tokens of before keep all that they could do: the scope *admin*."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the scope of a token."""

    dependencies = [("jobs", "0025_requests_apart")]

    operations = [
        migrations.AddField(
            "apitoken",
            "scope",
            models.CharField(
                choices=[("read", "Read"), ("launch", "Launch"), ("admin", "Admin")],
                default="admin",
                max_length=16,
            ),
        ),
    ]
