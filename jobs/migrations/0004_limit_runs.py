from django.db import migrations, models


class Migration(migrations.Migration):
    """Runs of searches of a limit."""

    dependencies = [("jobs", "0003_groups")]

    operations = [
        migrations.CreateModel(
            "LimitRun",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("index", models.PositiveSmallIntegerField()),
                ("load", models.FloatField()),
                ("metrics", models.JSONField()),
                ("requests", models.JSONField(default=list)),
                (
                    "result",
                    models.ForeignKey("jobs.Result", models.CASCADE, related_name="limit_runs"),
                ),
            ],
            options={"ordering": ["result_id", "index"]},
        ),
    ]
