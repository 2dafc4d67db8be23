"""Origin of an entry of the audit log: the address of the request, or a command on the server."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def mark_commands(apps, schema_editor):
    """Entries of commands said so in their details; the address of the others is unknown."""
    entries = apps.get_model("jobs", "AuditEntry").objects
    entries.filter(detail__by="terminal").update(origin="manage.py")


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0033_secrets"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="auditentry",
            name="origin",
            field=models.CharField(blank=True, default="", max_length=64),
        ),
        migrations.AlterModelOptions(
            name="auditentry",
            options={"base_manager_name": "objects", "ordering": ["-at", "-id"]},
        ),
        migrations.AlterField(
            model_name="auditentry",
            name="user",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["user", "-at", "-id"], name="audit_by_person"),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["action", "-at", "-id"], name="audit_by_action"),
        ),
        migrations.RunPython(mark_commands, migrations.RunPython.noop),
    ]
