"""Jobs that continue the one that they repeat."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0046_prompt_sets")]

    operations = [
        migrations.AddField("job", "resumed", models.BooleanField(default=False)),
    ]
