"""A running job on an offline host, for its log alone: answers ``{"job": number}``."""

from typing import Any

from django.utils.timezone import now

from jobs.models import Host, Job
from jobs.plans import Watch
from jobs.queries.hosts import instance_id
from tests.bench.inside import serve
from tests.factories import make_host, make_job, make_plan


def make(*, watched: bool = False) -> dict[str, Any]:
    """Make a running job on an offline host: no process looks for the job."""
    instance_id()
    watch = Watch("engine", "http://127.0.0.1:1/metrics", ("vllm:generation_tokens_total",))
    host = Host.objects.filter(name="elsewhere").first() or make_host("elsewhere", draining=True)
    plan = make_plan(watches=(watch,) if watched else ())
    job = make_job(plan=plan, host=host, state=Job.State.RUNNING, started_at=now())
    return {"job": job.pk}


if __name__ == "__main__":
    serve(make)
