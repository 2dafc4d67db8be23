"""Records and actions missing in the API: each line in is ``[name, {arguments}]``, each line out
``{"answer": …}`` or ``{"error": …}``."""

import json
import sys
from dataclasses import replace
from typing import Any

from django.db import connection

from jobs import models
from jobs.kinds import KINDS
from jobs.launch import launch as launching
from jobs.launch.pipelines import PIPELINES, launch_pipeline
from jobs.models import Host
from jobs.plans import Step, literal
from jobs.queries.hosts import free_dies, is_away
from jobs.schedule import dispatch


def launch(host: str, kind: str, params: dict[str, Any], command: list[str]) -> int:
    """Launch a job of a real kind with one more step, which runs in its middle."""
    module = KINDS[kind]
    plan = module.plan

    def with_flood(*arguments: Any) -> Any:
        made = plan(*arguments)
        at = _middle(made.steps)
        step = Step("flood", tuple(map(literal, command)))
        return replace(made, steps=(*made.steps[:at], step, *made.steps[at:]))

    module.plan = with_flood  # type: ignore[method-assign]
    try:
        job = launching.launch(kind, params, host=Host.objects.get(name=host), user=None)
    finally:
        module.plan = plan  # type: ignore[method-assign]
    dispatch.run()
    return int(job.pk)


def _middle(steps: Any) -> int:
    """After the last step that serves, else after the one that makes the container, else first."""
    for marked in (lambda step: step.serves, lambda step: step.cleanup):
        indexes = [index for index, step in enumerate(steps) if marked(step)]
        if indexes:
            return indexes[-1] + 1
    return 0


def pipeline(host: str, pipeline: str, model: str, without: list[str]) -> list[int]:
    """Launch a pipeline without the jobs named in ``without``; return the jobs' numbers."""
    whole = PIPELINES[pipeline]
    chosen = lambda *about: [job for job in whole.jobs(*about) if job.name not in without]  # noqa: E731
    PIPELINES[pipeline] = replace(whole, jobs=chosen)
    try:
        jobs = launch_pipeline(
            pipeline, model, host=Host.objects.get(name=host), stack="guide", user=None
        )
    finally:
        PIPELINES[pipeline] = whole
    return [job.pk for job in jobs]


def host_state(host: str) -> dict[str, Any]:
    """Free dies of a host, and true if it is offline."""
    row = Host.objects.get(name=host)
    return {"free": sorted(free_dies(row)), "away": is_away(row)}


def asset(table: str, like: str) -> str:
    """Key of an asset whose text has ``like``, as Params hold it."""
    rows = getattr(models, table).objects.order_by("pk")
    return str(next(row.pk for row in rows if like in repr(vars(row))))


def job_facts(job: int, host: str) -> dict[str, Any]:
    """Facts of a job that the API lacks, and the count of the host's free dies."""
    row = models.Job.objects.get(pk=job)
    failure = (row.message_args.get("failure") or {}).get("id", "")
    free = len(free_dies(Host.objects.get(name=host)))
    return {"dispatched": row.dispatched_at is not None, "failure": failure, "free": free}


ASKED = {f.__name__: f for f in (launch, pipeline, host_state, asset, job_facts)}


if __name__ == "__main__":
    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            reply = {"answer": ASKED[name](**arguments)}
        except Exception as error:  # returned to the caller
            reply = {"error": repr(error)}
        connection.close()  # the database may be another one the next time
        print(json.dumps(reply), flush=True)
