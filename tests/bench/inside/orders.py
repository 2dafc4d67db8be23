"""Records on a dashboard and actions that its API has not, for :meth:`tests.stack.Stack.call`."""

import os
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.utils.timezone import now

from dashboard.actions.access import create_token
from jobs import models
from jobs.host.base import spool as spools
from jobs.host.base.spool import Meta
from jobs.kinds import KINDS
from jobs.launch import launch as launching
from jobs.launch.pipelines import PIPELINES, launch_pipeline
from jobs.models import Answer, ApiToken, Conversation, Deployment, Host, Job, Result, Turn
from jobs.plans import Output, Plan, Step, Watch, literal
from jobs.queries.hosts import free_dies, instance_id, is_away
from jobs.schedule import dispatch
from jobs.services.outcomes import answer_rows
from tests.factories import cookie_of, make_deployment, make_host, make_job, make_plan, make_result

ANSWERS_AT_ONCE = 200
LOOK_S = 0.25
SENTENCE = "so the value of this term is not equal to what we had and we must check each case"


def log_in() -> str:
    """The cookie of the administrator, without the pages that make one."""
    return cookie_of(User.objects.get(username="admin"))


def elsewhere() -> Host:
    """An offline host: no process looks for its jobs."""
    return Host.objects.filter(name="elsewhere").first() or make_host("elsewhere", draining=True)


def open_job(*, watched: bool = False) -> int:
    """A running job on an offline host, for its log alone."""
    instance_id()
    watch = Watch("engine", "http://127.0.0.1:1/metrics", ("vllm:generation_tokens_total",))
    plan = make_plan(watches=(watch,) if watched else ())
    return make_job(plan=plan, host=elsewhere(), state=Job.State.RUNNING, started_at=now()).pk


def claimed_job(*, spool: str, log: str) -> str:
    """A job of This computer, whose spool is made in the folder ``spool`` beside the host's own.

    ``log`` is a file that is its whole log. It runs, as far as the dashboard knows, and its host's
    agent knows nothing of it.
    """
    moment = now()
    host = Host.objects.get(type=Host.Type.THIS_COMPUTER)
    fields = {"started_at": moment, "claimed_at": moment, "seen_at": moment}
    job = make_job(host=host, state=Job.State.RUNNING, claim_id="bench", **fields)
    meta = Meta(spools.JOB, job.pk, str(instance_id()), str(job.claim_token), 1, "")
    made = spools.create(Path(spool) / str(job.pk), meta, job.plan, {}, None, {})
    made.log.unlink(missing_ok=True)
    os.link(log, made.log)
    return str(made.path)


def queue_jobs(*, argv: Sequence[str], count: int = 1, slots: int = 1) -> list[int]:
    """Jobs of This computer, oldest first; the first of them are on their way.

    The command leaves ``ready.json``, as a start of a server does: of all kinds "deploy" reads
    least.
    """
    Host.objects.update(slots=slots)
    host = Host.objects.get(name="this-computer")
    steps = (Step("work", tuple(map(literal, argv))),)
    plan = Plan("deploy", steps, outputs=(Output("ready", "ready.json"),))
    fields = {"params": {"artifact": "1"}, "message_id": "job:queued", "host": host}
    jobs = [make_job(plan=plan, state=Job.State.QUEUED, **fields).pk for _ in range(count)]
    dispatch.run()
    return jobs


def ended_jobs(*, jobs: list[int]) -> dict[int, dict[str, Any]]:
    """Outcomes of these jobs, by their numbers, when all have ended. Times are since the epoch.

    It looks seldom, because it runs beside a measurement.
    """
    rows = Job.objects.filter(pk__in=jobs)
    while rows.filter(state__in=Job.OPEN_STATES).exists():
        time.sleep(LOOK_S)
    return {
        job.pk: {
            "state": job.state,
            "message": [job.message_id, job.message_args],
            "steps_s": sum(step.duration_s or 0.0 for step in job.steps.all()),
            "started_at": job.started_at.timestamp() if job.started_at else None,
            "finished_at": job.finished_at.timestamp() if job.finished_at else None,
        }
        for job in rows.prefetch_related("steps")
    }


def chats(*, engine: str, count: int) -> dict[str, Any]:
    """New chats of the administrator, and the deployment to ask in them."""
    deployment = _deployment(engine)
    admin = User.objects.get(username="admin")
    made = Conversation.objects.bulk_create(
        Conversation(user=admin, deployment=deployment) for _number in range(count)
    )
    return {"deployment": deployment.pk, "chats": [chat.pk for chat in made]}


def _deployment(engine: str) -> Deployment:
    """One whose host is not there."""
    return Deployment.objects.filter(dashboard_url=engine).first() or make_deployment(
        name="bench",
        job=make_job(host=elsewhere(), state=Job.State.SUCCEEDED),
        dashboard_url=engine,
    )


def gateway_key() -> str:
    """A new key of the administrator."""
    admin = User.objects.get(username="admin")
    return create_token(admin, "bench", scope=ApiToken.Scope.MODELS, expires_at=None)


def turns(*, engine: str, requests: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Queued turns of the administrator's chat with a deployment whose host is not there."""
    deployment = _deployment(engine)
    admin = User.objects.get(username="admin")
    chat = Conversation.objects.create(user=admin, deployment=deployment)
    asked: dict[str, Any] = {"conversation": chat, "deployment": deployment, "prompt": "?"}
    made = Turn.objects.bulk_create(
        Turn(**asked, index=0, attempt=attempt, is_shown=not attempt, request=request)
        for attempt, request in enumerate(requests)
    )
    return {"chat": chat.pk, "turns": [turn.pk for turn in made]}


def evaluations(*, answers: int, characters: int) -> dict[str, int]:
    """Two results of so many answers, of which every tenth was cut.

    "many" has ``characters`` of reasoning in each answer, "few" the same numbers and no texts.
    """
    host = make_host("reader", draining=True)
    pick = random.Random(7)
    thought = " ".join(pick.choices(SENTENCE.split(), k=characters // 4))
    return {"many": _result(host, answers, thought), "few": _result(host, answers, "")}


def _result(host: Host, answers: int, thought: str) -> int:
    job = make_job(host=host, state=Job.State.SUCCEEDED, kind="evaluate", params={})
    metrics = {"accuracy": 0.5, "correct": answers / 2, "questions": answers}
    result = make_result(job=job, type=Result.Type.EVALUATION, metrics=metrics)
    for start in range(0, answers, ANSWERS_AT_ONCE):
        Answer.objects.bulk_create(
            Answer(
                result=result,
                index=n,
                subset=f"set-{n % 57}",
                question=f"Question {n}: which one is it?" if thought else "",
                question_id=f"id-{n}",
                expected="A",
                answer=f"Answer {n} is A." if thought else "",
                extracted="A",
                # Each begins in another place, so that no two texts are equal.
                reasoning=f"{n} {thought[n % 997 :]} seen {n}" if thought else "",
                finish="length" if n % 10 == 0 else "stop",
                score=float(n % 2),
                detail={"output_tokens": 100 + n % 900, "latency_s": n % 60 / 10},
            )
            for n in range(start, min(answers, start + ANSWERS_AT_ONCE))
        )
    answer_rows.keep(result)
    return result.pk


def launch(host: str, kind: str, params: dict[str, Any], command: list[str]) -> int:
    """Launch a job of a real kind with one more step, which runs in its middle."""
    module = KINDS[kind]
    plan = module.plan

    def with_flood(*arguments: Any) -> Any:
        made = plan(*arguments)
        at = _middle(made.steps)
        step = Step("flood", tuple(map(literal, command)))
        return replace(made, steps=(*made.steps[:at], step, *made.steps[at:]))

    module.plan = with_flood  # type: ignore[method-assign]
    try:
        job = launching.launch(kind, params, host=Host.objects.get(name=host), user=None)
    finally:
        module.plan = plan  # type: ignore[method-assign]
    dispatch.run()
    return int(job.pk)


def _middle(steps: Any) -> int:
    """After the last step that serves, else after the one that makes the container, else first."""
    for marked in (lambda step: step.serves, lambda step: step.cleanup):
        indexes = [index for index, step in enumerate(steps) if marked(step)]
        if indexes:
            return indexes[-1] + 1
    return 0


def pipeline(host: str, pipeline: str, model: str, without: list[str]) -> list[int]:
    whole = PIPELINES[pipeline]
    chosen = lambda *about: [job for job in whole.jobs(*about) if job.name not in without]  # noqa: E731
    PIPELINES[pipeline] = replace(whole, jobs=chosen)
    try:
        jobs = launch_pipeline(
            pipeline, model, host=Host.objects.get(name=host), stack="guide", user=None
        )
    finally:
        PIPELINES[pipeline] = whole
    return [job.pk for job in jobs]


def host_state(host: str) -> dict[str, Any]:
    row = Host.objects.get(name=host)
    return {"free": sorted(free_dies(row)), "away": is_away(row)}


def asset(table: str, like: str) -> str:
    """Key of an asset whose text has ``like``, as Params hold it."""
    rows = getattr(models, table).objects.order_by("pk")
    return str(next(row.pk for row in rows if like in repr(vars(row))))


def job_facts(job: int, host: str) -> dict[str, Any]:
    """Facts of a job that the API lacks, and the count of the host's free dies."""
    row = Job.objects.get(pk=job)
    failure = (row.message_args.get("failure") or {}).get("id", "")
    free = len(free_dies(Host.objects.get(name=host)))
    return {"dispatched": row.dispatched_at is not None, "failure": failure, "free": free}
