"""Typical durations of jobs, from earlier ones of their host; of evaluations also from tokens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from math import log
from statistics import linear_regression, median
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTransform

from jobs.base import grouped
from jobs.base.numbers import finite, number_from
from jobs.kinds import KINDS, work_done, work_of
from jobs.kinds.lib.base import EXACT
from jobs.kinds.lib.evaluations import THINKING
from jobs.kinds.lib.load import did_all
from jobs.models import Deployment, Host, Job, Result, ResultPoint

_DURATIONS = 12  # earlier runs used for an estimate
_READ, _READ_OF_MANY = 50, 600  # earlier jobs of one kind, and of several


def usual_times(host: Host, jobs: Sequence[Job]) -> dict[int, Durations]:
    """Return typical durations on ``host``, by job id; jobs without history are omitted."""
    pairs = zip(jobs, usual_of(host, jobs), strict=True)
    return {job.pk or 0: times for job, times in pairs if times is not None}


def usual_of(host: Host, jobs: Sequence[Job]) -> list[Durations | None]:
    """Return typical durations of jobs or drafts on ``host``, in order; None without history."""
    kinds = {job.kind for job in jobs}
    if not kinds:
        return []
    most = _READ if len(kinds) == 1 else _READ_OF_MANY
    rows = _ended(host, kinds).values_list(*PAST_COLUMNS)[:most]
    by_kind = grouped((row[0], past) for row in rows for past in pasts([row]))
    return [_of(job, by_kind.get(job.kind, ())) for job in jobs]


class Past(NamedTuple):
    """An earlier job for estimates. ``work``: amount done, see ``Kind.work``; ``asked``: requested
    amount, if different; ``exact``: guide verbatim; ``paced_s``: the part of ``seconds`` that grows
    with the work, None if unknown."""

    title: str
    model: str
    seconds: float
    work: float | None = None
    asked: float | None = None
    exact: bool = False
    paced_s: float | None = None


@dataclass(frozen=True, slots=True)
class Durations:
    """Durations in seconds. ``same``: of identical work; ``scaled``: to this amount of work."""

    count: int
    typical_s: float
    shortest_s: float
    longest_s: float
    same: bool
    scaled: bool = False


def durations(job: Job, host: Host) -> Durations | None:
    """Return durations of jobs like ``job`` (or a draft) on ``host``: see :func:`typical`."""
    rows = _ended(host, {job.kind}).exclude(pk=job.pk or 0).values_list(*PAST_COLUMNS)[:_READ]
    return _of(job, pasts(rows))


def _ended(host: Host, kinds: Set[str]) -> QuerySet[Job]:
    done = Job.objects.filter(
        host=host, kind__in=kinds, state=Job.State.SUCCEEDED, duration_s__isnull=False
    ).exclude(Q(resumed=True) | Q(result__incomplete=True))
    return done.order_by("-created_at", "-id")


def _of(job: Job, past: Sequence[Past]) -> Durations | None:
    amount, exact = work_of(job.kind, job.params), job.params.get(EXACT) is True
    # Installations of other things do not tell their durations.
    own = job.kind in KINDS and KINDS[job.kind].brings
    return typical(past, job.title, job.model_id, amount, exact=exact, only_same=own)


# Columns of a job for :func:`pasts`; the last one has the counts of all data sets together.
PAST_COLUMNS = (
    *("kind", "title", "model_id", "duration_s", "params", "result__metrics"),
    KeyTransform("", "scores"),
)


def pasts(rows: Iterable[tuple[Any, ...]]) -> list[Past]:
    """Return earlier jobs from columns, without those that did not complete their work."""
    past_jobs = []
    for kind, title, model, seconds, params, metrics, counts in rows:
        measured, took = metrics or {}, seconds or 0.0
        if did_all(params, measured):
            amounts = work_done(kind, params, measured), work_of(kind, params)
            paced_s = _paced_s(took, measured, params, counts or {})
            exact = params.get(EXACT) is True
            past_jobs.append(Past(title, model, took, *amounts, exact=exact, paced_s=paced_s))
    return past_jobs


def _paced_s(
    seconds: float, metrics: Mapping[str, Any], params: Mapping[str, Any], counts: Mapping[str, Any]
) -> float | None:
    """Return how long requests took: of an evaluation by its counts, of a benchmark by its tool."""
    asked = counts.get("answered", 0) + counts.get("errors", 0)
    grown = asked - counts.get("base", 0)
    span = counts.get("at", 0.0) - counts.get("since", 0.0)
    if grown > 0 and span > 0:
        return float(min(seconds, span * asked / grown))
    duration = metrics.get("duration_s")
    if duration and len(params.get("concurrency") or ()) == 1:
        return float(min(seconds, duration))
    return None


def typical(
    rows: Sequence[Past],
    title: str,
    model: str,
    amount: float | None = None,
    *,
    exact: bool = False,
    only_same: bool = False,
) -> Durations | None:
    """Return durations of jobs of one kind, latest first: same title, else same model, else all.
    Verbatim and corrected runs (``exact``) differ. Jobs with the same ``amount`` take precedence;
    other durations are scaled. ``only_same``: the title alone tells, and runs that found their
    content there are left out: they took less than half of the longest."""
    same = [row for row in rows if row.title == title and row.exact == exact]
    if only_same:
        alike, rest = [], []
        longest = max((row.seconds for row in same), default=0.0)
        same = [row for row in same if row.seconds >= longest / 2]
    else:
        alike, rest = [row for row in rows if model and row.model == model], list(rows)
    chosen = same or alike or rest
    equal = [
        row
        for row in chosen
        if _is_as_much(row.work, amount)
        # An identical request repeats the work.
        or (row.asked is not None and row.title == title and _is_as_much(row.asked, amount))
    ]
    # Rows of an older version lack amounts: their durations are used as they are.
    scaled = _scaled(chosen, amount) if amount is not None and not equal else []
    seconds = (scaled or [row.seconds for row in equal or chosen])[:_DURATIONS]
    if not seconds:
        return None
    return Durations(
        *(len(seconds), median(seconds), min(seconds), max(seconds)),
        same=bool(same) and bool(equal),
        scaled=bool(scaled),
    )


def _scaled(rows: Sequence[Past], amount: float) -> list[float]:
    """Fixed time (start, warm-up) is what the requests did not take; where that is unknown, it
    comes from a least-squares line through several amounts; with one amount, all time is scaled."""
    known = [(row.work, row.seconds) for row in rows if row.work]
    rests = [row.seconds - row.paced_s for row in rows if row.work and row.paced_s is not None]
    fixed = 0.0
    if rests:
        fixed = min(median(rests), *(seconds for _did, seconds in known))
    elif len({did for did, _seconds in known}) > 1:
        line = linear_regression(*zip(*known, strict=True))
        fixed = min(max(0.0, line.intercept), *(seconds for _did, seconds in known))
    squares = sum(did * did for did, _seconds in known)
    pace = sum(did * (seconds - fixed) for did, seconds in known) / squares if known else 0.0
    if not pace:  # no slope: more work cannot be estimated
        fixed, pace = 0.0, 1.0
    # Keep each run's deviation from the line.
    return [seconds * (fixed + pace * amount) / (fixed + pace * did) for did, seconds in known]


def _is_as_much(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= 0.02 * other


_RATE, _TOKENS = "output_tokens_per_s", "output_tokens_mean"


class EvaluationEstimate(NamedTuple):
    """Duration of ``answers`` with ``tokens`` each at ``rate`` tokens a second. ``rated_by``: the
    benchmark of the rate; ``is_scaled``: it had other concurrencies. ``counted_by``: the evaluation
    whose answers had so many tokens; None: the answer limit, an upper bound."""

    seconds: float
    answers: int
    tokens: float
    rate: float
    rated_by: Result
    counted_by: Result | None
    is_scaled: bool = False


def evaluation_estimate(kind_name: str, params: Mapping[str, Any]) -> EvaluationEstimate | None:
    """None without a benchmark of the deployment."""
    kind, number = KINDS[kind_name], number_from(str(params.get("deployment", "")))
    served = Deployment.objects.select_related("job__host")
    deployment = served.filter(pk=number).first() if number is not None else None
    amount = kind.work(params)
    if deployment is None or amount is None:
        return None
    answers = round(amount * int(params["batch"]))
    rated = _rated(deployment, 1 if params.get(EXACT) else int(params["batch"]))
    if rated is None:
        return None
    rated_by, rate, is_scaled = rated
    counted_by = _counted(deployment, str(params.get(THINKING) or ""))
    limit = float(params[kind.answer_limit])
    tokens = min(limit, float(counted_by.metrics[_TOKENS])) if counted_by else limit
    seconds = answers * tokens / rate
    return EvaluationEstimate(seconds, answers, tokens, rate, rated_by, counted_by, is_scaled)


def latest_accuracy(model_id: str) -> Result | None:
    """Return the newest evaluation of a model with an accuracy, none simulated or imported."""
    return _newest(Result.Type.EVALUATION, "accuracy", model_id=model_id, simulated=False)


def _rated(deployment: Deployment, concurrency: int) -> tuple[Result, float, bool] | None:
    """Return the newest benchmark, its rate at ``concurrency``, and True if the rate is scaled. A
    simulated deployment has simulated benchmarks, which tell its speed."""
    result = _newest(Result.Type.BENCHMARK, _RATE, deployment=deployment)
    if result is None:
        return None
    points = ResultPoint.objects.filter(result=result, concurrency__gt=0)
    rates = {one.concurrency: float(one.metrics.get(_RATE) or 0.0) for one in points}
    rates = {level: rate for level, rate in rates.items() if rate > 0}
    if not rates:
        return result, float(result.metrics[_RATE]), True
    return result, _at(rates, concurrency), concurrency not in rates


def _at(rates: Mapping[int, float], concurrency: int) -> float:
    """Rate at a concurrency, from a line through the logarithms of the two closest ones that rises
    by no more than the concurrency; proportional to it where only one was measured."""
    near = sorted(rates, key=lambda level: abs(log(level / concurrency)))[:2]
    slope = 1.0
    if len(near) > 1:
        one, other = near
        slope = log(rates[one] / rates[other]) / log(one / other)
        slope = min(1.0, max(0.0, slope))
    return rates[near[0]] * float((concurrency / near[0]) ** slope)


def _counted(deployment: Deployment, thinking: str) -> Result | None:
    """Return the newest evaluation of the model with as much thinking, simulated if it is."""
    if not deployment.model_id:
        return None
    alike = Q(**{f"job__params__{THINKING}": thinking})
    alike = alike if thinking else ~Q(job__params__has_key=THINKING)
    of_model = {"model_id": deployment.model_id, "simulated": deployment.job.host.is_simulated}
    return _newest(Result.Type.EVALUATION, _TOKENS, alike, **of_model)


def _newest(result_type: str, metric: str, *alike: Q, **of: Any) -> Result | None:
    rows = Result.objects.filter(*alike, type=result_type, imported=None, **of)[:50]
    return next((row for row in rows if (finite(row.metrics.get(metric)) or 0.0) > 0), None)
