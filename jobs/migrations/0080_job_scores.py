from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0016_requests_of_all'),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='scores',
            field=models.JSONField(null=True),
        ),
    ]
