"""Print what a launch would run."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from dashboard import terminal
from dashboard.management.commands.launch import add_launch_arguments
from jobs import launch


class Command(BaseCommand):
    help = "Print a job's shell script, as it would run and as it runs by hand. Runs nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_launch_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        raw = terminal.raw_params(options["kind"], options["set"])
        seen = launch.preview(options["kind"], raw, terminal.host_named(options["host"]))
        if seen.plan is None:
            raise terminal.refusal(seen.errors)
        if seen.will_add:
            self.stderr.write(f"Prepared first, each as a job: {', '.join(seen.will_add)}")
        self.stdout.write(seen.script, ending="")
