"""Our scores and published scores of a model, by data set.

Our accuracy has its interval (Wilson). :data:`Why` lists the reasons why two figures are not
comparable. A simulated result is shown, marked, only without a real one, and is never the best.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from django.db.models import Count, Max, Sum

from jobs.catalog import ZooModel
from jobs.catalog.data_sets import DATA_SETS
from jobs.catalog.schema import Published
from jobs.models import Answer, Result
from jobs.queries.results.repeats import best_first
from jobs.statistics import Interval, wilson

# Reasons why our figure is not comparable with the published one.
Why = Literal["metric", "split", "prompt", "limited", "part", "cut", "samples"]

# Names in the results of tools that this dashboard only imports.
_IMPORTED: Mapping[str, tuple[str, ...]] = {
    "aime25": ("aime2025",),
    "ifeval": ("ifeval/",),
    "live_code_bench": ("live_code_bench/",),
}
# Published name -> subsets of our answers with its questions, see ``DataSet.answer_names``.
_SETS: Mapping[str, tuple[str, ...]] = {
    **{part.name: (part.name,) for one in DATA_SETS.values() for part in one.parts},
    **_IMPORTED,
    **{
        name: (*one.answer_names, *_IMPORTED.get(name, ()))
        for one in DATA_SETS.values()
        for name in one.published_as
    },
}
_SIZES = {
    **{part.name: part.questions for one in DATA_SETS.values() for part in one.parts},
    **{name: one.questions for one in DATA_SETS.values() for name in one.published_as},
}
# Metrics that are an accuracy like ours; a rating, a consensus or an F1 score is not.
_SHARES = ("accuracy", "pass@1", "EM", "pass@1-COT", "prompt strict", "correct")
# The authors used a different question set than the tools here: CLUE, not FewCLUE.
_OTHER_SETS = {("cluewsc", "paper")}


@dataclass(frozen=True, slots=True)
class Ours:
    """Result of ours on the questions of one set. ``samples``: answers to each question."""

    result: Result
    share: Interval
    questions: int
    subsets: tuple[str, ...]
    samples: int = 1


@dataclass(frozen=True, slots=True)
class PublishedComparison:
    """Published figure with what stands for us and our best result on the same data set.

    ``why``: reasons against a comparison, empty for comparable figures. ``best`` is None when
    ``latest`` is the best, or when all results are simulated.
    """

    published: Published
    latest: Ours | None
    best: Ours | None
    why: tuple[Why, ...]

    @property
    def within(self) -> bool | None:
        """Return True if the published figure is within our interval; None: not comparable."""
        if self.latest is None or self.why or self.latest.result.simulated:
            return None
        return self.latest.share.low <= self.published.value / 100 <= self.latest.share.high


def published_comparisons(model: ZooModel) -> list[PublishedComparison]:
    own = Result.objects.filter(model_id=model.id, type=Result.Type.EVALUATION)
    own = own.filter(endpoint=None, imported=None).select_related("host", "deployment", "job")
    results = {result.pk: result for result in best_first(own)}
    answers = Answer.objects.filter(status="", result__in=results).order_by()
    rows = answers.values_list("result_id", "subset")
    scored = list(rows.annotate(answers=Count("pk"), right=Sum("score"), last=Max("sample")))
    return [
        _comparison(item, model, _ours(item.dataset, results, scored)) for item in model.published
    ]


def _comparison(item: Published, model: ZooModel, ours: Sequence[Ours]) -> PublishedComparison:
    real = [one for one in ours if not one.result.simulated]
    latest = next(iter([*real, *ours]), None)
    if latest is None:
        return PublishedComparison(item, None, None, ())
    better = [
        one
        for one in real
        if one.questions >= latest.questions and one.share.value > latest.share.value
    ]
    best = max(better, key=lambda one: one.share.value, default=None)
    return PublishedComparison(item, latest, best, tuple(_why(item, model, latest)))


def _ours(
    dataset: str, results: Mapping[int, Result], scored: Iterable[tuple[int, str, int, float, int]]
) -> list[Ours]:
    by_result: dict[int, list[tuple[str, float, float, int]]] = {}
    for result_id, subset, answers, right, last in scored:
        if is_of(subset, _SETS.get(dataset, ())):
            samples = last + 1
            row = (subset, answers / samples, right / samples, samples)
            by_result.setdefault(result_id, []).append(row)
    ours = []
    for result_id, result in results.items():
        rows = by_result.get(result_id, [])
        total = round(sum(questions for _subset, questions, _right, _samples in rows))
        if total:
            share = wilson(sum(right for _subset, _questions, right, _samples in rows), total)
            subsets = tuple(subset for subset, *_rest in rows)
            least = min(samples for *_rest, samples in rows)
            ours.append(Ours(result, share, total, subsets, least))
    return ours


def _why(item: Published, model: ZooModel, ours: Ours) -> Iterable[Why]:
    remarks = {remark["id"]: remark["args"] for remark in ours.result.remarks}
    if item.metric not in _SHARES or item.unit != "%":
        yield "metric"
    elif (
        item.metric.startswith("pass@1")
        and item.device == "paper"
        and model.prompting.samples > 1
        and ours.samples == 1
    ):
        yield "samples"
    if (item.dataset, item.device) in _OTHER_SETS:
        yield "split"
    others = str(remarks.get("evaluate:other_prompt", {}).get("sets", "")).split(", ")
    if any(subset in others for subset in ours.subsets):
        yield "prompt"
    if "evaluate:limited" in remarks:
        yield "limited"
    elif "evaluate:drawn" in remarks or ours.questions < (
        item.samples or _SIZES.get(item.dataset, 0)
    ):
        yield "part"
    if "evaluate:cut" in remarks or "evaluate:cut_guess" in remarks:
        yield "cut"


def is_of(subset: str, names: Iterable[str]) -> bool:
    """Return True if answers of ``subset`` belong to a set with these ``answer_names``."""
    return any(subset.startswith(name) if name[-1] in "/_-" else subset == name for name in names)
