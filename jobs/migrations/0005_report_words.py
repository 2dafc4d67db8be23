import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Words that people typed for a report, kept for the team."""

    dependencies = [
        ("jobs", "0004_limit_runs"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            "ReportWords",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=32)),
                ("records", models.CharField(max_length=64)),
                ("words", models.JSONField(default=dict)),
                ("changed_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "changed_by",
                    models.ForeignKey(
                        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
                    ),
                ),
            ],
            options={"ordering": ["-changed_at", "-id"]},
        ),
        migrations.AddConstraint(
            "reportwords",
            models.UniqueConstraint(fields=["kind", "records"], name="words_once_a_report"),
        ),
    ]
