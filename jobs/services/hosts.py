"""What people change about a host."""

from __future__ import annotations

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from jobs.errors import JobsError
from jobs.hints import publish
from jobs.kinds.base import Remark
from jobs.models import Deployment, Host, Job
from jobs.queries.hosts import is_away
from jobs.services import deployments, lifecycle


class HostAnswers(JobsError):
    """The host is there: what runs on it can be cancelled, and is not given up."""

    id = "host:answers"


def set_draining(name: str, *, draining: bool) -> bool:
    """Stop or resume sending new jobs to a host; what runs there goes on. False: no change."""
    changed = Host.objects.filter(name=name, draining=not draining).update(draining=draining)
    if changed:
        publish("host", name=name)
    return changed == 1


def give_up(host_id: int, user: AbstractBaseUser) -> int:
    """Take a person's word that an away host does not come back: all that it had is *lost*.

    Should it come back all the same, it is told to end those jobs, and a server that still runs is
    taken back. Returns how many jobs and deployments were lost.

    Raises:
        HostAnswers: it is not away.
    """
    with transaction.atomic():
        host = lifecycle.lock_host(host_id)
        if not is_away(host):
            raise HostAnswers(f"{host.name} answers")
        args = {"host": host.name, "user": user.get_username()}
        return lose_all(host, Remark("job:given_up", args), Remark("deployment:given_up", args))


def lose_all(host: Host, job_sentence: Remark, deployment_sentence: Remark) -> int:
    """Call all *lost* that runs on a host as far as we know; how many."""
    lost = 0
    for job in Job.objects.filter(host=host, state__in=Job.ON_HOST_STATES):
        lost += lifecycle.finish_job(job.pk, Job.State.LOST, sentence=job_sentence)
    for row in Deployment.objects.filter(host=host, state__in=Deployment.LIVE_STATES):
        lost += deployments.lose(row, deployment_sentence)
    return lost
