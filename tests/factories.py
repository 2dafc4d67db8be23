"""Records for tests: small, valid, and different each time."""

from __future__ import annotations

from itertools import count
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.utils.timezone import now

from jobs.models import Host, Job, JobStep
from jobs.plans import Plan, Step

_numbers = count(1)


def make_user(name: str = "", **fields: Any) -> AbstractUser:
    """A member; ``is_staff=True`` for an admin."""
    return get_user_model().objects.create_user(name or f"person-{next(_numbers)}", **fields)


def make_host(name: str = "", **fields: Any) -> Host:
    """A host that was heard of just now."""
    facts = {"roots": {"weights": "/w", "artifacts": "/a", "environments": "/e"}}
    return Host.objects.create(
        **{
            "name": name or f"host-{next(_numbers)}",
            "sort": Host.Sort.THIS_COMPUTER,
            "key_sha256": f"{next(_numbers):064d}",
            "heartbeat_at": now(),
            "facts": facts,
            **fields,
        }
    )


def make_plan(**fields: Any) -> Plan:
    """Two steps; the first has a slot that the host fills."""
    steps = (
        Step("fetch", ("python", "fetch.py", "--to", "{job_dir}/files")),
        Step("check", ("sha256sum", "--check", "sums.txt"), env=(("LANG", "C"),)),
    )
    return Plan(**{"kind": "prepare", "steps": steps, **fields})


def make_job(*, plan: Plan | None = None, **fields: Any) -> Job:
    """A queued job with its steps; closed states get the time that they must have."""
    plan = plan or make_plan()
    if fields.get("state", "queued") not in Job.OPEN_STATES:
        fields.setdefault("finished_at", now())
    job = Job.objects.create(
        **{
            "kind": plan.kind,
            "title": f"work {next(_numbers)}",
            "host": fields.pop("host", None) or make_host(),
            "plan": plan.to_json(),
            "plan_sha256": plan.sha256(),
            **fields,
        }
    )
    JobStep.objects.bulk_create(
        JobStep(job=job, index=index, name=step.name) for index, step in enumerate(plan.steps)
    )
    return job
