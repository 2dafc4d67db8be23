"""The tour from a terminal: all five kinds of job, once, on one host."""

from __future__ import annotations

import json
import sys
import time
import uuid
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from dashboard import terminal
from dashboard.audit import record
from jobs import launch
from jobs.errors import LaunchError
from jobs.logstore import store
from jobs.models import Job, Result

HEADLINE = ("output_tokens_per_s", "ttft_p50_ms", "accuracy", "questions")
HOST_WAIT_S = 60.0


class Command(BaseCommand):
    help = (
        "Launch the tour: prepare, compile, deploy, benchmark, evaluate. The jobs are the "
        "dashboard's: ending this command changes nothing for them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="this-computer")
        parser.add_argument("--user", default="", help="account to launch for (first admin)")
        parser.add_argument(
            "--wait", action="store_true", help="follow the logs; exit code 1 unless all succeed"
        )
        parser.add_argument(
            "--json", action="store_true", help="print the results as JSON, logs to stderr"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        user = terminal.user_named(options["user"])
        host = terminal.host_that_reported(options["host"], wait_s=HOST_WAIT_S)
        try:
            stations = launch.launch_tour(host, user)
        except LaunchError as error:
            raise terminal.refused(error) from error
        for job in stations:
            record(user, "job.launch", f"job {job.pk}", kind=job.kind, by="tour")
        chain = stations[0].chain
        assert chain is not None
        if options["wait"]:
            self._follow(chain, sys.stderr if options["json"] else sys.stdout)
        if options["json"]:
            report = report_of(chain) | {"seconds": round(time.monotonic() - began, 1)}
            self.stdout.write(json.dumps(report, indent=2, ensure_ascii=False))
        if options["wait"] and not succeeded(chain):
            sys.exit(1)

    def _follow(self, chain: uuid.UUID, out: Any) -> None:
        for job in Job.objects.filter(chain=chain).order_by("pk"):
            for data in terminal.follow(job.pk, out):
                out.buffer.write(data)
                out.buffer.flush()


def succeeded(chain: uuid.UUID) -> bool:
    """True when every job of the chain has succeeded."""
    return not Job.objects.filter(chain=chain).exclude(state=Job.State.SUCCEEDED).exists()


def report_of(chain: uuid.UUID) -> dict[str, Any]:
    """The chain as plain data; the headline metrics are those that its results hold."""
    rows = Job.objects.filter(chain=chain).order_by("pk")
    results = Result.objects.filter(job__chain=chain).order_by("pk")
    metrics = {name: value for result in results for name, value in result.metrics.items()}
    return {
        "succeeded": succeeded(chain),
        **{name: metrics.get(name) for name in HEADLINE},
        "jobs": [
            {
                "id": job.pk,
                "kind": job.kind,
                "title": job.title,
                "state": job.state,
                "sentence": terminal.about(job),
                "duration_s": job.duration_s,
                "log_bytes": job.log_bytes,
                "log_sha256": store().sha256(f"job/{job.pk}"),
            }
            for job in rows
        ],
        "results": [
            {"id": result.pk, "job": result.job_id, "sort": result.sort, "metrics": result.metrics}
            for result in results
        ],
    }
