"""The known failure that most likely ended a job, looked for in all that the job left."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from jobs import logstore
from jobs.catalog.known_failures import KNOWN_FAILURES
from jobs.errors import PlanError
from jobs.kinds.lib.base import Remark
from jobs.models import Deployment, Job, JobStep
from jobs.parsers.failures import FailureScan, Sighting
from jobs.plans import from_json
from jobs.queries.jobs.log_excerpts import Quote, headline, headline_in
from jobs.services import outputs

# The end of a log is enough: what ends a run is said last. Half a second on one core.
SCAN_BYTES = 4 * 1024 * 1024
# Outputs that are logs of their own, such as those of OpenCompass's tasks.
_LOG_ENDINGS = (".log", ".out")

OWN_LOG, SERVER_LOG = "", "server"
# Ends of which the log knows more than the sentence.
_TOLD_BY_LOG = ("work:exit", "work:signal", "work:output_missing")
_TOLD_BY_SERVER = ("work:server_ended", "work:server_killed")
# Signal 9, as a process and as a container tells it.
KILLED = (-9, 137)


def cause(job: Job, *, exit_code: int | None, sentence: Remark) -> dict[str, Any]:
    """What a failed job's sentence keeps of why: ``{"failure": …}`` of a known one, else
    ``{"telling": {"line", "text"}}``, the line of its log that tells most; ``{}``: neither.

    ``line`` counts from 1; None where it is of the server's log.
    """
    said = sentence.args
    known = known_failure(job, exit_code=exit_code, said=said)
    if known is not None:
        return {"failure": known}
    if sentence.id in _TOLD_BY_SERVER:
        text = headline_in(str(said.get("last_lines") or ""))
        return {"telling": {"line": None, "text": text}} if text else {}
    if sentence.id not in _TOLD_BY_LOG:
        return {}
    step = JobStep.objects.filter(job=job, name=str(said.get("step"))).first()
    part = (step.log_from, step.log_to) if step and step.log_from is not None else None
    return _telling(headline(f"job/{job.pk}", part))


def servers_cause(
    deployment: Deployment, *, log_from: int, exit_code: int | None, said: Mapping[str, Any]
) -> dict[str, Any]:
    """The same for a server that ended unasked; see :func:`servers_failure`."""
    known = servers_failure(deployment, log_from=log_from, exit_code=exit_code, said=said)
    if known is not None:
        return {"failure": known}
    return _telling(headline(f"deployment/{deployment.pk}", (log_from, None), elsewhere=False))


def _telling(found: Quote | None) -> dict[str, Any]:
    return {"telling": {"line": found.line, "text": found.text}} if found else {}


def known_failure(
    job: Job, *, exit_code: int | None, said: Mapping[str, Any]
) -> dict[str, Any] | None:
    """What a failed job's sentence keeps of it (``sentence_args["failure"]``), None: nothing known.

    ``{"id", "args", "where", "line", "offset", "last_line", "count"}``: ``where`` is "" for the
    job's log, "server" for that of its deployment, else the path of an output. ``line`` (from 1)
    and ``offset`` (bytes) are those of the first line that shows it; None where only the exit code
    or the server's last lines tell.
    """
    about = _about(job, exit_code, said)
    return _likeliest([*_sightings(job, said, about), *_out_of_memory(exit_code, said)])


def servers_failure(
    deployment: Deployment, *, log_from: int, exit_code: int | None, said: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The same for a server that ended unasked; ``where`` is "", its own log.

    ``log_from`` is where in its log that run begins (bytes): earlier ones ended otherwise.
    """
    exit_code = exit_code or None  # a server that ends with 0 has told nothing by that
    about = _about(deployment.job, exit_code, said)
    seen = _in_log(f"deployment/{deployment.pk}", about, since=log_from)
    return _likeliest([(OWN_LOG, seen), *_out_of_memory(exit_code, said)])


def _about(job: Job, exit_code: int | None, said: Mapping[str, Any]) -> dict[str, Any]:
    """What rules failures out."""
    return {"kind": job.kind, "tools": _tools(job, said.get("step")), "exit_code": exit_code}


def _likeliest(places: Sequence[tuple[str, tuple[Sighting, ...]]]) -> dict[str, Any] | None:
    found = [
        (sighting, place, where)
        for place, (where, sightings) in enumerate(places)
        for sighting in sightings
        if sighting.failure.severity != "warning"
    ]
    if not found:
        return None
    best, _, where = min(found, key=lambda each: (*each[0].failure.rank, each[1]))
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
    job: Job, said: Mapping[str, Any], about: dict[str, Any]
) -> Iterator[tuple[str, tuple[Sighting, ...]]]:
    """What each thing that the job left shows, the nearest first."""
    yield OWN_LOG, _in_log(f"job/{job.pk}", about)
    deployment = Deployment.objects.filter(job=job).only("pk").first()
    if deployment is not None:
        yield SERVER_LOG, _in_log(f"deployment/{deployment.pk}", about)
    # Its log may still be on the way; the launcher told its end.
    told = str(said.get("last_lines") or "")
    yield SERVER_LOG, tuple(_without_place(each) for each in _in_bytes(told.encode(), about))
    for path, content in outputs.contents(job).items():
        if path.endswith(_LOG_ENDINGS):
            yield path, _in_bytes(content, about)


def _out_of_memory(
    exit_code: int | None, said: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[Sighting, ...]]]:
    """What the host's kernel counted tells, where the process itself could say nothing any more."""
    host = said.get("host")
    kills = host.get("oom_kills") if isinstance(host, Mapping) else 0
    if kills and exit_code in KILLED:
        yield OWN_LOG, (Sighting(KNOWN_FAILURES["out-of-memory"]),)


def _in_log(key: str, about: dict[str, Any], *, since: int = 0) -> tuple[Sighting, ...]:
    store = logstore.store()
    size = store.size(key)
    since = min(since, size)
    start, number = since, store.line_at(key, since) if since else 1
    if size - since > SCAN_BYTES:
        # From a whole line on, unless the last one alone is longer than that.
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
    """Lines that were quoted have numbers of their own only."""
    return Sighting(sighting.failure, args=sighting.args)


def _tools(job: Job, step: object) -> Collection[str] | None:
    """Names of the programs and files in the command of ``step``; None where it is not known."""
    try:
        steps = {each.name: each for each in from_json(job.plan).steps}
    except (PlanError, LookupError, TypeError):
        return None
    if step not in steps:
        return None
    return {PurePosixPath(word).name for word in steps[str(step)].argv}
