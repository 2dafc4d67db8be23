from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Concat, Lower


def _words(*names: str) -> models.GeneratedField:
    parts = [part for name in names for part in (models.F(name), models.Value(" "))]
    return models.GeneratedField(
        expression=Lower(Concat(*parts[:-1])), output_field=models.TextField(), db_persist=True
    )


class Migration(migrations.Migration):
    """Words that lists are searched for, in the index that holds the lists' order; ended jobs."""

    dependencies = [
        ("jobs", "0005_report_words"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex("job", "job_by_age"),
        migrations.RemoveIndex("result", "result_by_age"),
        migrations.AddField("job", "search", _words("title", "kind")),
        migrations.AddField(
            "result", "search", _words("model_id", "label", "what", "tool", "stack")
        ),
        migrations.AddIndex(
            "job",
            models.Index(
                fields=["-created_at", "-id", "search", "host", "created_by"], name="job_by_text"
            ),
        ),
        migrations.AddIndex(
            "result",
            models.Index(
                fields=[
                    *("-created_at", "-id", "search"),
                    *("job", "imported", "host", "deployment", "endpoint"),
                ],
                name="result_by_text",
            ),
        ),
        migrations.AddIndex(
            "job", models.Index(fields=["state", "-finished_at", "-id"], name="job_by_state_ended")
        ),
        migrations.AddIndex(
            "job", models.Index(fields=["host", "-finished_at", "-id"], name="job_by_host_ended")
        ),
    ]
