"""Records as JSON, as the public API answers. Times are ISO 8601 in UTC; names carry the unit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dashboard.sentences import sentence
from jobs.logstore import store
from jobs.models import Deployment, Host, Job, Result
from jobs.queries.hosts import is_away
from jobs.services.intake import log_key


def job(row: Job) -> dict[str, Any]:
    """One line of a list of jobs. Needs ``host`` and ``created_by``."""
    return {
        "id": row.pk,
        "kind": row.kind,
        "title": row.title,
        "host": row.host.name,
        "state": row.state,
        "sentence": sentence(row.sentence_id, row.sentence_args),
        "sentence_id": row.sentence_id,
        "chain": str(row.chain) if row.chain else None,
        "repeats": row.repeats_id,
        "created_by": row.created_by.get_username() if row.created_by else None,
        "created_at": _time(row.created_at),
        "started_at": _time(row.started_at),
        "finished_at": _time(row.finished_at),
        "duration_s": row.duration_s,
        "log_bytes": _log_bytes(row),
    }


def whole_job(row: Job) -> dict[str, Any]:
    """All of one job: params, plan, steps, outputs, what it comes after and what it made."""
    result = Result.objects.filter(job=row).values_list("pk", flat=True).first()
    deployment = Deployment.objects.filter(job=row).values_list("pk", flat=True).first()
    return {
        **job(row),
        "params": row.params,
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
        "result": result,
        "deployment": deployment,
    }


def result(row: Result) -> dict[str, Any]:
    """One line of a list of results. Needs ``host`` and ``created_by``."""
    return {
        "id": row.pk,
        "job": row.job_id,
        "sort": row.sort,
        "host": row.host.name,
        "deployment": row.deployment_id,
        "model": row.model_id,
        "label": row.label,
        "what": row.what,
        "tool": row.tool,
        "metrics": row.metrics,
        "remarks": [sentence(remark["id"], remark["args"]) for remark in row.remarks],
        "simulated": row.simulated,
        "created_by": row.created_by.get_username() if row.created_by else None,
        "created_at": _time(row.created_at),
    }


def whole_result(row: Result) -> dict[str, Any]:
    """A result with its points and its answers."""
    answers = ("index", "subset", "question", "expected", "answer", "score", "detail")
    return {
        **result(row),
        "points": [
            {"concurrency": point.concurrency, "metrics": point.metrics}
            for point in row.points.all()
        ],
        "answers": list(row.answers.values(*answers)),
    }


def host(row: Host) -> dict[str, Any]:
    """A host, as it reports itself."""
    return {
        "name": row.name,
        "sort": row.sort,
        "slots": row.slots,
        "draining": row.draining,
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
        "sentence": sentence(row.sentence_id, row.sentence_args),
        "run": row.run,
        "url": row.host_url,
        "created_by": row.created_by.get_username() if row.created_by else None,
        "created_at": _time(row.created_at),
        "ready_at": _time(row.ready_at),
        "stopped_at": _time(row.stopped_at),
        "log_bytes": _log_bytes(row),
    }


def _log_bytes(row: Job | Deployment) -> int:
    """What has arrived of its log; the row may be a second behind."""
    return max(row.log_bytes, store().size(log_key(row)))


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
