"""Single results: by number, page, scores by data set, accuracy."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q

from jobs.base.errors import JobsError
from jobs.base.messages import Message
from jobs.base.numbers import number_from, result_number, result_pk
from jobs.metrics.measured import SHARES
from jobs.models import Answer, AnswerRow, Artifact, Deployment, OutputFile, Result, ResultPoint
from jobs.queries.answers.own_questions import set_key
from jobs.queries.results.repeats import MOST, repeats_of
from jobs.statistics import Interval, Share, mean, mean_interval, wilson

EFFECT = "accuracy_effect"
MOST_ROWS = 8  # sets of a group; with more it is one row that expands
MOST_CATEGORIES = 24  # more rows do not fit into a chart
ANSWER_FIELDS = (
    *("index", "subset", "question_id", "sample", "question", "expected", "answer", "score"),
    *("status", "extracted", "finish", "reasoning"),
)


class NotNumbered(JobsError):
    """A text that numbers no result. ``reason`` says what to write."""

    id = "result:number"

    def __init__(self, reason: Message) -> None:
        super().__init__(reason.id)
        self.reason = reason


def pk_of(text: str) -> int:
    """Return the id of the result that ``text`` numbers, "res-15"; such a result may be missing.

    Raises:
        NotNumbered: another text, such as "15" or "#15"; of a job it names the result of the job.
    """
    pk = result_pk(text)
    if pk is not None:
        return pk
    text = text.strip()
    number = number_from(text.removeprefix("#"))
    result = of_jobs([number]).get(number) if number is not None else None
    if number is None or result is None:
        raise NotNumbered(Message("result:number", {"text": text[:40]}))
    args = {"text": text, "job": number, "result": result_number(result)}
    raise NotNumbered(Message("result:number_of_job", args))


def pks_of(texts: Iterable[str]) -> list[int]:
    """Return the unique ids of results in order; empty texts are left out.

    Raises:
        NotNumbered: at the first other text.
    """
    return list(dict.fromkeys(pk_of(text) for text in texts if text.strip()))


def number_of_job(text: str) -> int | None:
    """Return the number of a job that ``text`` marks as one, such as "#15"; None for other text."""
    text = text.strip()
    return number_from(text[1:]) if text.startswith("#") else None


def of_jobs(jobs: Iterable[int]) -> dict[int, int]:
    rows = Result.objects.filter(job__in=list(jobs)).order_by()
    return {job: pk for job, pk in rows.values_list("job_id", "pk") if job is not None}


@dataclass(frozen=True, slots=True)
class Mean:
    """Mean of a metric over ``runs``, None without any, with its 95 % interval: from three runs on,
    of an accuracy that of its questions."""

    value: float | None
    runs: int
    interval: Interval | None = None


def mean_of(head: Result, metric: str, values: Sequence[float]) -> Mean:
    """Return the mean of ``values`` of ``head`` and its repeats.

    Repeats ask the same questions, and at temperature 0 all are equal: an accuracy has the interval
    of its questions, whatever the number of runs.
    """
    if not values:
        return Mean(None, 0)
    value = mean(values)
    interval = accuracy(head, value) if metric == "accuracy" else mean_interval(values)
    return Mean(value, len(values), interval)


def accuracy(result: Result, share: float | None = None) -> Interval | None:
    """Return an evaluation's accuracy with its Wilson interval over the questions.

    ``share``: mean of the result and its repeats. Repeats ask the same questions, so their number
    is that of one run.
    """
    questions = int(result.metrics.get("questions") or 0)
    if result.type != Result.Type.EVALUATION or not questions:
        return None
    share = result.metrics.get("accuracy", 0.0) if share is None else share
    effect = float(result.metrics.get(EFFECT) or 1.0)
    return Share(share * questions, questions, effect).interval()


@dataclass(frozen=True, slots=True)
class SetRow:
    """Score of a data set. ``value`` is in per cent; ``interval`` is from 0 to 1, None when the
    number of questions is unknown. ``question_set``: key of the set of this dashboard that the data
    set is a part of; "" for others.
    """

    dataset: str
    version: str
    metric: str
    mode: str
    value: float | None
    questions: int | None
    question_set: str = ""

    @property
    def interval(self) -> Interval | None:
        if self.value is None or not self.questions or self.metric not in SHARES:
            return None
        return wilson(min(self.value / 100, 1.0) * self.questions, self.questions)

    @property
    def title(self) -> str:
        """Return the full name: question sets share names of parts, such as "short_en"."""
        return f"{self.question_set}/{self.dataset}" if self.question_set else self.dataset


@dataclass(frozen=True, slots=True)
class SetGroup:
    """Group of data sets. ``macro`` is the mean of sets, ``weighted`` the mean of questions, in per
    cent; None with fewer than two sets, or when a score is unknown or not a share.
    """

    name: str
    rows: Sequence[SetRow]
    macro: float | None
    weighted: float | None
    questions: int | None

    @property
    def is_folded(self) -> bool:
        return len(self.rows) > MOST_ROWS

    @property
    def metric(self) -> str:
        return self.rows[0].metric

    @property
    def mode(self) -> str:
        return self.rows[0].mode


def set_groups(result: Result) -> list[SetGroup]:
    """Return the groups in the order of the tool; empty for a benchmark.

    For results stored without sets, the sets come from the answers.
    """
    if result.type != Result.Type.EVALUATION:
        return []
    key = set_key(result)
    stored = result.run_context.get("sets") or _sets_of_answers(result)
    groups: dict[str, list[SetRow]] = {}
    for one in stored:
        version = one["version"] or key.partition("@")[2]
        fields = {name: value for name, value in one.items() if name != "group"}
        row = SetRow(**fields | {"version": version}, question_set=key)
        groups.setdefault(str(one["group"]), []).append(row)
    return [_group(name, rows) for name, rows in groups.items()]


def _sets_of_answers(result: Result) -> list[dict[str, Any]]:
    scored = AnswerRow.objects.filter(result=result).exclude(verdict=AnswerRow.Verdict.UNSCORED)
    right = Count("pk", filter=Q(verdict=AnswerRow.Verdict.CORRECT))
    counts = scored.order_by("subset").values_list("subset").annotate(n=Count("pk"), right=right)
    group = str(result.job.params.get("questions") or "") if result.job else ""
    about = {"group": group, "version": "", "metric": "accuracy", "mode": "gen"}
    return [
        {**about, "dataset": subset, "value": 100 * right / total, "questions": total}
        for subset, total, right in counts
    ]


def _group(name: str, rows: Sequence[SetRow]) -> SetGroup:
    values = [row.value for row in rows if row.value is not None and row.metric in SHARES]
    sizes = [row.questions for row in rows if row.questions]
    questions = sum(sizes) if len(sizes) == len(rows) else None
    if len(rows) < 2 or len(values) < len(rows):
        return SetGroup(name, rows, None, None, questions)
    weighted = None
    if questions:
        pairs = zip(values, sizes, strict=True)
        weighted = sum(value * size for value, size in pairs) / questions
    return SetGroup(name, rows, sum(values) / len(values), weighted, questions)


@dataclass(frozen=True, slots=True)
class Category:
    """Questions of one category: number, correct answers, interval of the accuracy."""

    name: str
    questions: int
    right: float
    is_set: bool = False  # a data set, or a group of data sets

    @property
    def share(self) -> Interval:
        return wilson(self.right, self.questions)


def categories(result: Result) -> list[Category]:
    """Return an evaluation by category of its questions, largest first; without categories by data
    set in order, with a large group as one row. At most :data:`MOST_CATEGORIES`.
    """
    by_name: dict[str, list[float]] = {}
    scored = Answer.objects.filter(status="", result=result)
    for category, score in scored.values_list("detail__category", "score"):
        by_name.setdefault(str(category or ""), []).append(score)
    if "" not in by_name and 0 < len(by_name) <= MOST_CATEGORIES:
        entries = [Category(name, len(scores), sum(scores)) for name, scores in by_name.items()]
        return sorted(entries, key=lambda category: (-category.questions, category.name))
    entries = []
    for group in set_groups(result):
        if group.is_folded and group.weighted is not None and group.questions:
            name, right = f"{group.name} ({len(group.rows)})", group.weighted / 100
            entries.append(Category(name, group.questions, right * group.questions, is_set=True))
        elif not group.is_folded:
            entries += [
                Category(row.dataset, row.questions, interval.value * row.questions, is_set=True)
                for row in group.rows
                if (interval := row.interval) is not None and row.questions
            ]
    return entries[:MOST_CATEGORIES]


@dataclass(frozen=True, slots=True)
class ResultPage:
    """Result with ``repeats``: earlier and later runs of the same measurement, without itself."""

    result: Result
    points: Sequence[ResultPoint]
    outputs: Sequence[OutputFile]
    artifact: Artifact | None
    deployment: Deployment | None
    repeats: Sequence[Result]
    sets: Sequence[SetGroup]
    categories: Sequence[Category]
    accuracy: Interval | None

    @property
    def peer(self) -> Result | None:
        """Return the latest counted repeat to compare with, else the latest; None without any."""
        counted = (other for other in self.repeats if other.counts)
        return next(counted, next(iter(self.repeats), None))

    @property
    def host_facts(self) -> list[tuple[str, str]]:
        """Return the host's facts at the time of the run that affect speed."""
        facts = self.result.run_context.get("host", {})
        reported = facts.get("cpu")
        cpu = reported if isinstance(reported, dict) else {}
        named = {
            "os": facts.get("os"),
            "kernel": facts.get("kernel"),
            "cpu": cpu.get("model"),
            "cores": cpu.get("cores"),
        }
        return [(name, str(value)) for name, value in named.items() if value]


def result_page(result_id: int) -> ResultPage:
    """Return all data of a result page. Raises ``Result.DoesNotExist``."""
    result = Result.objects.select_related(
        *("host", "job__pinned_by", "job__cell", "created_by", "imported__created_by", "endpoint"),
        *("deployment__artifact", "deployment__host", "deployment__job"),
    ).get(pk=result_id)
    deployment = result.deployment
    repeats = repeats_of(result, uncounted=True).select_related("host", "created_by")
    repeats = repeats.defer("identity", "asked", "verdicts").prefetch_related("points")
    return ResultPage(
        result=result,
        points=points_of(result),
        outputs=list(OutputFile.objects.filter(job=result.job_id) if result.job_id else ()),
        artifact=deployment.artifact if deployment else None,
        deployment=deployment,
        repeats=list(repeats[:MOST]),
        sets=set_groups(result),
        categories=categories(result) if result.type == Result.Type.EVALUATION else [],
        accuracy=accuracy(result),
    )


def points_of(result: Result) -> list[ResultPoint]:
    return sorted(result.points.all(), key=lambda p: (p.concurrency, p.index))


def point_rows(result: Result) -> list[tuple[int, Mapping[str, Any]]]:
    """Return ``(concurrency, metrics)`` of a benchmark, for charts and tables."""
    return [(point.concurrency, point.metrics) for point in points_of(result)]


def answer_rows(result: Result) -> list[dict[str, Any]]:
    """Return all answers with all stored data; ``score`` is None without a score of the tool."""
    rows = Answer.objects.filter(result=result).order_by("index").values(*ANSWER_FIELDS, "detail")
    return [{**row, "score": None if row["status"] else row["score"]} for row in rows]
