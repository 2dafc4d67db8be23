"""Links that continue from a job's output: import of its files, and forms of other kinds."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from django.contrib.auth.models import AbstractBaseUser
from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.security.permissions import allowed
from dashboard.text.labels import kind_title
from jobs.launch.successors import next_steps
from jobs.models import Job
from jobs.services.collected import has_files


@dataclass(frozen=True, slots=True)
class StepLink:
    """Title, address and icon of a next step."""

    title: str
    address: str
    icon: str = "player-play"


def step_links(job: Job, user: AbstractBaseUser | None) -> list[StepLink]:
    """Return next steps that ``user`` may take, the usual one first."""
    links = [
        StepLink(
            kind_title(step.kind),
            f"{reverse('launch-form', args=[step.kind])}?{urlencode(query)}",
        )
        for step in next_steps(job, user)
        for query in ({"host": job.host.name, **step.raw},)
    ]
    if user is not None and has_files(job) and allowed(user, "result.import"):
        address = f"{reverse('import-upload')}?job={job.pk}"
        links.insert(0, StepLink(_("Import these files"), address, "plus"))
    return links
