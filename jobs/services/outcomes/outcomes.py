"""Verdict on a job, from the host's final event and the kind's conclusion on the outputs.
:func:`close` and :func:`cause_of_server` are tasks of confined workers. :func:`evaluate` reads and
parses files outside any transaction; :func:`apply` writes inside the event's transaction."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from django.db import DataError, IntegrityError, transaction

from jobs import logstore
from jobs.base.errors import JobsError, PlanError
from jobs.base.messages import Message
from jobs.base.sanitize import sanitize, sanitize_text
from jobs.catalog.known_failures import KNOWN_FAILURES
from jobs.host_protocol import EndedEvent
from jobs.kinds import KINDS
from jobs.metrics.measured import LOG, LOG_BYTES, Measurement
from jobs.models import Deployment, Job, JobStep
from jobs.plans import from_json
from jobs.queries.jobs.log_excerpts import Quote, headline, headline_in
from jobs.readings import read_outcome
from jobs.schedule import targets
from jobs.schedule.deployments import stop_of_server
from jobs.services import outputs
from jobs.services.intake import streams, verdicts
from jobs.services.outcomes import shortfall, stored_results
from jobs.tools.outputs.failure_scan import FailureScan, Sighting
from jobs.tools.outputs.files import UNEXPECTED

State = Job.State

# The job is *errored* after an error of parsing: the dashboard failed, not the work.
# Database errors for invalid values; a connection failure raises other errors.
_STORE_ERRORS = (*UNEXPECTED, DataError, IntegrityError)
# The end of a log is enough: the cause is logged last. Half a second on one core.
SCAN_BYTES = 4 * 1024 * 1024
# Outputs that are logs, such as those of OpenCompass's tasks.
_LOG_ENDINGS = (".log", ".out")
OWN_LOG, SERVER_LOG = "", "server"
# Outcomes explained better by the log than by the message.
_TOLD_BY_LOG = ("work:exit", "work:signal", "work:output_missing")
_TOLD_BY_SERVER = ("work:server_ended", "work:server_killed")
# Signal 9, as exit code of a process and of a container.
KILLED = (-9, 137)

# Matches of a place: a log or an output.
Found = tuple[str, Iterable[Sighting]]


@dataclass(frozen=True, slots=True)
class JobVerdict:
    """Final state of a job with its result."""

    state: str
    message: Message
    product: Mapping[str, Any] | None = None
    measured: Measurement | None = None


def close(job_id: int, offset: int, data: bytes, log_sha256: str) -> int:
    """Apply the events in ``data``, of which one ends the job; return the size of its events."""
    job = Job.objects.select_related("host").get(pk=job_id)
    events = streams.events_of(data)
    ended = next(event for _line, event in events if isinstance(event, EndedEvent))
    # Parsing may take seconds; no lock is held meanwhile.
    verdict = evaluate(job, ended.model_dump(), log_sha256)
    return streams.apply_to_job(job, offset, events, partial(apply, verdict=verdict))


def evaluate(job: Job, ended: Mapping[str, Any], log_sha256: str) -> JobVerdict:
    host_message = Message(
        ended.get("message_id") or f"job:{ended['verdict']}", ended.get("message_args") or {}
    )
    if ended["verdict"] == "lost":
        # After a power cut the host may have less of the log than it had sent.
        return JobVerdict(State.LOST, host_message)
    if log_sha256 != ended["log_sha256"]:
        # Appending cannot repair this: do not ask the host again.
        return JobVerdict(State.ERRORED, Message("job:log_differs", {"host": job.host.name}))
    if ended["verdict"] == "cancelled" and job.cancel_asked_at:
        user = job.cancelled_by.get_username() if job.cancelled_by else "manage.py"
        return JobVerdict(State.CANCELLED, Message("job:cancelled", {"user": user}))
    if ended["verdict"] != "succeeded":
        return _failed(job, ended, State(ended["verdict"]), host_message)
    if job.kind not in KINDS:
        return JobVerdict(State.ERRORED, Message("job:kind_unknown", {"kind": job.kind}))
    kind, product = KINDS[job.kind], None
    try:
        store = logstore.store()
        size = store.size(job.log_key)
        contents = {LOG: store.read(job.log_key, max(0, size - LOG_BYTES), size)}
        params = kind.Params.model_validate(job.params)
        outcome = read_outcome(kind, params, from_json(job.plan), outputs.Contents(job, contents))
        if job.product is not None and not outcome.failure:
            product = {**job.product, **(outcome.product or {})}
            targets.check_product(product)
    except UNEXPECTED as error:
        return _unreadable(error)
    if failure := outcome.failure or shortfall.too_few(outcome):
        return _failed(job, ended, State.FAILED, failure)
    message = shortfall.worded(outcome.message or host_message, outcome.measured)
    return JobVerdict(State.SUCCEEDED, message, product=product, measured=outcome.measured)


def _failed(job: Job, ended: Mapping[str, Any], state: str, message: Message) -> JobVerdict:
    """Return the verdict on an unsuccessful job; for a failed job with its cause."""
    if state != State.FAILED:
        return JobVerdict(state, message)
    if stopped := stop_of_server(job):
        own = {"host": message.args["host"]} if "host" in message.args else {}
        return JobVerdict(state, Message(stopped.id, {**own, **stopped.args}))
    found = cause(job, exit_code=ended.get("exit_code"), message=message)
    return JobVerdict(state, Message(message.id, {**message.args, **found}))


def _unreadable(error: Exception) -> JobVerdict:
    reason = str(error) if isinstance(error, JobsError) else f"{type(error).__name__}: {error}"
    args = {"reason": sanitize_text(reason)[:500]}
    return JobVerdict(State.ERRORED, Message("job:unreadable", args))


def apply(job: Job, ended: Mapping[str, Any], verdict: JobVerdict) -> bool:
    """Close the job and store its results. False: already closed, nothing is stored. Data that
    cannot be stored makes the job *errored*; otherwise the host would send it forever."""
    try:
        with transaction.atomic():
            return _apply(job, ended, verdict)
    except _STORE_ERRORS as error:
        return _apply(job, ended, _unreadable(error))


def _apply(job: Job, ended: Mapping[str, Any], verdict: JobVerdict) -> bool:
    closed = verdicts.end(job, ended, state=verdict.state, message=verdict.message)
    if closed and verdict.product:
        made = sanitize(verdict.product)
        targets.register(job, made)
        Job.objects.filter(pk=job.pk).update(made=made)
    if closed and verdict.measured:
        stored_results.keep(job, verdict.measured, duration_s=ended.get("duration_s"))
        stored_results.end_matrix_row(job.pk)
    return closed


def cause(job: Job, *, exit_code: int | None, message: Message) -> dict[str, Any]:
    """Return the cause for a failed job's message: ``{"failure": …}`` for a known failure, else
    ``{"telling": {"line", "text"}}`` with the most significant log line; ``{}``: neither. ``line``
    counts from 1; None: line of the server's log."""
    args = message.args
    if known := known_failure(job, exit_code=exit_code, args=args):
        return {"failure": known}
    if message.id in _TOLD_BY_SERVER:
        text = headline_in(str(args.get("last_lines") or ""))
        return {"telling": {"line": None, "text": text}} if text else {}
    if message.id not in _TOLD_BY_LOG:
        return {}
    step = JobStep.objects.filter(job=job, name=str(args.get("step"))).first()
    part = (step.log_from, step.log_to) if step and step.log_from is not None else None
    return _telling(headline(job.log_key, part))


def cause_of_server(
    deployment_id: int, log_from: int, exit_code: int | None, args: dict[str, Any]
) -> dict[str, Any]:
    """Return the cause for a server that exited unexpectedly, as :func:`cause`. ``log_from`` is the
    start of this run in the log (bytes); earlier runs are ignored."""
    deployment = Deployment.objects.select_related("job").get(pk=deployment_id)
    exit_code = exit_code or None  # exit code 0 of a server explains nothing
    about, key = _about(deployment.job, exit_code, args), deployment.log_key
    places = [(OWN_LOG, _in_log(key, about, since=log_from)), *_out_of_memory(exit_code, args)]
    if known := _likeliest(places):
        return {"failure": known}
    return _telling(headline(key, (log_from, None), elsewhere=False))


def _telling(quote: Quote | None) -> dict[str, Any]:
    return {"telling": {"line": quote.line, "text": quote.text}} if quote else {}


def known_failure(
    job: Job, *, exit_code: int | None, args: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return the known failure for a failed job's message (``message_args["failure"]``), or None.
    ``{"id", "args", "where", "line", "offset", "last_line", "count"}``: ``where`` is "" for the
    job's log, "server" for that of its deployment, else the path of an output. ``line`` (from 1)
    and ``offset`` (bytes) are those of the first matching line; None for a match of the exit code
    or of the server's last lines."""
    found = _sightings(job, args, _about(job, exit_code, args))
    return _likeliest([*found, *_out_of_memory(exit_code, args)])


def _about(job: Job, exit_code: int | None, args: Mapping[str, Any]) -> dict[str, Any]:
    """Facts that exclude some failures; ``tools``: programs and files in the failed command."""
    try:
        steps = {step.name: step for step in from_json(job.plan).steps}
    except (PlanError, LookupError, TypeError):
        steps = {}
    failed = steps.get(str(args.get("step")))
    tools = {PurePosixPath(word).name for word in failed.argv} if failed else None
    return {"kind": job.kind, "tools": tools, "exit_code": exit_code}


def _likeliest(places: Iterable[Found]) -> dict[str, Any] | None:
    candidates = [
        ((*sighting.failure.rank, place), sighting, where)
        for place, (where, sightings) in enumerate(places)
        for sighting in sightings
        if sighting.failure.severity != "warning"
    ]
    if not candidates:
        return None
    _rank, best, where = min(candidates, key=lambda each: each[0])
    return {
        "id": best.failure.id,
        "args": dict(best.args),
        "where": where,
        "line": best.first.number if best.first else None,
        "offset": best.first.offset if best.first else None,
        "last_line": best.last.number if best.last else None,
        "count": best.count,
    }


def _sightings(job: Job, args: Mapping[str, Any], about: dict[str, Any]) -> Iterator[Found]:
    """Matches in each log and output, nearest source first; quoted lines have no position."""
    yield OWN_LOG, _in_log(job.log_key, about)
    deployment = Deployment.objects.filter(job=job).only("pk").first()
    if deployment is not None:
        yield SERVER_LOG, _in_log(deployment.log_key, about)
    # The server's log may still be incomplete; the launcher reported its last lines.
    yield SERVER_LOG, _in_bytes(str(args.get("last_lines") or "").encode(), about, has_place=False)
    for path in outputs.Contents(job):
        if path.endswith(_LOG_ENDINGS):
            content, is_whole = outputs.end_of(job, path, SCAN_BYTES)
            yield path, _in_bytes(content, about, has_place=is_whole)


def _out_of_memory(exit_code: int | None, args: Mapping[str, Any]) -> Iterator[Found]:
    """The out-of-memory failure from the kernel's counters; the process logs nothing."""
    host = args.get("host")
    kills = host.get("oom_kills") if isinstance(host, Mapping) else 0
    if kills and exit_code in KILLED:
        yield OWN_LOG, (Sighting(KNOWN_FAILURES["out-of-memory"]),)


def _in_log(key: str, about: dict[str, Any], *, since: int = 0) -> tuple[Sighting, ...]:
    store = logstore.store()
    size = store.size(key)
    since = min(since, size)
    start, number = since, store.line_at(key, since) if since else 1
    if size - since > SCAN_BYTES:
        # Start at a whole line, unless the last line alone is longer.
        number = store.line_at(key, size - SCAN_BYTES) + 1
        start = store.offset_of_line(key, number)
        if start >= size:
            start, number = size - SCAN_BYTES, number - 1
    scan = FailureScan(number=number, offset=start, **about)
    for chunk in store.chunks(key, start, size):
        scan.feed(chunk)
    return scan.end()


def _in_bytes(content: bytes, about: dict[str, Any], *, has_place: bool) -> tuple[Sighting, ...]:
    scan = FailureScan(**about)
    scan.feed(content[:SCAN_BYTES])
    found = scan.end()
    return found if has_place else tuple(Sighting(one.failure, args=one.args) for one in found)
