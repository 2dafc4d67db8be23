"""Answers of an evaluation that match filters, in an order, and two answers side by side."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import BinaryField, BooleanField, Count, F, Func, Min, Q
from django.db.models.functions import Cast

from jobs.base import wide_bytes
from jobs.base.numbers import GB, MB
from jobs.confined import Pool, Task, WorkerLimits
from jobs.kinds.lib.base import endpoint_key
from jobs.models import Answer, AnswerRow, Result
from jobs.queries.results.answer_flags import FLAGS, MARKS, bits
from jobs.queries.sorting import Order

Verdict = AnswerRow.Verdict
VERDICTS = (Verdict.INCORRECT, Verdict.CORRECT, Verdict.UNSCORED)
FAULTY = "faulty"  # any flag
SHOWN = (*VERDICTS, FAULTY, *FLAGS, "changed", "slow", "long")
# Texts that a search reads.
PLACES = {"question": "question", "reasoning": "reasoning", "answer": "answer"}
PAGE = 100
ORDERS: Mapping[str, str] = {
    "index": "index",
    "verdict": "verdict",
    "question": "question",
    "set": "subset",
    "category": "category",
    "tokens": "tokens",
    "latency": "latency_s",
    "length": "characters",
    "flags": "marks",
}
FIRST = Order("index")
MOST_BASES = 20
SAMPLING = ("temperature", "top_p", "max_tokens", "seed", "thinking", "system")
_BITS = {
    FAULTY: bits(FLAGS),
    **{name: bits([name]) for name in MARKS},
    "changed": 1 << len(MARKS),  # of the two results, so it is not stored
}


class Wanted(NamedTuple):
    """Filters and order. ``shown``: some of :data:`SHOWN`; verdicts are alternatives, an answer has
    all others. ``base``: the result against which a verdict changed."""

    shown: tuple[str, ...] = ()
    subset: str = ""
    category: str = ""
    text: str = ""
    places: tuple[str, ...] = tuple(PLACES)
    order: Order = FIRST
    base: Result | None = None


@dataclass(frozen=True)
class AnswerMatches:
    """Indexes of the matching answers in order. ``counts``: for each of :data:`SHOWN` the answers
    that remain with it. ``total``: without any."""

    indexes: Sequence[int]
    counts: Mapping[str, int]
    total: int

    @cached_property
    def places(self) -> Mapping[int, int]:
        return {index: place for place, index in enumerate(self.indexes)}

    def page_of(self, index: int | None) -> int:
        """Return the page that has an answer, from 0; the first page for one that is not listed."""
        return self.places.get(index, 0) // PAGE if index is not None else 0

    @property
    def pages(self) -> int:
        return max(1, -(-len(self.indexes) // PAGE))

    def beside(self, index: int) -> tuple[int | None, int | None]:
        """Return the answers before and after one; of one that is not listed the first."""
        place = self.places.get(index)
        if place is None:
            return None, next(iter(self.indexes), None)
        before = self.indexes[place - 1] if place else None
        after = self.indexes[place + 1] if place + 1 < len(self.indexes) else None
        return before, after


def matches(result: Result, wanted: Wanted) -> AnswerMatches:
    """Return the answers that match, read once and counted here by equal verdict and marks. Raises
    NotDone: the search of a text has no answer."""
    read = _SEARCHED if wanted.text else base_rows
    found = read(result.pk, wanted._replace(base=None))
    if wanted.base:
        changed = changed_indexes(wanted.base, result)
        found = [
            (index, verdict, marks | _BITS["changed"] if index in changed else marks)
            for index, verdict, marks in found
        ]
    verdicts = {name for name in wanted.shown if name in VERDICTS} or set(VERDICTS)
    masks = [_BITS[name] for name in wanted.shown if name not in VERDICTS]
    counts = dict.fromkeys(SHOWN, 0)
    passing = set()
    for (verdict, marks), n in Counter((verdict, marks) for _, verdict, marks in found).items():
        if not all(marks & mask for mask in masks):
            continue
        counts[verdict] += n
        if verdict not in verdicts:
            continue
        passing.add((verdict, marks))
        for name, mask in _BITS.items():
            counts[name] += n if marks & mask else 0
    indexes = [index for index, verdict, marks in found if (verdict, marks) in passing]
    return AnswerMatches(indexes, counts, len(found))


def page_rows(result: Result, indexes: Sequence[int]) -> list[AnswerRow]:
    rows = AnswerRow.objects.filter(result=result, index__in=indexes).defer("key", "said")
    by_index = {row.index: row for row in rows}
    return [by_index[index] for index in indexes if index in by_index]


def changed_indexes(base: Result, result: Result) -> frozenset[int]:
    """Return the answers of ``result`` whose verdict differs from that of ``base``."""
    scored = AnswerRow.objects.exclude(verdict=Verdict.UNSCORED).order_by()
    before = dict(scored.filter(result=base).values_list("key", "verdict"))
    now = scored.filter(result=result).values_list("index", "key", "verdict")
    return frozenset(index for index, key, verdict in now if before.get(key, verdict) != verdict)


def wrong_answers(result: Result) -> dict[str, str]:
    wrong = AnswerRow.objects.filter(result=result, verdict=Verdict.INCORRECT)
    return dict(wrong.exclude(said="").order_by().values_list("key", "said"))


def wrong_agreement(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[int, int]:
    """Return the questions that both answered incorrectly, and those with equal answers."""
    shared = [before[key] == said for key, said in after.items() if key in before]
    return len(shared), sum(shared)


def bases_of(result: Result) -> list[Result]:
    """Return other evaluations of the same questions, latest first, for changed answers."""
    questions = result.verdicts.rpartition(":")[0]
    if not questions:
        return []
    same = Result.objects.filter(type=result.type, verdicts__startswith=f"{questions}:")
    known = same.exclude(pk=result.pk).select_related("deployment", "endpoint", "host")
    return list(known.defer("verdicts", "run_context")[:MOST_BASES])


def part_counts(result: Result) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
    rows = AnswerRow.objects.filter(result=result).order_by()
    sets, categories = (
        sorted(rows.exclude(**{name: ""}).values_list(name).annotate(n=Count("pk")))
        for name in ("subset", "category")
    )
    return sets, categories


def marked_from(result: Result, name: str, column: str) -> float | None:
    """Return the smallest value of the answers with a mark: from where an answer is slow."""
    rows = AnswerRow.objects.filter(result=result).annotate(mark=F("marks").bitand(_BITS[name]))
    lowest: float | None = rows.exclude(mark=0).aggregate(lowest=Min(column))["lowest"]
    return lowest


def answer_of(result_id: int, index: int) -> Answer:
    related = ("row", "result__job", "result__deployment", "result__endpoint", "result__host")
    answers = Answer.objects.filter(row__isnull=False).select_related(*related)
    return answers.select_related("result__imported").get(result_id=result_id, index=index)


def sampling_of(result: Result) -> dict[str, Any]:
    """Return the parameters with which the questions were asked, as far as recorded."""
    params = result.job.params if result.job else {}
    return {name: params[name] for name in SAMPLING if params.get(name) not in (None, "")}


def engine_key(result: Result) -> str:
    """Return the engine as in an address of the playground; "" for an import."""
    if result.endpoint_id:
        return endpoint_key(result.endpoint_id)
    return str(result.deployment_id or "")


def base_rows(result_id: int, wanted: Wanted) -> list[tuple[int, str, int]]:
    """Return index, verdict and marks of the answers that match all but ``shown``, in order."""
    rows = AnswerRow.objects.filter(result=result_id)
    if wanted.subset:
        # EvalScope's name of a set's only subset: "gsm8k/main".
        only = Q(subset=wanted.subset[:64]) | Q(subset__startswith=f"{wanted.subset}/")
        rows = rows.filter(only)
    if wanted.category:
        rows = rows.filter(category=wanted.category)
    if wanted.text:
        rows = rows.filter(Q(question_id=wanted.text) | _having(wanted.text, wanted.places))
    value = F(ORDERS[wanted.order.name])
    by = value.desc if wanted.order.descending else value.asc
    ordered = rows.order_by(by(nulls_last=True), "index")
    return list(ordered.values_list("index", "verdict", "marks"))


# A confined worker maps the database into its memory. There, an error of the disk is a signal.
_SEARCHED = Task(
    f"{__name__}:base_rows",
    list[tuple[int, str, int]],
    Pool(
        WorkerLimits(memory=6 * GB, answer=16 * MB, cpu_s=60, wall_s=120.0),
        most=2,
        ends_with_asker=True,
    ),
)
_MAPPED_BYTES = 2**31


def _having(text: str, places: Sequence[str]) -> Q:
    """Condition: one of these places of an answer has the text, in any case."""
    names = [f"answer__{PLACES[name]}" for name in places]
    if connection.vendor != "sqlite":
        return reduce(or_, (Q(**{f"{name}__icontains": text}) for name in names))
    # As LIKE of SQLite, whose letters of any case are those of ASCII, in an eighth of the time.
    wanted = text.encode().lower()

    def has(*texts: bytes) -> bool:
        return any(wide_bytes.find(wide_bytes.lowered(one), wanted) >= 0 for one in texts)

    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
    connection.connection.create_function("has_text", -1, has, deterministic=True)
    blobs = (Cast(name, BinaryField()) for name in names)
    return Q(Func(*blobs, function="has_text", output_field=BooleanField()))


# Of the differing sentence, at most so many characters are marked.
MOST_MARKED = 200
_SENTENCE_END = re.compile(r"[\n。！？]|[.!?](?=\s)")


class Split(NamedTuple):
    """A text whose ``marked`` part is the first sentence that differs, "" where none does."""

    before: str
    marked: str
    after: str


class SideBySide(NamedTuple):
    """The answer of the base, and the reasoning of both. ``at``: characters that are equal."""

    base: Answer
    theirs: Split
    mine: Split
    at: int


def side_by_side(base: Result, answer: Answer) -> SideBySide | None:
    """Return the base's answer to the same question; None if it was not asked."""
    row = AnswerRow.objects.filter(result=base, key=answer.row.key).order_by("index").first()
    if row is None:
        return None
    other = answer_of(base.pk, row.index)
    at = equal_characters(other.reasoning, answer.reasoning)
    return SideBySide(other, _split(other.reasoning, at), _split(answer.reasoning, at), at)


def equal_characters(first: str, second: str) -> int:
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _split(text: str, at: int) -> Split:
    end = _SENTENCE_END.search(text, at)
    until = min(end.end() if end else len(text), at + MOST_MARKED)
    return Split(text[:at], text[at:until], text[until:])
