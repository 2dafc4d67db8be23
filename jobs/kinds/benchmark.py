"""Benchmark: send a deployment requests and time what it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, Field

from jobs.catalog import PROMPT_SETS
from jobs.errors import LaunchError
from jobs.kinds.base import AssetRef, Choice, Conclusion, Measured, Need, Remark, Target
from jobs.kinds.common import (
    asset,
    of_all,
    overlap_field,
    quiet_field,
    seed_field,
    site,
    tool_version,
)
from jobs.kinds.lengths import about_tokens, check_answer
from jobs.parsers import evalscope_perf
from jobs.parsers.evalscope_perf import PerfPoint
from jobs.plans import Plan
from jobs.toolchains import evalscope, llama_cpp, vllm
from jobs.toolchains.environments import EVALSCOPE

name = "benchmark"
title = "Benchmark"
family = "benchmark"

# What each engine tells of itself under /metrics.
_COUNTERS = {llama_cpp.NAME: llama_cpp.METRICS, "vllm": vllm.METRICS}
# The longest prompt of all sets, with the word that makes each of them new.
PROMPT_TOKENS = about_tokens(line for lines in PROMPT_SETS.values() for line in lines) + 8
# With fewer requests than this the 99th percentile is just the slowest one.
ENOUGH_FOR_P99 = 100


class Params(BaseModel):
    """What to send. Lengths are in tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deployment: str = Field(
        description="The deployment to measure.",
        json_schema_extra={
            "label": "Deployment",
            "group": "What to measure",
            "asset": "deployment",
        },
    )
    concurrency: tuple[Annotated[int, Field(ge=1, le=256)], ...] = Field(
        (1, 2, 4),
        min_length=1,
        max_length=12,
        description="Requests in flight at most. Several values are measured one after the other.",
        json_schema_extra={"label": "Concurrency", "unit": "requests", "group": "Load"},
    )
    requests: int = Field(
        12,
        ge=1,
        le=10000,
        description="Requests at each concurrency. Percentiles need many.",
        json_schema_extra={"label": "Requests", "unit": "requests", "group": "Load"},
    )
    output_tokens: int = Field(
        64,
        ge=1,
        le=8192,
        description="Generated for each request, always to the full length.",
        json_schema_extra={
            "label": "Output",
            "unit": "tokens",
            "group": "Load",
            "beside": ["deployment", PROMPT_TOKENS],
        },
    )
    prompts: str = Field(
        "everyday",
        description="Prompts that ship with the project, sent in turn.",
        json_schema_extra={"label": "Prompts", "group": "Load"},
    )
    seed: int | None = seed_field()
    quiet: bool = quiet_field(False)
    overlap: bool = overlap_field()


def offered(target: Target) -> bool:
    """Everywhere: it needs no more than an address."""
    return True


def notes(params: Params, target: Target) -> Sequence[Remark]:
    """The deployment guide knows nothing of this."""
    return ()


def choices(field: str, target: Target) -> Sequence[Choice] | None:
    """What ``field`` may be on this host."""
    if field == "prompts":
        return [Choice(key, f"{key} ({len(lines)})") for key, lines in PROMPT_SETS.items()]
    return None


def needs(params: Params, target: Target) -> Sequence[Need]:
    """EvalScope."""
    return (Need(EVALSCOPE),)


def title_of(params: Params, target: Target) -> str:
    """ "smollm2-135m-instruct-int8 @ 1, 2, 4"."""
    served = _deployment(params, target).data["name"]
    return f"{served} @ {', '.join(map(str, params.concurrency))}"


def inputs(params: Params, target: Target) -> Mapping[str, AssetRef]:
    """The deployment."""
    return {"deployment": _deployment(params, target)}


def product(params: Params, target: Target) -> Mapping[str, Any] | None:
    """Nothing but a result."""
    return None


def plan(params: Params, target: Target) -> Plan:
    """One step: EvalScope's performance test. The engine's own counters are read meanwhile."""
    served = _deployment(params, target)
    if served.data.get("api_key"):
        words = _("EvalScope would show its key in the list of processes: benchmark it online.")
        raise LaunchError(words, "deployment")
    if len(set(params.concurrency)) < len(params.concurrency):
        raise LaunchError(_("Each concurrency once."), "concurrency")
    if params.prompts not in PROMPT_SETS:
        raise LaunchError(_("There is no such set of prompts."), "prompts")
    check_answer(served.data, "output_tokens", params.output_tokens, PROMPT_TOKENS)
    return evalscope.perf_plan(
        evalscope.Load(
            concurrency=params.concurrency,
            requests=params.requests,
            output_tokens=params.output_tokens,
            prompts=PROMPT_SETS[params.prompts],
            metrics=_COUNTERS.get(str(served.data.get("toolchain")), ()),
            streamed=not served.data.get("bare_stream"),
            has_dies=target.has_dies,
            seed=params.seed,
        ),
        site(target),
    )


def successors(params: Params) -> Sequence[str]:
    """How right the same deployment is."""
    return ("evaluate",)


def conclude(
    params: Params, plan: Plan, outputs: Mapping[str, bytes], exit_code: int
) -> Conclusion:
    """A point for each concurrency; the one with the highest output rate stands for all, but
    requests are counted over all.
    """
    points = evalscope_perf.parse(outputs)
    failed = sum(point.failed for point in points)
    done = [point for point in points if point.completed]
    if not done:
        return Conclusion(failure=Remark("benchmark:no_request", {"failed": failed}))
    if not any(point.metrics.get("output_tokens_per_s") for point in done):
        return Conclusion(failure=Remark("benchmark:no_token"))
    best = max(done, key=lambda point: point.metrics.get("output_tokens_per_s", 0.0))
    return Conclusion(
        sentence=Remark(
            "benchmark:done",
            {
                "output_tokens_per_s": best.metrics.get("output_tokens_per_s", 0.0),
                "concurrency": best.concurrency,
            },
        ),
        measured=Measured(
            sort="benchmark",
            what=f"{params.prompts} → {params.output_tokens} tok",
            tool=f"evalscope {tool_version(plan, EVALSCOPE)}",
            metrics=of_all(best.metrics, ((p.completed, p.failed) for p in points)),
            points=[(point.concurrency, point.metrics) for point in points],
            remarks=_remarks(params, points),
            began=evalscope_perf.began(outputs.get(evalscope.WINDOWS, b"")),
        ),
    )


def _remarks(params: Params, points: Sequence[PerfPoint]) -> list[Remark]:
    remarks = [
        Remark(
            "benchmark:failed_requests",
            {
                "failed": point.failed,
                "total": point.failed + point.completed,
                "concurrency": point.concurrency,
            },
        )
        for point in points
        if point.failed
    ]
    if not any("ttft_mean_ms" in point.metrics for point in points):
        remarks.append(Remark("benchmark:no_stream"))
    if params.requests < ENOUGH_FOR_P99:
        remarks.append(Remark("benchmark:few_requests", {"requests": params.requests}))
    measured = {point.concurrency for point in points}
    missing = [value for value in params.concurrency if value not in measured]
    if missing:
        remarks.append(
            Remark("benchmark:not_measured", {"concurrency": ", ".join(map(str, missing))})
        )
    return remarks


def _deployment(params: Params, target: Target) -> AssetRef:
    return asset(target.deployments, params.deployment, "deployment")
