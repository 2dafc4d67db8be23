from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0019_answers_in_full'),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='scores',
            field=models.JSONField(null=True),
        ),
    ]
