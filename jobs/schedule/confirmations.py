"""Confirmation of preflight warnings, by name, before a job starts.

A finding of level *warn* is identified by its check and arguments, ``shm(bytes=34359738368)``,
whatever it measures at the next preflight. A confirmation names such a check, or
only the check's name (``shm``), or ``all``; API and command line give the latter two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.timezone import now

from jobs import notifications
from jobs.base.sanitize import sanitize
from jobs.models import Job, Preflight
from jobs.plans import Check, Plan, from_json

ALL = "all"

# {"check", "message_id", "message_args"} as found; {"check", "by", "at", …} as confirmed.
Item = Mapping[str, Any]


def key(check: Check) -> str:
    """Return a check with its arguments, as in its plan."""
    return f"{check.name}({', '.join(f'{name}={value}' for name, value in check.args)})"


def warnings(plan: Mapping[str, Any], findings: Sequence[Item]) -> list[dict[str, Any]]:
    """Return ``findings`` that need confirmation, in the order of the plan's checks."""
    return warnings_of(from_json(plan).checks, findings)


def warnings_of(checks: Sequence[Check], findings: Sequence[Item]) -> list[dict[str, Any]]:
    """Return findings that need confirmation, from the checks alone."""
    return [
        {
            "check": key(check),
            "message_id": item["message_id"],
            "message_args": item["message_args"],
        }
        for check, item in zip(checks, findings, strict=False)
        if item["level"] == "warn"
    ]


def found_by(preflight: Preflight) -> list[dict[str, Any]]:
    """Return warnings of a form's preflight; none while unanswered."""
    return warnings(preflight.plan, preflight.findings)


def open_of(findings: Iterable[Item], confirmed: Iterable[Item]) -> list[Item]:
    """Return unconfirmed findings."""
    names = {str(item["check"]) for item in confirmed}
    return [item for item in findings if names.isdisjoint(_names(str(item["check"])))]


def confirmation(findings: Iterable[Item], user: AbstractBaseUser | None) -> list[dict[str, Any]]:
    """Return a confirmation by ``user``, as stored with the job."""
    by = user.get_username() if user else "manage.py"
    return [{**item, "by": by, "at": now().isoformat()} for item in findings]


def by_name(names: Iterable[str], user: AbstractBaseUser | None) -> list[dict[str, Any]]:
    """Return a confirmation by names of checks, before any preflight."""
    return confirmation([{"check": name} for name in dict.fromkeys(names)], user)


def unknown_names(plan: Plan, names: Iterable[str]) -> list[str]:
    """Return names that match no confirmable check of this plan."""
    return [name for name in names if name not in (ALL, *confirmable(plan))]


def confirmable(plan: Plan) -> list[str]:
    """Return names of the plan's confirmable checks, each once."""
    return list(dict.fromkeys(check.name for check in plan.checks if check.asks))


def about(plan: Plan, confirmed: Iterable[Item]) -> list[Item]:
    """Return the part of ``confirmed`` that applies to this plan; a chain's is given to each
    job."""
    names = {ALL}.union(*(_names(key(check)) for check in plan.checks if check.asks), set())
    return [item for item in confirmed if item["check"] in names]


def note(job_id: int, plan: Mapping[str, Any], findings: Sequence[Item]) -> None:
    """Store with a queued job the findings that need confirmation."""
    with transaction.atomic():
        job = Job.objects.select_for_update(no_key=True).get(pk=job_id)
        left = open_of(warnings(plan, findings), job.confirmed)
        Job.objects.filter(pk=job_id, state=Job.State.QUEUED).update(
            needs_confirmation=sanitize(left)
        )


def confirm(job_id: int, findings: Sequence[Item], user: AbstractBaseUser | None) -> bool:
    """Confirm ``findings``; other findings stay open. False: the job is not queued."""
    with transaction.atomic():
        jobs = Job.objects.select_for_update(no_key=True)
        job = jobs.filter(pk=job_id, state=Job.State.QUEUED).first()
        if job is None:
            return False
        confirmed = [*job.confirmed, *confirmation(open_of(findings, job.confirmed), user)]
        Job.objects.filter(pk=job_id).update(
            confirmed=sanitize(confirmed),
            needs_confirmation=open_of(job.needs_confirmation, confirmed),
        )
        transaction.on_commit(lambda: notifications.notify("job", id=job_id))
    return True


def _names(check: str) -> set[str]:
    return {ALL, check, check.partition("(")[0]}
