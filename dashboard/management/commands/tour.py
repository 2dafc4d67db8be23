"""Launch the tour: prepare, compile, deploy, benchmark, evaluate. The jobs continue if this command
ends. A second start follows the running tour."""

import json
import sys
import time
import uuid
from typing import Any

from django.core.management.base import CommandError

from dashboard.actions import jobs as actions
from dashboard.management import base
from jobs.base.numbers import result_number
from jobs.logstore import store
from jobs.models import Host, Job, Result
from jobs.queries.jobs.job_page import TOUR_KINDS

HEADLINE = ("output_tokens_per_s", "ttft_p50_ms", "accuracy", "questions")
HOST_WAIT_S = 60.0


class Command(base.DashboardCommand):
    arguments = (
        base.Arg("--host", default="this-computer"),
        base.of_user("launches"),
        base.flag("--wait", "follow the logs; exit code 1 unless all succeed"),
        base.flag("--json", "print the results as JSON, logs to stderr"),
        base.IF_DOWN,
    )

    def handle(self, *args: Any, **options: Any) -> None:
        host = _host_that_reported(options["host"])
        chain: Any = running_tour(host) or actions.launch_tour(options["user"], host)[0].chain
        if options["wait"]:
            watch = base.DashboardWatch(sys.stderr, options["if_down"])
            out = sys.stderr if options["json"] else sys.stdout
            for job in Job.objects.filter(chain=chain).order_by("pk"):
                base.write(base.follow(job.pk, out, watch), out)
        if options["json"]:
            self.stdout.write(json.dumps(report_of(chain), indent=2, ensure_ascii=False))
        if options["wait"] and not succeeded(chain):
            sys.exit(1)


def _host_that_reported(name: str) -> Host:
    """Wait for the host's first report: the dashboard may be starting."""
    deadline = time.monotonic() + HOST_WAIT_S
    while not (host := base.host_named(name)).facts:
        if time.monotonic() >= deadline:
            raise CommandError(f"{name} has not reported yet. Start the dashboard with make run.")
        time.sleep(base.POLL_S)
    return host


def running_tour(host: Host) -> uuid.UUID | None:
    """The chain of a tour that this host has not ended yet, whoever launched it."""
    # A tour ends with its evaluation, which is cancelled when one before it did not succeed.
    last = Job.objects.filter(host=host, kind="evaluate", state__in=Job.OPEN_STATES)
    for chain in last.exclude(chain=None).order_by("-pk").values_list("chain", flat=True):
        if set(Job.objects.filter(chain=chain).values_list("kind", flat=True)) >= TOUR_KINDS:
            return chain
    return None


def succeeded(chain: uuid.UUID) -> bool:
    return not Job.objects.filter(chain=chain).exclude(state=Job.State.SUCCEEDED).exists()


def report_of(chain: uuid.UUID) -> dict[str, Any]:
    rows = list(Job.objects.filter(chain=chain).order_by("pk"))
    results = Result.objects.filter(job__chain=chain).order_by("pk")
    metrics = {name: value for result in results for name, value in result.metrics.items()}
    return {
        "succeeded": succeeded(chain),
        **{name: metrics.get(name) for name in HEADLINE},
        "seconds": _seconds(rows),
        "jobs": [
            {
                "id": job.pk,
                "kind": job.kind,
                "title": job.title,
                "state": job.state,
                "message": base.about(job),
                "duration_s": job.duration_s,
                "log_bytes": job.log_bytes,
                "log_sha256": store().sha256(f"job/{job.pk}"),
            }
            for job in rows
        ],
        "results": [
            {
                "id": result_number(result.pk),
                "job": result.job_id,
                "type": result.type,
                "metrics": result.metrics,
            }
            for result in results
        ],
    }


def _seconds(jobs: list[Job]) -> float | None:
    """From the launch to the last end; None while one has not ended."""
    ends = [job.finished_at for job in jobs if job.finished_at is not None]
    if len(ends) < len(jobs):
        return None
    return round((max(ends) - min(job.created_at for job in jobs)).total_seconds(), 1)
