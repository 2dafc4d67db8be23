"""Jobs and deployments that hold dies."""

from jobs.plans import Step
from tests.factories import make_deployment, make_job, make_plan

DIES = make_plan(steps=(Step("only", ("tool", "{dies}")),))


def serving(host, dies, **fields):
    maker = make_job(host=host, state="succeeded", values={"dies": dies}, product=DEPLOYMENT)
    return make_deployment(job=maker, **fields)


DEPLOYMENT = {"type": "deployment", "name": "served"}
