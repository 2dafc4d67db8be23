"""Checksum of each question with its expected answer, in the rows of answers."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0049_endpoint_thinking_switch")]

    operations = [
        migrations.AddField("answerrow", "content", models.CharField(default="", max_length=32)),
    ]
