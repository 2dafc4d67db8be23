"""Start a chain again from where it broke, and cancel what is left of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _
from pydantic import ValidationError

from jobs.errors import LaunchError
from jobs.kinds import KINDS
from jobs.launch import (
    cancel,
    check_ports,
    create,
    environments_of,
    inputs_still_there,
    repeat_of,
    settled,
)
from jobs.models import Job
from jobs.queries.hosts.targets import target_of
from jobs.queries.jobs.chains import ChainProgress, chain_of
from jobs.services import lifecycle

_PROMISE = "job:"


def start_again(
    chain_id: UUID, user: AbstractBaseUser | None, *, may_raise: bool = False
) -> list[Job]:
    """Every job of the chain that failed, was cancelled or was lost, once more and in its order.

    So is what started a server that they use and that is up no more. Each has its very plan, and
    waits for the new attempts at what it waited for; what succeeded is used as it is. The new jobs
    are of the same chain. One that was urgent is so again only with ``may_raise``.

    Raises:
        LaunchError: there is nothing to start again, one is still being cancelled, or what one of
            them uses is not there any more: none is started.
    """
    with transaction.atomic():
        for host in Job.objects.filter(chain=chain_id).values_list("host", flat=True).distinct():
            lifecycle.lock_host(host)
        found = chain_of(chain_id)
        if found is None or not found.broken:
            raise LaunchError(_("No job of the pipeline failed or was cancelled."))
        if found.ending is not None:
            words = _("Job %(job)s is still being cancelled. Retry when it has ended.")
            raise LaunchError(words % {"job": found.ending.pk})
        counts, made = _what_counts(found), dict[int, Job]()
        for old in sorted(found.to_repeat, key=lambda job: job.pk):
            made[old.pk] = _again(old, counts, made, chain_id, user, may_raise=may_raise)
    return list(made.values())


def cancel_rest(chain_id: UUID, user: AbstractBaseUser | None) -> list[Job]:
    """Cancel every open job of the chain; those that were, last first.

    What waits goes before what runs, so that nothing of it starts meanwhile. One that ends by
    itself at that moment is not among them.
    """
    found = chain_of(chain_id)
    jobs = sorted(found.to_cancel if found else (), key=lambda job: job.pk, reverse=True)
    jobs.sort(key=lambda job: job.state != Job.State.QUEUED)
    return [job for job in jobs if cancel(job.pk, user)]


def _what_counts(found: ChainProgress) -> dict[int, int]:
    """Number of an attempt that was started again since → that of the last one."""
    return {each.pk: last for last, attempts in found.earlier.items() for each in attempts}


def _again(
    old: Job,
    counts: Mapping[int, int],
    made: Mapping[int, Job],
    chain_id: UUID,
    user: AbstractBaseUser | None,
    *,
    may_raise: bool,
) -> Job:
    """The next attempt at ``old``. ``made``: those that were made before, by what they repeat."""

    def now_for(number: int) -> int:
        last = counts.get(number, number)
        return made[last].pk if last in made else last

    kind, target = KINDS[old.kind], target_of(old.host)
    try:
        raw = {name: _renumbered(value, now_for) for name, value in old.params.items()}
        params = kind.Params.model_validate(settled(kind, raw))
    except ValidationError:  # launched by an older version of the kind
        words = _("Job %(job)s cannot be retried unchanged. Use “Edit and rerun”.")
        raise LaunchError(words % {"job": old.pk}) from None
    check_ports(old, target)
    draft = repeat_of(old, params, may_raise=may_raise)
    old.inputs = {
        # One that was dispatched names the record; a new attempt at what made it counts more.
        key: {"job": now_for(ref["job"])}
        if not ref.get("id") or now_for(ref.get("job", 0)) != ref.get("job", 0)
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
    """A promise of a job as one of its last attempt."""
    number = value.removeprefix(_PROMISE) if isinstance(value, str) else ""
    if number == value or not number.isdecimal():
        return value
    return f"{_PROMISE}{now_for(int(number))}"


def _predecessor(number: int) -> Job | None:
    """None: an environment that another chain was to prepare, which is asked for anew."""
    job = Job.objects.get(pk=number)
    if job.is_open or job.state == Job.State.SUCCEEDED:
        return job
    if (job.product or {}).get("type") == "environment":
        return None
    words = _("Required job %(job)s (%(title)s) has not succeeded. Retry that job first.")
    raise LaunchError(words % {"job": job.pk, "title": job.title})
