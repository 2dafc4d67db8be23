"""Accuracy beside speed: each evaluation with the fastest benchmark of the same engine."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Literal, NamedTuple

from jobs.base.numbers import finite
from jobs.models import Result
from jobs.queries.results.curve import RATE
from jobs.queries.results.listing import ResultFilters, matching
from jobs.queries.results.provenance import counts, with_rates
from jobs.queries.results.results import accuracy
from jobs.statistics import Interval


def frontier(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the indexes of the points on the frontier, by rising x; more is better in both. Equal
    points are on it together."""
    order = sorted(range(len(points)), key=lambda index: points[index], reverse=True)
    kept: list[int] = []
    for index in order:  # falling x, of one x falling y
        x, y = points[index]
        if not kept or y > points[kept[-1]][1] or (x, y) == points[kept[-1]]:
            kept.append(index)
    return kept[::-1]


MOST = 100  # evaluations, the latest
MOST_BENCHMARKS = 2000
Origin = Literal["ours", "external", "imported"]
# One deployment or endpoint; equal settings of another; or as stated with an import.
Pairing = Literal["engine", "identity", "stated", ""]
# Highest rate, its concurrency and metrics, result.
_Candidate = tuple[float, int | None, Mapping[str, Any], Result]
_ENGINE = ("deployment", "model", "engine", "host")


def origin_of(result: Result) -> Origin:
    """Return the origin of a measurement: an import, an endpoint, or a deployment of this
    dashboard."""
    if result.imported_id:
        return "imported"
    return "external" if result.endpoint_id else "ours"


class FastestPoint(NamedTuple):
    """Fastest point of a benchmark; ``metrics`` have its rate in each known unit."""

    benchmark: Result
    concurrency: int | None
    metrics: Mapping[str, Any]
    pairing: Pairing


class EvaluationPair(NamedTuple):
    """Evaluation with the fastest benchmark of its engine; None: there is none."""

    evaluation: Result
    share: Interval
    speed: FastestPoint | None

    @property
    def origin(self) -> Origin:
        return origin_of(self.evaluation)

    @property
    def tokens(self) -> float | None:
        return finite(self.evaluation.metrics.get("output_tokens_mean"))


class Tradeoff(NamedTuple):
    """Pairs of the chosen questions, latest first. ``choices``: names of questions with their
    numbers of evaluations; ``left_out``: evaluations beyond :data:`MOST`."""

    pairs: Sequence[EvaluationPair]
    chosen: str
    choices: Sequence[tuple[str, int]]
    left_out: int


def tradeoff(filters: ResultFilters, chosen: str = "") -> Tradeoff:
    """Return the evaluations of the questions ``chosen``, else of those of the most evaluations."""
    rows = matching(filters.without("type")).filter(type=Result.Type.EVALUATION)
    counts = Counter(rows.order_by().values_list("what", flat=True))
    choices = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    if chosen not in counts:
        chosen = choices[0][0] if choices else ""
    named = rows.filter(what=chosen).select_related("host", "deployment", "endpoint", "imported")
    found = list(named.defer("verdicts", "remarks").order_by("-created_at", "-pk")[:MOST])
    return Tradeoff(pairs(found), chosen, choices, max(0, counts[chosen] - len(found)))


def pairs(evaluations: Iterable[Result]) -> list[EvaluationPair]:
    """Return each evaluation that has an accuracy with the fastest benchmark of its engine."""
    known = [(one, share) for one in evaluations if (share := accuracy(one)) is not None]
    fastest = _fastest({one.model_id for one, _share in known})
    return [EvaluationPair(one, share, _speed(one, fastest)) for one, share in known]


def _fastest(models: Iterable[str]) -> Mapping[Any, Sequence[_Candidate]]:
    """Return the counted benchmarks by each key of :func:`_keys`, the fastest first."""
    rows = Result.objects.filter(type=Result.Type.BENCHMARK, model_id__in=models)
    rows = rows.filter(Result.COUNTED)
    related = rows.select_related("host", "deployment", "endpoint", "imported")
    known: dict[Any, list[_Candidate]] = defaultdict(list)
    latest = related.defer("verdicts", "remarks").prefetch_related("points")
    for row in latest.order_by("-created_at", "-pk")[:MOST_BENCHMARKS]:
        best = _best_point(row)
        if best is not None:
            for key in _keys(row).values():
                known[key].append((*best, row))
    for found in known.values():
        found.sort(key=lambda one: (-one[0], -one[-1].pk))
    return known


def _best_point(row: Result) -> tuple[float, int | None, Mapping[str, Any]] | None:
    points: list[tuple[int | None, Mapping[str, Any]]] = [
        (point.concurrency, point.metrics) for point in row.points.all()
    ]
    rates = [
        (float(value), concurrency, metrics)
        for concurrency, metrics in points or [(None, row.metrics)]
        if isinstance(value := metrics.get(RATE), int | float) and value > 0
    ]
    return max(rates, key=itemgetter(0), default=None)


def _speed(evaluation: Result, fastest: Mapping[Any, Sequence[_Candidate]]) -> FastestPoint | None:
    """Return the fastest benchmark of the same engine, the closest pairing first where equal."""
    found = []
    for name, key in _keys(evaluation).items():
        candidates = fastest.get(key, ())
        if name == "identity":
            candidates = [one for one in candidates if _one_engine(evaluation, one[-1])]
        if candidates:
            found.append((candidates[0], name))
    if not found:
        return None
    (_rate, concurrency, metrics, benchmark), pairing = max(found, key=lambda one: one[0][0])
    return FastestPoint(benchmark, concurrency, with_rates(metrics, counts(benchmark)), pairing)


def _keys(result: Result) -> dict[Pairing, Any]:
    """Return what a benchmark and an evaluation of one engine share, the closest first."""
    if result.imported_id:
        device = result.run_context.get("device") or {}
        if not (result.model_id and isinstance(device, dict) and device.get("text")):
            return {}
        stated = [result.model_id, device["text"], device.get("count")]
        return {"stated": ("stated", json.dumps(stated, sort_keys=True, default=str))}
    keys: dict[Pairing, Any] = {}
    if result.deployment_id:
        keys["engine"] = ("deployment", result.deployment_id, result.simulated)
    elif result.endpoint_id:
        # With what it served at that time: it may serve another model today.
        known = result.run_context.get("endpoint") or {}
        served = (str(known.get(name) or "") for name in ("url", "model", "engine", "version"))
        keys["engine"] = ("endpoint", result.endpoint_id, *served)
    engine = {name: dict(result.parts.get(name) or {}) for name in _ENGINE}
    values = [value for group in engine.values() for value in group.values()]
    for name in _environments(result):
        engine["engine"].pop(name)
    # An unknown part is equal to none.
    if result.deployment_id and values and None not in values:
        text = json.dumps(engine, sort_keys=True, ensure_ascii=False)
        keys["identity"] = ("identity", text, result.simulated)
    return keys


def _environments(result: Result) -> dict[str, Any]:
    """Return the fingerprints of environments: of the engine, and of the tool that measured."""
    parts = (result.parts.get("engine") or {}).items()
    return {name: value for name, value in parts if name.startswith("environment ")}


def _one_engine(evaluation: Result, benchmark: Result) -> bool:
    """Return True if environments differ by those of two tools at most."""
    mine, theirs = _environments(evaluation), _environments(benchmark)
    shared = mine.keys() & theirs.keys()
    if any(mine[name] != theirs[name] for name in shared):
        return False
    if mine.keys() == theirs.keys():
        return True
    tools = {result.tool.partition(" ")[0] for result in (evaluation, benchmark)}
    return len(tools) == 2 and max(len(mine), len(theirs)) - len(shared) <= 1
