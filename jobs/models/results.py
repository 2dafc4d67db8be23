"""Results of jobs and of imports, additions of people to them; rows that a team edits."""

from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.db.models import CheckConstraint, Index, Q, UniqueConstraint
from django.utils.timezone import now

from jobs.base.numbers import result_number
from jobs.models.deployments import Deployment, Endpoint
from jobs.models.hosts import USER, Host
from jobs.models.jobs import Job, searched_words


class Import(models.Model):
    """One imported result. Its files are in ``DATA_DIR/imports/<id>/<index>``. ``sha256`` covers
    the files with the figures; ``part`` tells apart several results in the same files. "" and None:
    unknown. From ``device`` to ``workload`` people declare what files do not have."""

    sha256 = models.CharField(max_length=64)
    part = models.CharField(max_length=100, blank=True)
    name = models.CharField(max_length=300)  # path of the first file
    bytes = models.BigIntegerField()  # of all files
    tool = models.CharField(max_length=64)
    version = models.CharField(max_length=32, blank=True)
    model = models.CharField(max_length=100, blank=True)  # as named in the files
    read_what = models.CharField(max_length=200, blank=True, default="")  # workload of the files
    measured_at = models.DateTimeField(null=True)  # start
    device = models.CharField(max_length=100, blank=True)  # in words: "8 × H800"
    devices = models.PositiveIntegerField(null=True)
    precision = models.CharField(max_length=64, blank=True, default="")
    engine = models.CharField(max_length=100, blank=True, default="")
    tp = models.PositiveIntegerField(null=True)
    pp = models.PositiveIntegerField(null=True)
    ep = models.PositiveIntegerField(null=True)
    workload = models.CharField(max_length=100, blank=True, default="")
    declared_by = models.ForeignKey(USER, models.SET_NULL, null=True, related_name="+")
    declared_at = models.DateTimeField(null=True)  # last change; None: nothing declared
    created_by = models.ForeignKey(USER, models.SET_NULL, null=True)
    created_at = models.DateTimeField(default=now)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [UniqueConstraint(fields=["sha256", "part"], name="import_once")]


class ImportedFile(models.Model):
    """An original file of an import. ``is_source``: it has figures of the result."""

    imported = models.ForeignKey(Import, models.CASCADE, related_name="files")
    index = models.PositiveIntegerField()
    path = models.CharField(max_length=300)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64, db_index=True)
    is_source = models.BooleanField()

    class Meta:
        ordering: ClassVar = ["imported_id", "index"]
        constraints: ClassVar = [
            UniqueConstraint(fields=["imported", "index"], name="imported_file_index")
        ]


class Result(models.Model):
    """Measurements of one job, or of files of others. ``metrics``: by names of
    ``jobs.metrics.METRICS``. A benchmark has a :class:`ResultPoint` for each concurrency; its own
    ``metrics`` are those of the point with the highest output rate, of the points where at most 1 %
    of the requests failed if there are any, and ``requests_all``, ``failed_requests_all`` of all
    points. A search of a limit has a :class:`LimitRun` for each run; by rate, its metrics are those
    of the highest rate that met its level. An evaluation has :class:`Answer` rows."""

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
    # The host and the tools at that time: see jobs.services.outcomes.stored_results.
    run_context = models.JSONField(default=dict)
    # Its identity, equal for repeats: see jobs.services.outcomes.identity.
    identity = models.JSONField(default=dict)
    fingerprint = models.CharField(max_length=64, blank=True)  # "": it stands alone
    # Derived from the identity, for filters: see jobs.services.outcomes.identity.
    stack = models.CharField(max_length=64, blank=True)  # of the catalogue, or the engine; "": n/a
    parallelism = models.CharField(max_length=32, blank=True)  # "tp 8 × pp 4"; "": not recorded
    subject = models.CharField(max_length=64, blank=True)  # shared with what it is judged by
    # Of an evaluation, a bit a question: see jobs.queries.comparison.accuracy.
    verdicts = models.TextField(blank=True)
    # Version of the rules that made its AnswerRows; 0: it has none.
    rows_version = models.PositiveSmallIntegerField(default=0)
    disturbed = models.BooleanField(default=False)  # other work ran on the host meanwhile
    incomplete = models.BooleanField(default=False)  # requests failed, or questions were not scored
    loaded = models.BooleanField(default=False)  # other programs used the host's processor
    simulated = models.BooleanField(default=False)
    created_by = models.ForeignKey(USER, models.SET_NULL, null=True)
    # When it was measured; of an import without a date, when it was imported.
    created_at = models.DateTimeField(default=now)
    search = searched_words("model_id", "label", "what", "tool", "stack")

    # Each of these keeps a run from counting as a repeat.
    UNCOUNTED: ClassVar = ("disturbed", "incomplete", "loaded")
    COUNTED: ClassVar = Q(**dict.fromkeys(UNCOUNTED, False))

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        constraints: ClassVar = [
            CheckConstraint(
                name="result_of_job_or_import",
                condition=Q(imported=None, job__isnull=False, host__isnull=False)
                | Q(imported__isnull=False, job=None, host=None),
            )
        ]
        indexes: ClassVar = [
            Index(fields=["type", "-created_at", "-id"], name="result_by_type"),
            Index(fields=["model_id", "-created_at", "-id"], name="result_by_model"),
            Index(fields=["label", "-created_at", "-id"], name="result_by_precision"),
            Index(fields=["host", "-created_at", "-id"], name="result_by_host"),
            Index(fields=["created_by", "-created_at", "-id"], name="result_by_person"),
            # With all that a text is searched in, so that no row is read for it.
            Index(
                fields=[
                    *("-created_at", "-id", "search"),
                    *("job", "imported", "host", "deployment", "endpoint"),
                ],
                name="result_by_text",
            ),
            Index(fields=["fingerprint", "-created_at", "-id"], name="result_repeats"),
            Index(fields=["stack", "-created_at", "-id"], name="result_by_stack"),
            Index(fields=["parallelism", "-created_at", "-id"], name="result_by_parallel"),
            Index(fields=["subject", "-created_at", "-id"], name="result_by_subject"),
        ]

    def __str__(self) -> str:
        return f"{result_number(self.pk)}, {self.type} of {self.model_id}"

    @property
    def measured(self) -> str:
        """Name of the deployment or endpoint, else of the model."""
        measured = self.deployment or self.endpoint
        return measured.name if measured else self.model_id

    @property
    def limits(self) -> list[str]:
        """Names of the fields that say why the numbers may not be quoted as they are."""
        names = ("simulated", "incomplete", "disturbed", "loaded")
        return [name for name in names if getattr(self, name)]

    @property
    def parts(self) -> dict[str, dict[str, Any]]:
        """Parts of the identity by group; None is an unknown value."""
        return self.identity.get("parts") or {}

    @property
    def named_parts(self) -> dict[str, Any]:
        """Parts of all groups. Only "sha256" is a name of two: the model has it."""
        return {name: value for group in self.parts.values() for name, value in group.items()}

    @property
    def is_external(self) -> bool:
        """True for a measurement of an engine that the dashboard did not deploy."""
        return self.imported_id is not None or self.endpoint_id is not None

    @property
    def device(self) -> str:
        """Device of an external or imported result in words; "" if nobody stated it."""
        return str((self.run_context.get("device") or {}).get("text") or "")

    @property
    def measured_at(self) -> datetime | None:
        """None: not in the files of the import."""
        return self.imported.measured_at if self.imported else self.created_at

    @property
    def stored_at(self) -> datetime:
        """Time when it was stored: of an import that of the import."""
        return self.imported.created_at if self.imported else self.created_at

    @property
    def counts(self) -> bool:
        """True where it counts as a repeat."""
        return not any(getattr(self, name) for name in self.UNCOUNTED)


class ResultPoint(models.Model):
    """A benchmark at one concurrency: ``metrics`` as in :class:`Result`."""

    result = models.ForeignKey(Result, models.CASCADE, related_name="points")
    index = models.PositiveSmallIntegerField()
    concurrency = models.PositiveIntegerField()
    metrics = models.JSONField()

    class Meta:
        ordering: ClassVar = ["result_id", "index"]


class LimitRun(models.Model):
    """One run of a search of a limit, at a rate (requests per second) or a concurrency. A table of
    its own: no list or chart of concurrencies has a rate, and a :class:`ResultPoint` is the mean of
    the runs at its concurrency. ``requests`` as in :class:`PointRequests`."""

    result = models.ForeignKey(Result, models.CASCADE, related_name="limit_runs")
    index = models.PositiveSmallIntegerField()
    load = models.FloatField()
    metrics = models.JSONField()
    requests = models.JSONField(default=list)

    class Meta:
        ordering: ClassVar = ["result_id", "index"]


class PointRequests(models.Model):
    """Completed requests of a point, if the tool wrote their times: ``[ttft_ms, tpot_ms,
    latency_s]`` each, None: not reported. A table of its own: lists of points never need them."""

    point = models.OneToOneField(ResultPoint, models.CASCADE, related_name="requests")
    rows = models.JSONField(default=list)


class Answer(models.Model):
    """One answer to a question of an evaluation, as asked, answered and scored. Where ``status`` is
    not "", the tool gave no score: ``score`` is 0 and counts neither as right nor as wrong."""

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

    class Meta:
        ordering: ClassVar = ["result_id", "index"]


class AnswerRow(models.Model):
    """Row of an :class:`Answer` in lists (:mod:`jobs.services.outcomes.answer_rows`). A table of
    its own, because SQLite reads up to a megabyte of text to reach the columns behind it."""

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
    # Bits: see jobs.queries.results.answer_flags.MARKS.
    marks = models.PositiveIntegerField()
    tokens = models.PositiveIntegerField(null=True)  # of reasoning and answer; None: not reported
    latency_s = models.FloatField(null=True)
    characters = models.PositiveIntegerField()  # of reasoning and answer

    class Meta:
        ordering: ClassVar = ["result_id", "index"]
        indexes: ClassVar = [
            Index(fields=["result", "index"], name="answer_row_index"),
            Index(fields=["result", "key"], name="answer_row_key"),
        ]


class Added(models.Model):
    """Base: who added it, and when. ``created_by`` is None for a deleted account."""

    created_by = models.ForeignKey(USER, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=now)

    class Meta:
        abstract = True


class Tag(Added):
    """A word on a result, once."""

    result = models.ForeignKey(Result, models.CASCADE, related_name="tags")
    name = models.CharField(max_length=32)

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            UniqueConstraint(fields=["name", "result"], name="tag_once_a_result")
        ]


class Note(Added):
    """A text about a result. ``edited_at`` is None until its first change."""

    result = models.ForeignKey(Result, models.CASCADE, related_name="notes")
    text = models.TextField()
    edited_by = models.ForeignKey(USER, models.SET_NULL, null=True, related_name="+")
    edited_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["created_at", "id"]


class SignOff(Added):
    """A release of a result: ``purpose`` says to whom. Rows stay when it is withdrawn."""

    result = models.ForeignKey(Result, models.CASCADE, related_name="sign_offs")
    purpose = models.CharField(max_length=120)
    accepted = models.JSONField(default=list)  # Result.limits, accepted by the person
    withdrawn_by = models.ForeignKey(USER, models.SET_NULL, null=True, related_name="+")
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]


class Baseline(Added):
    """The result that later ones of its subject are judged by, until ``ended_at``. ``runs`` are the
    ids of the result and of its counted repeats when it was set."""

    result = models.ForeignKey(Result, models.CASCADE, related_name="baselines")
    runs = models.JSONField(default=list)
    subject = models.CharField(max_length=64)  # Result.subject
    ended_by = models.ForeignKey(USER, models.SET_NULL, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-created_at", "-id"]
        indexes: ClassVar = [
            Index(fields=["subject", "-created_at", "-id"], name="baseline_by_subject")
        ]
        constraints: ClassVar = [
            UniqueConstraint(
                fields=["subject"], condition=Q(ended_at=None), name="baseline_once_a_subject"
            ),
        ]


class SavedView(Added):
    """Filters, order and columns of the result list under a name; one's own unless shared."""

    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1500, blank=True)
    is_shared = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["name", "id"]
        constraints: ClassVar = [
            UniqueConstraint(fields=["created_by", "name"], name="view_once_a_person")
        ]

    def __str__(self) -> str:
        return f"view {self.name}"


class ReportWords(models.Model):
    """Own words of a report, of the team. ``records``: SHA-256 of what the report is of."""

    kind = models.CharField(max_length=32)
    records = models.CharField(max_length=64)
    words = models.JSONField(default=dict)
    changed_at = models.DateTimeField(default=now)
    changed_by = models.ForeignKey(USER, models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering: ClassVar = ["-changed_at", "-id"]
        constraints: ClassVar = [
            UniqueConstraint(fields=["kind", "records"], name="words_once_a_report")
        ]


class TeamRow(models.Model):
    """A named row that a team edits. ``removed_at``: removed, which can be undone."""

    name = models.CharField(max_length=60)
    created_by = models.ForeignKey(USER, models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=now)
    removed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True
        ordering: ClassVar = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class ServiceLevel(TeamRow):
    """Named limits that a deployment must hold, or the mark of an included level as hidden.
    ``limits``: metric of ``jobs.queries.results.levels.METRICS`` -> highest value. ``goodput``:
    least share of requests within all limits, 0 to 1; None: any. ``key``: "" for the team's own,
    else the hidden included level, whose row has no limits. ``removed_at``: removed or hidden."""

    key = models.CharField(max_length=32, blank=True)
    limits = models.JSONField(default=dict)
    goodput = models.FloatField(null=True, blank=True)
    note = models.CharField(max_length=200, blank=True)

    class Meta(TeamRow.Meta):
        constraints: ClassVar = [
            UniqueConstraint(fields=["key"], condition=~Q(key=""), name="included_level_once"),
            UniqueConstraint(
                fields=["name"], condition=Q(key="", removed_at=None), name="level_name_once"
            ),
        ]


class PromptSet(TeamRow):
    """Prompts of a benchmark, by a name that forms and the API use. ``text``: JSON lines with the
    key "prompt", as a plan's file has them; ``sha256`` is of this text. ``longest``: estimated
    tokens of the longest prompt. Results of a removed set still name it."""

    language = models.CharField(max_length=40, blank=True)
    text = models.TextField()
    prompts = models.PositiveIntegerField()
    bytes = models.PositiveIntegerField()
    longest = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)

    class Meta(TeamRow.Meta):
        constraints: ClassVar = [
            UniqueConstraint(
                fields=["name"], condition=Q(removed_at=None), name="prompt_set_name_once"
            ),
        ]


class ChatPreset(TeamRow):
    """Settings of chats. ``params``: system prompt and parameters, by name; the recommended value
    of the model takes the place of a missing one."""

    params = models.JSONField(default=dict)

    class Meta(TeamRow.Meta):
        constraints: ClassVar = [
            UniqueConstraint(
                fields=["name"], condition=Q(removed_at=None), name="chat_preset_name_once"
            ),
        ]
