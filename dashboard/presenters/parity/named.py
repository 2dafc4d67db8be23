"""Results of a statement by the numbers that pages show: "#19", "import 3"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.presenters.parity.asked import MOST_RUNS
from dashboard.text.labels import phrase, result_name
from jobs.messages import Message
from jobs.models import Result
from jobs.numbers import number_from
from jobs.queries.parity.errors import ParityError
from jobs.queries.parity.evaluations import latest_evaluations, results_of

# A person types a name in any language of the pages.
_NAME = re.compile(r"(?P<imported>import|导入)?\s*#?\s*(?P<number>[0-9]+)", re.IGNORECASE)
_COMMAS = re.compile(r"[,，、]")


@dataclass(frozen=True, slots=True)
class Choice:
    """An evaluation in the list: its name, and what a person searches by."""

    name: str
    about: str


def choices() -> list[Choice]:
    """Return the latest evaluations, newest first."""
    return [Choice(result_name(result), _about(result)) for result in latest_evaluations()]


def _about(result: Result) -> str:
    """Return model, precision, work, deployment and date."""
    when = timezone.localtime(result.created_at)
    parts = [
        *(result.model_id, phrase(result.label), phrase(result.what), result.measured),
        *(result.device, f"{when:%Y-%m-%d %H:%M}"),
    ]
    return _(", ").join(dict.fromkeys(part for part in parts if part))


def names_of(results: Iterable[Result]) -> str:
    """Return the results as a person types them."""
    return ", ".join(map(result_name, results))


def ids_of(text: str, field: str) -> str:
    """Return the ids of named results, as in an address; "" of no text.

    Raises:
        ParityError: at ``field``.
    """
    parts = [part.strip() for part in _COMMAS.split(text) if part.strip()]
    if len(parts) > MOST_RUNS:
        raise ParityError(Message("parity:many", {"most": MOST_RUNS}), field)
    named = [_number(part, field) for part in parts]
    jobs = [number for number, is_import in named if not is_import]
    imports = [number for number, is_import in named if is_import]
    of_jobs, of_imports = results_of(jobs, imports)
    found = [(of_imports if is_import else of_jobs).get(number) for number, is_import in named]
    absent = [part for part, row in zip(parts, found, strict=True) if row is None]
    if absent:
        raise ParityError(Message("parity:no_result", {"names": ", ".join(absent)}), field)
    return ",".join(str(row.pk) for row in found if row is not None)


def _number(part: str, field: str) -> tuple[int, bool]:
    """Return the number of a name; True: of an import."""
    match = _NAME.fullmatch(part)
    number = number_from(match["number"]) if match else None
    if match is None or number is None:
        raise ParityError(Message("parity:result_names"), field)
    return number, match["imported"] is not None


def named(ids: str) -> str:
    """Return names of the ids of an address; "" where one is no result."""
    numbers = [number_from(part.strip()) for part in ids.split(",")[:MOST_RUNS]]
    rows = Result.objects.in_bulk([number for number in numbers if number is not None])
    found: Sequence[Result | None] = [rows.get(number) if number else None for number in numbers]
    return names_of(row for row in found if row) if all(found) else ""
