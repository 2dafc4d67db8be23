"""Resume a stopped evaluation: a new job that asks only what is not answered yet."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _
from pydantic import ValidationError

from jobs.base.errors import LaunchError, PlanError
from jobs.kinds import KINDS
from jobs.launch.launch import create, environments_of, inputs_still_there, repeat_of, settled
from jobs.models import Job
from jobs.plans import Plan, from_json
from jobs.schedule import lifecycle
from jobs.schedule.targets import target_of

# Stopped by a person, by its tool, or with its launcher or host.
_STOPPED = (Job.State.CANCELLED, Job.State.FAILED, Job.State.LOST)


def can_resume(job: Job) -> bool:
    """Return True for a stopped evaluation that ran, of a kind whose tool continues."""
    return _plan(job) is not None


def resume_job(job_id: int, user: AbstractBaseUser | None) -> Job:
    """Continue ``job_id`` on its host: a new job with its parameters and its answers.

    The answers must still be on the host, which a check before the start verifies.

    Raises:
        LaunchError: nothing to continue, or an input is missing.
    """
    with transaction.atomic():
        old = Job.objects.select_related("host").get(pk=job_id)
        lifecycle.lock_host(old.host_id)
        plan = _plan(old)
        if plan is None:
            raise LaunchError(_("This job cannot be continued. Retry it instead."))
        target = target_of(old.host)
        kind = KINDS[old.kind]
        try:
            params = kind.Params.model_validate(settled(kind, old.params))
        except ValidationError:  # launched by an older version of the kind
            raise LaunchError(_("The input of this job no longer exists.")) from None
        draft = repeat_of(old, params, user, can_prioritize=False)
        draft.plan, draft.plan_sha256 = plan.to_json(), plan.sha256()
        draft.resumed, draft.inputs = True, inputs_still_there(old)
        first = environments_of(old, kind, params, target)
        return create(draft, old.host, user, environments=first, target=target)


def _plan(job: Job) -> Plan | None:
    folder = job.values.get("job_dir") if isinstance(job.values, dict) else None
    if job.state not in _STOPPED or job.started_at is None or not folder or job.kind not in KINDS:
        return None
    try:
        return KINDS[job.kind].resumed(from_json(job.plan), str(folder))
    except PlanError:
        return None
