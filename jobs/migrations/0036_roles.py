"""Roles of people in rows of their own, and rights to launch per host."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


def give_roles(apps, schema_editor):
    """Staff become administrators, others members: what each could do until now."""
    users = apps.get_model("auth", "User").objects.values_list("pk", "is_staff", "is_superuser")
    account = apps.get_model("jobs", "Account")
    account.objects.bulk_create(
        account(user_id=pk, role="admin" if is_staff or is_superuser else "member")
        for pk, is_staff, is_superuser in users
    )


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0035_host_valkey_user"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Account",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="account",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[("viewer", "Viewer"), ("member", "Member"), ("admin", "Admin")],
                        default="viewer",
                        max_length=16,
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="host",
            name="is_restricted",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="host",
            name="launchers",
            field=models.ManyToManyField(blank=True, related_name="+", to=settings.AUTH_USER_MODEL),
        ),
        migrations.RunPython(give_roles, migrations.RunPython.noop),
    ]
