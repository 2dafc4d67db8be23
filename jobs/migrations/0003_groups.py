import uuid

from django.db import migrations, models


def name_groups(apps, schema_editor):
    """Jobs of a matrix, their earlier attempts and their environments are one group."""
    matrices, jobs = apps.get_model("jobs", "Matrix"), apps.get_model("jobs", "Job")
    for matrix in matrices.objects.all():
        matrix.chain = uuid.uuid4()
        matrix.save(update_fields=["chain"])
        front = jobs.objects.filter(cell__matrix=matrix)
        while ids := set(front.values_list("pk", flat=True)):
            chains = jobs.objects.filter(pk__in=ids).exclude(chain=None).exclude(chain=matrix.chain)
            jobs.objects.filter(chain__in=list(chains.values_list("chain", flat=True))).update(
                chain=matrix.chain
            )
            jobs.objects.filter(pk__in=ids).update(chain=matrix.chain)
            front = jobs.objects.filter(repeated_by__in=ids).exclude(chain=matrix.chain)


class Migration(migrations.Migration):
    """A matrix is a group of jobs like a pipeline; lists find the newest job of a group."""

    dependencies = [("jobs", "0002_sign_off_accepted")]

    operations = [
        migrations.AlterField("job", "chain", models.UUIDField(null=True)),
        migrations.AddIndex(
            "job",
            models.Index(
                fields=["chain", "id"],
                name="job_in_group",
                condition=models.Q(chain__isnull=False),
            ),
        ),
        migrations.AddField("matrix", "chain", models.UUIDField(null=True)),
        migrations.RunPython(name_groups, migrations.RunPython.noop),
        migrations.AlterField(
            "matrix", "chain", models.UUIDField(default=uuid.uuid4, unique=True)
        ),
    ]
