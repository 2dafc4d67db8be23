"""Links to forms that continue from a job's output."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractBaseUser
from django.urls import reverse

from jobs.models import Job
from jobs.successors import next_steps


@dataclass(frozen=True, slots=True)
class StepLink:
    """A kind, and the address of its filled form."""

    kind: str
    address: str


def step_links(job: Job, user: AbstractBaseUser | None) -> list[StepLink]:
    """Return next steps that ``user`` may launch, the usual one first."""
    return [
        StepLink(step.kind, f"{reverse('launch-form', args=[step.kind])}?{urlencode(query)}")
        for step in next_steps(job, user)
        for query in ({"host": job.host.name, **step.raw},)
    ]
