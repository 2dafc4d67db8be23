"""State from a terminal whether two results are equally accurate."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from dashboard.management import base
from dashboard.presenters.parity.asked import stated
from dashboard.presenters.parity.data import as_data, as_text
from dashboard.text.messages import message
from jobs.queries.parity.compared import MARGIN
from jobs.queries.parity.errors import ParityError

# Fields of the statement under the names of the options.
_OPTIONS = {"base": "BASE", "id": "RESULT", "base_counts": "--base-counts", "sets": "--sets"}


class Command(BaseCommand):
    help = (
        "State whether a result is as accurate as a baseline: equivalent within a margin, better, "
        "worse, or how many questions are missing. BASE and RESULT are numbers of results, as in "
        "the addresses of pages; 11,12 are repeats. Or bare counts, one for each data set."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("results", nargs="*", metavar="BASE RESULT")
        help_text = "correct/questions of the baseline: 154/159,933/976"
        parser.add_argument("--base-counts", default="", metavar="COUNTS", help=help_text)
        help_text = "the same of the result; 97.48%%159 is a score with its questions"
        parser.add_argument("--counts", default="", metavar="COUNTS", help=help_text)
        parser.add_argument(
            "--sets", default="", help="names of the sets: cluewsc-dev,cluewsc-test"
        )
        help_text = f"points within which results are equivalent (default: {MARGIN:g})"
        parser.add_argument("--margin", default="", metavar="POINTS", help=help_text)
        help_text = "all questions of an evaluation that stops early when decided"
        parser.add_argument("--planned", default="", metavar="QUESTIONS", help=help_text)
        parser.add_argument("--json", action="store_true", help="all numbers as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        results = options["results"]
        if results:
            base.require_dashboard()
            if len(results) != 2:
                raise CommandError("Name two results: BASE RESULT.")
        elif not (options["base_counts"] or options["counts"]):
            raise CommandError("Name two results, or --base-counts and --counts.")
        names = ("base_counts", "counts", "sets", "margin", "planned")
        data = {name: options[name] for name in names}
        data |= dict(zip(("base", "id"), results, strict=False))
        try:
            found = stated(data)
        except ParityError as error:
            option = _OPTIONS.get(error.field, f"--{error.field}")
            where = f"{option}: " if error.field else ""
            raise CommandError(f"{where}{message(error.reason.id, error.reason.args)}") from None
        if options["json"]:
            self.stdout.write(json.dumps(as_data(found)))
        else:
            self.stdout.write(as_text(found))
