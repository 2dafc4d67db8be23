"""Columns and indexes in the field's terms; an index that names a column is made anew."""

from django.db import migrations, models

RETAINED = ("deployment", "job", "turn")


class Migration(migrations.Migration):

    dependencies = [("jobs", "0028_messages_in_json")]

    operations = [
        migrations.RenameIndex(model_name="job", old_name="job_in_line", new_name="job_in_queue"),
        migrations.RenameField(model_name="job", old_name="quiet", new_name="exclusive"),
        migrations.RenameField(model_name="job", old_name="asks", new_name="needs_confirmation"),
        migrations.RenameField(
            model_name="result", old_name="surroundings", new_name="run_context"
        ),
        *(
            migrations.RemoveIndex(model_name="job", name=name)
            for name in ("job_to_remove", "job_by_size", "job_to_measure")
        ),
        *(
            migrations.RemoveIndex(model_name="turn", name=name)
            for name in ("turn_to_remove", "turn_to_measure")
        ),
        *(
            migrations.RenameField(
                model_name=model, old_name="kept_bytes", new_name="stored_bytes"
            )
            for model in RETAINED
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                fields=["finished_at", "id"],
                name="job_to_remove",
                condition=models.Q(stored_bytes__gt=0, pinned_at=None),
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                fields=["-stored_bytes", "-id", "points_bytes", "finished_at"],
                name="job_by_size",
                condition=models.Q(stored_bytes__gt=0),
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                fields=["id"],
                name="job_to_measure",
                condition=models.Q(stored_bytes=None, finished_at__isnull=False),
            ),
        ),
        migrations.AddIndex(
            model_name="turn",
            index=models.Index(
                fields=["created_at", "stored_bytes"],
                name="turn_to_remove",
                condition=models.Q(stored_bytes__gt=0),
            ),
        ),
        migrations.AddIndex(
            model_name="turn",
            index=models.Index(
                fields=["id"], name="turn_to_measure", condition=models.Q(stored_bytes=None)
            ),
        ),
    ]
