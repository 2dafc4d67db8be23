from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0010_asks_and_guide'),
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
