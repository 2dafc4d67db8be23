from django.db import migrations, models


class Migration(migrations.Migration):
    """Sign-offs keep the limits of the result that the person accepted."""

    dependencies = [("jobs", "0001_initial")]

    operations = [
        migrations.AddField("signoff", "accepted", models.JSONField(default=list)),
    ]
