"""Declared parts of imports, and the time of the measurement from its files."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import OuterRef, Subquery

TEXTS = (("precision", 64), ("engine", 100), ("workload", 100), ("read_what", 200))


def copy_workloads(apps, schema_editor):
    """Store the workload of earlier imports as read from their files: nothing was declared."""
    results = apps.get_model("jobs", "Result").objects.filter(imported=OuterRef("pk"))
    imports = apps.get_model("jobs", "Import").objects.exclude(result=None)
    imports.update(read_what=Subquery(results.values("what")[:1]))


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("jobs", "0052_loaded_results"),
    ]

    operations = [
        migrations.AddField("import", "measured_at", models.DateTimeField(null=True)),
        *(
            migrations.AddField(
                "import", name, models.CharField(blank=True, default="", max_length=length)
            )
            for name, length in TEXTS
        ),
        *(
            migrations.AddField("import", name, models.PositiveIntegerField(null=True))
            for name in ("devices", "tp", "pp", "ep")
        ),
        migrations.AddField(
            "import",
            "declared_by",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField("import", "declared_at", models.DateTimeField(null=True)),
        migrations.RunPython(copy_workloads, migrations.RunPython.noop),
    ]
