"""Checksum of each question with its expected answer, in the rows of answers."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0050_results_by_their_numbers")]

    operations = [
        migrations.AddField("answerrow", "content", models.CharField(default="", max_length=32)),
    ]
