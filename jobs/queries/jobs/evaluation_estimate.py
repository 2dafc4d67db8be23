"""Expected duration of an evaluation from tokens, where no earlier run tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from jobs.kinds import KINDS
from jobs.kinds.lib.thinking import NAME
from jobs.models import Deployment, Result, ResultPoint
from jobs.numbers import number_from

_RATE, _TOKENS = "output_tokens_per_s", "output_tokens_mean"


@dataclass(frozen=True, slots=True)
class EvaluationEstimate:
    """Duration of ``answers`` with ``tokens`` each at ``rate`` tokens a second.

    ``rated_by``: the benchmark of the rate. ``counted_by``: the evaluation whose answers had so
    many tokens; None: the answer limit, so that the duration is an upper bound.
    """

    seconds: float
    answers: int
    tokens: float
    rate: float
    rated_by: Result
    counted_by: Result | None


def evaluation_estimate(kind_name: str, params: Mapping[str, Any]) -> EvaluationEstimate | None:
    """Return the estimate; None without a benchmark of the deployment."""
    kind, number = KINDS[kind_name], number_from(str(params.get("deployment", "")))
    deployment = Deployment.objects.filter(pk=number).first() if number is not None else None
    amount = kind.work(params)
    if deployment is None or amount is None:
        return None
    batch = int(params["batch"])
    rated = _rated(deployment, batch)
    if rated is None:
        return None
    rated_by, rate = rated
    counted_by = _counted(deployment.model_id, str(params.get(NAME) or ""))
    limit = float(params[kind.answer_limit])
    tokens = min(limit, float(counted_by.metrics[_TOKENS])) if counted_by else limit
    answers = round(amount * batch)
    return EvaluationEstimate(answers * tokens / rate, answers, tokens, rate, rated_by, counted_by)


def latest_accuracy(model_id: str) -> Result | None:
    """Return the newest evaluation of a model with an accuracy, none simulated or imported."""
    return _newest(Result.Type.EVALUATION, "accuracy", model_id=model_id)


def _rated(deployment: Deployment, batch: int) -> tuple[Result, float] | None:
    """Return the newest benchmark, and its rate at the concurrency closest to ``batch``."""
    result = _newest(Result.Type.BENCHMARK, _RATE, deployment=deployment)
    if result is None:
        return None
    points = list(ResultPoint.objects.filter(result=result))
    near = min(points, key=lambda point: abs(point.concurrency - batch), default=None)
    rate = (near.metrics if near else result.metrics).get(_RATE) or result.metrics[_RATE]
    return result, float(rate)


def _counted(model_id: str, thinking: str) -> Result | None:
    """Return the newest evaluation of a model with as much thinking."""
    if not model_id:
        return None
    alike = Q(**{f"job__params__{NAME}": thinking})
    alike = alike if thinking else ~Q(job__params__has_key=NAME)
    return _newest(Result.Type.EVALUATION, _TOKENS, alike, model_id=model_id)


def _newest(result_type: str, metric: str, *alike: Q, **of: Any) -> Result | None:
    rows = Result.objects.filter(*alike, type=result_type, simulated=False, imported=None, **of)[
        :50
    ]
    return next((row for row in rows if _is_positive(row.metrics.get(metric))), None)


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
