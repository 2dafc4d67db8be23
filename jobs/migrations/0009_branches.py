from itertools import groupby
from operator import itemgetter
from typing import Any

import django.db.models.deletion
from django.db import migrations, models


def set_parents(apps: Any, schema: Any) -> None:
    """Let each turn follow the attempt that was shown before it, else the newest one."""
    turns = apps.get_model("jobs", "Turn").objects
    order = ("conversation_id", "index", "is_shown", "attempt")  # the shown one comes last
    rows = list(turns.order_by(*order).values_list("conversation_id", "index", "pk"))
    chat = parent = None
    for (of, _index), group in groupby(rows, key=itemgetter(0, 1)):
        attempts = [row[2] for row in group]
        if of == chat:
            turns.filter(pk__in=attempts).update(parent=parent)
        chat, parent = of, attempts[-1]
    if schema.connection.vendor == "postgresql":  # before the indexes of the constraints
        schema.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    """Chats branch: each turn knows the one before it."""

    dependencies = [("jobs", "0008_gateway")]

    operations = [
        migrations.AddField("turn", "version", models.PositiveIntegerField(default=0)),
        migrations.AddField(
            "turn",
            "parent",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="next",
                to="jobs.turn",
            ),
        ),
        migrations.RemoveConstraint("turn", "turn_shown_once_an_index"),
        migrations.RunPython(set_parents, migrations.RunPython.noop),
        migrations.AddConstraint(
            "turn",
            models.UniqueConstraint(
                condition=models.Q(is_shown=True),
                fields=["parent"],
                name="turn_shown_once_a_parent",
            ),
        ),
        migrations.AddConstraint(
            "turn",
            models.UniqueConstraint(
                condition=models.Q(is_shown=True, parent=None),
                fields=["conversation"],
                name="turn_shown_first_once",
            ),
        ),
    ]
