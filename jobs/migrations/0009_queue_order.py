from django.db import migrations, models

from jobs.models.jobs import last_place, place_of


def by_age(apps, schema_editor):
    """What waits keeps its order."""
    jobs = apps.get_model("jobs", "Job").objects
    for job in jobs.filter(state="queued").only("pk", "created_at").iterator():
        jobs.filter(pk=job.pk).update(place=place_of(job.created_at))


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0008_dies_seen"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="priority",
            field=models.PositiveSmallIntegerField(
                choices=[(0, "Urgent"), (1, "Normal"), (2, "Low")], default=1
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="place",
            field=models.BigIntegerField(default=last_place),
        ),
        migrations.AddField(
            model_name="job",
            name="quiet",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="job",
            name="model_id",
            field=models.CharField(blank=True, max_length=100),
        ),
        migrations.RemoveIndex(
            model_name="job",
            name="job_by_host_and_state",
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                fields=["host", "state", "priority", "place", "id"], name="job_in_line"
            ),
        ),
        migrations.RunPython(by_age, migrations.RunPython.noop),
    ]
