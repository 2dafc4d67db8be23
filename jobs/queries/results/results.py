"""Queries of results: list with facets, single result, questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.models import Count, Exists, OuterRef, Prefetch

from jobs.models import Answer, Artifact, Deployment, Job, OutputFile, Result, ResultPoint, Tag
from jobs.queries.results import result_counts
from jobs.queries.results.filters import MARKS, Filters, matching
from jobs.queries.results.repeats import MOST, repeats_of
from jobs.queries.results.result_counts import FACETS, STAMPS, Counts
from jobs.queries.results.result_orders import COLUMNS, NEWEST
from jobs.queries.results.set_scores import SetGroup, set_groups
from jobs.queries.sorting import Order, sorted_page
from jobs.statistics import Interval, Share, wilson

PAGE = 50
EFFECT = "accuracy_effect"
MOST_TAGS = 40  # in the facet
MOST_CATEGORIES = 24  # more rows do not fit into a chart
ANSWER_FIELDS = (
    *("index", "subset", "question_id", "sample", "question", "expected", "answer", "score"),
    *("status", "extracted", "finish", "reasoning"),
)


@dataclass(frozen=True, slots=True)
class Page:
    """``results`` in the requested order; ``after`` is the next page's cursor, "" at the end.

    ``pinned`` and ``removed`` are ids of jobs: pinned jobs, and jobs with removed log and files.
    """

    results: Sequence[Result]
    after: str
    total: int
    pinned: frozenset[int]
    removed: frozenset[int]


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


@dataclass(frozen=True, slots=True)
class Category:
    """Questions of one category: number, correct answers, interval of the accuracy."""

    name: str
    questions: int
    right: float
    share: Interval
    is_set: bool = False  # a data set, or a group of data sets


def result_list(
    filters: Filters, after: str = "", order: Order = NEWEST, counts: Counts | None = None
) -> Page:
    """Return a page of the list. ``after`` is :attr:`Page.after` of the previous page; ``counts``
    those of :func:`counts_of`, if known."""
    counts = counts_of(filters) if counts is None else counts
    total = _passing(counts, filters).total()
    matches = matching(filters)
    matches = matches.select_related("host", "deployment", "endpoint", "created_by")
    # Plans of jobs are large.
    matches = matches.prefetch_related(Prefetch("job", Job.objects.only("kind")))
    rows, following = sorted_page(matches, COLUMNS[order.name], order, after, PAGE)
    kept = Job.objects.filter(pk__in=[row.job_id for row in rows if row.job_id])
    pinned = kept.filter(pinned_at__isnull=False).values_list("pk", flat=True)
    removed = kept.filter(removed_at__isnull=False).values_list("pk", flat=True)
    return Page(rows, following, total, frozenset(pinned), frozenset(removed))


def facet_counts(
    filters: Filters, counts: Counts | None = None
) -> dict[str, list[tuple[str, int]]]:
    """Return the values of each facet with result counts, highest count first. An empty value is
    no choice: external results have no precision. ``counts``: of :func:`counts_of`, if known."""
    counts, facets = counts_of(filters) if counts is None else counts, {}
    for facet in FACETS:
        by_value = result_counts.by(_passing(counts, filters.without(facet)), facet)
        values = [(str(value), n) for value, n in by_value.items() if value not in (None, "")]
        facets[facet] = sorted(values, key=lambda value: (-value[1], value[0]))
    open_counts = _passing(counts, filters.without("stamp"))
    stamps = [(name, result_counts.by(open_counts, name)[True]) for name in STAMPS]
    facets["stamp"] = [(name, n) for name, n in stamps if n]
    return facets


def pinned_count(filters: Filters) -> int:
    """Return the number of pinned results that match the other filters."""
    return matching(replace(filters, pinned=True)).count()


def tag_counts(filters: Filters) -> list[tuple[str, int]]:
    """Return the tags of the results that match the other filters, highest count first.

    Read anew each time, because tags change: the query walks tagged results only.
    """
    rows, others = Tag.objects.order_by(), filters.without("tag")
    if not others.are_empty:
        same = matching(others).order_by().filter(pk=OuterRef("result_id"))
        rows = rows.filter(Exists(same))
    counted = rows.values_list("name").annotate(n=Count("pk")).order_by("-n", "name")
    return list(counted[:MOST_TAGS])


def mark_counts(filters: Filters) -> list[tuple[str, int]]:
    """Return the marks of the results that match the other filters, where there are any."""
    others = filters.without("mark")
    counted = [(mark, matching(replace(others, marks=(mark,))).count()) for mark in MARKS]
    return [(mark, n) for mark, n in counted if n]


def counts_of(filters: Filters) -> Counts:
    """Return the counts of results that match all filters but facets and flags: total and facets
    of a page come from the same."""
    if filters.are_cached:
        return result_counts.count_all()
    return result_counts.count(matching(replace(filters, facets={}, stamps=())))


def _passing(counts: Counts, filters: Filters) -> Counts:
    return result_counts.passing(counts, filters.facets, filters.stamps)


def result_page(result_id: int) -> ResultPage:
    """Return all data of a result page. Raises ``Result.DoesNotExist``."""
    result = Result.objects.select_related(
        *("host", "job__pinned_by", "job__cell", "created_by", "imported__created_by", "endpoint"),
        *("deployment__artifact", "deployment__host", "deployment__job"),
    ).get(pk=result_id)
    deployment = result.deployment
    is_evaluation = result.type == Result.Type.EVALUATION
    return ResultPage(
        result=result,
        points=points_of(result),
        outputs=list(OutputFile.objects.filter(job=result.job_id) if result.job_id else ()),
        artifact=deployment.artifact if deployment else None,
        deployment=deployment,
        repeats=list(
            repeats_of(result, uncounted=True)
            .select_related("host", "created_by")
            .defer("identity", "asked", "verdicts")
            .prefetch_related("points")[:MOST]
        ),
        sets=set_groups(result),
        categories=categories(result) if is_evaluation else [],
        accuracy=accuracy(result),
    )


def points_of(result: Result) -> list[ResultPoint]:
    """Return a benchmark's points by concurrency."""
    return sorted(result.points.all(), key=lambda p: (p.concurrency, p.index))


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


def categories(result: Result) -> list[Category]:
    """Return an evaluation by category of its questions, largest first; without categories by data
    set in order, with a large group as one row. At most :data:`MOST_CATEGORIES`.
    """
    rows: dict[str, list[float]] = {}
    scored = Answer.objects.scored().filter(result=result)
    for category, score in scored.values_list("detail__category", "score"):
        rows.setdefault(str(category or ""), []).append(score)
    if "" not in rows and 0 < len(rows) <= MOST_CATEGORIES:
        entries = [_category(name, sum(scores), len(scores)) for name, scores in rows.items()]
        return sorted(entries, key=lambda category: (-category.questions, category.name))
    return _by_set(set_groups(result))[:MOST_CATEGORIES]


def _by_set(groups: Sequence[SetGroup]) -> list[Category]:
    entries = []
    for group in groups:
        if group.is_folded and group.weighted is not None and group.questions:
            name, total = f"{group.name} ({len(group.rows)})", group.questions
            entries.append(_category(name, group.weighted / 100 * total, total, is_set=True))
        elif not group.is_folded:
            entries += [
                _category(
                    row.dataset, row.interval.value * row.questions, row.questions, is_set=True
                )
                for row in group.rows
                if row.interval is not None and row.questions
            ]
    return entries


def _category(name: str, right: float, questions: int, *, is_set: bool = False) -> Category:
    return Category(name, questions, right, wilson(right, questions), is_set)


def answer_rows(result: Result) -> list[dict[str, Any]]:
    """Return all answers with all stored data; ``score`` is None without a score of the tool."""
    rows = Answer.objects.filter(result=result).order_by("index").values(*ANSWER_FIELDS, "detail")
    return [{**row, "score": None if row["status"] else row["score"]} for row in rows]


def point_rows(result: Result) -> list[tuple[int, Mapping[str, Any]]]:
    """Return ``(concurrency, metrics)`` of a benchmark, for charts and tables."""
    return [(point.concurrency, point.metrics) for point in points_of(result)]
