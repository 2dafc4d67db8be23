"""Verdict on a job, from the host's final event and the kind's conclusion on the outputs.

:func:`reach` reads and parses files outside any transaction; :func:`apply` writes inside the
event's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.db import DataError, IntegrityError, transaction

from jobs import logstore
from jobs.errors import JobsError
from jobs.kinds import KINDS
from jobs.kinds.lib.base import LOG, LOG_BYTES, Conclusion, Measured, Remark
from jobs.kinds.lib.lengths import answer_means, asked, ignores_ends, length_remarks
from jobs.metrics import METRICS
from jobs.models import Answer, Artifact, Deployment, Job, Result, ResultPoint, Weights
from jobs.plans import from_json
from jobs.services import lifecycle, outputs
from jobs.services.outcomes import assets, digests, host_load, identity, run_context, shortfall
from jobs.services.outcomes.engine_windows import with_engine
from jobs.services.outcomes.known_failures import cause
from jobs.services.sanitize import storable, storable_text

State = Job.State

# Errors of parsing an unknown file format (JSON, encoding and validation errors are ValueErrors).
# The job is *errored* then: the dashboard failed, not the work.
_PARSER_ERRORS = (
    JobsError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    FileNotFoundError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
# Database errors for invalid values; a connection failure raises other errors.
_STORE_ERRORS = (*_PARSER_ERRORS, DataError, IntegrityError)


class Incomplete(JobsError):
    """An ``ended`` event arrived before all its data. ``have`` lists the present data."""

    id = "intake:incomplete"

    def __init__(self, have: Mapping[str, Any]) -> None:
        super().__init__(f"incomplete: {have}")
        self.have = dict(have)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Final state of a job with its result."""

    state: str
    sentence: Remark
    product: Mapping[str, Any] | None = None
    measured: Measured | None = None


def check_whole(job: Job, ended: Mapping[str, Any]) -> None:
    """Raise :class:`Incomplete` unless log, points and outputs are complete.

    A job with removed log and files is always complete.
    """
    if job.removed_at is not None:
        return
    log_bytes = logstore.store().size(f"job/{job.pk}")
    arrived = outputs.received(job)
    wanted = {output["path"]: output["bytes"] for output in ended["outputs"]}
    if (
        log_bytes < ended["log_bytes"]
        or job.points_bytes < ended.get("points_bytes", 0)
        or any(arrived.get(path) != size for path, size in wanted.items())
    ):
        raise Incomplete({"log": log_bytes, "points": job.points_bytes, "outputs": arrived})


def reach(job: Job, ended: Mapping[str, Any]) -> Verdict:
    """Return the verdict on an ended job with complete data (:func:`check_whole`).

    Raises:
        Incomplete: the checksum of a long log is not finished; the host must retry.
    """
    told = Remark(
        ended.get("sentence_id") or f"job:{ended['verdict']}", ended.get("sentence_args") or {}
    )
    if ended["verdict"] == "lost":
        # After a power cut the host may have less of the log than it had sent.
        return Verdict(State.LOST, told)
    if _sha256_of_log(job) != ended["log_sha256"]:
        # Appending cannot repair this: do not ask the host again.
        return Verdict(State.ERRORED, Remark("job:log_differs", {"host": job.host.name}))
    if ended["verdict"] == "cancelled" and job.cancel_asked_at:
        return Verdict(State.CANCELLED, Remark("job:cancelled", {"user": _canceller(job)}))
    if ended["verdict"] != "succeeded":
        return _failed(job, ended, State(ended["verdict"]), told)
    if job.kind not in KINDS:
        return Verdict(State.ERRORED, Remark("job:kind_unknown", {"kind": job.kind}))
    try:
        conclusion = _conclude(job, ended)
        product = _whole_product(job, conclusion)
    except _PARSER_ERRORS as error:
        return _unreadable(error)
    failure = conclusion.failure or shortfall.too_few(conclusion)
    if failure:
        return _failed(job, ended, State.FAILED, failure)
    sentence = shortfall.worded(conclusion.sentence or told, conclusion.measured)
    return Verdict(State.SUCCEEDED, sentence, product=product, measured=conclusion.measured)


def _sha256_of_log(job: Job) -> str:
    try:
        return digests.sha256(f"job/{job.pk}", job.claim_token)
    except digests.Unfinished as error:
        raise Incomplete({"hashed": error.hashed}) from None


def _failed(job: Job, ended: Mapping[str, Any], state: str, told: Remark) -> Verdict:
    """Return the verdict on an unsuccessful job; for a failed job with its cause."""
    if state != State.FAILED:
        return Verdict(state, told)
    found = cause(job, exit_code=ended.get("exit_code"), sentence=told)
    return Verdict(state, Remark(told.id, {**told.args, **found}))


def apply(job: Job, ended: Mapping[str, Any], verdict: Verdict) -> bool:
    """Close the job and store its results. False: already closed, nothing is stored.

    Data that cannot be stored makes the job *errored*; otherwise the host would send it forever.
    """
    try:
        with transaction.atomic():
            return _apply(job, ended, verdict)
    except _STORE_ERRORS as error:
        return _apply(job, ended, _unreadable(error))


def _apply(job: Job, ended: Mapping[str, Any], verdict: Verdict) -> bool:
    fields = {"ended": dict(ended), "log_bytes": ended["log_bytes"]}
    Job.objects.filter(pk=job.pk).update(log_sha256=ended["log_sha256"], **fields)
    closed = lifecycle.finish_job(
        job.pk, verdict.state, sentence=verdict.sentence, duration_s=ended.get("duration_s")
    )
    if closed and verdict.product:
        made = storable(verdict.product)
        assets.register(job, made)
        Job.objects.filter(pk=job.pk).update(made=made)
    if closed and verdict.measured:
        _keep_result(job, verdict.measured, duration_s=ended.get("duration_s"))
    return closed


def _unreadable(error: Exception) -> Verdict:
    """Return the verdict on a job whose outputs the parser or the database rejects."""
    reason = str(error) if isinstance(error, JobsError) else f"{type(error).__name__}: {error}"
    args = {"reason": storable_text(reason)[:500]}
    return Verdict(State.ERRORED, Remark("job:unreadable", args))


def _conclude(job: Job, ended: Mapping[str, Any]) -> Conclusion:
    kind = KINDS[job.kind]
    return kind.conclude(
        kind.Params.model_validate(job.params),
        from_json(job.plan),
        {**outputs.contents(job), LOG: _log_end(job)},
        ended.get("exit_code") or 0,
    )


def _log_end(job: Job) -> bytes:
    store, key = logstore.store(), f"job/{job.pk}"
    size = store.size(key)
    return store.read(key, max(0, size - LOG_BYTES), size)


def _whole_product(job: Job, conclusion: Conclusion) -> Mapping[str, Any] | None:
    if job.product is None or conclusion.failure:
        return None
    product = {**job.product, **(conclusion.product or {})}
    assets.check_product(product)
    return product


def _keep_result(job: Job, measured: Measured, *, duration_s: float | None) -> None:
    about = _about(job)
    kind = KINDS[job.kind]
    asks = asked(kind.lengths, job.params, answer_limit=kind.answer_limit)
    if measured.sort == Result.Sort.BENCHMARK:
        measured = with_engine(job, measured)
    kept = run_context.of_job(job, [about.deployment.job] if about.deployment else [])
    remarks, disturbances = list(measured.remarks), list[Remark]()
    kept["beside"] = run_context.beside(job, under_test=about.deployment, duration_s=duration_s)
    if measured.sort == Result.Sort.BENCHMARK:
        remarks += length_remarks(
            asks,
            measured.points,
            full=ignores_ends(run_context.arguments_of(job)),
            context=_context_of(about.deployment),
        )
        disturbances = _disturbed(kept["beside"])
        remarks += [*disturbances, *host_load.remarks(kept["load"], job.host.facts)]
    result = Result.objects.create(
        job=job,
        sort=measured.sort,
        host_id=job.host_id,
        deployment=about.deployment,
        model_id=about.model_id,
        label=about.label,
        what=storable_text(measured.what),
        tool=storable_text(measured.tool),
        metrics=_numbers({**answer_means(measured.answers), **measured.metrics}),
        asked=asks,
        remarks=storable([asdict(remark) for remark in remarks]),
        surroundings={**kept, "sets": storable([asdict(one) for one in measured.sets])},
        disturbed=bool(disturbances),
        incomplete=shortfall.of_measured(measured).failed > 0,
        simulated=job.host.is_simulated,
        created_by_id=job.created_by_id,
    )
    ResultPoint.objects.bulk_create(
        ResultPoint(result=result, index=index, concurrency=concurrency, metrics=_numbers(metrics))
        for index, (concurrency, metrics) in enumerate(measured.points)
    )
    Answer.objects.bulk_create(
        Answer(result=result, index=index, **storable(answer))
        for index, answer in enumerate(measured.answers)
    )
    identity.keep(result)


def _context_of(deployment: Deployment | None) -> int:
    """Return the context length of the deployment, prompt plus output tokens; 0: unknown."""
    return int((deployment.details if deployment else {}).get("max_total") or 0)


def _disturbed(beside: Mapping[str, Any] | None) -> list[Remark]:
    """Return remarks on a speed measured while other work of this dashboard was running."""
    found = []
    if beside and beside["jobs"]:
        jobs = ", ".join(f"#{pk}" for pk in beside["jobs"])
        found.append(Remark("result:beside_jobs", {"jobs": jobs}))
    if beside and beside["deployments"]:
        names = ", ".join(beside["deployments"])
        found.append(Remark("result:beside_deployments", {"names": names}))
    if beside and beside["chats"]:
        found.append(Remark("result:beside_chats", {"chats": beside["chats"]}))
    return found


def _numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the measured metrics: without NaN, counts as integers."""
    return {
        name: int(value) if _is_whole(name, value) else value
        for name, value in storable(metrics).items()
        if value is not None
    }


def _is_whole(name: str, value: float) -> bool:
    metric = METRICS.get(name)
    return metric is not None and metric.is_count and float(value).is_integer()


@dataclass(frozen=True, slots=True)
class _About:
    deployment: Deployment | None
    model_id: str
    label: str


def _about(job: Job) -> _About:
    """Return the subject of a result: the measured deployment, or the loaded weights."""
    number = {key: ref.get("id") or 0 for key, ref in job.inputs.items()}
    deployments = Deployment.objects.select_related("artifact", "job")
    deployment = deployments.filter(pk=number.get("deployment", 0)).first()
    if deployment is not None:
        artifact: Artifact | None = deployment.artifact
        label = artifact.label if artifact else str(deployment.details.get("label") or "")
        return _About(deployment, deployment.model_id, label)
    weights = Weights.objects.filter(pk=number.get("weights", 0)).first()
    if weights is not None:
        tp = (job.params or {}).get("tp")
        return _About(None, weights.model_id, weights.precision + (f" tp{tp}" if tp else ""))
    return _About(None, "", "")


def _canceller(job: Job) -> str:
    return job.cancelled_by.get_username() if job.cancelled_by else "manage.py"
