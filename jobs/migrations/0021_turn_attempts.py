import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('jobs', '0020_job_scores'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='turn',
            options={'ordering': ['conversation_id', 'index', 'attempt']},
        ),
        migrations.RemoveConstraint(
            model_name='turn',
            name='turn_index_once_a_conversation',
        ),
        migrations.AddField(
            model_name='turn',
            name='attempt',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='turn',
            name='deployment',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='turns', to='jobs.deployment'),
        ),
        migrations.AddField(
            model_name='turn',
            name='is_shown',
            field=models.BooleanField(default=True),
        ),
        migrations.AddConstraint(
            model_name='turn',
            constraint=models.UniqueConstraint(fields=('conversation', 'index', 'attempt'), name='turn_attempt_once_an_index'),
        ),
        migrations.AddConstraint(
            model_name='turn',
            constraint=models.UniqueConstraint(condition=models.Q(('is_shown', True)), fields=('conversation', 'index'), name='turn_shown_once_an_index'),
        ),
    ]
