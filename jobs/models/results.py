"""Results: what benchmarks and evaluations found."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from jobs.base.numbers import result_number
from jobs.models.deployments import Deployment
from jobs.models.endpoints import Endpoint
from jobs.models.hosts import Host
from jobs.models.imports import Import
from jobs.models.jobs import Job


class Result(models.Model):
    """Measurements of one job, or of files of others. ``metrics`` is flat, keyed by names of
    ``jobs.metrics.METRICS``.

    A benchmark with several concurrencies has a :class:`ResultPoint` each; its own ``metrics`` are
    those of the point with the highest output rate, of the points where at most 1 % of the requests
    failed if there are any. The requests of all points have names of their own (``requests_all``,
    ``failed_requests_all``).
    An evaluation has :class:`Answer` rows.
    """

    class Type(models.TextChoices):
        BENCHMARK = "benchmark"
        EVALUATION = "evaluation"

    # None with an import.
    job = models.OneToOneField(Job, models.CASCADE, null=True, related_name="result")
    imported = models.OneToOneField(Import, models.CASCADE, null=True, related_name="result")
    type = models.CharField(max_length=16, choices=Type)
    # None with an import: ``run_context["device"]`` has the device in words.
    host = models.ForeignKey(Host, models.PROTECT, null=True, related_name="results")
    deployment = models.ForeignKey(Deployment, models.SET_NULL, null=True, related_name="results")
    # External: measured on an engine that this dashboard did not start.
    endpoint = models.ForeignKey(Endpoint, models.PROTECT, null=True, related_name="results")
    model_id = models.CharField(max_length=100)
    label = models.CharField(max_length=64)  # the artifact's: "Q8_0 from Q4_1"
    what = models.CharField(max_length=200)  # what was run: "shipped prompts, 64 out", "basics-120"
    tool = models.CharField(max_length=64)  # "evalscope 1.14.1"
    metrics = models.JSONField(default=dict)
    # Requested lengths of a benchmark, tokens per request: {"input_tokens": n, "output_tokens": n}.
    asked = models.JSONField(default=dict)
    remarks = models.JSONField(default=list)  # [{"id": message id, "args": {…}}], e.g. few requests
    # The host and the tools at that time: see jobs.services.outcomes.run_context.
    run_context = models.JSONField(default=dict)
    # Its identity, equal for repeats: see jobs.services.outcomes.identity.
    identity = models.JSONField(default=dict)
    fingerprint = models.CharField(max_length=64, blank=True)  # "": it stands alone
    # Derived from the identity, for filters: see jobs.services.outcomes.subject.
    stack = models.CharField(max_length=64, blank=True)  # of the catalogue, or the engine; "": n/a
    parallelism = models.CharField(max_length=32, blank=True)  # "tp 8 × pp 4"; "": not recorded
    subject = models.CharField(max_length=64, blank=True)  # shared with what it is judged by
    # Of an evaluation, a bit a question: see jobs.queries.comparison.pairing.
    verdicts = models.TextField(blank=True)
    # Version of the rules that made its AnswerRows; 0: it has none.
    rows_version = models.PositiveSmallIntegerField(default=0)
    disturbed = models.BooleanField(default=False)  # other work ran on the host meanwhile
    incomplete = models.BooleanField(default=False)  # requests failed, or questions were not scored
    loaded = models.BooleanField(default=False)  # other programs used the host's processor
    simulated = models.BooleanField(default=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    created_at = models.DateTimeField(default=now)

    # Each of these keeps a run from counting as a repeat.
    UNCOUNTED: ClassVar = ("disturbed", "incomplete", "loaded")
    COUNTED: ClassVar = Q(**dict.fromkeys(UNCOUNTED, False))

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                name="result_of_job_or_import",
                condition=Q(imported=None, job__isnull=False, host__isnull=False)
                | Q(imported__isnull=False, job=None, host=None),
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["type", "-created_at", "-id"], name="result_by_type"),
            models.Index(fields=["model_id", "-created_at", "-id"], name="result_by_model"),
            models.Index(fields=["label", "-created_at", "-id"], name="result_by_precision"),
            models.Index(fields=["host", "-created_at", "-id"], name="result_by_host"),
            models.Index(fields=["created_by", "-created_at", "-id"], name="result_by_person"),
            models.Index(fields=["-created_at", "-id"], name="result_by_age"),
            models.Index(fields=["fingerprint", "-created_at", "-id"], name="result_repeats"),
            models.Index(fields=["stack", "-created_at", "-id"], name="result_by_stack"),
            models.Index(fields=["parallelism", "-created_at", "-id"], name="result_by_parallel"),
            models.Index(fields=["subject", "-created_at", "-id"], name="result_by_subject"),
        ]

    def __str__(self) -> str:
        return f"{result_number(self.pk)}, {self.type} of {self.model_id}"

    @property
    def measured(self) -> str:
        """Return the name of what was measured: the deployment or endpoint, else the model."""
        measured = self.deployment or self.endpoint
        return measured.name if measured else self.model_id

    @property
    def is_external(self) -> bool:
        """Return True for a measurement of an engine that the dashboard did not deploy."""
        return self.imported_id is not None or self.endpoint_id is not None

    @property
    def device(self) -> str:
        """Return the device of an external or imported result in words; "" if nobody stated it."""
        return str((self.run_context.get("device") or {}).get("text") or "")

    @property
    def measured_at(self) -> datetime | None:
        """Return when it was measured; None: not in the files of the import."""
        return self.imported.measured_at if self.imported else self.created_at

    @property
    def counts(self) -> bool:
        """True where it counts as a repeat: neither disturbed nor incomplete nor loaded."""
        return not any(getattr(self, name) for name in self.UNCOUNTED)


class AnswerQuerySet(models.QuerySet["Answer"]):
    """Answers."""

    def scored(self) -> AnswerQuerySet:
        """Return answers with a verdict."""
        return self.filter(status="")


class ResultPoint(models.Model):
    """A benchmark at one concurrency: ``metrics`` as in :class:`Result`."""

    result = models.ForeignKey(Result, models.CASCADE, related_name="points")
    index = models.PositiveSmallIntegerField()
    concurrency = models.PositiveIntegerField()
    metrics = models.JSONField()

    class Meta:
        ordering: ClassVar = ["result_id", "index"]

    def __str__(self) -> str:
        return f"concurrency {self.concurrency} of {result_number(self.result_id)}"


class PointRequests(models.Model):
    """Completed requests of a point, where the tool wrote their times.

    ``rows``: ``[ttft_ms, tpot_ms, latency_s]`` each, None where not reported. A table of its own,
    because lists of points never need them.
    """

    point = models.OneToOneField(ResultPoint, models.CASCADE, related_name="requests")
    rows = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"{len(self.rows)} requests of point {self.point_id}"


class Answer(models.Model):
    """One answer to a question of an evaluation, as asked, answered and scored.

    ``score`` is 0 where ``status`` is not "": then the tool gave none, and the answer counts
    neither as right nor as wrong (:meth:`AnswerQuerySet.scored`).
    """

    result = models.ForeignKey(Result, models.CASCADE, related_name="answers")
    index = models.PositiveIntegerField()
    subset = models.CharField(max_length=64)
    question = models.TextField()
    expected = models.TextField()
    answer = models.TextField()
    score = models.FloatField()  # from 0 to 1
    question_id = models.CharField(max_length=128, default="")  # the set's own; "": it has none
    sample = models.PositiveIntegerField(default=0)  # of several answers to one question
    extracted = models.TextField(default="")  # what was taken for the answer
    reasoning = models.TextField(default="")  # the thought before it
    finish = models.CharField(max_length=32, default="")  # stop, length, …; "": not reported
    status = models.CharField(max_length=32, default="")  # why there is no score; "": there is
    # category, rule, tokens, latency, as far as reported by the tool
    detail = models.JSONField(default=dict)
    objects = AnswerQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["result_id", "index"]

    def __str__(self) -> str:
        return f"question {self.index} of {result_number(self.result_id)}"


class AnswerRow(models.Model):
    """Row of an :class:`Answer` in lists: what is shown, filtered and sorted there.

    A table of its own, because an answer has up to a megabyte of text, which SQLite reads to reach
    the columns behind it. Derived from the answers by :mod:`jobs.services.outcomes.answer_rows`.
    """

    class Verdict(models.TextChoices):
        CORRECT = "correct"
        INCORRECT = "incorrect"
        UNSCORED = "unscored"

    answer = models.OneToOneField(Answer, models.CASCADE, primary_key=True, related_name="row")
    result = models.ForeignKey(Result, models.CASCADE, related_name="answer_rows", db_index=False)
    index = models.PositiveIntegerField()
    subset = models.CharField(max_length=64)
    category = models.CharField(max_length=100, blank=True)
    question_id = models.CharField(max_length=128, blank=True)
    sample = models.PositiveIntegerField()
    question = models.CharField(max_length=160, blank=True)  # shortened
    key = models.CharField(max_length=32)  # shared with the answers of other runs to this question
    # Checksum of question and expected answer, shared by its samples: jobs.tools.outputs.answers.
    content = models.CharField(max_length=32, default="")
    # Of the extracted answer, equal for equal ones; "": nothing was extracted.
    said = models.CharField(max_length=16, blank=True)
    verdict = models.CharField(max_length=16, choices=Verdict)  # correct: a score from 0.5
    score = models.FloatField(default=0.0)  # from 0 to 1
    # Bits: see jobs.queries.answers.answer_flags.MARKS.
    marks = models.PositiveIntegerField()
    tokens = models.PositiveIntegerField(null=True)  # of reasoning and answer; None: not reported
    latency_s = models.FloatField(null=True)
    characters = models.PositiveIntegerField()  # of reasoning and answer

    class Meta:
        ordering: ClassVar = ["result_id", "index"]
        indexes: ClassVar = [
            models.Index(fields=["result", "index"], name="answer_row_index"),
            models.Index(fields=["result", "key"], name="answer_row_key"),
        ]

    def __str__(self) -> str:
        return f"row of question {self.index} of {result_number(self.result_id)}"
