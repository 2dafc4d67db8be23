"""Verdict on a job, from the host's final event and the kind's conclusion on the outputs.

:func:`evaluate` reads and parses files outside any transaction; :func:`apply` writes inside the
event's transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.db import DataError, IntegrityError, transaction

from jobs import logstore
from jobs.base.errors import JobsError
from jobs.base.messages import Message
from jobs.base.sanitize import sanitize, sanitize_text
from jobs.kinds import KINDS
from jobs.kinds.lib.load import answer_means, asked_lengths, ignores_ends, length_remarks
from jobs.metrics import METRICS
from jobs.metrics.measured import LOG, LOG_BYTES, Measurement, Outcome
from jobs.models import (
    Answer,
    Artifact,
    Deployment,
    Endpoint,
    Job,
    PointRequests,
    Result,
    ResultPoint,
    Weights,
)
from jobs.plans import from_json
from jobs.readings import read_outcome
from jobs.schedule import targets
from jobs.schedule.deployments import stop_of_server
from jobs.services import host_load, outputs
from jobs.services.intake import verdicts
from jobs.services.outcomes import (
    answer_rows,
    identity,
    matrix_runs,
    run_context,
    shortfall,
    token_use,
)
from jobs.services.outcomes.energy import with_energy
from jobs.services.outcomes.engine_windows import with_engine
from jobs.services.outcomes.known_failures import cause
from jobs.tools.lib import external
from jobs.tools.outputs.files import UNEXPECTED

State = Job.State

# The job is *errored* after an error of parsing: the dashboard failed, not the work.
# Database errors for invalid values; a connection failure raises other errors.
_STORE_ERRORS = (*UNEXPECTED, DataError, IntegrityError)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Final state of a job with its result."""

    state: str
    message: Message
    product: Mapping[str, Any] | None = None
    measured: Measurement | None = None


def evaluate(job: Job, ended: Mapping[str, Any], log_sha256: str) -> Verdict:
    """Return the verdict on an ended job with complete data, and ``log_sha256`` of its log."""
    host_message = Message(
        ended.get("message_id") or f"job:{ended['verdict']}", ended.get("message_args") or {}
    )
    if ended["verdict"] == "lost":
        # After a power cut the host may have less of the log than it had sent.
        return Verdict(State.LOST, host_message)
    if log_sha256 != ended["log_sha256"]:
        # Appending cannot repair this: do not ask the host again.
        return Verdict(State.ERRORED, Message("job:log_differs", {"host": job.host.name}))
    if ended["verdict"] == "cancelled" and job.cancel_asked_at:
        return Verdict(State.CANCELLED, Message("job:cancelled", {"user": _canceller(job)}))
    if ended["verdict"] != "succeeded":
        return _failed(job, ended, State(ended["verdict"]), host_message)
    if job.kind not in KINDS:
        return Verdict(State.ERRORED, Message("job:kind_unknown", {"kind": job.kind}))
    try:
        outcome = _parse_outcome(job)
        product = _whole_product(job, outcome)
    except UNEXPECTED as error:
        return _unreadable(error)
    failure = outcome.failure or shortfall.too_few(outcome)
    if failure:
        return _failed(job, ended, State.FAILED, failure)
    message = shortfall.worded(outcome.message or host_message, outcome.measured)
    return Verdict(State.SUCCEEDED, message, product=product, measured=outcome.measured)


def _failed(job: Job, ended: Mapping[str, Any], state: str, message: Message) -> Verdict:
    """Return the verdict on an unsuccessful job; for a failed job with its cause."""
    if state != State.FAILED:
        return Verdict(state, message)
    stopped = stop_of_server(job)
    if stopped is not None:
        own = {name: message.args[name] for name in ("host",) if name in message.args}
        return Verdict(state, Message(stopped.id, {**own, **stopped.args}))
    explanation = cause(job, exit_code=ended.get("exit_code"), message=message)
    return Verdict(state, Message(message.id, {**message.args, **explanation}))


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
    closed = verdicts.end(job, ended, state=verdict.state, message=verdict.message)
    if closed and verdict.product:
        made = sanitize(verdict.product)
        targets.register(job, made)
        Job.objects.filter(pk=job.pk).update(made=made)
    if closed and verdict.measured:
        _keep_result(job, verdict.measured, duration_s=ended.get("duration_s"))
        matrix_runs.after_result(job.pk)
    return closed


def _unreadable(error: Exception) -> Verdict:
    """Return the verdict on a job whose outputs the parser or the database rejects."""
    reason = str(error) if isinstance(error, JobsError) else f"{type(error).__name__}: {error}"
    args = {"reason": sanitize_text(reason)[:500]}
    return Verdict(State.ERRORED, Message("job:unreadable", args))


def _parse_outcome(job: Job) -> Outcome:
    kind = KINDS[job.kind]
    return read_outcome(
        kind,
        kind.Params.model_validate(job.params),
        from_json(job.plan),
        outputs.Contents(job, {LOG: _log_end(job)}),
    )


def _log_end(job: Job) -> bytes:
    store, key = logstore.store(), f"job/{job.pk}"
    size = store.size(key)
    return store.read(key, max(0, size - LOG_BYTES), size)


def _whole_product(job: Job, outcome: Outcome) -> Mapping[str, Any] | None:
    if job.product is None or outcome.failure:
        return None
    product = {**job.product, **(outcome.product or {})}
    targets.check_product(product)
    return product


def _keep_result(job: Job, measured: Measurement, *, duration_s: float | None) -> None:
    about = _about(job)
    kind = KINDS[job.kind]
    asks = asked_lengths(kind.lengths, job.params, answer_limit=kind.answer_limit)
    if measured.type == Result.Type.BENCHMARK:
        measured = with_energy(job, with_engine(job, measured))
    kept = run_context.of_job(job, [about.deployment.job] if about.deployment else [])
    remarks, disturbances, load = list(measured.remarks), list[Message](), list[Message]()
    if about.endpoint is not None:
        kept |= sanitize(run_context.of_endpoint(about.endpoint, _endpoint_file(job)))
    kept["concurrent_load"] = run_context.concurrent_load(
        job, under_test=about.deployment, endpoint=about.endpoint, duration_s=duration_s
    )
    if measured.type == Result.Type.BENCHMARK:
        remarks += length_remarks(
            asks,
            measured.points,
            full=ignores_ends(run_context.arguments_of(job)),
            context=_context_of(about),
        )
        disturbances = [*_disturbed(kept["concurrent_load"]), *matrix_runs.warm_up(job.pk)]
        remarks += [*disturbances, *(load := host_load.remarks(kept["load"], job.host.facts))]
    result = Result.objects.create(
        job=job,
        type=measured.type,
        host_id=job.host_id,
        deployment=about.deployment,
        endpoint=about.endpoint,
        model_id=about.model_id,
        label=about.label,
        what=sanitize_text(measured.what),
        tool=sanitize_text(measured.tool),
        metrics=stored_numbers({**answer_means(measured.answers), **measured.metrics}),
        asked=asks,
        remarks=sanitize([asdict(remark) for remark in remarks]),
        run_context={**kept, "sets": sanitize([asdict(one) for one in measured.sets])},
        disturbed=bool(disturbances),
        loaded=bool(load),
        incomplete=shortfall.of_measured(measured).failed > 0,
        simulated=job.host.is_simulated,
        created_by_id=job.created_by_id,
    )
    keep_points(result, measured)
    Answer.objects.bulk_create(
        Answer(result=result, index=index, **sanitize(answer))
        for index, answer in enumerate(measured.answers)
    )
    answer_rows.keep(result)
    identity.keep(result)
    token_use.keep(result)


def keep_points(result: Result, measured: Measurement) -> None:
    """Store the points of a benchmark, with their single requests."""
    points = ResultPoint.objects.bulk_create(
        ResultPoint(
            result=result, index=index, concurrency=concurrency, metrics=stored_numbers(metrics)
        )
        for index, (concurrency, metrics) in enumerate(measured.points)
    )
    PointRequests.objects.bulk_create(
        PointRequests(point=point, rows=sanitize([list(one) for one in requests]))
        for point in points
        if (requests := measured.requests.get(point.concurrency, ()))
    )


def _endpoint_file(job: Job) -> bytes:
    """Return what the first step kept of the endpoint's answers; empty where it is missing."""
    contents = outputs.Contents(job, {})
    path = external.ENDPOINT_FILE
    return contents.get(path, b"")


def _context_of(about: _About) -> int:
    """Return the context length of the deployment, prompt plus output tokens; 0: unknown."""
    if about.endpoint is not None:
        return about.endpoint.context or 0
    return int((about.deployment.details if about.deployment else {}).get("max_total") or 0)


def _disturbed(concurrent_load: Mapping[str, Any] | None) -> list[Message]:
    """Return remarks on a speed measured while other work of this dashboard was running."""
    remarks = []
    if concurrent_load and concurrent_load["jobs"]:
        jobs = ", ".join(f"#{pk}" for pk in concurrent_load["jobs"])
        remarks.append(Message("result:beside_jobs", {"jobs": jobs}))
    if concurrent_load and concurrent_load["deployments"]:
        names = ", ".join(concurrent_load["deployments"])
        remarks.append(Message("result:beside_deployments", {"names": names}))
    if concurrent_load and concurrent_load["chats"]:
        remarks.append(Message("result:beside_chats", {"chats": concurrent_load["chats"]}))
    return remarks


def stored_numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the measured metrics: without NaN, counts as integers."""
    return {
        name: int(value) if _is_whole(name, value) else value
        for name, value in sanitize(metrics).items()
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
    endpoint: Endpoint | None = None


def _about(job: Job) -> _About:
    """Return the subject of a result: the measured deployment or endpoint, or the loaded
    weights."""
    external = job.inputs.get("deployment", {}).get("endpoint") or 0
    endpoint = Endpoint.objects.filter(pk=external).first()
    if endpoint is not None:
        name = endpoint.model.strip("/").rpartition("/")[2]  # "DeepSeek-R1" of a path or hub ID
        return _About(None, endpoint.model_id or name[:100], "", endpoint)
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
