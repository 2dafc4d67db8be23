"""Tables of 0001_squashed_0045_verdicts: results and what is added to them."""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

OPERATIONS = [
    migrations.CreateModel(
        name='Import',
        fields=[
            ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ('sha256', models.CharField(max_length=64)),
            ('part', models.CharField(blank=True, max_length=100)),
            ('name', models.CharField(max_length=300)),
            ('bytes', models.BigIntegerField()),
            ('tool', models.CharField(max_length=64)),
            ('version', models.CharField(blank=True, max_length=32)),
            ('model', models.CharField(blank=True, max_length=100)),
            ('device', models.CharField(blank=True, max_length=100)),
            ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL)),
        ],
        options={
            'ordering': ['-id'],
            'constraints': [models.UniqueConstraint(fields=('sha256', 'part'), name='import_once')],
        },
    ),
    migrations.CreateModel(
        name='ImportedFile',
        fields=[
            ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ('index', models.PositiveIntegerField()),
            ('path', models.CharField(max_length=300)),
            ('bytes', models.BigIntegerField()),
            ('sha256', models.CharField(db_index=True, max_length=64)),
            ('is_source', models.BooleanField()),
            ('imported', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='files', to='jobs.import')),
        ],
        options={
            'ordering': ['imported_id', 'index'],
            'constraints': [models.UniqueConstraint(fields=('imported', 'index'), name='imported_file_index')],
        },
    ),
    migrations.CreateModel(
        name='Result',
        fields=[
            ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ('type', models.CharField(choices=[('benchmark', 'Benchmark'), ('evaluation', 'Evaluation')], max_length=16)),
            ('model_id', models.CharField(max_length=100)),
            ('label', models.CharField(max_length=64)),
            ('what', models.CharField(max_length=200)),
            ('tool', models.CharField(max_length=64)),
            ('metrics', models.JSONField(default=dict)),
            ('asked', models.JSONField(default=dict)),
            ('remarks', models.JSONField(default=list)),
            ('run_context', models.JSONField(default=dict)),
            ('identity', models.JSONField(default=dict)),
            ('fingerprint', models.CharField(blank=True, max_length=64)),
            ('stack', models.CharField(blank=True, max_length=64)),
            ('parallelism', models.CharField(blank=True, max_length=32)),
            ('subject', models.CharField(blank=True, max_length=64)),
            ('verdicts', models.TextField(blank=True)),
            ('disturbed', models.BooleanField(default=False)),
            ('incomplete', models.BooleanField(default=False)),
            ('simulated', models.BooleanField(default=False)),
            ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, to=settings.AUTH_USER_MODEL)),
            ('deployment', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='results', to='jobs.deployment')),
            ('endpoint', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='results', to='jobs.endpoint')),
            ('host', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='results', to='jobs.host')),
            ('imported', models.OneToOneField(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='result', to='jobs.import')),
            ('job', models.OneToOneField(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='result', to='jobs.job')),
        ],
        options={
            'ordering': ['-created_at', '-id'],
            'indexes': [models.Index(fields=['type', '-created_at', '-id'], name='result_by_type'), models.Index(fields=['model_id', '-created_at', '-id'], name='result_by_model'), models.Index(fields=['label', '-created_at', '-id'], name='result_by_precision'), models.Index(fields=['host', '-created_at', '-id'], name='result_by_host'), models.Index(fields=['created_by', '-created_at', '-id'], name='result_by_person'), models.Index(fields=['-created_at', '-id'], name='result_by_age'), models.Index(fields=['fingerprint', '-created_at', '-id'], name='result_repeats'), models.Index(fields=['stack', '-created_at', '-id'], name='result_by_stack'), models.Index(fields=['parallelism', '-created_at', '-id'], name='result_by_parallel'), models.Index(fields=['subject', '-created_at', '-id'], name='result_by_subject')],
            'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('host__isnull', False), ('imported', None), ('job__isnull', False)), models.Q(('host', None), ('imported__isnull', False), ('job', None)), _connector='OR'), name='result_of_job_or_import')],
        },
    ),
    migrations.CreateModel(
        name='Note',
        fields=[
            ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ('text', models.TextField()),
            ('edited_at', models.DateTimeField(null=True)),
            ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ('edited_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ('result', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='notes', to='jobs.result')),
        ],
        options={
            'ordering': ['created_at', 'id'],
        },
    ),
    migrations.CreateModel(
        name='Baseline',
        fields=[
            ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ('runs', models.JSONField(default=list)),
            ('subject', models.CharField(max_length=64)),
            ('ended_at', models.DateTimeField(null=True)),
            ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ('ended_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ('result', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='baselines', to='jobs.result')),
        ],
        options={
            'ordering': ['-created_at', '-id'],
            'indexes': [models.Index(fields=['subject', '-created_at', '-id'], name='baseline_by_subject')],
            'constraints': [models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('subject',), name='baseline_once_a_subject')],
        },
    ),
    migrations.CreateModel(
        name='Answer',
        fields=[
            ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ('index', models.PositiveIntegerField()),
            ('subset', models.CharField(max_length=64)),
            ('question', models.TextField()),
            ('expected', models.TextField()),
            ('answer', models.TextField()),
            ('score', models.FloatField()),
            ('question_id', models.CharField(default='', max_length=128)),
            ('sample', models.PositiveIntegerField(default=0)),
            ('extracted', models.TextField(default='')),
            ('reasoning', models.TextField(default='')),
            ('finish', models.CharField(default='', max_length=32)),
            ('status', models.CharField(default='', max_length=32)),
            ('detail', models.JSONField(default=dict)),
            ('result', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='answers', to='jobs.result')),
        ],
        options={
            'ordering': ['result_id', 'index'],
        },
    ),
    migrations.CreateModel(
        name='ResultPoint',
        fields=[
            ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ('index', models.PositiveSmallIntegerField()),
            ('concurrency', models.PositiveIntegerField()),
            ('metrics', models.JSONField()),
            ('result', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='points', to='jobs.result')),
        ],
        options={
            'ordering': ['result_id', 'index'],
        },
    ),
    migrations.CreateModel(
        name='PointRequests',
        fields=[
            ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ('rows', models.JSONField(default=list)),
            ('point', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='requests', to='jobs.resultpoint')),
        ],
    ),
    migrations.CreateModel(
        name='SavedView',
        fields=[
            ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ('name', models.CharField(max_length=60)),
            ('query', models.CharField(blank=True, max_length=1500)),
            ('is_shared', models.BooleanField(default=False)),
            ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
        ],
        options={
            'ordering': ['name', 'id'],
            'constraints': [models.UniqueConstraint(fields=('created_by', 'name'), name='view_once_a_person')],
        },
    ),
    migrations.CreateModel(
        name='ServiceLevel',
        fields=[
            ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ('key', models.CharField(blank=True, max_length=32)),
            ('name', models.CharField(max_length=60)),
            ('limits', models.JSONField(default=dict)),
            ('goodput', models.FloatField(blank=True, null=True)),
            ('note', models.CharField(blank=True, max_length=200)),
            ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ('removed_at', models.DateTimeField(blank=True, null=True)),
            ('created_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
        ],
        options={
            'ordering': ['name', 'id'],
            'constraints': [models.UniqueConstraint(condition=models.Q(('key', ''), _negated=True), fields=('key',), name='included_level_once'), models.UniqueConstraint(condition=models.Q(('key', ''), ('removed_at', None)), fields=('name',), name='level_name_once')],
        },
    ),
    migrations.CreateModel(
        name='SignOff',
        fields=[
            ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ('purpose', models.CharField(max_length=120)),
            ('withdrawn_at', models.DateTimeField(null=True)),
            ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ('result', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='sign_offs', to='jobs.result')),
            ('withdrawn_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
        ],
        options={
            'ordering': ['-created_at', '-id'],
        },
    ),
    migrations.CreateModel(
        name='Tag',
        fields=[
            ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ('created_at', models.DateTimeField(default=django.utils.timezone.now)),
            ('name', models.CharField(max_length=32)),
            ('created_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ('result', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='tags', to='jobs.result')),
        ],
        options={
            'ordering': ['name'],
            'constraints': [models.UniqueConstraint(fields=('name', 'result'), name='tag_once_a_result')],
        },
    ),
]
