"""Search for the known failure that most likely ended a job, in logs and outputs."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from jobs import logstore
from jobs.base.errors import PlanError
from jobs.base.messages import Message
from jobs.catalog.known_failures import KNOWN_FAILURES
from jobs.models import Deployment, Job, JobStep
from jobs.plans import from_json
from jobs.queries.jobs.log_excerpts import Quote, headline, headline_in
from jobs.services import outputs
from jobs.tools.outputs.failures import FailureScan, Sighting

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
    return _telling(headline(f"job/{job.pk}", part))


def servers_cause(
    deployment: Deployment, *, log_from: int, exit_code: int | None, args: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the cause for a server that exited unexpectedly, as :func:`cause`. ``log_from`` is the
    start of this run in the log (bytes); earlier runs are ignored."""
    exit_code = exit_code or None  # exit code 0 of a server explains nothing
    about, key = _about(deployment.job, exit_code, args), f"deployment/{deployment.pk}"
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
    about = _about(job, exit_code, args)
    return _likeliest([*_sightings(job, args, about), *_out_of_memory(exit_code, args)])


def _about(job: Job, exit_code: int | None, args: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": job.kind, "tools": _tools(job, args.get("step")), "exit_code": exit_code}


def _likeliest(places: Sequence[tuple[str, tuple[Sighting, ...]]]) -> dict[str, Any] | None:
    candidates = [
        (sighting, place, where)
        for place, (where, sightings) in enumerate(places)
        for sighting in sightings
        if sighting.failure.severity != "warning"
    ]
    if not candidates:
        return None
    best, _, where = min(candidates, key=lambda each: (*each[0].failure.rank, each[1]))
    return {
        "id": best.failure.id,
        "args": dict(best.args),
        "where": where,
        "line": best.first.number if best.first else None,
        "offset": best.first.offset if best.first else None,
        "last_line": best.last.number if best.last else None,
        "count": best.count,
    }


def _sightings(
    job: Job, args: Mapping[str, Any], about: dict[str, Any]
) -> Iterator[tuple[str, tuple[Sighting, ...]]]:
    """Yield the matches in each log and output of the job, nearest source first."""
    yield OWN_LOG, _in_log(f"job/{job.pk}", about)
    deployment = Deployment.objects.filter(job=job).only("pk").first()
    if deployment is not None:
        yield SERVER_LOG, _in_log(f"deployment/{deployment.pk}", about)
    # The server's log may still be incomplete; the launcher reported its last lines.
    last_lines = str(args.get("last_lines") or "")
    yield SERVER_LOG, tuple(_without_place(each) for each in _in_bytes(last_lines.encode(), about))
    for path in outputs.Contents(job):
        if path.endswith(_LOG_ENDINGS):
            content, is_whole = outputs.end_of(job, path, SCAN_BYTES)
            found = _in_bytes(content, about)
            yield path, found if is_whole else tuple(map(_without_place, found))


def _out_of_memory(
    exit_code: int | None, args: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[Sighting, ...]]]:
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


def _in_bytes(content: bytes, about: dict[str, Any]) -> tuple[Sighting, ...]:
    scan = FailureScan(**about)
    scan.feed(content[:SCAN_BYTES])
    return scan.end()


def _without_place(sighting: Sighting) -> Sighting:
    """The match without its position: quoted lines have no position in the log."""
    return Sighting(sighting.failure, args=sighting.args)


def _tools(job: Job, step: object) -> Collection[str] | None:
    """Names of programs and files in the command of ``step``; None: unknown step."""
    try:
        steps = {each.name: each for each in from_json(job.plan).steps}
    except (PlanError, LookupError, TypeError):
        return None
    if str(step) not in steps:
        return None
    return {PurePosixPath(word).name for word in steps[str(step)].argv}
