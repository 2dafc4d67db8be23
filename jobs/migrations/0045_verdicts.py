"""Verdicts on the questions of an evaluation; identities of schema 4 fill them at the next start."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0044_chat_endpoints")]

    operations = [
        migrations.AddField(
            "result",
            "verdicts",
            models.TextField(blank=True, default=""),
            preserve_default=False,
        ),
    ]
