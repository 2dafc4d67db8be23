"""Expected duration of an evaluation from tokens, where no earlier run tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Any

from django.db.models import Q

from jobs.base.numbers import number_from
from jobs.kinds import KINDS
from jobs.kinds.lib.base import EXACT
from jobs.kinds.lib.evaluations import THINKING
from jobs.models import Deployment, Result, ResultPoint

_RATE, _TOKENS = "output_tokens_per_s", "output_tokens_mean"


@dataclass(frozen=True, slots=True)
class EvaluationEstimate:
    """Duration of ``answers`` with ``tokens`` each at ``rate`` tokens a second.

    ``rated_by``: the benchmark of the rate; ``is_scaled``: it had other concurrencies.
    ``counted_by``: the evaluation whose answers had so many tokens; None: the answer limit, so that
    the duration is an upper bound.
    """

    seconds: float
    answers: int
    tokens: float
    rate: float
    rated_by: Result
    counted_by: Result | None
    is_scaled: bool = False


def evaluation_estimate(kind_name: str, params: Mapping[str, Any]) -> EvaluationEstimate | None:
    """Return the estimate; None without a benchmark of the deployment."""
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
    """Return the newest benchmark, its rate at ``concurrency``, and True if the rate is scaled.

    A simulated deployment has simulated benchmarks, which tell its speed.
    """
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
    """Return the rate at a concurrency: measured, between two measured ones, or beyond them.

    A line through the logarithms of the two closest ones, rising by no more than the concurrency;
    proportional to the concurrency where only one was measured.
    """
    near = sorted(rates, key=lambda level: abs(log(level / concurrency)))[:2]
    slope = 1.0
    if len(near) > 1:
        one, other = near
        slope = log(rates[one] / rates[other]) / log(one / other)
        slope = min(1.0, max(0.0, slope))
    return rates[near[0]] * float((concurrency / near[0]) ** slope)


def _counted(deployment: Deployment, thinking: str) -> Result | None:
    """Return the newest evaluation of the deployment's model with as much thinking, simulated for
    a simulated deployment only."""
    if not deployment.model_id:
        return None
    alike = Q(**{f"job__params__{THINKING}": thinking})
    alike = alike if thinking else ~Q(job__params__has_key=THINKING)
    is_simulated = deployment.job.host.is_simulated
    of_model = {"model_id": deployment.model_id, "simulated": is_simulated}
    return _newest(Result.Type.EVALUATION, _TOKENS, alike, **of_model)


def _newest(result_type: str, metric: str, *alike: Q, **of: Any) -> Result | None:
    rows = Result.objects.filter(*alike, type=result_type, imported=None, **of)[:50]
    return next((row for row in rows if _is_positive(row.metrics.get(metric))), None)


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
