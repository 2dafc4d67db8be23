from django.db import migrations, models


def tell(apps, schema_editor):
    """Of jobs that have ended only the promise is known: all of it but its size."""
    jobs = apps.get_model("jobs", "Job").objects.filter(state="succeeded", product__isnull=False)
    for number, product in list(jobs.values_list("pk", "product")):
        made = {name: value for name, value in product.items() if name != "bytes"}
        jobs.filter(pk=number).update(made=made)


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0014_unpinned'),
    ]

    operations = [
        migrations.AddField(
            model_name='job',
            name='made',
            field=models.JSONField(null=True),
        ),
        migrations.RunPython(tell, migrations.RunPython.noop),
    ]
