"""Rows of answers for lists; the next start makes them for earlier evaluations."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0047_job_resumed")]

    operations = [
        migrations.AddField(
            "result", "rows_version", models.PositiveSmallIntegerField(default=0)
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
                (
                    "result",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="answer_rows",
                        to="jobs.result",
                    ),
                ),
                ("index", models.PositiveIntegerField()),
                ("subset", models.CharField(max_length=64)),
                ("category", models.CharField(blank=True, max_length=100)),
                ("question_id", models.CharField(blank=True, max_length=128)),
                ("sample", models.PositiveIntegerField()),
                ("question", models.CharField(blank=True, max_length=160)),
                ("key", models.CharField(max_length=32)),
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
                ("marks", models.PositiveIntegerField()),
                ("tokens", models.PositiveIntegerField(null=True)),
                ("latency_s", models.FloatField(null=True)),
                ("characters", models.PositiveIntegerField()),
            ],
            options={"ordering": ["result_id", "index"]},
        ),
        migrations.AddIndex(
            "answerrow", models.Index(fields=["result", "index"], name="answer_row_index")
        ),
        migrations.AddIndex(
            "answerrow", models.Index(fields=["result", "key"], name="answer_row_key")
        ),
    ]
