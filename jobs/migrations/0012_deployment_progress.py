from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0008_dies_seen'),
    ]

    operations = [
        migrations.AddField(
            model_name='deployment',
            name='log_from',
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='deployment',
            name='progress',
            field=models.JSONField(null=True),
        ),
    ]
