"""Jobs in the queue of a host."""

from jobs.models import Job
from jobs.plans import Step
from jobs.schedule import dispatch, preflights
from tests.factories import make_job, make_plan
from tests.jobs.lib.dies import DIES

FREE = make_plan(steps=(Step("only", ("true",)),))


def job_of(host, dies=0, **fields):
    plan = make_plan(steps=DIES.steps, dies=dies) if dies else FREE
    return make_job(host=host, plan=plan, **fields)


def running(host, dies="", **fields):
    plan = fields.pop("plan", FREE)
    return make_job(host=host, plan=plan, state="running", values={"dies": dies}, **fields)


def started():
    return set(Job.objects.filter(state="starting").values_list("pk", flat=True))


def wait_of(job):
    """The message why a queued job has not started."""
    return dispatch.why_waiting(Job.objects.select_related("host").get(pk=job.pk))


def why(job):
    return wait_of(job).id


def leased(job):
    """Have the job leased, its checks answered; return it."""
    dispatch.run()
    if asked := preflights.latest(job.pk):
        preflights.answer(asked, [])
        dispatch.run()
    job.refresh_from_db()
    return job


def dispatched():
    """Dispatch; return the ids of jobs that are on their way to a host."""
    dispatch.run()
    return started()
