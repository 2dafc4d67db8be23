"""Verdict on a job, from the host's final event and the kind's conclusion on the outputs.

:func:`close` and :func:`cause_of_server` are tasks of confined workers. :func:`evaluate` reads and
parses files outside any transaction; :func:`apply` writes inside the event's transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from django.db import DataError, IntegrityError, transaction

from jobs import logstore
from jobs.base.errors import JobsError
from jobs.base.messages import Message
from jobs.base.sanitize import sanitize, sanitize_text
from jobs.kinds import KINDS
from jobs.kinds.lib.load import answer_means, asked_lengths, ignores_ends, length_remarks
from jobs.metrics import METRICS
from jobs.metrics.measured import LOG, LOG_BYTES, Measurement
from jobs.models import (
    Answer,
    Deployment,
    Endpoint,
    Job,
    MatrixCell,
    PointRequests,
    Result,
    ResultPoint,
    Weights,
)
from jobs.plans import from_json
from jobs.protocol import Ended
from jobs.readings import read_outcome
from jobs.schedule import lifecycle, targets
from jobs.schedule.deployments import stop_of_server
from jobs.services import outputs
from jobs.services.intake import heartbeats, intake, verdicts
from jobs.services.outcomes import answer_rows, identity, known_failures, run_context, shortfall
from jobs.services.outcomes.engine_windows import with_energy, with_engine
from jobs.tools.lib import variants
from jobs.tools.outputs.files import UNEXPECTED

State = Job.State

# The job is *errored* after an error of parsing: the dashboard failed, not the work.
# Database errors for invalid values; a connection failure raises other errors.
_STORE_ERRORS = (*UNEXPECTED, DataError, IntegrityError)
# Of a matrix: less gain in throughput than this is none.
LEAST_GAIN = 0.03
_RATE = "output_tokens_per_s"
# Latency of a request, by preference: the first that both points have.
_LATENCIES = ("latency_mean_s", "ttft_mean_ms")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Final state of a job with its result."""

    state: str
    message: Message
    product: Mapping[str, Any] | None = None
    measured: Measurement | None = None


def close(job_id: int, offset: int, data: bytes, log_sha256: str) -> int:
    """Apply the events in ``data``, of which one ends the job; return the size of its events."""
    job = Job.objects.select_related("host").get(pk=job_id)
    events = intake.events_of(data)
    ended = next(event for _line, event in events if isinstance(event, Ended))
    # Parsing may take seconds; no lock is held meanwhile.
    verdict = evaluate(job, ended.model_dump(), log_sha256)
    return intake.apply_to_job(job, offset, events, partial(apply, verdict=verdict))


def cause_of_server(
    deployment_id: int, log_from: int, exit_code: int | None, args: dict[str, Any]
) -> dict[str, Any]:
    deployment = Deployment.objects.select_related("job", "host").get(pk=deployment_id)
    return known_failures.servers_cause(
        deployment, log_from=log_from, exit_code=exit_code, args=args
    )


def evaluate(job: Job, ended: Mapping[str, Any], log_sha256: str) -> Verdict:
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
        user = job.cancelled_by.get_username() if job.cancelled_by else "manage.py"
        return Verdict(State.CANCELLED, Message("job:cancelled", {"user": user}))
    if ended["verdict"] != "succeeded":
        return _failed(job, ended, State(ended["verdict"]), host_message)
    if job.kind not in KINDS:
        return Verdict(State.ERRORED, Message("job:kind_unknown", {"kind": job.kind}))
    kind, product = KINDS[job.kind], None
    try:
        store, key = logstore.store(), f"job/{job.pk}"
        size = store.size(key)
        log_end = store.read(key, max(0, size - LOG_BYTES), size)
        params, contents = kind.Params.model_validate(job.params), {LOG: log_end}
        outcome = read_outcome(kind, params, from_json(job.plan), outputs.Contents(job, contents))
        if job.product is not None and not outcome.failure:
            product = {**job.product, **(outcome.product or {})}
            targets.check_product(product)
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
    cause = known_failures.cause(job, exit_code=ended.get("exit_code"), message=message)
    return Verdict(state, Message(message.id, {**message.args, **cause}))


def _unreadable(error: Exception) -> Verdict:
    """Return the verdict on a job whose outputs the parser or the database rejects."""
    reason = str(error) if isinstance(error, JobsError) else f"{type(error).__name__}: {error}"
    args = {"reason": sanitize_text(reason)[:500]}
    return Verdict(State.ERRORED, Message("job:unreadable", args))


def apply(job: Job, ended: Mapping[str, Any], verdict: Verdict) -> bool:
    """Close the job and store its results. False: already closed, nothing is stored. Data that
    cannot be stored makes the job *errored*; otherwise the host would send it forever."""
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
        end_matrix_row(job.pk)
    return closed


@dataclass(frozen=True, slots=True)
class _Subject:
    """The measured deployment or endpoint, or the loaded weights. ``context``: prompt plus output
    tokens; 0: unknown."""

    deployment: Deployment | None = None
    endpoint: Endpoint | None = None
    model_id: str = ""
    label: str = ""
    context: int = 0


def _subject(job: Job) -> _Subject:
    number = {key: ref.get("id") or 0 for key, ref in job.inputs.items()}
    elsewhere = job.inputs.get("deployment", {}).get("endpoint") or 0
    if endpoint := Endpoint.objects.filter(pk=elsewhere).first():
        name = endpoint.model.strip("/").rpartition("/")[2]  # "DeepSeek-R1" of a path or hub ID
        model_id = endpoint.model_id or name[:100]
        return _Subject(endpoint=endpoint, model_id=model_id, context=endpoint.context or 0)
    deployments = Deployment.objects.select_related("artifact", "job")
    if deployment := deployments.filter(pk=number.get("deployment", 0)).first():
        artifact, details = deployment.artifact, deployment.details
        return _Subject(
            deployment=deployment,
            model_id=deployment.model_id,
            label=artifact.label if artifact else str(details.get("label") or ""),
            context=int(details.get("max_total") or 0),
        )
    if weights := Weights.objects.filter(pk=number.get("weights", 0)).first():
        tp = (job.params or {}).get("tp")
        label = weights.precision + (f" tp{tp}" if tp else "")
        return _Subject(model_id=weights.model_id, label=label)
    return _Subject()


def _keep_result(job: Job, measured: Measurement, *, duration_s: float | None) -> None:
    subject, kind = _subject(job), KINDS[job.kind]
    asks = asked_lengths(kind.lengths, job.params, answer_limit=kind.answer_limit)
    is_benchmark = measured.type == Result.Type.BENCHMARK
    if is_benchmark:
        measured = with_energy(job, with_engine(job, measured))
    kept = run_context.of_job(job, [subject.deployment.job] if subject.deployment else [])
    if subject.endpoint is not None:
        # What the first step kept of the endpoint's answers.
        answers = outputs.Contents(job).get(variants.ENDPOINT_FILE, b"")
        kept |= sanitize(run_context.of_endpoint(subject.endpoint, answers))
    others = kept["concurrent_load"] = run_context.concurrent_load(
        job, under_test=subject.deployment, endpoint=subject.endpoint, duration_s=duration_s
    )
    remarks, disturbances, load = list(measured.remarks), list[Message](), list[Message]()
    if is_benchmark:
        is_full = ignores_ends(run_context.arguments_of(job))
        remarks += length_remarks(asks, measured.points, full=is_full, context=subject.context)
        disturbances = [*_disturbed(others), *warm_up_remarks(job.pk)]
        load = heartbeats.load_remarks(kept["load"], job.host.facts)
        remarks += [*disturbances, *load]
    result = Result.objects.create(
        job=job,
        type=measured.type,
        host_id=job.host_id,
        deployment=subject.deployment,
        endpoint=subject.endpoint,
        model_id=subject.model_id,
        label=subject.label,
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
    keep_parts(result, measured)


def keep_parts(result: Result, measured: Measurement) -> None:
    """Store points with their single requests, answers, and what derives from all of them."""
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
    answers = (
        Answer(result=result, index=index, **sanitize(answer))
        for index, answer in enumerate(measured.answers)
    )
    Answer.objects.bulk_create(answers, batch_size=1000)
    answer_rows.keep(result)
    identity.keep(result)


def _disturbed(others: Mapping[str, Any] | None) -> list[Message]:
    """Return remarks on a speed measured while other work of this dashboard was running."""
    remarks = []
    if others and others["jobs"]:
        jobs = ", ".join(f"#{pk}" for pk in others["jobs"])
        remarks.append(Message("result:beside_jobs", {"jobs": jobs}))
    if others and others["deployments"]:
        names = ", ".join(others["deployments"])
        remarks.append(Message("result:beside_deployments", {"names": names}))
    if others and others["chats"]:
        remarks.append(Message("result:beside_chats", {"chats": others["chats"]}))
    return remarks


def stored_numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the measured metrics: without NaN, counts as integers."""
    numbers = {name: value for name, value in sanitize(metrics).items() if value is not None}
    for name, value in numbers.items():
        metric = METRICS.get(name)
        if metric is not None and metric.is_count and float(value).is_integer():
            numbers[name] = int(value)
    return numbers


def warm_up_remarks(job_id: int) -> list[Message]:
    """Return the remark on a warm-up run of a matrix, which makes its result not count."""
    is_warm_up = MatrixCell.objects.filter(job=job_id, repeat=MatrixCell.WARM_UP).exists()
    return [Message("matrix:warm_up")] if is_warm_up else []


def end_matrix_row(job_id: int) -> None:
    """Skip queued runs of the job's row if its last point added requests to the queue only."""
    cell = MatrixCell.objects.select_related("matrix").filter(job=job_id).first()
    if cell is None or not cell.matrix.spec.get("stops_early"):
        return
    row = MatrixCell.objects.filter(matrix=cell.matrix_id, row=cell.row)
    points = ResultPoint.objects.filter(result__job__cell__in=row.filter(repeat=cell.repeat))
    reason = only_queues([(point.concurrency, point.metrics) for point in points])
    if reason is None:
        return
    skip = {"skip_id": reason.id, "skip_args": dict(reason.args)}
    waiting = row.filter(concurrency__gt=reason.args["at"], skip_id="")
    for each in waiting.filter(job__state=State.QUEUED).order_by("pk"):
        number = each.job_id or 0
        if lifecycle.finish_queued_job(number, State.CANCELLED, message=reason):
            MatrixCell.objects.filter(pk=each.pk).update(**skip)


def only_queues(points: Sequence[tuple[int, Mapping[str, Any]]]) -> Message | None:
    """Return why more load is useless after the highest of ``points``; None: it may help.
    Throughput rose by less than ``LEAST_GAIN``, and requests took longer. Unknown values stop
    nothing."""
    ordered = sorted(points, key=lambda point: point[0])
    if len(ordered) < 2:
        return None
    (below, less), (at, more) = ordered[-2:]
    rates = less.get(_RATE), more.get(_RATE)
    latency = next((name for name in _LATENCIES if less.get(name) and more.get(name)), "")
    if not rates[0] or rates[1] is None or not latency:
        return None
    gain = rates[1] / rates[0] - 1
    if gain >= LEAST_GAIN or more[latency] <= less[latency]:
        return None
    return Message("matrix:only_queues", {"at": at, "below": below, "percent": round(gain * 100)})
