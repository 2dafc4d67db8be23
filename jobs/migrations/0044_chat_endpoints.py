"""Chats with endpoints."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("jobs", "0043_imports")]

    operations = [
        migrations.AddField(
            model_name="conversation",
            name="endpoint",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="conversations",
                to="jobs.endpoint",
            ),
        ),
        migrations.AddField(
            model_name="turn",
            name="device",
            field=models.CharField(blank=True, max_length=100),
        ),
        migrations.AddField(
            model_name="turn",
            name="endpoint",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="turns",
                to="jobs.endpoint",
            ),
        ),
        migrations.AddConstraint(
            model_name="conversation",
            constraint=models.CheckConstraint(
                condition=Q(deployment=None) | Q(endpoint=None), name="conversation_one_engine"
            ),
        ),
        migrations.AddConstraint(
            model_name="turn",
            constraint=models.CheckConstraint(
                condition=Q(deployment=None) | Q(endpoint=None), name="turn_one_engine"
            ),
        ),
    ]
