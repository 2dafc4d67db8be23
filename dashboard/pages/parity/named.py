"""Results that a person types or chooses for a statement: "res-19"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.pages.parity.asked import MOST_RUNS
from dashboard.text.labels import phrase, result_name
from jobs.base.messages import Message
from jobs.base.numbers import result_number
from jobs.models import Result
from jobs.queries.parity.errors import ParityError
from jobs.queries.parity.evaluations import latest_evaluations
from jobs.queries.results.named import NotNumbered, number_of_job, of_jobs, pk_of

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


def ids_of(text: str, field: str) -> str:
    """Return typed results as in an address; "" of no text. "#11" is the result of job 11.

    Raises:
        ParityError: at ``field``.
    """
    parts = [part.strip() for part in _COMMAS.split(text) if part.strip()]
    if len(parts) > MOST_RUNS:
        raise ParityError(Message("parity:many", {"most": MOST_RUNS}), field)
    jobs = {part: job for part in parts if (job := number_of_job(part)) is not None}
    found = of_jobs(jobs.values())
    absent = [part for part, job in jobs.items() if job not in found]
    if absent:
        raise ParityError(Message("parity:no_result", {"names": ", ".join(absent)}), field)
    try:
        pks = [found[jobs[part]] if part in jobs else pk_of(part) for part in parts]
    except NotNumbered as error:
        raise ParityError(error.reason, field) from error
    return ",".join(map(result_number, pks))
