"""Write the report of a result, of a comparison of two to eight results, of a parity statement, of
a matrix, or of several side by side. Results are written as pages have them: res-11. res-11,res-12
is a group of repeats."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.http import Http404
from pydantic import ValidationError

from dashboard.management import base
from dashboard.reports.document import LANGUAGES, ReportError
from dashboard.reports.make import KINDS, TYPES, make
from jobs.base.validation_errors import messages
from jobs.metrics import UNITS

STDOUT = "-"
_OF_ALL = ("language", "format", "per", "profile", "heading", "customer", "summary")


class Command(base.DashboardCommand):
    arguments = (
        base.Arg("results", "the first is the baseline", nargs="*", metavar="RESULT"),
        base.Arg("--matrix", "report of these matrices, with commas", default=None, metavar="ID"),
        base.flag("--parity", "report of the parity statement of two results, or of bare counts"),
        *base.STATEMENT,
        base.Arg("--language", choices=tuple(LANGUAGES), default="en"),
        base.Arg("--format", choices=tuple(TYPES), default="html"),
        base.Arg("--output", "default: standard output", default=STDOUT, metavar="FILE"),
        base.Arg("--level", "service level of one result"),
        base.Arg("--concurrency", "compared concurrency", default=None),
        base.Arg("--metric", "number of each cell of a matrix"),
        base.Arg("--per", "unit of throughput", choices=UNITS, default="total"),
        base.Arg("--profile", choices=("internal", "customer"), default="internal"),
        base.Arg("--include", "internal part for a customer: notes, people, paths, addresses"),
        base.Arg("--heading", "title; default: the conclusion"),
        base.Arg("--customer", "name of the customer"),
        base.Arg("--summary", "own text before the conclusion"),
        base.Arg("--names", "own names of the columns, with | between", metavar="A|B"),
        base.Arg("--devices", "own names of their devices, with | between", metavar="A|B"),
    )

    def handle(self, *args: Any, **options: Any) -> None:
        kind, given = KINDS[_name(options)], _given(options)
        try:
            file = make(kind, kind.asked.model_validate(given))
        except ValidationError as error:
            raise base.refusal(messages(error)) from error
        except Http404 as error:
            raise CommandError(f"Not found: {str(error).rstrip('.')}.") from None
        except ReportError as error:
            if kind.name == "parity":
                raise base.statement_refusal(error.field, str(error)) from None
            raise CommandError(str(error)) from None
        if options["output"] == STDOUT:
            self.stdout.write(file.text, ending="")
            return
        try:
            Path(options["output"]).write_text(file.text, "utf-8")
        except OSError as error:
            raise CommandError(f"Cannot write {options['output']}: {error.strerror}.") from error
        self.stdout.write(options["output"])


def _name(options: Mapping[str, Any]) -> str:
    results = options["results"]
    if options["parity"] or options["base_counts"] or options["counts"]:
        if options["matrix"] is not None:
            raise CommandError("Name a parity statement, or --matrix ID.")
        return "parity"
    if bool(results) == (options["matrix"] is not None):
        raise CommandError("Name results, or --matrix ID.")
    if options["matrix"] is not None:
        return "matrices" if "," in options["matrix"] else "matrix"
    return "result" if len(results) == 1 and "," not in results[0] else "comparison"


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    results = options["results"]
    given = {name: options[name] for name in _OF_ALL}
    given["include"] = [part for part in options["include"].split(",") if part]
    given |= {name: options[name].split("|") for name in ("names", "devices") if options[name]}
    match _name(options):
        case "parity":
            return given | base.statement_fields(options)
        case "matrix":
            return {**given, "id": options["matrix"], "metric": options["metric"]}
        case "matrices":
            numbers = options["matrix"].split(",")
            return {**given, "id": numbers, "metric": options["metric"]}
        case "result":
            return {**given, "id": results[0], "level": options["level"]}
    column = "group" if any("," in text for text in results) else "id"
    more = {name: options[name] for name in ("concurrency", "margin", "goal")}
    return {**given, column: results, **more}
