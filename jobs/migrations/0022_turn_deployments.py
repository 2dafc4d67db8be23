from django.db import migrations


def tell(apps, schema_editor):
    """Only the last deployment of a conversation is known: it answered what bears its name."""
    turns = apps.get_model("jobs", "Turn").objects
    known = turns.filter(conversation__deployment__isnull=False).values_list(
        "pk", "request__model", "conversation__deployment", "conversation__deployment__name"
    )
    for number, model, deployment, name in list(known):
        if model == name:
            turns.filter(pk=number).update(deployment=deployment)


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0021_turn_attempts'),
    ]

    operations = [
        migrations.RunPython(tell, migrations.RunPython.noop),
    ]
