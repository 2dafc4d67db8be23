"""Results by their numbers, as people, addresses and programs write them: "res-15"."""

from __future__ import annotations

from collections.abc import Iterable

from jobs.base.errors import JobsError
from jobs.base.messages import Message
from jobs.base.numbers import number_from, result_number, result_pk
from jobs.models import Result

_SHOWN = 40  # characters of a text in an error


class NotNumbered(JobsError):
    """A text that numbers no result. ``reason`` says what to write."""

    id = "result:number"

    def __init__(self, reason: Message) -> None:
        super().__init__(reason.id)
        self.reason = reason


def pk_of(text: str) -> int:
    """Return the id of the result that ``text`` numbers; such a result may be missing.

    Raises:
        NotNumbered: another text, such as "15" or "#15".
    """
    pk = result_pk(text)
    if pk is None:
        raise NotNumbered(_reason(text))
    return pk


def pks_of(texts: Iterable[str]) -> list[int]:
    """Return the unique ids of results in order; empty texts are left out.

    Raises:
        NotNumbered: at the first other text.
    """
    return list(dict.fromkeys(pk_of(text) for text in texts if text.strip()))


def number_of_job(text: str) -> int | None:
    """Return the number of a job that ``text`` marks as one, such as "#15"; None for other text."""
    text = text.strip()
    return number_from(text[1:]) if text.startswith("#") else None


def of_jobs(jobs: Iterable[int]) -> dict[int, int]:
    """Return the id of the result of each job that has one."""
    rows = Result.objects.filter(job__in=list(jobs)).order_by()
    return {job: pk for job, pk in rows.values_list("job_id", "pk") if job is not None}


def _reason(text: str) -> Message:
    """Return what to write instead. Of a number of a job it names the result of the job."""
    number = number_from(text.strip().removeprefix("#"))
    result = of_jobs([number]).get(number) if number is not None else None
    if number is None or result is None:
        return Message("result:number", {"text": text.strip()[:_SHOWN]})
    args = {"text": text.strip(), "job": number, "result": result_number(result)}
    return Message("result:number_of_job", args)
