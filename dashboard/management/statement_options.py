"""Options of the commands that state parity: bare counts, margin, goal, planned questions."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError

from jobs.queries.parity.compared import MARGIN

_FIELDS = ("base_counts", "counts", "sets", "base_title", "title", "margin", "goal", "planned")
# Fields of the statement under the names of the options.
_OPTIONS = {"base": "BASE", "id": "RESULT", "base_counts": "--base-counts", "": ""}


def add_options(parser: ArgumentParser) -> None:
    """Add the options to a command."""
    help_text = "correct/questions of the baseline: 154/159,933/976"
    parser.add_argument("--base-counts", default="", metavar="COUNTS", help=help_text)
    help_text = "the same of the result; 97.48%%159 is a score with its questions"
    parser.add_argument("--counts", default="", metavar="COUNTS", help=help_text)
    parser.add_argument("--sets", default="", help="names of the sets: cluewsc-dev,cluewsc-test")
    help_text = "name of the baseline of counts, such as H800"
    parser.add_argument("--base-title", default="", metavar="NAME", help=help_text)
    help_text = "name of the result of counts"
    parser.add_argument("--title", default="", metavar="NAME", help=help_text)
    help_text = f"points within which results are equivalent (default: {MARGIN:g})"
    parser.add_argument("--margin", default="", metavar="POINTS", help=help_text)
    help_text = (
        "question: is RESULT at least as accurate (at_least), or are both equally accurate (same)? "
        "Default: at_least against an external baseline and of counts, else same"
    )
    parser.add_argument("--goal", default="", metavar="GOAL", help=help_text)
    help_text = "all questions of an evaluation that stops early when decided"
    parser.add_argument("--planned", default="", metavar="QUESTIONS", help=help_text)


def has_counts(options: Mapping[str, Any]) -> bool:
    """Return True when bare counts are given."""
    return bool(options["base_counts"] or options["counts"])


def fields_of(options: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a statement: BASE and RESULT, or counts. Raises ``CommandError``."""
    results = options["results"]
    if results and len(results) != 2:
        raise CommandError("Name two results: BASE RESULT.")
    if not results and not has_counts(options):
        raise CommandError("Name two results, or --base-counts and --counts.")
    fields = {name: options[name] for name in _FIELDS}
    return fields | dict(zip(("base", "id"), results, strict=False))


def refusal(field: str, text: str) -> CommandError:
    """Return the error at a field of a statement."""
    option = _OPTIONS.get(field, f"--{field}")
    return CommandError(f"{option}: {text}" if option else text)
