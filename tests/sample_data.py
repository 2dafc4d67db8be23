"""Rows for every page: hosts that are not well, benchmarks with flags, long names of all sorts."""

import json
from collections.abc import Sequence
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
    GatewayUse,
    Host,
    Job,
    Matrix,
    MatrixCell,
    OutputFile,
    Source,
    Turn,
)
from jobs.queries.jobs.job_page import TOUR_KINDS
from jobs.services.outputs import output_path
from tests.factories import (
    keep_secret,
    make_deployment,
    make_host,
    make_job,
    make_level,
    make_measured,
    make_preset,
    make_prompts,
    make_user,
)
from tests.jobs.lib.importing import imported
from tests.pages import AWAY, HOST, NEW_HOST, SECRET

DIES = 32


def make() -> dict[str, Any]:
    """Make the rows for the first person; return their numbers, by the names in tests/pages.py."""
    keep_secret(SECRET, "hf_0123456789")
    made = _unwell_hosts()
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
            "iommu": False,
            "stacks": ["guide", "current"],
        },
    )
    name = "DeepSeek-R1-Distill-Qwen-32B-{}-tp4-1024-2048-with-chat-template"
    served = [
        make_deployment(host=far, name=name.format(precision), created_by=person)
        for precision in ("int8", "fp16")
    ]
    made |= _jobs(person) | _results(person, far, served)
    made["benchmark"] = Job.objects.get(result=made["speed"]).pk
    made["person"] = person.pk
    made["colleague"] = make_user("zhang-min-of-the-third-team").pk
    made["deployment"] = served[0].pk
    made["token"] = ApiToken.objects.create(
        user=person, name="nightly-comparison-of-all-precisions " * 2, token_sha256="0" * 64
    ).pk
    for place, name in enumerate(("DeepSeek-R1-Distill-Llama-70B", "deepseek-r1")):
        counts = {"requests": 12_345, "failed": 6, "prompt_tokens": 98_765_432}
        key = {"token_id": made["token"], "token_name": "nightly", "user": person, "model": name}
        hour = now() - timedelta(hours=place)
        GatewayUse.objects.create(**key, hour=hour, **counts, completion_tokens=7_654_321)
    # The last row lacks a cell.
    states = ("succeeded", "succeeded", "running", "queued", "failed", "lost", "cancelled", "")
    made["matrix"], made["matrix2"] = matrix(far, states), matrix(far, states[:2])
    made["greedy-probe"] = probe(far)
    _changes(person)
    made["source"] = source()
    _times()
    made["preset"] = make_preset(name="Answers of the chat assistant in the call centre").pk
    made["level"] = make_level(name="First answers of the chat assistant in the call centre").pk
    made["prompts"] = prompts()
    made["endpoint"] = endpoint()
    chat = Conversation.objects.create(user=person, deployment=served[0], title="long " * 40)
    _external_turn(chat, made["endpoint"])
    for name in (
        "Release 1.2 of the call centre",
        "客户演示",
        "vLLM",
        "long answers of assistants",
    ):
        chat.tags.create(name=name)
    made["conversation"], made["turn"] = chat.pk, chat.turns.latest("pk").pk
    return made


def _times() -> None:
    """Give jobs the times of their states, as if each had waited 40 s and run for minutes."""
    moment = now()
    title = "DeepSeek-R1-Distill-Qwen-7B, int8, tp 4"
    Job.objects.filter(title__startswith="work ").update(title=title)
    for job in Job.objects.exclude(state=Job.State.QUEUED):
        took = 60 + 37 * (job.pk % 9)
        if job.is_open:
            heard = min(moment, job.host.heartbeat_at or moment)
            began = heard - timedelta(seconds=took)
            Job.objects.filter(pk=job.pk).update(
                created_at=began - timedelta(seconds=40),
                started_at=began,
                message_id="job:running",
            )
            job.steps.filter(index=0).update(started_at=began)
            continue
        ended = moment - timedelta(minutes=4 * (Job.objects.count() - job.pk))
        began = ended - timedelta(seconds=took)
        words = {
            **{"succeeded": "job:succeeded", "lost": "job:host_gone"},
            **{"failed": "work:exit", "cancelled": "job:cancelled"},
        }
        args = {"step": "measure", "exit_code": 1, "host": job.host.name, "hours": 24}
        job.steps.update(
            started_at=began,
            duration_s=took / max(1, job.steps.count()),
            exit_code=1 if job.state == Job.State.FAILED else 0,
        )
        Job.objects.filter(pk=job.pk).update(
            created_at=began - timedelta(seconds=40),
            started_at=began,
            finished_at=ended,
            duration_s=took,
            message_id=words.get(job.state, job.message_id),
            message_args=job.message_args or args | {"user": "zhang-min-of-the-third-team"},
        )
    Deployment.objects.filter(ready_at=None, state="ready").update(ready_at=moment)


def source() -> int:
    """The number of a permitted source with a long address; made if it is not there."""
    note = {"note": "Patches of the team until the vendor's next release"}
    address = "https://git.example.com/accelerators/vastai/vllm-with-our-patches-for-deepseek"
    return Source.objects.get_or_create(type="git", address=address, defaults=note)[0].pk


def endpoint() -> int:
    """The number of an endpoint with long values that does not answer; made if it is not there."""
    url = "http://127.0.0.1:9/a-gateway-with-a-long-path/of-several-segments"
    Source.objects.get_or_create(type="endpoint", address=url)
    values = {
        "url": url,
        "model": "deepseek-ai/DeepSeek-R1-0528-with-a-long-suffix-of-the-quantization",
        "device": "8 × H800 in the rack of the other team",
        "checked_at": now(),
        "check_id": "endpoint:silent",
        "check_args": {"url": url, "problem": "Connection refused"},
    }
    name = "H800-of-the-other-team-with-the-newest-vLLM"
    return Endpoint.objects.get_or_create(name=name, defaults=values)[0].pk


def prompts() -> int:
    """The number of a prompt set with long values."""
    name = "Questions-of-the-chat-assistant-in-the-call-centre"
    return int(make_prompts("Why? " * 200, name=name).pk)


def matrix(host: Host, states: Sequence[str]) -> int:
    """The number of a matrix on ``host`` with a cell in each of ``states``; "": left out."""
    spec = {"requests": 5, "requests_each": True, "repeats": 1, "shuffled": True, "order_seed": 7}
    row = Matrix.objects.create(
        title="DeepSeek-R1-Distill-Qwen-32B-int8-tp4-1024-2048-with-chat-template",
        kind="benchmark-online",
        host=host,
        spec=spec | {"workload": "vendor", "stops_early": True},
    )
    for place, state in enumerate(states):
        at_row, at_column = divmod(place, 3)
        of = {"kind": "benchmark-online", "host": host, "chain": row.chain}
        job = make_job(**of, state=state) if state else None
        if job is not None and state == "succeeded":
            metrics = {"output_tokens_per_s": 12345.6 / (place + 1), "ttft_p50_ms": 98765.4}
            make_measured(job=job, points=[(4, metrics)], simulated=True)
        MatrixCell.objects.create(
            **{"matrix": row, "row": at_row, "column": at_column, "place": place, "job": job},
            **{"input_tokens": 65536 >> at_row, "output_tokens": 8192},
            concurrency=2**at_column,
            skip_id="" if state else "matrix:total_tokens",
            skip_args={} if state else {"concurrency": 1, "asked": 73728, "most": 65536},
        )
    return int(row.pk)


def probe(host: Host) -> int:
    """The number of a greedy probe on ``host``: an equal, a different and a failed answer."""
    inputs = {"deployment": {"endpoint": endpoint()}, "reference": {"endpoint": endpoint()}}
    job = make_job(kind="greedy-probe", host=host, state="succeeded", inputs=inputs)
    path, lines = output_path(job.pk, "probe.jsonl"), []
    for index, other in enumerate((["The", " cat"], ["The", " <b>dog", " barks" * 200], None)):
        sides = [_told(["The", " cat"]), {"error": "HTTP 503"} if other is None else _told(other)]
        both = dict(zip(("deployment", "reference"), sides, strict=True))
        lines.append(json.dumps({"index": index, "prompt": "Why? " * 200} | both))
    path.parent.mkdir(parents=True, exist_ok=True)
    size = path.write_text("\n".join(lines) + "\n")
    sizes = {"bytes": size, "received_bytes": size, "sha256": "0" * 64}
    OutputFile.objects.create(job=job, name="probe", path=path.name, **sizes)
    return int(job.pk)


def _told(words: Sequence[str]) -> dict[str, object]:
    tokens = [[word, -0.5] for word in words]
    return {"text": "".join(words), "finish": "stop", "tokens": tokens}


def _unwell_hosts() -> dict[str, Any]:
    there = [{"id": number} for number in range(DIES) if number != 22]
    host = make_host(
        NEW_HOST,
        type="vacc",
        # No agent sends heartbeats for it: it must stay online until the tests are over.
        heartbeat_at=now() + timedelta(hours=2),
        facts_at=now(),
        facts={"dies": there, "iommu": True, "stacks": ["guide"], "images": ["a:b"]},
        dies_seen=[str(number) for number in range(DIES)],
        load={"dies": {"13": {"temp_c": 91.2}}, "unread": {"getpwr": "garbage"}},
    )
    make_job(host=host, state="running", started_at=now(), values={"dies": "0,1,2,3"})
    make_job(host=host)
    away = make_host(AWAY, type="vacc", heartbeat_at=now() - timedelta(hours=1))
    return {"away": make_job(host=away, state="running", started_at=now()).pk}


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
        answer="Fast[^1].\n\n```mermaid\nflowchart LR\n  A --> B\n```\n\n[^1]: As measured.",
        tool_calls=[{"id": "c1", "name": "measure", "arguments": '{"times": 3}'}],
        finish_reason="stop",
        stats={
            **{"ttft_ms": 940.0, "completion_tokens": 2, "queue_ms": 12.5},
            **{"prefill_ms": 900.0, "decode_ms": 1200.0},
        },
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


def _at(concurrency: int, metrics: dict[str, float]) -> dict[str, float]:
    """Metrics of a lower concurrency: a lower rate, shorter latencies."""
    share = (concurrency / 128) ** 0.4
    families = ("ttft", "tpot", "itl", "latency", "output_tokens_per_s", "total_tokens_per_s")
    scaled = {key: value * share for key, value in metrics.items() if key.startswith(families)}
    return metrics | scaled | {"concurrency": concurrency}


def _results(person: AbstractUser, far: Host, served: list[Deployment]) -> dict[str, Any]:
    flags = [
        {"id": "result:beside_jobs", "args": {"jobs": "#5"}},
        {"id": "benchmark:few_requests", "args": {"requests": 6}},
    ]
    common = {
        "model_id": "deepseek-r1-distill-qwen-32b",
        "simulated": True,
        "disturbed": True,
        "remarks": flags,
        "created_by": person,
        "what": "sonnet 1024 → 1024 tok, 3 000 requests, seed 42",
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
        kind = "evaluate" if "scores" in fields else "benchmark"
        job = make_job(host=far, kind=kind, state="succeeded", created_by=person)
        return make_measured(job=job, **common, **fields).pk

    speeds = [
        measured(
            points=[(c, _at(c, metrics)) for c in (1, 16, 128)],
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
