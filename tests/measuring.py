"""Benchmarks of deployments, kept as the dashboard keeps them: with identity and provenance."""

from django.utils.timezone import now

from jobs.base.messages import Message
from jobs.metrics.measured import Measurement
from jobs.models import Environment, Result
from jobs.plans import Plan, PlanFile, Step
from jobs.services.outcomes import outcomes
from tests.factories import make_artifact, make_deployment, make_host, make_job, make_measured

FACTS = {
    "cpu": {"model": "Kunpeng", "cores": 64},
    "roots": {"weights": "/w", "artifacts": "/a", "environments": "/e"},
}
SERVE = ("/e/llama/bin/python", "serve.py", "--ctx", "4096", "--port", "{port}")


def make_measuring_host(name=""):
    """A host with the environments of an engine and of a tool."""
    host = make_host(name, facts=FACTS)
    for name in ("llama", "evalscope"):
        Environment.objects.create(
            host=host, name=name, fingerprint=f"pins of {name}", path=f"/e/{name}"
        )
    return host


def served(host, argv=SERVE, **details):
    """A deployment of an artifact, started by ``argv``."""
    plan = Plan("deploy", (Step("serve", argv, serves=True),))
    job = make_job(plan=plan, host=host, state="succeeded")
    return make_deployment(job=job, artifact=make_artifact(host=host), details=details)


def measured(
    deployment, *, points=((1, 50.0),), tool="evalscope 1.14.1", dies=0, more=None, **params
):
    """The result of a benchmark as the dashboard keeps it."""
    plan = Plan(
        "benchmark",
        (Step("measure", ("/e/evalscope/bin/evalscope", "perf")),),
        files=(PlanFile("prompts.txt", "one\ntwo\n"),),
        dies=dies,
    )
    job = make_job(
        plan=plan,
        host=deployment.host,
        state="running",
        started_at=now(),
        inputs={"deployment": {"id": deployment.pk}},
        params={"deployment": str(deployment.pk), "requests": 50, "concurrency": [1], **params},
    )
    return applied(job, points=points, tool=tool, more=more)


def make_system(host, dies, rates, **fields):
    """A benchmark of model m on ``dies``; ``rates``: (concurrency, output rate, TPOT p50)."""
    points = [(at, {"output_tokens_per_s": rate, "tpot_p50_ms": tpot}) for at, rate, tpot in rates]
    own = {"model_id": "m", "label": f"tp {dies}", "run_context": {"dies": [*range(dies)]}}
    job = make_job(host=host, kind="benchmark", state="succeeded")
    return make_measured(job=job, points=points, **{**own, **fields})


def applied(job, *, points, tool="evalscope 1.14.1", more=None, duration_s=0.01):
    """The result of a running benchmark, whose points have these rates."""
    measurement = Measurement(
        type="benchmark",
        what="everyday",
        tool=tool,
        metrics={"output_tokens_per_s": max(rate for _c, rate in points)},
        points=[
            (c, {"output_tokens_per_s": rate, "ttft_p50_ms": 9000 / rate, **(more or {})})
            for c, rate in points
        ],
    )
    ended = {"log_bytes": 0, "log_sha256": "", "duration_s": duration_s}
    verdict = outcomes.JobVerdict("succeeded", Message("job:succeeded"), measured=measurement)
    outcomes.apply(job, ended, verdict)
    return Result.objects.get(job=job)


def runs(deployment, *rates, **fields):
    """Benchmarks at concurrency 1 with these rates."""
    return [measured(deployment, points=((1, rate),), **fields) for rate in rates]
