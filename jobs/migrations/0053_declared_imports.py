"""Declared parts of imports, and the time of the measurement from its files."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

TEXTS = (("precision", 64), ("engine", 100), ("workload", 100), ("read_what", 200))


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
    ]
