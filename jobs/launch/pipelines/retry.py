"""Retry a chain from its first failure, and cancel the rest of a chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _
from pydantic import ValidationError

from jobs.base.errors import LaunchError
from jobs.kinds import KINDS
from jobs.kinds.lib.base import promised_job
from jobs.launch.launch import (
    cancel,
    check_ports,
    create,
    environments_of,
    inputs_still_there,
    repeat_of,
    settled,
)
from jobs.models import Job
from jobs.queries.jobs.chains import ChainProgress, chain_of
from jobs.schedule import lifecycle
from jobs.schedule.targets import target_of


def retry_failed_jobs(
    chain_id: UUID, user: AbstractBaseUser | None, *, can_prioritize: bool = False
) -> list[Job]:
    """Retry every failed, cancelled or lost job of the chain, in order.

    Jobs of stopped servers that they use are retried too. Plans stay unchanged, and dependencies
    move to the new attempts; succeeded jobs are reused. New jobs belong to the same chain. Urgent
    priority is copied only with ``can_prioritize``.

    Raises:
        LaunchError: nothing to retry, a job is still being cancelled, or an input is missing; then
        no job is started.
    """
    with transaction.atomic():
        for host in Job.objects.filter(chain=chain_id).values_list("host", flat=True).distinct():
            lifecycle.lock_host(host)
        chain = chain_of(chain_id)
        if chain is None or not chain.broken:
            raise LaunchError(_("No job of the pipeline failed or was cancelled."))
        if chain.ending is not None:
            message = _("Job %(job)s is still being cancelled. Retry when it has ended.")
            raise LaunchError(message % {"job": chain.ending.pk})
        counts, made = _what_counts(chain), dict[int, Job]()
        for old in sorted(chain.to_repeat, key=lambda job: job.pk):
            made[old.pk] = _again(old, counts, made, chain_id, user, can_prioritize=can_prioritize)
    return list(made.values())


def cancel_rest(chain_id: UUID, user: AbstractBaseUser | None) -> list[Job]:
    """Cancel every open job of the chain; return the cancelled ones, last first.

    Queued jobs are cancelled before running ones, so that none starts meanwhile. A job that ends
    by itself at that moment is not included.
    """
    chain = chain_of(chain_id)
    jobs = sorted(chain.to_cancel if chain else (), key=lambda job: job.pk, reverse=True)
    jobs.sort(key=lambda job: job.state != Job.State.QUEUED)
    return [job for job in jobs if cancel(job.pk, user)]


def _what_counts(chain: ChainProgress) -> dict[int, int]:
    """Return id of a retried attempt → id of its last attempt."""
    return {each.pk: last for last, attempts in chain.earlier.items() for each in attempts}


def _again(
    old: Job,
    counts: Mapping[int, int],
    made: Mapping[int, Job],
    chain_id: UUID,
    user: AbstractBaseUser | None,
    *,
    can_prioritize: bool,
) -> Job:
    """Return the next attempt at ``old``. ``made``: earlier new attempts, by the job they
    repeat."""

    def now_for(number: int) -> int:
        last = counts.get(number, number)
        return made[last].pk if last in made else last

    kind, target = KINDS[old.kind], target_of(old.host)
    try:
        raw = {name: _renumbered(value, now_for) for name, value in old.params.items()}
        params = kind.Params.model_validate(settled(kind, raw))
    except ValidationError:  # launched by an older version of the kind
        message = _("Job %(job)s cannot be retried unchanged. Use “Edit and rerun”.")
        raise LaunchError(message % {"job": old.pk}) from None
    check_ports(old, target)
    draft = repeat_of(old, params, user, can_prioritize=can_prioritize)
    old.inputs = {
        # A dispatched job names the record; a new attempt at its producer takes precedence.
        key: {"job": now_for(ref["job"])}
        if ref.get("job") and (not ref.get("id") or now_for(ref["job"]) != ref["job"])
        else ref
        for key, ref in old.inputs.items()
    }
    draft.inputs = inputs_still_there(old)
    after = [_predecessor(now_for(before.pk)) for before in old.after.all()]
    return create(
        draft,
        old.host,
        user,
        chain=chain_id,
        after=[job for job in after if job is not None],
        environments=environments_of(old, kind, params, target),
    )


def _renumbered(value: Any, now_for: Any) -> Any:
    """Return a promise, moved to the job's last attempt."""
    number = promised_job(value)
    return value if number is None else f"job:{now_for(number)}"


def _predecessor(number: int) -> Job | None:
    """None: an environment of another chain, which is requested again."""
    job = Job.objects.get(pk=number)
    if job.is_open or job.is_released:
        return job
    if (job.product or {}).get("type") == "environment":
        return None
    message = _("Required job %(job)s (%(title)s) has not succeeded. Retry that job first.")
    raise LaunchError(message % {"job": job.pk, "title": job.title})
