import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Chats are shared as snapshots; a turn may come from a file."""

    dependencies = [
        ("jobs", "0009_branches"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            "turn", "engine_type", models.CharField(blank=True, default="", max_length=16)
        ),
        migrations.AddField("turn", "is_imported", models.BooleanField(default=False)),
        migrations.CreateModel(
            "ChatShare",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=32, unique=True)),
                (
                    "user",
                    models.ForeignKey(
                        settings.AUTH_USER_MODEL,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="chat_shares",
                    ),
                ),
                (
                    "conversation",
                    models.ForeignKey(
                        "jobs.conversation",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="shares",
                    ),
                ),
                ("title", models.CharField(max_length=200)),
                ("content", models.TextField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
            options={"ordering": ["-created_at", "-id"]},
        ),
    ]
