"""Rows for every page: three benchmarks with flags, an evaluation of 60 categories, long names."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.utils.timezone import now

from jobs.access.accounts import set_role
from jobs.models import (
    Account,
    Answer,
    ApiToken,
    AuditEntry,
    Conversation,
    Deployment,
    Endpoint,
    Host,
    Job,
    Turn,
)
from jobs.queries.jobs.job_page import TOUR_KINDS
from tests.browser.lib import unwell
from tests.factories import make_deployment, make_host, make_job, make_measured
from tests.jobs.lib.importing import imported
from tests.pages import HOST


def make() -> dict[str, Any]:
    """Make the rows for the first person; return their numbers, by the names in tests/pages.py."""
    unwell.make()
    Deployment.objects.update(model_id="deepseek-r1")  # that of the server itself has none
    person = get_user_model().objects.first()
    person.username = "lin-weihua-of-the-second-team"
    person.save()
    set_role(person, Account.Role.ADMIN)
    far = make_host(
        "simulated-vacc-host-in-the-second-rack",
        type="vacc",
        facts={
            "dies": [{"id": n} for n in range(32)],
            "iommu": True,
            "stacks": ["guide", "current"],
        },
    )
    name = "DeepSeek-R1-Distill-Qwen-32B-{}-tp4-1024-2048-with-chat-template"
    served = [
        make_deployment(host=far, name=name.format(precision), created_by=person)
        for precision in ("int8", "fp16")
    ]
    made = _jobs(person) | _results(person, far, served)
    made["person"] = person.pk
    made["deployment"] = served[0].pk
    made["away"] = Job.objects.get(host__name=unwell.AWAY).pk
    made["token"] = ApiToken.objects.create(
        user=person, name="nightly-comparison-of-all-precisions " * 2, token_sha256="0" * 64
    ).pk
    states = ("succeeded", "succeeded", "running", "queued", "failed", "lost", "")
    made["matrix"] = unwell.matrix(far, states)
    made["greedy-probe"] = unwell.probe(far)
    _changes(person)
    made["source"] = unwell.source()
    made["level"] = unwell.level()
    made["prompts"] = unwell.prompts()
    made["endpoint"] = unwell.endpoint()
    chat = Conversation.objects.create(user=person, deployment=served[0], title="long " * 40)
    _external_turn(chat, made["endpoint"])
    made["conversation"] = chat.pk
    return made


def _external_turn(chat: Conversation, number: int) -> None:
    endpoint = Endpoint.objects.get(pk=number)
    Turn.objects.create(
        conversation=chat,
        index=0,
        endpoint=endpoint,
        device=endpoint.device,
        prompt="How fast is it?",
        request={"model": endpoint.model, "temperature": 0.6, "top_p": 0.95, "max_tokens": 512},
        state=Turn.State.DONE,
        answer="Fast.",
        finish_reason="stop",
        stats={"ttft_ms": 940.0, "completion_tokens": 2},
    )


def _changes(person: AbstractUser) -> None:
    """Entries of the audit log: with a long address, a long detail, and without an account."""
    job, host = Job.objects.order_by("pk")[0], Host.objects.order_by("pk")[0]
    for user, action, subject, origin, detail in (
        (person, "job.launch", f"job {job.pk}", "2001:db8:85a3::8a2e:370:7334", {"host": HOST}),
        (person, "job.cancel", f"job {job.pk}", "10.4.7.19", {"pipeline": str(uuid4())}),
        (None, "host.add", f"host {host.name}", "manage.py", {"by": "terminal"}),
        (person, "token.create", "token 7", "10.4.7.19", {"name": "nightly-comparison " * 5}),
    ):
        AuditEntry.objects.create(
            user=user, action=action, subject=subject, origin=origin, detail=detail
        )


def _jobs(person: AbstractUser) -> dict[str, Any]:
    host = make_host(HOST)
    made = {
        kind: make_job(host=host, kind=kind, state="succeeded", created_by=person).pk
        for kind in sorted(TOUR_KINDS - {"evaluate"})
    }
    # Nothing but that its host does not answer stands beside the log of this one.
    away = make_host("host-that-does-not-answer", heartbeat_at=now() - timedelta(days=1))
    made["silent"] = make_job(host=away, state="running", created_by=person).pk
    chain = uuid4()
    for _ in range(9):
        make_job(
            host=host,
            kind="benchmark",
            chain=chain,
            title="DeepSeek-R1-Distill-Qwen-32B " * 4,
            created_by=person,
        )
    made["chain"] = str(chain)
    made["evaluate"] = make_job(host=host, kind="evaluate", state="running", created_by=person).pk
    return made


def _results(person: AbstractUser, far: Host, served: list[Deployment]) -> dict[str, Any]:
    flags = [
        {"id": "result:beside_jobs", "args": {"jobs": "#5"}},
        {"id": "result:few_samples", "args": {"n": 6}},
    ]
    common = {
        "model_id": "deepseek-r1-distill-qwen-32b",
        "simulated": True,
        "disturbed": True,
        "remarks": flags,
        "created_by": person,
        "what": "sonnet 1024 → 1024 tok, 3 000 requests, seed 42",
    }
    metrics = {
        "concurrency": 128,
        "output_tokens_per_s": 12345.6,
        "requests": 30000,
        "failed_requests": 12,
        "total_tokens_per_s": 45678.9,
    }
    for family in ("ttft", "tpot", "itl"):
        metrics |= {f"{family}_{s}_ms": 12345.6 for s in ("mean", "p50", "p90", "p99")}
    metrics |= {f"latency_{s}_s": 123.4 for s in ("p50", "p90", "p99")}

    def measured(**fields: Any) -> int:
        job = make_job(host=far, kind="benchmark", state="succeeded", created_by=person)
        return make_measured(job=job, **common, **fields).pk

    speeds = [
        measured(
            points=[(c, metrics | {"concurrency": c}) for c in (1, 16, 128)],
            deployment=served[n % 2],
            label=f"int8 of the {n}. try",
        )
        for n in range(3)
    ]
    made = dict(zip(("speed", "speed2", "speed3"), speeds, strict=True))
    made["single"] = measured(points=[(128, metrics)], label="fp16")
    made["quality"] = measured(scores=[1, 0, 1] * 40, label="fp16")
    made["import"] = imported(user=person, device="8 × H800").pk
    for answer in Answer.objects.filter(result_id=made["quality"]):
        answer.detail = {"category": f"high_school_government_and_politics_{answer.index % 60}"}
        answer.question = answer.answer = "a" * 400 + " and more " * 40
        answer.save()
    return made
