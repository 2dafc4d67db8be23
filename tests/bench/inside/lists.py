"""A database full of jobs and results, and the time of its pages.

Order: ``{"jobs": how many, "points": how many a result}``, on a database that is empty. It says
``{"cursors": {"jobs": …, "results": …}}``, where nine tenths of the lists are before each cursor,
and serves its pages.
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.management import call_command
from django.db import connection

from jobs.models import Host, Job, JobStep, Result
from jobs.queries.hosts import instance_id
from tests.bench.inside import serve_pages
from tests.factories import make_deployment, make_host, make_plan, make_user

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
RARE = 30  # jobs of a kind and results of a model that few have, however many there are
METRICS = {"output_tokens_per_s": 61.9, "ttft_p50_ms": 120.5, "requests": 48, "failed_requests": 0}
GROUPED = 50
AT_ONCE = 5000


def fill(jobs: int, points: int) -> dict[str, str]:
    """Seven jobs of ten are benchmarks that succeeded; every job has a result with its points.
    Of each hundred jobs, the benchmarks among the first fifty are a group."""
    call_command("migrate", verbosity=0)
    instance_id()
    hosts = [make_host(f"host-{n}") for n in range(5)]
    for _ in range(3):  # what a benchmark may measure
        make_deployment(host=hosts[0])
    people = [make_user(f"person-{n}") for n in range(4)]
    plan = make_plan()
    fields = {"plan": plan.to_json(), "plan_sha256": plan.sha256()}
    others = [n for n in range(jobs) if not _is_common(n)]
    rare = {others[k * len(others) // RARE] for k in range(RARE)}
    for start in range(0, jobs, AT_ONCE):
        numbers = range(start, min(jobs, start + AT_ONCE))
        made = Job.objects.bulk_create(
            Job(**fields, **_job(n, hosts, people, is_rare=n in rare)) for n in numbers
        )
        Result.objects.bulk_create(
            Result(job=job, **_result(n, job, is_rare=n in rare))
            for n, job in zip(numbers, made, strict=True)
        )
        JobStep.objects.bulk_create(JobStep(job=job, index=0, name="fetch") for job in made)
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s)"
            ' INSERT INTO jobs_resultpoint (result_id, "index", concurrency, metrics)'
            " SELECT jobs_result.id, n.i, n.i, jobs_result.metrics FROM jobs_result, n",
            [points],
        )
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("ANALYZE")
    deep = Job.objects.order_by("created_at")[jobs // 10]
    last = Result.objects.order_by("created_at")[jobs // 10]
    return {
        name: f"{row.pk}~{row.created_at.isoformat()}"
        for name, row in (("jobs", deep), ("results", last))
    }


def _is_common(n: int) -> bool:
    return n % 10 < 7


def _job(n: int, hosts: list[Host], people: list[Any], *, is_rare: bool) -> dict[str, Any]:
    at, is_common = BEGAN + timedelta(seconds=60 * n), _is_common(n)
    group, place = divmod(n, 100)
    return {
        "kind": "compile" if is_rare else "benchmark" if is_common else "evaluate",
        "title": f"SmolLM2-135M int{4 + n % 3 * 4}" + " oddity" * is_rare,
        "chain": UUID(int=group + 1) if place < GROUPED and is_common else None,
        "host": hosts[0 if is_common else n % 5],
        "state": Job.State.SUCCEEDED if is_common else Job.State.FAILED,
        "message_id": "done",
        "created_by": people[0 if is_common else n % 4],
        "created_at": at,
        "started_at": at,
        "finished_at": at + timedelta(seconds=50),
        "duration_s": 50.0,
    }


def _result(n: int, job: Job, *, is_rare: bool) -> dict[str, Any]:
    return {
        "type": Result.Type.BENCHMARK,
        "host": job.host,
        "model_id": "deepseek-r1" if is_rare else f"distill-{0 if _is_common(n) else n % 7}",
        "label": f"int{4 + n % 3 * 4}",
        "what": "48 prompts, 64 out" + " oddity" * is_rare,
        "tool": "evalscope 1.14.1",
        "metrics": {**METRICS, "failed_requests": int(n % 20 == 0)},
        "created_by": job.created_by,
        "created_at": job.created_at,
    }


if __name__ == "__main__":
    order = json.loads(sys.stdin.readline())
    cursors = fill(order["jobs"], order["points"])
    serve_pages({"cursors": cursors}, make_user("reader"), forgets=False)
