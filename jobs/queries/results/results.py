"""Single results: by number, page, scores by data set, accuracy."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal, NamedTuple

from django.db.models import Count, Q

from jobs.base import grouped
from jobs.base.messages import Message, ReasonError
from jobs.base.numbers import number_from, result_number, result_pk
from jobs.catalog.data_sets import AREAS, DATA_SETS
from jobs.kinds import KINDS
from jobs.kinds.evaluate import Evaluate
from jobs.metrics.measured import SHARES, SetScore
from jobs.models import Answer, AnswerRow, Artifact, Deployment, OutputFile, Result, ResultPoint
from jobs.queries.results.provenance import counts, with_rates
from jobs.queries.results.repeats import MOST, repeats_of
from jobs.statistics import Interval, Share, difference, mean, mean_interval, wilson

EFFECT = "accuracy_effect"
MOST_ROWS = 8  # sets of a group; with more it is one row that expands
MOST_CATEGORIES = 24  # more rows do not fit into a chart
ANSWER_FIELDS = (
    *("index", "subset", "question_id", "sample", "question", "expected", "answer", "score"),
    *("status", "extracted", "finish", "reasoning"),
)


class NotNumbered(ReasonError):
    """A text that numbers no result."""


def pk_of(text: str) -> int:
    """Return the id of the result that ``text`` numbers, "res-15"; such a result may be missing.
    Raises NotNumbered for another text; of a job, such as "15" or "#15", it names the result."""
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
    """Return the unique ids of results in order, but for empty texts. Raises NotNumbered."""
    return list(dict.fromkeys(pk_of(text) for text in texts if text.strip()))


def number_of_job(text: str) -> int | None:
    """Return the number of a job that ``text`` marks as one, such as "#15"; None for other text."""
    text = text.strip()
    return number_from(text[1:]) if text.startswith("#") else None


def set_key(result: Result) -> str:
    """Return the key of the asked set, "ours@1f2e3d4c5b6a"; "" for others' sets."""
    if result.job is None or not isinstance(KINDS.get(result.job.kind), Evaluate):
        return ""
    return str(result.job.params.get("questions") or "")


def of_jobs(jobs: Iterable[int]) -> dict[int, int]:
    rows = Result.objects.filter(job__in=list(jobs)).order_by()
    return {job: pk for job, pk in rows.values_list("job_id", "pk") if job is not None}


@dataclass(frozen=True, slots=True)
class Mean:
    """Mean of a metric over ``runs``; None without any. ``interval``: of 95 %, from three runs on;
    of an accuracy that of its questions, because repeats ask the same questions, and at temperature
    0 all are equal."""

    value: float | None
    runs: int
    interval: Interval | None = None


def mean_of(head: Result, metric: str, values: Sequence[float]) -> Mean:
    """Return the mean of ``values`` of ``head`` and its repeats, with the interval of
    :class:`Mean`."""
    if not values:
        return Mean(None, 0)
    value = mean(values)
    interval = accuracy(head, value) if metric == "accuracy" else mean_interval(values)
    return Mean(value, len(values), interval)


def accuracy(result: Result, share: float | None = None) -> Interval | None:
    """Return an evaluation's accuracy, or ``share`` as its mean over repeats, with the Wilson
    interval over the questions of one run."""
    questions = int(result.metrics.get("questions") or 0)
    if result.type != Result.Type.EVALUATION or not questions:
        return None
    share = result.metrics.get("accuracy", 0.0) if share is None else share
    effect = float(result.metrics.get(EFFECT) or 1.0)
    return Share(share * questions, questions, effect).interval()


@dataclass(frozen=True, slots=True)
class SetRow(SetScore):
    """``question_set``: key of the set of this dashboard that the data set is a part of; "" for
    others."""

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


class SetGroup(NamedTuple):
    """Group of data sets. ``macro``: mean of sets, ``weighted``: of questions, in per cent; None
    with fewer than two sets, or where a score is unknown or no share."""

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
    """Return the groups in the order of the tool, empty for a benchmark; of results stored without
    sets, by their answers."""
    if result.type != Result.Type.EVALUATION:
        return []
    key = set_key(result)
    stored = result.run_context.get("sets") or _sets_of_answers(result)
    version = key.partition("@")[2]
    groups = grouped(
        (one["group"], SetRow(**one | {"version": one["version"] or version}, question_set=key))
        for one in stored
    )
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


class Category(NamedTuple):
    """Questions of one category, or with ``is_set`` of a data set or a group of them."""

    name: str
    questions: int
    right: float
    is_set: bool = False

    @property
    def share(self) -> Interval:
        return wilson(self.right, self.questions)


def categories(result: Result) -> list[Category]:
    """Return an evaluation by category of its questions, largest first; without categories by data
    set in order, with a large group as one row. At most :data:`MOST_CATEGORIES`."""
    scored = Answer.objects.filter(status="", result=result)
    scores = scored.values_list("detail__category", "score")
    by_name = grouped((str(category or ""), score) for category, score in scores)
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


@dataclass(frozen=True)
class ResultPage:
    """Result with its ``repeats``: other runs of the same measurement."""

    result: Result
    points: Sequence[ResultPoint]
    outputs: Sequence[OutputFile]
    artifact: Artifact | None
    deployment: Deployment | None
    repeats: Sequence[Result]
    sets: Sequence[SetGroup]
    categories: Sequence[Category]
    accuracy: Interval | None

    @cached_property
    def rows(self) -> dict[int, list[tuple[int, Mapping[str, Any]]]]:
        """Return the points of each run, by its id: see :func:`point_rows`."""
        return {run.pk: point_rows(run) for run in (self.result, *self.repeats)}

    @property
    def peer(self) -> Result | None:
        """Return the latest repeat to compare with, a counted one if any; None without repeats."""
        counted = (other for other in self.repeats if other.counts)
        return next(counted, next(iter(self.repeats), None))

    @property
    def host_facts(self) -> list[tuple[str, str]]:
        """Return the host's facts at the time of the run that affect speed."""
        facts = self.result.run_context.get("host", {})
        cpu = facts["cpu"] if isinstance(facts.get("cpu"), dict) else {}
        named = {name: facts.get(name) for name in ("os", "kernel")}
        named |= {"cpu": cpu.get("model"), "cores": cpu.get("cores")}
        return [(name, str(value)) for name, value in named.items() if value]


def result_page(result_id: int) -> ResultPage:
    """Raises ``Result.DoesNotExist``."""
    rows = Result.objects.select_related(
        *("host", "job__pinned_by", "job__cell", "created_by", "imported__created_by", "endpoint"),
        *("deployment__artifact", "deployment__host", "deployment__job"),
    )
    result = rows.prefetch_related("points").get(pk=result_id)
    deployment = result.deployment
    repeats = repeats_of(result, uncounted=True).defer("identity", "asked", "verdicts")
    repeats = repeats.prefetch_related("host", "created_by", "points")
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
    """Return ``(concurrency, metrics)`` of a benchmark with its rates in each unit."""
    known = counts(result)
    return [(one.concurrency, with_rates(one.metrics, known)) for one in points_of(result)]


def answer_rows(result: Result) -> Iterator[dict[str, Any]]:
    """Yield all answers with all stored data; ``score`` is None without a score of the tool."""
    rows = Answer.objects.filter(result=result).order_by("index").values(*ANSWER_FIELDS, "detail")
    for row in rows.iterator(chunk_size=500):
        yield {**row, "score": None if row["status"] else row["score"]}


_AREA_OF = {part.name.removeprefix("lukaemon_mmlu_"): part.area for part in DATA_SETS["mmlu"].parts}
# Names of OpenCompass, EvalScope and lm-eval: "lukaemon_mmlu_virology", "mmlu/virology".
_BEFORE = re.compile(r"^(?:lukaemon_)?mmlu[/_]")
Sort = Literal["score", "difference", "name"]
SORTS: Sequence[Sort] = ("score", "difference", "name")


class SubjectScore(NamedTuple):
    """Subject of MMLU with its score; ``gap``: the score minus the baseline's, from −1 to 1."""

    name: str
    row: SetRow
    gap: Interval | None


class Area(NamedTuple):
    """Subjects of an area in order; ``share``: pooled over their questions, None where a score or a
    number of questions is missing. ``gap``: as of a subject."""

    name: str
    subjects: Sequence[SubjectScore]
    share: Interval | None
    gap: Interval | None


def subject_name(dataset: str) -> str:
    """Return the subject of a data set of MMLU; "" for other data sets."""
    name = _BEFORE.sub("", dataset.strip().lower())
    return name if name in _AREA_OF else ""


def areas(group: SetGroup, base: Result | None, sort: Sort) -> list[Area]:
    """Return the areas of a group, those with subjects; empty for other data sets than MMLU's.
    Lowest scores and largest losses are first."""
    named = [(subject_name(row.dataset), row) for row in group.rows]
    if not named or not all(name for name, _row in named):
        return []
    rows = (row for group in (set_groups(base) if base else ()) for row in group.rows)
    before = {name: row for row in rows if (name := subject_name(row.dataset))}
    subjects = [
        SubjectScore(
            name, row, _gap_of(row.interval, before[name].interval if name in before else None)
        )
        for name, row in named
    ]
    found = []
    for area in AREAS:
        own = [one for one in subjects if _AREA_OF[one.name] == area]
        if own:
            pooled = _share_of([one.row for one in own])
            old = [before[one.name] for one in own if one.name in before]
            was = _share_of(old) if len(old) == len(own) else None
            found.append(Area(area, _sorted(own, sort), pooled, _gap_of(pooled, was)))
    return found


def _gap_of(now: Interval | None, was: Interval | None) -> Interval | None:
    return difference(now, was) if now and was else None


def _share_of(rows: Sequence[SetRow]) -> Interval | None:
    total = sum(row.questions or 0 for row in rows)
    known = [row.interval.value * (row.questions or 0) for row in rows if row.interval]
    return wilson(sum(known), total) if total and len(known) == len(rows) else None


def _sorted(subjects: Sequence[SubjectScore], sort: Sort) -> list[SubjectScore]:
    if sort == "name":
        return sorted(subjects, key=lambda one: one.name)
    if sort == "difference":
        return sorted(subjects, key=lambda one: (one.gap is None, one.gap and one.gap.value))
    return sorted(subjects, key=lambda one: (one.row.value is None, one.row.value))


class BudgetPoint(NamedTuple):
    """Share of questions whose answer is correct and has at most ``budget`` output tokens."""

    budget: int
    share: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetUse:
    """Budget curve of a run, or of several together: ``scored`` answers to ``questions``.
    ``counted`` answers have tokens; ``cut`` of them ended at the ``limit`` (None: unknown)."""

    counted: int
    longest: int
    limit: int | None
    cut: int
    scored: int
    questions: int
    curve: Sequence[BudgetPoint]

    @property
    def cut_share(self) -> float:
        return self.cut / self.counted


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUse(BudgetUse):
    """Output tokens of ``counted`` of ``answers``: those whose tool reports them. ``estimated``:
    answers whose reasoning and answer share the total by length. ``seconds``: to the first answer
    token, or "of" the "latency" of the whole answer; "mean", "p50", "estimated"."""

    answers: int
    estimated: int
    reasoning_p50: float
    answer_p50: float
    output: int
    correct: float
    seconds: Mapping[str, Any] | None


def token_use(result: Result) -> TokenUse | None:
    """Return the token use of an evaluation; None where its tool reports no output tokens."""
    kept = result.run_context.get("token_use")
    if not isinstance(kept, Mapping) or not kept.get("counted"):
        return None
    own = {one.name: kept[one.name] for one in fields(TokenUse) if one.name != "curve"}
    return TokenUse(**own, curve=_curve([kept]))


def pooled(groups: Sequence[Sequence[Result]]) -> list[BudgetUse | None]:
    """Return the budget curve of each group, over the answers of all its runs; None without one.
    Runs without tokens, or with another limit than the first one that has some, do not count."""
    runs = [run.pk for group in groups for run in group]
    stored = dict(Result.objects.filter(pk__in=runs).values_list("pk", "run_context__token_use"))
    return [_budget_use([stored.get(run.pk) for run in group]) for group in groups]


def _budget_use(stored: Sequence[Any]) -> BudgetUse | None:
    known = [
        kept for kept in stored if isinstance(kept, Mapping) and kept["counted"] and kept["curve"]
    ]
    if not known:
        return None
    limit = known[0]["limit"]
    same = [kept for kept in known if kept["limit"] == limit]
    sums = {name: sum(kept[name] for kept in same) for name in ("counted", "cut", "scored")}
    most = {name: max(kept[name] for kept in same) for name in ("longest", "questions")}
    return BudgetUse(**sums, **most, limit=limit, curve=_curve(same))


def _curve(stored: Sequence[Mapping[str, Any]]) -> list[BudgetPoint]:
    """Return the curve over the answers of all runs, whose budgets are of one grid. Several answers
    to one question count as one in the interval, because they are alike."""

    def within(kept: Mapping[str, Any], budget: int) -> float:
        return float(next((own for most, own in reversed(kept["curve"]) if most <= budget), 0.0))

    scored = sum(kept["scored"] for kept in stored)
    questions = max(kept["questions"] for kept in stored)
    budgets = sorted({budget for kept in stored for budget, _correct in kept["curve"]})
    shares = [sum(within(kept, budget) for kept in stored) / scored for budget in budgets]
    return [
        BudgetPoint(budget, wilson(share * questions, questions))
        for budget, share in zip(budgets, shares, strict=True)
    ]
