import uuid

import django.core.serializers.json
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import jobs.models.jobs


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Account",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="account",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "role",
                    models.CharField(
                        choices=[("viewer", "Viewer"), ("member", "Member"), ("admin", "Admin")],
                        default="viewer",
                        max_length=16,
                    ),
                ),
            ],
            options={
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="ApiToken",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100)),
                ("token_sha256", models.CharField(max_length=64, unique=True)),
                (
                    "scope",
                    models.CharField(
                        choices=[("read", "Read"), ("launch", "Launch"), ("admin", "Admin")],
                        default="admin",
                        max_length=16,
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("last_used_at", models.DateTimeField(blank=True, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="api_tokens",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("action", models.CharField(max_length=50)),
                ("subject", models.CharField(max_length=100)),
                ("detail", models.JSONField(default=dict)),
                ("at", models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                ("origin", models.CharField(blank=True, default="", max_length=64)),
                ("digest", models.CharField(default="", editable=False, max_length=64)),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-at", "-id"],
                "base_manager_name": "objects",
                "indexes": [
                    models.Index(fields=["user", "-at", "-id"], name="audit_by_person"),
                    models.Index(fields=["action", "-at", "-id"], name="audit_by_action"),
                ],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Endpoint",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=100, unique=True)),
                ("url", models.CharField(max_length=300)),
                ("api_key", models.CharField(blank=True, max_length=64)),
                ("model", models.CharField(max_length=200)),
                ("model_id", models.CharField(blank=True, max_length=100)),
                ("device", models.CharField(blank=True, max_length=100)),
                ("devices", models.PositiveIntegerField(blank=True, null=True)),
                ("engine", models.CharField(blank=True, max_length=64)),
                ("engine_version", models.CharField(blank=True, max_length=64)),
                ("max_context", models.PositiveIntegerField(blank=True, null=True)),
                ("thinking_switch", models.CharField(blank=True, default="", max_length=32)),
                ("found", models.JSONField(default=dict)),
                ("check_id", models.CharField(blank=True, max_length=64)),
                ("check_args", models.JSONField(default=dict)),
                ("checked_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("archived_at", models.DateTimeField(null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Host",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.SlugField(max_length=63, unique=True)),
                (
                    "type",
                    models.CharField(
                        choices=[
                            ("vacc", "Vacc"),
                            ("this-computer", "This Computer"),
                            ("simulated", "Simulated"),
                        ],
                        default="vacc",
                        max_length=16,
                    ),
                ),
                ("key_sha256", models.CharField(max_length=64)),
                ("valkey_sha256", models.CharField(blank=True, max_length=64)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("slots", models.PositiveSmallIntegerField(default=1)),
                ("draining", models.BooleanField(default=False)),
                ("is_restricted", models.BooleanField(default=False)),
                ("facts", models.JSONField(default=dict)),
                ("facts_at", models.DateTimeField(null=True)),
                ("dies_seen", models.JSONField(default=list)),
                ("load", models.JSONField(default=dict)),
                ("heartbeat_at", models.DateTimeField(null=True)),
                ("boot_id", models.CharField(blank=True, max_length=64)),
                ("agent_started_at", models.DateTimeField(null=True)),
                ("protocol", models.PositiveSmallIntegerField(default=0)),
                ("clock_skew_s", models.FloatField(default=0.0)),
                ("refusals", models.JSONField(default=list)),
                (
                    "launchers",
                    models.ManyToManyField(
                        blank=True, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="IdempotencyKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=64)),
                ("request", models.CharField(max_length=64)),
                (
                    "answer",
                    models.JSONField(
                        encoder=django.core.serializers.json.DjangoJSONEncoder, null=True
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_index=True, default=django.utils.timezone.now),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [],
                "constraints": [
                    models.UniqueConstraint(fields=("user", "key"), name="idempotency_key_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Import",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("sha256", models.CharField(max_length=64)),
                ("part", models.CharField(blank=True, max_length=100)),
                ("name", models.CharField(max_length=300)),
                ("bytes", models.BigIntegerField()),
                ("tool", models.CharField(max_length=64)),
                ("version", models.CharField(blank=True, max_length=32)),
                ("model", models.CharField(blank=True, max_length=100)),
                ("read_what", models.CharField(blank=True, default="", max_length=200)),
                ("measured_at", models.DateTimeField(null=True)),
                ("device", models.CharField(blank=True, max_length=100)),
                ("devices", models.PositiveIntegerField(null=True)),
                ("precision", models.CharField(blank=True, default="", max_length=64)),
                ("engine", models.CharField(blank=True, default="", max_length=100)),
                ("tp", models.PositiveIntegerField(null=True)),
                ("pp", models.PositiveIntegerField(null=True)),
                ("ep", models.PositiveIntegerField(null=True)),
                ("workload", models.CharField(blank=True, default="", max_length=100)),
                ("declared_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "declared_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-id"],
                "indexes": [],
                "constraints": [
                    models.UniqueConstraint(fields=("sha256", "part"), name="import_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Instance",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("instance_id", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("swept_at", models.DateTimeField(null=True)),
                ("awake_since", models.DateTimeField(null=True)),
                ("tidied_at", models.DateTimeField(null=True)),
                ("storage", models.JSONField(default=dict)),
                ("audit_head", models.CharField(blank=True, default="", max_length=64)),
            ],
            options={
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="PromptSet",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=60)),
                ("language", models.CharField(blank=True, max_length=40)),
                ("text", models.TextField()),
                ("prompts", models.PositiveIntegerField()),
                ("bytes", models.PositiveIntegerField()),
                ("longest", models.PositiveIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("removed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["name", "id"],
                "indexes": [],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("removed_at", None)),
                        fields=("name",),
                        name="prompt_set_name_once",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("name", models.CharField(max_length=60)),
                ("query", models.CharField(blank=True, max_length=1500)),
                ("is_shared", models.BooleanField(default=False)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["name", "id"],
                "indexes": [],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("created_by", "name"), name="view_once_a_person"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ServiceLevel",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(blank=True, max_length=32)),
                ("name", models.CharField(max_length=60)),
                ("limits", models.JSONField(default=dict)),
                ("goodput", models.FloatField(blank=True, null=True)),
                ("note", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("removed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["name", "id"],
                "indexes": [],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("key", ""), _negated=True),
                        fields=("key",),
                        name="included_level_once",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("key", ""), ("removed_at", None)),
                        fields=("name",),
                        name="level_name_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Source",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "type",
                    models.CharField(
                        choices=[
                            ("git", "Git"),
                            ("index", "Index"),
                            ("hub", "Hub"),
                            ("revision", "Revision"),
                            ("image", "Image"),
                            ("data", "Data"),
                            ("endpoint", "Endpoint"),
                        ],
                        max_length=16,
                    ),
                ),
                ("address", models.CharField(max_length=300)),
                ("note", models.CharField(blank=True, max_length=200)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["type", "address"],
                "indexes": [],
                "constraints": [
                    models.UniqueConstraint(fields=("type", "address"), name="source_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="ImportedFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("index", models.PositiveIntegerField()),
                ("path", models.CharField(max_length=300)),
                ("bytes", models.BigIntegerField()),
                ("sha256", models.CharField(db_index=True, max_length=64)),
                ("is_source", models.BooleanField()),
                (
                    "imported",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="files",
                        to="jobs.import",
                    ),
                ),
            ],
            options={
                "ordering": ["imported_id", "index"],
                "indexes": [],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("imported", "index"), name="imported_file_index"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Job",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("stored_bytes", models.BigIntegerField(null=True)),
                ("removed_at", models.DateTimeField(null=True)),
                (
                    "removed_why",
                    models.CharField(
                        blank=True,
                        choices=[("age", "Age"), ("size", "Size"), ("person", "Person")],
                        max_length=16,
                    ),
                ),
                ("removed_args", models.JSONField(default=dict)),
                ("removed_bytes", models.BigIntegerField(default=0)),
                ("kind", models.CharField(max_length=32)),
                ("title", models.CharField(max_length=200)),
                ("params", models.JSONField(default=dict)),
                ("plan", models.JSONField(default=dict)),
                ("plan_sha256", models.CharField(max_length=64)),
                ("values", models.JSONField(default=dict)),
                ("inputs", models.JSONField(default=dict)),
                ("product", models.JSONField(null=True)),
                ("made", models.JSONField(null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Queued"),
                            ("starting", "Starting"),
                            ("running", "Running"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                            ("errored", "Errored"),
                            ("cancelled", "Cancelled"),
                            ("lost", "Lost"),
                        ],
                        default="queued",
                        max_length=16,
                    ),
                ),
                ("message_id", models.CharField(blank=True, max_length=64)),
                ("message_args", models.JSONField(default=dict)),
                ("chain", models.UUIDField(db_index=True, null=True)),
                (
                    "priority",
                    models.PositiveSmallIntegerField(
                        choices=[(0, "Urgent"), (1, "Normal"), (2, "Low")], default=1
                    ),
                ),
                ("place", models.BigIntegerField(default=jobs.models.jobs.last_place)),
                ("exclusive", models.BooleanField(default=False)),
                ("model_id", models.CharField(blank=True, max_length=100)),
                ("resumed", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("dispatched_at", models.DateTimeField(null=True)),
                ("started_at", models.DateTimeField(null=True)),
                ("finished_at", models.DateTimeField(null=True)),
                ("duration_s", models.FloatField(null=True)),
                ("cancel_asked_at", models.DateTimeField(null=True)),
                ("needs_confirmation", models.JSONField(default=list)),
                ("confirmed", models.JSONField(default=list)),
                ("guide", models.JSONField(default=dict)),
                ("claim_token", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("claim_id", models.CharField(blank=True, max_length=64)),
                ("claimed_at", models.DateTimeField(null=True)),
                ("seen_at", models.DateTimeField(null=True)),
                ("missing_since", models.DateTimeField(null=True)),
                ("log_bytes", models.BigIntegerField(default=0)),
                ("log_sha256", models.CharField(blank=True, max_length=64)),
                ("events_bytes", models.BigIntegerField(default=0)),
                ("points_bytes", models.BigIntegerField(default=0)),
                ("points_refused", models.BooleanField(default=False)),
                ("ended", models.JSONField(null=True)),
                ("progress", models.JSONField(null=True)),
                ("host_load", models.JSONField(default=dict)),
                ("scores", models.JSONField(null=True)),
                ("pinned_at", models.DateTimeField(null=True)),
                ("unpinned_at", models.DateTimeField(null=True)),
                ("after", models.ManyToManyField(blank=True, related_name="before", to="jobs.job")),
                (
                    "cancelled_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="jobs",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "host",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="jobs",
                        to="jobs.host",
                    ),
                ),
                (
                    "pinned_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "repeats",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="repeated_by",
                        to="jobs.job",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(fields=["state", "-created_at", "-id"], name="job_by_state"),
                    models.Index(fields=["kind", "-created_at", "-id"], name="job_by_kind"),
                    models.Index(fields=["host", "-created_at", "-id"], name="job_by_host"),
                    models.Index(fields=["created_by", "-created_at", "-id"], name="job_by_person"),
                    models.Index(
                        fields=["host", "state", "priority", "place", "id"], name="job_in_queue"
                    ),
                    models.Index(fields=["-created_at", "-id"], name="job_by_age"),
                    models.Index(
                        condition=models.Q(("pinned_at__isnull", False)),
                        fields=["-created_at", "-id"],
                        name="job_pinned",
                    ),
                    models.Index(
                        condition=models.Q(("pinned_at", None), ("stored_bytes__gt", 0)),
                        fields=["finished_at", "id"],
                        name="job_to_remove",
                    ),
                    models.Index(
                        condition=models.Q(("stored_bytes__gt", 0)),
                        fields=["-stored_bytes", "-id", "points_bytes", "finished_at"],
                        name="job_by_size",
                    ),
                    models.Index(
                        condition=models.Q(("finished_at__isnull", False), ("stored_bytes", None)),
                        fields=["id"],
                        name="job_to_measure",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("finished_at", None),
                                ("state__in", ["queued", "starting", "running"]),
                            ),
                            models.Q(
                                models.Q(
                                    ("state__in", ["queued", "starting", "running"]), _negated=True
                                ),
                                ("finished_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="job_finished_at_set_when_closed",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Matrix",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(max_length=200)),
                ("kind", models.CharField(max_length=32)),
                ("model_id", models.CharField(blank=True, max_length=100)),
                ("spec", models.JSONField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("cancelled_at", models.DateTimeField(null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="matrices",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "host",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="matrices",
                        to="jobs.host",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Secret",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=64, unique=True)),
                (
                    "purpose",
                    models.CharField(
                        blank=True,
                        choices=[("hub", "Hub"), ("registry", "Registry"), ("engine", "Engine")],
                        max_length=16,
                    ),
                ),
                ("endpoints", models.JSONField(default=list)),
                ("all_hosts", models.BooleanField(default=False)),
                ("everyone", models.BooleanField(default=False)),
                ("encrypted", models.TextField()),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("set_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("hosts", models.ManyToManyField(blank=True, related_name="+", to="jobs.host")),
                (
                    "people",
                    models.ManyToManyField(
                        blank=True, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Artifact",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("path", models.CharField(max_length=500)),
                ("details", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("model_id", models.CharField(max_length=100)),
                ("toolchain", models.CharField(max_length=32)),
                ("precision", models.CharField(max_length=16)),
                ("label", models.CharField(max_length=64)),
                ("source_precision", models.CharField(max_length=16)),
                ("bytes", models.BigIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                ("deleted_at", models.DateTimeField(null=True)),
                (
                    "host",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="jobs.host"),
                ),
                (
                    "job",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, to="jobs.job"
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "abstract": False,
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Dataset",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("path", models.CharField(max_length=500)),
                ("details", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("name", models.CharField(max_length=64)),
                ("files", models.PositiveIntegerField()),
                ("bytes", models.BigIntegerField()),
                (
                    "host",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="jobs.host"),
                ),
                (
                    "job",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, to="jobs.job"
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "abstract": False,
                "indexes": [],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("host", "name", "path"), name="dataset_once_a_host"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Environment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("path", models.CharField(max_length=500)),
                ("details", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("name", models.CharField(max_length=64)),
                ("fingerprint", models.CharField(max_length=64)),
                ("versions", models.JSONField(default=dict)),
                (
                    "host",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="jobs.host"),
                ),
                (
                    "job",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, to="jobs.job"
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "abstract": False,
                "indexes": [],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("host", "name", "fingerprint"), name="environment_once_a_host"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="JobStep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("index", models.PositiveSmallIntegerField()),
                ("name", models.CharField(max_length=64)),
                ("started_at", models.DateTimeField(null=True)),
                ("duration_s", models.FloatField(null=True)),
                ("exit_code", models.IntegerField(null=True)),
                ("log_from", models.BigIntegerField(null=True)),
                ("log_to", models.BigIntegerField(null=True)),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="steps",
                        to="jobs.job",
                    ),
                ),
            ],
            options={
                "ordering": ["job_id", "index"],
                "indexes": [],
                "constraints": [
                    models.UniqueConstraint(fields=("job", "index"), name="step_index_once_a_job")
                ],
            },
        ),
        migrations.CreateModel(
            name="MatrixCell",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("row", models.PositiveSmallIntegerField()),
                ("column", models.PositiveSmallIntegerField()),
                ("repeat", models.PositiveSmallIntegerField(default=1)),
                ("place", models.PositiveSmallIntegerField()),
                ("input_tokens", models.PositiveIntegerField(null=True)),
                ("output_tokens", models.PositiveIntegerField()),
                ("concurrency", models.PositiveIntegerField()),
                ("skip_id", models.CharField(blank=True, max_length=64)),
                ("skip_args", models.JSONField(default=dict)),
                (
                    "job",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="cell",
                        to="jobs.job",
                    ),
                ),
                (
                    "matrix",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="cells",
                        to="jobs.matrix",
                    ),
                ),
            ],
            options={
                "ordering": ["matrix_id", "place", "id"],
                "indexes": [],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("matrix", "row", "column", "repeat"), name="matrix_cell_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="OutputFile",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=64)),
                ("path", models.CharField(max_length=400)),
                ("bytes", models.BigIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                ("received_bytes", models.BigIntegerField(default=0)),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="outputs",
                        to="jobs.job",
                    ),
                ),
            ],
            options={
                "ordering": ["job_id", "path"],
                "indexes": [],
                "constraints": [
                    models.UniqueConstraint(fields=("job", "path"), name="output_path_once_a_job")
                ],
            },
        ),
        migrations.CreateModel(
            name="PointBlock",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("offset", models.BigIntegerField()),
                ("watch", models.CharField(max_length=64)),
                ("rows", models.JSONField()),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="point_blocks",
                        to="jobs.job",
                    ),
                ),
            ],
            options={
                "ordering": ["job_id", "offset", "id"],
                "indexes": [],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("job", "offset", "watch"), name="points_once_an_offset"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Preflight",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("plan", models.JSONField()),
                ("plan_sha256", models.CharField(max_length=64)),
                ("values", models.JSONField(default=dict)),
                ("asked_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("done_at", models.DateTimeField(null=True)),
                ("findings", models.JSONField(default=list)),
                (
                    "asked_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "host",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="preflights",
                        to="jobs.host",
                    ),
                ),
                (
                    "job",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="preflights",
                        to="jobs.job",
                    ),
                ),
            ],
            options={
                "ordering": ["-asked_at", "-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("done_at", None)),
                        fields=["host"],
                        name="preflight_open",
                    ),
                    models.Index(fields=["plan_sha256", "host"], name="preflight_of_plan"),
                ],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Weights",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("path", models.CharField(max_length=500)),
                ("details", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("model_id", models.CharField(max_length=100)),
                ("precision", models.CharField(max_length=16)),
                ("bytes", models.BigIntegerField()),
                ("sha256", models.CharField(max_length=64)),
                (
                    "host",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="jobs.host"),
                ),
                (
                    "job",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.SET_NULL, to="jobs.job"
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "abstract": False,
                "indexes": [],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("host", "model_id", "path"), name="weights_once_a_host"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Deployment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("stored_bytes", models.BigIntegerField(null=True)),
                ("removed_at", models.DateTimeField(null=True)),
                (
                    "removed_why",
                    models.CharField(
                        blank=True,
                        choices=[("age", "Age"), ("size", "Size"), ("person", "Person")],
                        max_length=16,
                    ),
                ),
                ("removed_args", models.JSONField(default=dict)),
                ("removed_bytes", models.BigIntegerField(default=0)),
                ("name", models.CharField(max_length=100)),
                ("model_id", models.CharField(max_length=100)),
                ("details", models.JSONField(default=dict)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("loading", "Loading"),
                            ("ready", "Ready"),
                            ("unhealthy", "Unhealthy"),
                            ("stopping", "Stopping"),
                            ("stopped", "Stopped"),
                            ("failed", "Failed"),
                            ("lost", "Lost"),
                        ],
                        default="waiting",
                        max_length=16,
                    ),
                ),
                ("message_id", models.CharField(blank=True, max_length=64)),
                ("message_args", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("ready_at", models.DateTimeField(null=True)),
                ("stopped_at", models.DateTimeField(null=True)),
                ("host_url", models.CharField(blank=True, max_length=200)),
                ("dashboard_url", models.CharField(blank=True, max_length=200)),
                ("run", models.PositiveIntegerField(default=1)),
                ("wanted", models.BooleanField(default=True)),
                ("claim_token", models.UUIDField(default=uuid.uuid4, editable=False)),
                ("seen_at", models.DateTimeField(null=True)),
                ("missing_since", models.DateTimeField(null=True)),
                ("log_bytes", models.BigIntegerField(default=0)),
                ("log_from", models.BigIntegerField(default=0)),
                ("progress", models.JSONField(null=True)),
                ("events_bytes", models.BigIntegerField(default=0)),
                ("points_bytes", models.BigIntegerField(default=0)),
                (
                    "artifact",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="deployments",
                        to="jobs.artifact",
                    ),
                ),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="deployments",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "host",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deployments",
                        to="jobs.host",
                    ),
                ),
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deployment",
                        to="jobs.job",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [models.Index(fields=["state", "-created_at"], name="dep_by_state")],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Conversation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("title", models.CharField(blank=True, max_length=200)),
                ("params", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("updated_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="conversations",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "deployment",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="conversations",
                        to="jobs.deployment",
                    ),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="conversations",
                        to="jobs.endpoint",
                    ),
                ),
            ],
            options={
                "ordering": ["-updated_at", "-id"],
                "indexes": [],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("deployment", None), ("endpoint", None), _connector="OR"
                        ),
                        name="conversation_one_engine",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="DeploymentEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("run", models.PositiveIntegerField()),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("loading", "Loading"),
                            ("ready", "Ready"),
                            ("unhealthy", "Unhealthy"),
                            ("stopping", "Stopping"),
                            ("stopped", "Stopped"),
                            ("failed", "Failed"),
                            ("lost", "Lost"),
                        ],
                        max_length=16,
                    ),
                ),
                ("message_id", models.CharField(blank=True, max_length=64)),
                ("message_args", models.JSONField(default=dict)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "deployment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="jobs.deployment",
                    ),
                ),
            ],
            options={
                "ordering": ["-at", "-id"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Result",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "type",
                    models.CharField(
                        choices=[("benchmark", "Benchmark"), ("evaluation", "Evaluation")],
                        max_length=16,
                    ),
                ),
                ("model_id", models.CharField(max_length=100)),
                ("label", models.CharField(max_length=64)),
                ("what", models.CharField(max_length=200)),
                ("tool", models.CharField(max_length=64)),
                ("metrics", models.JSONField(default=dict)),
                ("asked", models.JSONField(default=dict)),
                ("remarks", models.JSONField(default=list)),
                ("run_context", models.JSONField(default=dict)),
                ("identity", models.JSONField(default=dict)),
                ("fingerprint", models.CharField(blank=True, max_length=64)),
                ("stack", models.CharField(blank=True, max_length=64)),
                ("parallelism", models.CharField(blank=True, max_length=32)),
                ("subject", models.CharField(blank=True, max_length=64)),
                ("verdicts", models.TextField(blank=True)),
                ("rows_version", models.PositiveSmallIntegerField(default=0)),
                ("disturbed", models.BooleanField(default=False)),
                ("incomplete", models.BooleanField(default=False)),
                ("loaded", models.BooleanField(default=False)),
                ("simulated", models.BooleanField(default=False)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "deployment",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="results",
                        to="jobs.deployment",
                    ),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="results",
                        to="jobs.endpoint",
                    ),
                ),
                (
                    "host",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="results",
                        to="jobs.host",
                    ),
                ),
                (
                    "imported",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="result",
                        to="jobs.import",
                    ),
                ),
                (
                    "job",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="result",
                        to="jobs.job",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(fields=["type", "-created_at", "-id"], name="result_by_type"),
                    models.Index(fields=["model_id", "-created_at", "-id"], name="result_by_model"),
                    models.Index(
                        fields=["label", "-created_at", "-id"], name="result_by_precision"
                    ),
                    models.Index(fields=["host", "-created_at", "-id"], name="result_by_host"),
                    models.Index(
                        fields=["created_by", "-created_at", "-id"], name="result_by_person"
                    ),
                    models.Index(fields=["-created_at", "-id"], name="result_by_age"),
                    models.Index(
                        fields=["fingerprint", "-created_at", "-id"], name="result_repeats"
                    ),
                    models.Index(fields=["stack", "-created_at", "-id"], name="result_by_stack"),
                    models.Index(
                        fields=["parallelism", "-created_at", "-id"], name="result_by_parallel"
                    ),
                    models.Index(
                        fields=["subject", "-created_at", "-id"], name="result_by_subject"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("host__isnull", False), ("imported", None), ("job__isnull", False)
                            ),
                            models.Q(("host", None), ("imported__isnull", False), ("job", None)),
                            _connector="OR",
                        ),
                        name="result_of_job_or_import",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ServedBlock",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("watch", models.CharField(max_length=64)),
                ("rows", models.JSONField()),
                ("until", models.DateTimeField()),
                (
                    "deployment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="blocks",
                        to="jobs.deployment",
                    ),
                ),
            ],
            options={
                "ordering": ["deployment_id", "until", "id"],
                "indexes": [
                    models.Index(fields=["deployment", "until"], name="served_by_deployment"),
                    models.Index(fields=["until"], name="served_by_age"),
                ],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Answer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("index", models.PositiveIntegerField()),
                ("subset", models.CharField(max_length=64)),
                ("question", models.TextField()),
                ("expected", models.TextField()),
                ("answer", models.TextField()),
                ("score", models.FloatField()),
                ("question_id", models.CharField(default="", max_length=128)),
                ("sample", models.PositiveIntegerField(default=0)),
                ("extracted", models.TextField(default="")),
                ("reasoning", models.TextField(default="")),
                ("finish", models.CharField(default="", max_length=32)),
                ("status", models.CharField(default="", max_length=32)),
                ("detail", models.JSONField(default=dict)),
                (
                    "result",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="answers",
                        to="jobs.result",
                    ),
                ),
            ],
            options={
                "ordering": ["result_id", "index"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Baseline",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("runs", models.JSONField(default=list)),
                ("subject", models.CharField(max_length=64)),
                ("ended_at", models.DateTimeField(null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "ended_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "result",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="baselines",
                        to="jobs.result",
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [
                    models.Index(
                        fields=["subject", "-created_at", "-id"], name="baseline_by_subject"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)),
                        fields=("subject",),
                        name="baseline_once_a_subject",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Note",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("text", models.TextField()),
                ("edited_at", models.DateTimeField(null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "edited_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "result",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notes",
                        to="jobs.result",
                    ),
                ),
            ],
            options={
                "ordering": ["created_at", "id"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="ResultPoint",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("index", models.PositiveSmallIntegerField()),
                ("concurrency", models.PositiveIntegerField()),
                ("metrics", models.JSONField()),
                (
                    "result",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="points",
                        to="jobs.result",
                    ),
                ),
            ],
            options={
                "ordering": ["result_id", "index"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="SignOff",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("purpose", models.CharField(max_length=120)),
                ("withdrawn_at", models.DateTimeField(null=True)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "result",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sign_offs",
                        to="jobs.result",
                    ),
                ),
                (
                    "withdrawn_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
                "indexes": [],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="Tag",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("name", models.CharField(max_length=32)),
                (
                    "created_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "result",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tags",
                        to="jobs.result",
                    ),
                ),
            ],
            options={
                "ordering": ["name"],
                "indexes": [],
                "constraints": [
                    models.UniqueConstraint(fields=("name", "result"), name="tag_once_a_result")
                ],
            },
        ),
        migrations.CreateModel(
            name="Turn",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("stored_bytes", models.BigIntegerField(null=True)),
                ("index", models.PositiveIntegerField()),
                ("attempt", models.PositiveIntegerField(default=0)),
                ("is_shown", models.BooleanField(default=True)),
                ("device", models.CharField(blank=True, max_length=100)),
                ("prompt", models.TextField()),
                ("request", models.JSONField(default=dict)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("streaming", "Streaming"),
                            ("done", "Done"),
                            ("stopped", "Stopped"),
                            ("failed", "Failed"),
                        ],
                        default="streaming",
                        max_length=16,
                    ),
                ),
                ("reasoning", models.TextField(blank=True)),
                ("answer", models.TextField(blank=True)),
                ("finish_reason", models.CharField(blank=True, max_length=32)),
                ("error", models.TextField(blank=True)),
                ("stats", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "conversation",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="turns",
                        to="jobs.conversation",
                    ),
                ),
                (
                    "deployment",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="turns",
                        to="jobs.deployment",
                    ),
                ),
                (
                    "endpoint",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="turns",
                        to="jobs.endpoint",
                    ),
                ),
            ],
            options={
                "ordering": ["conversation_id", "index", "attempt"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("stored_bytes__gt", 0)),
                        fields=["created_at", "stored_bytes"],
                        name="turn_to_remove",
                    ),
                    models.Index(
                        condition=models.Q(("stored_bytes", None)),
                        fields=["id"],
                        name="turn_to_measure",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("conversation", "index", "attempt"),
                        name="turn_attempt_once_an_index",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("is_shown", True)),
                        fields=("conversation", "index"),
                        name="turn_shown_once_an_index",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("deployment", None), ("endpoint", None), _connector="OR"
                        ),
                        name="turn_one_engine",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="AnswerRow",
            fields=[
                (
                    "answer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="row",
                        serialize=False,
                        to="jobs.answer",
                    ),
                ),
                ("index", models.PositiveIntegerField()),
                ("subset", models.CharField(max_length=64)),
                ("category", models.CharField(blank=True, max_length=100)),
                ("question_id", models.CharField(blank=True, max_length=128)),
                ("sample", models.PositiveIntegerField()),
                ("question", models.CharField(blank=True, max_length=160)),
                ("key", models.CharField(max_length=32)),
                ("content", models.CharField(default="", max_length=32)),
                ("said", models.CharField(blank=True, max_length=16)),
                (
                    "verdict",
                    models.CharField(
                        choices=[
                            ("correct", "Correct"),
                            ("incorrect", "Incorrect"),
                            ("unscored", "Unscored"),
                        ],
                        max_length=16,
                    ),
                ),
                ("score", models.FloatField(default=0.0)),
                ("marks", models.PositiveIntegerField()),
                ("tokens", models.PositiveIntegerField(null=True)),
                ("latency_s", models.FloatField(null=True)),
                ("characters", models.PositiveIntegerField()),
                (
                    "result",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="answer_rows",
                        to="jobs.result",
                    ),
                ),
            ],
            options={
                "ordering": ["result_id", "index"],
                "indexes": [
                    models.Index(fields=["result", "index"], name="answer_row_index"),
                    models.Index(fields=["result", "key"], name="answer_row_key"),
                ],
                "constraints": [],
            },
        ),
        migrations.CreateModel(
            name="PointRequests",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("rows", models.JSONField(default=list)),
                (
                    "point",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="requests",
                        to="jobs.resultpoint",
                    ),
                ),
            ],
            options={
                "indexes": [],
                "constraints": [],
            },
        ),
    ]
