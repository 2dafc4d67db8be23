"""Queues jobs on This computer: ``{"jobs": [numbers]}``.

Order: ``{"argv": [...], "count", "slots"}``. The command leaves ``ready.json``, as a start of a
server does: of all kinds "deploy" reads least.
"""

from collections.abc import Sequence
from typing import Any

from jobs.models import Host, Job
from jobs.plans import Output, Plan, Step, literal
from jobs.schedule import dispatch
from tests.bench.inside import serve
from tests.factories import make_job


def queue(*, argv: Sequence[str], count: int = 1, slots: int = 1) -> dict[str, Any]:
    """The jobs, oldest first; the first of them are on their way."""
    Host.objects.update(slots=slots)
    host = Host.objects.get(name="this-computer")
    steps = (Step("work", tuple(map(literal, argv))),)
    plan = Plan("deploy", steps, outputs=(Output("ready", "ready.json"),))
    fields = {"params": {"artifact": "1"}, "message_id": "job:queued", "host": host}
    jobs = [make_job(plan=plan, state=Job.State.QUEUED, **fields).pk for _ in range(count)]
    dispatch.run()
    return {"jobs": jobs}


if __name__ == "__main__":
    serve(queue)
