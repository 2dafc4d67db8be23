"""Launch a job. Preview its commands with manage.py plan."""

import sys
import time
from typing import Any

from django.db import transaction

from dashboard.actions import jobs as actions
from dashboard.management import base
from dashboard.text.labels import STATES
from dashboard.text.messages import message
from dashboard.text.queue_words import PRIORITIES, priority_for
from jobs.base.errors import LaunchError
from jobs.launch import launch
from jobs.models import Job, Preflight

ANSWER_WITHIN_S = 5.0  # a host answers within a second
LAUNCH = (
    base.Arg("kind", "job type, as the API and vacc kinds list it"),
    base.Arg("--set", "a field of the form", action="append", default=[], metavar="KEY=VALUE"),
    base.Arg("--host", default="this-computer"),
)


class Command(base.DashboardCommand):
    arguments = (
        *LAUNCH,
        base.of_user("launches"),
        base.Arg("--priority", choices=list(PRIORITIES), default="normal"),
        base.Arg(
            "--confirm",
            "accept the warning of this check (or all); otherwise the job asks for confirmation",
            action="append",
            default=[],
            metavar="CHECK",
        ),
        base.flag("--wait", "follow the log; exit code 1 unless the job succeeds"),
        base.IF_DOWN,
    )

    def handle(self, *args: Any, **options: Any) -> None:
        raw = base.raw_params(options["kind"], options["set"])
        host = base.host_named(options["host"])
        user, kind, names = options["user"], options["kind"], options["confirm"]
        asked: list[Preflight | None] = []

        def ask_checks(seen: launch.LaunchPreview) -> tuple[()]:
            if not base.is_down():
                transaction.on_commit(lambda: asked.append(launch.ask_checks(host, seen, user)))
            return ()

        try:
            given = {"priority": priority_for(user, options["priority"]), "confirm": names}
            job = actions.launch(user, kind, raw, host, confirmed=ask_checks, **given)
        except LaunchError as error:
            raise base.refused_launch(error, kind, host) from error
        self.stdout.write(f"job {job.pk}: {job.kind} {job.title}")
        self._print_findings(*asked)
        if not options["wait"]:
            if base.is_down():
                self.stderr.write("The dashboard is not running: the job starts after make run.")
            return
        watch = base.DashboardWatch(sys.stderr, options["if_down"])
        base.write(base.follow(job.pk, sys.stderr, watch), sys.stdout)
        job.refresh_from_db()
        if job.state != Job.State.SUCCEEDED:
            words = message(job.message_id, job.message_args)
            self.stderr.write(f"job {job.pk}: {STATES[job.state].word}. {words}")
            sys.exit(1)

    def _print_findings(self, asked: Preflight | None = None) -> None:
        if asked is None:
            return
        deadline = time.monotonic() + ANSWER_WITHIN_S
        while asked.done_at is None and time.monotonic() < deadline:
            time.sleep(0.1)
            asked.refresh_from_db()
        words = {"failed": "blocked", "warn": "needs confirmation"}
        for item in asked.findings:
            if item["level"] in words:
                text = message(item["message_id"], item["message_args"])
                self.stderr.write(f"{words[item['level']]}: {text}")
