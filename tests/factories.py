"""Records for tests: small, valid, and different each time."""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.contrib.auth.models import AbstractUser
from django.contrib.sessions.backends.db import SessionStore
from django.db.models import Model
from django.http import HttpRequest
from django.utils.timezone import now

from dashboard.security.counters import hashed
from jobs.access import secret_keys, secrets, sources
from jobs.access.accounts import set_role
from jobs.kinds.lib.load import about_tokens
from jobs.models import (
    Account,
    Answer,
    Artifact,
    ChatPreset,
    Deployment,
    Endpoint,
    Environment,
    Host,
    Job,
    JobStep,
    Matrix,
    MatrixCell,
    PromptSet,
    Result,
    ResultPoint,
    Secret,
    ServiceLevel,
    Source,
    Weights,
)
from jobs.plans import Plan, Step
from jobs.services.outcomes import answer_rows, identity
from jobs.tools.lib.environments import ENVIRONMENTS
from jobs.tools.lib.load import json_lines
from jobs.tools.lib.site import site_of
from jobs.tools.vacc.site import GUIDE_FACTS

# Of one length: names sort in the order of their making, however many there were before.
_numbers = (f"{number:06}" for number in count(1))
HUBS = ("https://huggingface.co", "https://hf-mirror.com")


def stored(record: Model, *fields: str) -> Any:
    """Refresh a record; return its field, or a tuple of several."""
    record.refresh_from_db()
    values = tuple(getattr(record, field) for field in fields)
    return values if len(fields) > 1 else values[0]


def make_user(name: str = "", **fields: Any) -> AbstractUser:
    """A member; ``is_staff=True`` for an admin, ``role="viewer"`` for a viewer."""
    role = fields.pop("role", None)
    user = get_user_model().objects.create_user(name or f"person-{next(_numbers)}", **fields)
    if role:
        set_role(user, Account.Role(role))
    return user


def cookie_of(user: AbstractUser) -> str:
    """The header *Cookie* of a new session."""
    request = HttpRequest()
    request.session = SessionStore()
    login(request, user)
    request.session.save()
    return f"{settings.SESSION_COOKIE_NAME}={request.session.session_key}"


def make_host(name: str = "", **fields: Any) -> Host:
    """A host whose last report is of now."""
    facts = {"roots": {"weights": "/w", "artifacts": "/a", "environments": "/e"}}
    return Host.objects.create(
        **{
            "name": name or f"host-{next(_numbers)}",
            "type": Host.Type.THIS_COMPUTER,
            "key_sha256": hashed(host_key(name)) if name else next(_numbers).zfill(64),
            "heartbeat_at": now(),
            "facts": facts,
            **fields,
        }
    )


def make_guide_host(name: str = "va16-01", **fields: Any) -> Host:
    """A host with cards, both stacks and the folders of the deployment guide."""
    facts = {**GUIDE_FACTS, "stacks": ["guide", "current"]}
    return make_host(name, **{"type": Host.Type.VACC, "facts": facts, "slots": 8, **fields})


def heartbeat_body(**fields: Any) -> dict[str, Any]:
    """A host's report of nothing, as a heartbeat sends it."""
    about = {"boot_id": "b", "agent_started_at": 1.0, "now": 1.0, "load": {}}
    return {**about, "jobs": [], "serves": [], **fields}


def host_key(name: str) -> str:
    """The key of a host that was made with ``name``."""
    return f"key-of-{name}"


def keep_secret(name: str, value: str, **rules: Any) -> str:
    """A hub token for everyone on all hosts, or whatever ``rules`` say; its value."""
    endpoints = () if rules.get("purpose") == "engine" else HUBS
    secrets.keep(name, value, **{"purpose": "hub", "endpoints": endpoints, **rules})
    return value


def secret_values(names: Iterable[str]) -> dict[str, str]:
    """Decrypted values of stored secrets, whatever their rules."""
    rows, known = Secret.objects.filter(name__in=names), secret_keys.load()
    return {row.name: secret_keys.decrypt(row.name, row.encrypted, known) for row in rows}


def permit_source(address: str, source_type: str = "git", **fields: Any) -> Source:
    return sources.add(source_type, address, **{"user": None, **fields})


def make_endpoint(name: str = "", **fields: Any) -> Endpoint:
    """An endpoint whose address is permitted, as its check left it."""
    found = {"models": ["m"], "engine": "vllm", "version": "0.9.1", "has_counters": True}
    defaults = {"url": "http://10.0.0.5:8000", "model": "m", "device": "8 × H800", "devices": 8}
    row = Endpoint(
        name=name or f"endpoint-{Endpoint.objects.count() + 1}",
        **{**defaults, "found": found, "check_id": "endpoint:ok", "checked_at": now(), **fields},
    )
    row.save()
    if not Source.objects.filter(type="endpoint", address=row.url).exists():
        permit_source(row.url, "endpoint")
    return row


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


def make_verbatim_failure(**fields: Any) -> Job:
    """A compile job whose command fails as the guide prints it."""
    facts = {"dies": [{"id": number} for number in range(8)]}
    notes = [{"id": "guide:align_qkv_fails", "args": {"heads": 2, "tp": 4}}]
    return make_job(
        **{
            "kind": "compile-vacc",
            "host": make_host("va16", type=Host.Type.VACC, facts=facts),
            "state": Job.State.FAILED,
            "message_id": "work:exit",
            "message_args": {"step": "compile", "exit_code": 1},
            "started_at": now(),
            "log_bytes": 9,
            "params": {"stack": "guide", "as_in_guide": True, "precision": "fp16"},
            "guide": {"notes": notes, "plan": None},
            **fields,
        }
    )


def make_weights(*, host: Host, **fields: Any) -> Weights:
    return Weights.objects.create(
        **{
            "host": host,
            "model_id": "smollm2-135m-instruct",
            "path": f"/w/{next(_numbers)}.gguf",
            "precision": "Q4_1",
            "bytes": 98_000_000,
            "sha256": "a" * 64,
            **fields,
        }
    )


def make_environments(host: Host) -> None:
    """All environments of tools, with the current pins."""
    for one in ENVIRONMENTS.values():
        known = {"name": one.name, "fingerprint": one.fingerprint}
        Environment.objects.create(host=host, path=one.path(site_of(host.facts)), **known)


def make_guide_weights(*, host: Host) -> Weights:
    """Weights of DeepSeek-R1 in the guide's folder."""
    path = f"{GUIDE_FACTS['roots']['weights']}/DeepSeek-R1"
    return make_weights(host=host, model_id="deepseek-r1", path=path, precision="fp8", bytes=1)


def make_artifact(*, host: Host, **fields: Any) -> Artifact:
    return Artifact.objects.create(
        **{
            "host": host,
            "model_id": "smollm2-135m-instruct",
            "toolchain": "llama.cpp",
            "precision": "int8",
            "label": "Q8_0 from Q4_1",
            "source_precision": "Q4_1",
            "path": f"/a/{next(_numbers)}.gguf",
            "bytes": 145_000_000,
            "sha256": "b" * 64,
            **fields,
        }
    )


def make_deployment(*, job: Job | None = None, **fields: Any) -> Deployment:
    """A ready one whose job has succeeded."""
    job = job or make_job(state=Job.State.SUCCEEDED, host=fields.pop("host", None))
    return Deployment.objects.create(
        **{
            "name": f"served-{next(_numbers)}",
            "host": job.host,
            "job": job,
            "model_id": "smollm2-135m-instruct",
            "state": Deployment.State.READY,
            "host_url": "http://127.0.0.1:20000",
            **fields,
        }
    )


def make_guide_deployment(host: Host) -> Deployment:
    """DeepSeek-R1, served with vLLM as in the guide."""
    details = {"engine": "vllm", "stack": "guide", "container": "vllm-{deployment.id}"}
    details |= {"tokenizer": "/test/weights/DeepSeek-R1", "max_input": 57344, "max_total": 65536}
    job = make_job(state=Job.State.SUCCEEDED, host=host, kind="deploy-vllm")
    return make_deployment(job=job, model_id="deepseek-r1", details=details)


def make_level(**fields: Any) -> ServiceLevel:
    limits = {"ttft_p90_ms": 500.0, "tpot_p90_ms": 50.0}
    return ServiceLevel.objects.create(
        **{"name": f"level {next(_numbers)}", "limits": limits, **fields}
    )


def make_preset(**fields: Any) -> ChatPreset:
    params = {"system": "Be brief.", "temperature": 0.2}
    return ChatPreset.objects.create(
        **{"name": f"preset {next(_numbers)}", "params": params, **fields}
    )


def make_prompts(*texts: str, **fields: Any) -> PromptSet:
    prompts = texts or ("Why is the sky blue?", "天空为什么是蓝色的？\n请用一句话回答。")
    text = json_lines(prompts)
    return PromptSet.objects.create(
        **{
            "name": f"prompts {next(_numbers)}",
            "text": text,
            "prompts": len(prompts),
            "bytes": len(text.encode()),
            "longest": about_tokens(prompts),
            "sha256": hashlib.sha256(text.encode()).hexdigest(),
            **fields,
        }
    )


def make_cell(matrix: Matrix, column: int, job: Job | None, **fields: Any) -> MatrixCell:
    """A cell of a matrix's first row; without a job it is skipped."""
    return MatrixCell.objects.create(
        **{
            "matrix": matrix,
            "row": 0,
            "column": column,
            "place": column,
            "input_tokens": 1024,
            "output_tokens": 256,
            "concurrency": 2**column,
            "job": job,
            "skip_id": "" if job else "matrix:max_concurrency",
            "skip_args": {} if job else {"most": 8},
            **fields,
        }
    )


def make_result(**fields: Any) -> Result:
    job = fields.pop("job", None) or make_job(state=Job.State.SUCCEEDED)
    return Result.objects.create(
        **{
            "job": job,
            "type": Result.Type.BENCHMARK,
            "host": job.host,
            "model_id": "smollm2-135m-instruct",
            "label": "Q8_0 from Q4_1",
            "what": "48 prompts, 64 out",
            "tool": "evalscope 1.14.1",
            "metrics": {"output_tokens_per_s": 61.9},
            **fields,
        }
    )


def make_measured(
    *,
    points: Sequence[tuple[int, dict[str, float]]] = (),
    scores: Sequence[float] = (),
    **fields: Any,
) -> Result:
    """A benchmark with ``points``, or with ``scores`` an evaluation of as many questions."""
    job = fields.pop("job", None) or make_job(state=Job.State.SUCCEEDED, kind="benchmark")
    result_type = Result.Type.EVALUATION if scores else Result.Type.BENCHMARK
    if scores:
        right = sum(scores)
        metrics = {"accuracy": right / len(scores), "correct": right, "questions": len(scores)}
    else:
        measures = [metrics for _, metrics in points]
        metrics = max(measures, key=lambda m: m.get("output_tokens_per_s", 0), default={})
    result = Result.objects.create(
        **{
            "job": job,
            "type": result_type,
            "host": job.host,
            "model_id": "smollm2-135m-instruct",
            "label": "Q8_0 from Q4_1",
            "what": "everyday prompts",
            "tool": "evalscope 1.14.1",
            "metrics": metrics,
            **fields,
        }
    )
    for index, (concurrency, values) in enumerate(points):
        ResultPoint.objects.create(
            result=result, index=index, concurrency=concurrency, metrics=values
        )
    Answer.objects.bulk_create(
        Answer(
            result=result,
            index=index,
            subset="short_en",
            question=f"question {index + 1}",
            expected="yes",
            answer="yes" if score else "no",
            score=score,
            detail={"category": "even" if index % 2 == 0 else "odd"},
        )
        for index, score in enumerate(scores)
    )
    answer_rows.keep(result)
    if "identity" not in fields:
        identity.keep(result)
    return result


def make_evaluation(
    scores: Sequence[float],
    *,
    host: Host | None = None,
    params: dict[str, Any] | None = None,
    **fields: Any,
) -> Result:
    """An evaluation whose job had these parameters."""
    of = {"host": host} if host else {}
    job = make_job(kind="evaluate", state=Job.State.SUCCEEDED, params=params or {}, **of)
    return make_measured(job=job, scores=scores, **fields)
