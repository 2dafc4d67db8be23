"""``sentence_…`` is called ``message_…`` from now on, and ``sort`` of a host or result ``type``."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """Rename columns; no value changes."""

    dependencies = [("jobs", "0026_api_token_scope")]

    operations = [
        *(
            migrations.RenameField(model, f"sentence_{part}", f"message_{part}")
            for model in ("job", "deployment", "deploymentevent")
            for part in ("id", "args")
        ),
        migrations.RenameField("host", "sort", "type"),
        migrations.RemoveIndex("result", "result_by_sort"),
        migrations.RenameField("result", "sort", "type"),
        migrations.AddIndex(
            "result",
            models.Index(fields=["type", "-created_at", "-id"], name="result_by_type"),
        ),
    ]
