from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("jobs", "0009_queue_order"),
    ]

    operations = [
        migrations.AddField("job", "asks", models.JSONField(default=list)),
        migrations.AddField("job", "confirmed", models.JSONField(default=list)),
        migrations.AddField("job", "guide", models.JSONField(default=dict)),
    ]
