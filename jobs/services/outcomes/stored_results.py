"""Result of a job: its record with points and answers, and the context that it was measured in. The
context stays when the host is upgraded or its environments are recreated."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils.timezone import now

from jobs.base.messages import Message
from jobs.base.sanitize import sanitize, sanitize_text
from jobs.kinds import KINDS
from jobs.kinds.lib.load import answer_means, asked_lengths, ignores_ends, length_remarks
from jobs.metrics import METRICS
from jobs.metrics.measured import Measurement
from jobs.models import (
    Answer,
    Dataset,
    Deployment,
    DeploymentEvent,
    Endpoint,
    Environment,
    GatewayBesideJob,
    Job,
    LimitRun,
    MatrixCell,
    PointRequests,
    Preflight,
    Result,
    ResultPoint,
    Turn,
    Weights,
)
from jobs.plans import ENGINES
from jobs.schedule import lifecycle
from jobs.services import outputs
from jobs.services.intake.heartbeats import load_remarks, load_summary
from jobs.services.outcomes import answer_rows, identity, shortfall
from jobs.services.outcomes.engine_and_energy import with_energy, with_engine
from jobs.tools.lib import variants
from jobs.tools.outputs.engine_about import read_file
from jobs.tools.vacc.site import inside_of

# Of a matrix: less gain in throughput than this is none.
LEAST_GAIN = 0.03
_RATE = "output_tokens_per_s"
# Latency of a request, by preference: the first that both points have.
_LATENCIES = ("latency_mean_s", "ttft_mean_ms")
# Clocks differ slightly: shorter overlaps count as consecutive.
_TOUCH = timedelta(seconds=1)
_MOST_KEYS = 20  # named in a remark
_LONGEST_TURN = timedelta(hours=1)  # time limit of a chat answer in the relay
HOST_FACTS = ("os", "kernel", "arch", "cpu", "memory_bytes", "driver", "compiler", "iommu")


def keep(job: Job, measured: Measurement, *, duration_s: float | None) -> None:
    subject, context_tokens = _subject(job)
    deployment, endpoint = subject.get("deployment"), subject.get("endpoint")
    kind, is_benchmark = KINDS[job.kind], measured.type == Result.Type.BENCHMARK
    asks = asked_lengths(kind.lengths, job.params, answer_limit=kind.answer_limit)
    if is_benchmark:
        measured = with_energy(job, with_engine(job, measured))
    kept = context_of(job, [deployment.job] if deployment else [])
    if measured.search:
        kept["search"] = sanitize(dict(measured.search))
    if endpoint is not None:
        # What the first step kept of the endpoint's answers.
        answers = outputs.Contents(job).get(variants.ENDPOINT_FILE, b"")
        kept |= sanitize(_context_of_endpoint(endpoint, answers))
    others = kept["concurrent_load"] = concurrent_load(
        job, under_test=deployment, endpoint=endpoint, duration_s=duration_s
    )
    remarks, disturbances, load = list(measured.remarks), list[Message](), list[Message]()
    if is_benchmark:
        is_full = ignores_ends(_arguments_of(job))
        remarks += length_remarks(asks, measured.named_points, full=is_full, context=context_tokens)
        disturbances = [*_disturbed(others), *warm_up_remarks(job.pk)]
        load = load_remarks(kept["load"], job.host.facts)
        remarks += [*disturbances, *load]
    result = Result.objects.create(
        job=job,
        type=measured.type,
        host_id=job.host_id,
        **subject,
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


def _subject(job: Job) -> tuple[dict[str, Any], int]:
    """Fields of the measured deployment or endpoint, or of the loaded weights; prompt plus output
    tokens, 0: unknown."""
    number = {key: ref.get("id") or 0 for key, ref in job.inputs.items()}
    elsewhere = job.inputs.get("deployment", {}).get("endpoint") or 0
    if endpoint := Endpoint.objects.filter(pk=elsewhere).first():
        name = endpoint.model.strip("/").rpartition("/")[2]  # "DeepSeek-R1" of a path or hub ID
        model_id = endpoint.model_id or name[:100]
        return {"endpoint": endpoint, "model_id": model_id}, endpoint.context or 0
    deployments = Deployment.objects.select_related("artifact", "job")
    if deployment := deployments.filter(pk=number.get("deployment", 0)).first():
        artifact, details = deployment.artifact, deployment.details
        label = artifact.label if artifact else str(details.get("label") or "")
        named = {"deployment": deployment, "model_id": deployment.model_id, "label": label}
        return named, int(details.get("max_total") or 0)
    if weights := Weights.objects.filter(pk=number.get("weights", 0)).first():
        tp = (job.params or {}).get("tp")
        label = weights.precision + (f" tp{tp}" if tp else "")
        return {"model_id": weights.model_id, "label": label}, 0
    return {}, 0


def keep_parts(result: Result, measured: Measurement) -> None:
    """Store points with their single requests, answers, and what derives from all of them."""
    LimitRun.objects.bulk_create(
        LimitRun(
            result=result,
            index=index,
            load=load.concurrency if load.rate is None else load.rate,
            metrics=stored_numbers(metrics),
            requests=sanitize([list(one) for one in measured.requests.get(key, ())]),
        )
        for index, (key, metrics) in enumerate(measured.points)
        if (load := measured.loads.get(key))
    )
    measured = measured.by_concurrency
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
    if others and others["keys"]:
        keys = ", ".join(others["keys"])
        remarks.append(Message("result:beside_keys", {"keys": keys}))
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
    for each in waiting.filter(job__state=Job.State.QUEUED).order_by("pk"):
        if lifecycle.finish_queued_job(each.job_id or 0, Job.State.CANCELLED, message=reason):
            MatrixCell.objects.filter(pk=each.pk).update(**skip)


def only_queues(points: Sequence[tuple[int, Mapping[str, Any]]]) -> Message | None:
    """Return why more load than that of ``points`` is useless: throughput rose by less than
    ``LEAST_GAIN``, and requests took longer. Unknown values stop nothing."""
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


def context_of(job: Job, others: Iterable[Job] = ()) -> dict[str, Any]:
    """Return the context of ``job``. ``{"host": {fact: value}, "environments": [{"name",
    "fingerprint", "versions"}], "images": {name: id}, "programs": {name: version}, "dies": [ids],
    "load": jobs.services.intake.heartbeats}``. Environments and programs are those in the commands
    of ``job`` or of ``others`` (the job that started the server under test); images are those found
    by preflight checks; dies are the leased ones. ``"dataset"`` is present for a prepared data set.
    """
    jobs, facts = (job, *others), job.host.facts
    named = [arg for one in jobs for arg in _arguments_of(one)]
    leased = {die for one in jobs for die in str(one.values.get("dies") or "").split(",") if die}
    return {
        "host": {name: facts[name] for name in HOST_FACTS if name in facts},
        "environments": [
            {"name": made.name, "fingerprint": made.fingerprint, "versions": made.versions}
            for made in Environment.objects.filter(host=job.host).order_by("name", "pk")
            if any(arg.startswith(made.path.rstrip("/") + "/") for arg in named)
        ],
        "images": _image_ids(jobs),
        "programs": _programs(facts, jobs),
        "dies": sorted(leased, key=lambda die: (len(die), die)),
        "load": load_summary(job.host_load),
        **_dataset(job),
    }


def _image_ids(jobs: Iterable[Job]) -> dict[str, str]:
    ids = {}
    for preflight in Preflight.objects.filter(job__in=jobs).exclude(done_at=None).order_by("pk"):
        for finding in preflight.findings:
            args = finding["message_args"]
            if finding["name"] == "image" and finding["level"] == "ok" and args.get("id"):
                ids[str(args["image"])] = str(args["id"])
    return ids


def _programs(facts: Mapping[str, Any], jobs: Iterable[Job]) -> dict[str, str]:
    """Name -> version of the host's programs in the steps of ``jobs``, "" if unknown."""
    named = {step["argv"][0] for job in jobs for step in job.plan.get("steps", ())}
    listed = facts.get("tools")
    tools = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    versions = {str(one.get("name")): str(one.get("version") or "") for one in tools}
    return {name: version for name, version in versions.items() if name in named}


def _dataset(job: Job) -> dict[str, Any]:
    """The prepared data set whose folder the commands of ``job`` contain."""
    arguments = _arguments_of(job)
    for made in Dataset.objects.filter(host=job.host).order_by("name", "pk"):
        places = [place for place in (made.path, inside_of(job.host.facts, made.path)) if place]
        if any(f"{place.rstrip('/')}/" in f"{arg}/" for place in places for arg in arguments):
            checksum = str(made.details.get("sha256") or "")
            return {"dataset": {"name": made.name, "bytes": made.bytes, "sha256": checksum}}
    return {}


def _context_of_endpoint(endpoint: Endpoint, answers: bytes) -> dict[str, Any]:
    """``answers``: file of the job's first step, which asked the engine from the host. What it told
    comes before what an earlier check found or a person stated; "" is unknown."""
    about = read_file(answers, endpoint.model)
    known = {
        "name": endpoint.name,
        "url": endpoint.url,
        "model": endpoint.model,
        "engine": (about and about.engine) or endpoint.engine_name,
        # The version of the last check may be that of an earlier engine.
        "version": (about and about.version) or endpoint.engine_version,
    }
    device = endpoint.device_stated
    return {"endpoint": known, **({"device": device} if device else {})}


def concurrent_load(
    job: Job,
    *,
    under_test: Deployment | None,
    duration_s: float | None,
    endpoint: Endpoint | None = None,
) -> dict[str, Any] | None:
    """Return the other work of this dashboard on the host during the job. ``{"jobs": [ids],
    "deployments": [names], "chats": n, "keys": [names]}``: n chat answers of deployments on the
    host, including the one under test; keys of the gateway that asked the measured engine; all
    empty on an idle host. None for a job that never started. Based on the
    recorded times, not on the job's settings. Against an ``endpoint``: jobs against it from every
    host too; deployments and chats of the host do not load it, and are left out."""
    if job.started_at is None:
        return None
    start = job.started_at
    end = now() if duration_s is None else start + timedelta(seconds=duration_s)
    there = Q(host=job.host_id)
    if endpoint is not None:
        for name in ENGINES:
            there |= Q(**{f"inputs__{name}__endpoint": endpoint.pk})
    jobs = Job.objects.filter(Q(finished_at=None) | Q(finished_at__gt=start), there)
    times = jobs.filter(started_at__lt=end).exclude(pk=job.pk).order_by("pk")
    beside = []
    for pk, since, seconds, until in times.values_list(
        "pk", "started_at", "duration_s", "finished_at"
    ):
        if since and until and seconds is not None:  # outputs may arrive much later
            until = since + timedelta(seconds=seconds)
        if since and min(end, until or now()) - max(start, since) >= _TOUCH:
            beside.append(pk)
    rows = GatewayBesideJob.objects.filter(job=job).select_related("user")
    keys = [f"{row.token_name} ({row.user.username})" for row in rows.order_by("pk")[:_MOST_KEYS]]
    if endpoint is not None:
        return {"jobs": beside, "deployments": [], "chats": 0, "keys": keys}
    up = DeploymentEvent.objects.filter(state__in=Deployment.RUNNING_STATES, at__lt=end - _TOUCH)
    servers = Deployment.objects.filter(
        Q(state__in=Deployment.LIVE_STATES) | Q(stopped_at__gt=start + _TOUCH),
        host=job.host_id,
        pk__in=up.values("deployment"),
    )
    others = servers.exclude(pk=under_test.pk if under_test else 0).order_by("pk")
    turns = Turn.objects.filter(
        deployment__host=job.host_id, created_at__gt=start - _LONGEST_TURN, created_at__lt=end
    )
    answers = turns.order_by("pk").values_list("created_at", "state", "stats")
    return {
        "jobs": beside,
        "deployments": list(others.values_list("name", flat=True)),
        "chats": sum(_answered_until(*row) > start for row in answers.iterator()),
        "keys": keys,
    }


def _answered_until(asked: datetime, state: str, stats: Mapping[str, Any]) -> datetime:
    """The end of a chat answer; an answer without times (failed) ends immediately."""
    if state == Turn.State.STREAMING:
        return now()
    return asked + timedelta(milliseconds=float(stats.get("total_ms") or 0))


def _arguments_of(job: Job) -> list[str]:
    return [arg for step in job.plan.get("steps", ()) for arg in step["argv"]]
