"""Records as JSON, as the public API answers. Times are ISO 8601 in UTC; names carry the unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Protocol

from django.contrib.auth.models import AbstractBaseUser

from dashboard.pages.shared.verdict import Marks, marks_of, organised_fields
from dashboard.server.removed import removal
from dashboard.text.formatting import joined
from dashboard.text.known_failures import stalled_text, view_of
from dashboard.text.messages import message, server_message
from dashboard.text.queue_words import priority_name, starts, waits
from jobs.base.errors import DamagedLog
from jobs.base.messages import Message
from jobs.base.numbers import result_number
from jobs.kinds.lib.lengths import measured
from jobs.logstore import store
from jobs.models import Deployment, Host, Import, Job, Result
from jobs.queries.hosts.host_page import queue_position, queue_positions
from jobs.queries.hosts.hosts import is_away
from jobs.queries.jobs.chains import ChainProgress
from jobs.queries.jobs.running_accuracy import Standing, standings
from jobs.queries.results.provenance import provenance
from jobs.queries.results.repeats import repeats_of
from jobs.queries.results.results import answer_rows
from jobs.queries.results.set_scores import SetRow, set_groups
from jobs.schedule.forecast import Forecast
from jobs.schedule.launch_rights import launcher_names
from jobs.services.imports import about_row
from jobs.services.intake.intake import log_key

_OF_ALL = "_all"  # how the names of such metrics end


class Created(Protocol):
    """Record of a person; None for a removed account."""

    created_at: datetime

    @property
    def created_by(self) -> AbstractBaseUser | None:
        """Return the person."""


def created(row: Created) -> dict[str, Any]:
    """Return who created a record, and when."""
    return {
        "created_by": row.created_by.get_username() if row.created_by else None,
        "created_at": row.created_at.isoformat(),
    }


def job(row: Job) -> dict[str, Any]:
    """One line of a list of jobs. Needs ``host`` and ``created_by``."""
    return {
        "id": row.pk,
        "kind": row.kind,
        "title": row.title,
        "host": row.host.name,
        "state": row.state,
        "message": joined(message(row.message_id, row.message_args), stalled_text(row)),
        "message_id": row.message_id,
        "needs_confirmation": [
            {**item, "message": message(item["message_id"], item["message_args"])}
            for item in row.open_confirmations
        ],
        "failure": _failure(row),
        "chain": str(row.chain) if row.chain else None,
        "repeats": row.repeats_id,
        "resumed": row.resumed,
        "priority": priority_name(row.priority),
        "exclusive": row.exclusive,
        **created(row),
        "started_at": _time(row.started_at),
        "finished_at": _time(row.finished_at),
        "duration_s": row.duration_s,
        "log_bytes": _log_bytes(row),
        "pinned": row.pinned_at is not None,
        "removed": removal(row),
    }


def whole_job(row: Job) -> dict[str, Any]:
    """A job with params, plan, steps, outputs, predecessors and created objects."""
    result = Result.objects.filter(job=row).values_list("pk", flat=True).first()
    deployment = Deployment.objects.filter(job=row).values_list("pk", flat=True).first()
    return {
        **job(row),
        "params": row.params,
        "confirmed": row.confirmed,
        "plan": row.plan,
        "plan_sha256": row.plan_sha256,
        "values": row.values,
        "after": sorted(row.after.values_list("pk", flat=True)),
        "log_sha256": row.log_sha256,
        "steps": [
            {
                "name": step.name,
                "started_at": _time(step.started_at),
                "duration_s": step.duration_s,
                "exit_code": step.exit_code,
                "log_from": step.log_from,
                "log_to": step.log_to,
            }
            for step in row.steps.all()
        ],
        "outputs": [
            {"name": file.name, "path": file.path, "bytes": file.bytes, "sha256": file.sha256}
            for file in row.outputs.all()
        ],
        "result": result_number(result) if result else None,
        "deployment": deployment,
        "waits": waits_of(row),
        "accuracy": _accuracy(row),
    }


def _accuracy(row: Job) -> dict[str, Any] | None:
    """Return the latest progress of an evaluation; None for other jobs."""
    scores = standings(row)
    if scores is None:
        return None
    return {**_standing(scores.whole), "sets": [_standing(one) for one in scores.sets]}


def _standing(one: Standing) -> dict[str, Any]:
    share = one.accuracy
    return {
        "set": one.name,
        "answered": one.answered,
        "total": one.total or None,
        "scored": one.scored,
        "correct": one.right,
        "share": share.value if share else None,
        # 95 %; of all sets only when each has begun: before, they are no sample of the whole.
        "interval": [share.low, share.high] if share and not one.is_partial else None,
        "partial": one.is_partial,
        "cut": one.cut,
        "errors": one.errors,
        "questions_per_minute": one.per_minute,
        "left_s": None if one.left_s is None else round(one.left_s),
    }


def waits_of(row: Job) -> dict[str, Any] | None:
    """Return queue reason and possible start of a queued job; None for other jobs."""
    if row.state != Job.State.QUEUED:
        return None
    ((why, forecast),) = waits([row]).values()
    return {"ahead": queue_position(row), **_wait(why, forecast)}


def queued_jobs(rows: Sequence[Job]) -> list[dict[str, Any]]:
    """Return a host's queue, each job with queue reason and possible start."""
    reasons, ahead = waits(rows), queue_positions(rows)
    return [
        {**job(row), "waits": {"ahead": ahead[row.pk], **_wait(*reasons[row.pk])}} for row in rows
    ]


def pipeline(chain: ChainProgress) -> dict[str, Any]:
    """Jobs that were launched together, as the page has them: of each the last attempt.

    ``state`` is "succeeded", "running" while one of them is open, else that of the first which
    ended without success.
    """
    reasons = waits([row for row in chain.jobs if row.state == Job.State.QUEUED])
    ended = chain.failed.state if chain.failed else Job.State.SUCCEEDED
    return {
        "id": str(chain.id),
        "model": chain.model_id,
        "state": Job.State.RUNNING if chain.is_open else ended,
        "done": chain.done,
        "jobs": [
            {
                **job(row),
                "after": sorted(one.pk for one in row.after.all()),
                "waits": _wait(*reasons[row.pk]) if row.pk in reasons else None,
                "earlier": [one.pk for one in chain.earlier.get(row.pk, ())],
                "result": result_number(row.result.pk) if hasattr(row, "result") else None,
                "deployment": row.deployment.pk if hasattr(row, "deployment") else None,
            }
            for row in chain.jobs
        ],
    }


def _wait(why: Message, forecast: Forecast) -> dict[str, Any]:
    """Return the forecast; ``starts_in_s`` is None if unknown, ``starts`` is the text."""
    seconds = forecast.starts_in_s
    return {
        "message": message(why.id, why.args),
        "message_id": why.id,
        "starts_in_s": None if seconds is None else round(seconds),
        "starts": starts(forecast),
    }


def results(rows: Sequence[Result]) -> list[dict[str, Any]]:
    """Lines of a list of results. Need ``host``, ``created_by`` and ``imported__declared_by``."""
    marks = marks_of(rows)
    return [_result(row, marks[row.pk]) for row in rows]


def _result(row: Result, marks: Marks) -> dict[str, Any]:
    return {
        "id": result_number(row.pk),
        "job": row.job_id,
        "imported": row.imported_id is not None,
        "type": row.type,
        "host": row.host.name if row.host else None,
        "deployment": row.deployment_id,
        "endpoint": row.endpoint_id,
        "device": row.device,
        "declared": _declared(row.imported) if row.imported else None,
        "measured_at": _time(row.measured_at),
        "model": row.model_id,
        "label": row.label,
        "what": row.what,
        "tool": row.tool,
        # Of the concurrency with the highest output rate; ``totals`` are of all concurrencies.
        "metrics": {name: row.metrics[name] for name in row.metrics if not name.endswith(_OF_ALL)},
        "totals": {
            name.removesuffix(_OF_ALL): row.metrics[name]
            for name in row.metrics
            if name.endswith(_OF_ALL)
        },
        # Tokens of a request, as asked for and as they were (means); {} where there is none.
        "asked": row.asked,
        "measured": measured(row.metrics),
        # What else ran on the host meanwhile; null where nobody wrote it down.
        "collected": row.run_context.get("collected"),
        "concurrent_load": row.run_context.get("concurrent_load"),
        "remarks": [message(remark["id"], remark["args"]) for remark in row.remarks],
        "disturbed": row.disturbed,
        "incomplete": row.incomplete,
        "loaded": row.loaded,
        "simulated": row.simulated,
        **organised_fields(row, marks),
        **created(row),
    }


def _declared(row: Import) -> dict[str, Any] | None:
    """Return what a person declared of an import, who and when; None: nothing."""
    if row.declared_at is None:
        return None
    by = row.declared_by.get_username() if row.declared_by else None
    return {**asdict(about_row(row)), "by": by, "at": row.declared_at.isoformat()}


def whole_result(row: Result) -> dict[str, Any]:
    """A result with its points and answers, its identity, repeats and provenance."""
    known = provenance(row)
    uncounted = [run for run in repeats_of(row, uncounted=True) if not run.counts]
    return {
        **results([row])[0],
        "identity": {"fingerprint": row.fingerprint, **row.identity},
        # Results that count as repeats; others count for nothing.
        "repeats": [result_number(repeat.pk) for repeat in repeats_of(row)],
        "disturbed_repeats": [result_number(run.pk) for run in uncounted if run.disturbed],
        "incomplete_repeats": [result_number(run.pk) for run in uncounted if run.incomplete],
        "loaded_repeats": [result_number(run.pk) for run in uncounted if run.loaded],
        "provenance": {**known.parts, "missing": list(known.missing)},
        "points": [
            {
                "concurrency": point.concurrency,
                "metrics": point.metrics,
                "measured": measured(point.metrics),
            }
            for point in row.points.all()
        ],
        "sets": [_set(group.name, one) for group in set_groups(row) for one in group.rows],
        "answers": answer_rows(row),
    }


def _set(group: str, row: SetRow) -> dict[str, Any]:
    """Return a score of a data set with its interval, both in per cent."""
    bounds = (
        {"low": 100 * row.interval.low, "high": 100 * row.interval.high} if row.interval else None
    )
    return {"group": group, **asdict(row), "interval": bounds}


def host(row: Host) -> dict[str, Any]:
    """A host, as it reports itself."""
    return {
        "name": row.name,
        "type": row.type,
        "slots": row.slots,
        "draining": row.draining,
        "launchers": launcher_names(row),
        "away": is_away(row),
        "heartbeat_at": _time(row.heartbeat_at),
        "facts": row.facts,
        "load": row.load,
    }


def deployment(row: Deployment) -> dict[str, Any]:
    """A deployment. Needs ``host``, ``artifact`` and ``created_by``."""
    return {
        "id": row.pk,
        "name": row.name,
        "host": row.host.name,
        "job": row.job_id,
        "model": row.model_id,
        "label": row.artifact.label if row.artifact else "",
        "state": row.state,
        "message": server_message(row),
        "failure": _failure(row),
        "progress": row.progress,
        "run": row.run,
        "url": row.host_url,
        **created(row),
        "ready_at": _time(row.ready_at),
        "stopped_at": _time(row.stopped_at),
        "log_bytes": _log_bytes(row),
        "removed": removal(row),
    }


def _failure(row: Job | Deployment) -> str | None:
    """The id of the known failure that ended it."""
    known = view_of(row)
    return known.id if known else None


def _log_bytes(row: Job | Deployment) -> int:
    """Return the stored size of its log; the row may be a second behind."""
    try:
        return max(row.log_bytes, store().size(log_key(row)))
    except DamagedLog:
        return row.log_bytes


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
