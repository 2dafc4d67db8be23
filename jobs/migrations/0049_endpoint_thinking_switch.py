"""Endpoints whose chat template switches thinking."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0048_answer_rows")]

    operations = [
        migrations.AddField(
            "endpoint", "thinking_switch", models.CharField(blank=True, default="", max_length=32)
        ),
    ]
