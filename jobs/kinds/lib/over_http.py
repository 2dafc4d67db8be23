"""Shared code of benchmarks over HTTP: a point per concurrency, and remarks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Protocol

from django.utils.translation import gettext as _
from pydantic import Field

from jobs.errors import LaunchError
from jobs.kinds.lib import lengths, work
from jobs.kinds.lib.base import (
    AssetRef,
    Choice,
    Kind,
    KindParams,
    Measurement,
    Need,
    Outcome,
    Target,
)
from jobs.kinds.lib.common import (
    deployment_field,
    exclusive_field,
    holds_load,
    of_all,
    overlap_field,
    seed_field,
    tool_version,
)
from jobs.kinds.lib.lengths import check_answer
from jobs.kinds.lib.prompts import (
    PROMPT_TOKENS,
    Chosen,
    chosen,
    included_choices,
    random_of,
    team_choices,
)
from jobs.messages import Message
from jobs.parsers.engine_counters import WarmUp
from jobs.parsers.request_times import MOST_REQUESTS, RequestTimes
from jobs.plans import Plan
from jobs.toolchains import llama_cpp
from jobs.toolchains.environments import ENVIRONMENTS, TOKENIZERS
from jobs.toolchains.load import HttpLoad
from jobs.toolchains.vllm import vllm

# Counters of each engine under /metrics.
COUNTERS = {llama_cpp.NAME: llama_cpp.METRICS, "vllm": vllm.METRICS}
# With fewer requests, the 99th percentile is the slowest request.
ENOUGH_FOR_P99 = 100
RATE = "output_tokens_per_s"
DISCONNECTED = "ServerDisconnected"  # aiohttp's error
MOST_LEFT_OUT = 50  # remarks on figures that were not taken


class LoadParams(KindParams):
    """Requests with included prompts, or those of the team. Lengths are in tokens."""

    deployment: str = deployment_field("Deployment to benchmark.")
    concurrency: tuple[Annotated[int, Field(ge=1, le=256)], ...] = Field(
        (1, 2, 4),
        min_length=1,
        max_length=12,
        description="Max concurrency. Several values are measured one after another.",
        json_schema_extra={"label": "Concurrency", "unit": "requests", "group": "Load"},
    )
    requests: int = Field(
        12,
        ge=1,
        le=10000,
        description="Requests per concurrency. Percentiles need many.",
        json_schema_extra={"label": "Requests", "unit": "requests", "group": "Load"},
    )
    output_tokens: int = Field(
        64,
        ge=1,
        le=8192,
        description="Output tokens per request, always generated in full.",
        json_schema_extra={
            "label": "Output length",
            "unit": "tokens",
            "group": "Load",
            "beside": ["deployment", PROMPT_TOKENS],
        },
    )
    prompts: str = Field(
        "everyday",
        max_length=60,
        description="Included prompts, or those of the team. Sent in turn. Random words of a "
        "chosen length need the model's tokenizer on the host.",
        json_schema_extra={"label": "Prompts", "group": "Load"},
    )
    input_tokens: int = Field(
        128,
        ge=1,
        le=1048576,
        description="Tokens of a random prompt, without the chat template.",
        json_schema_extra={
            "label": "Prompt length",
            "unit": "tokens",
            "group": "Load",
            "when": ["prompts", lengths.RANDOM],
        },
    )
    seed: int | None = seed_field()
    exclusive: bool = exclusive_field(False)
    overlap: bool = overlap_field()


class Point(Protocol):
    """Measurement at one concurrency. ``completed``, ``failed``: requests."""

    @property
    def concurrency(self) -> int | None:
        """None: not reported."""

    @property
    def completed(self) -> int:
        """Requests."""

    @property
    def failed(self) -> int:
        """Requests."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """By name of ``jobs.metrics``."""

    @property
    def left_out(self) -> Sequence[Message]:
        """Figures that cannot be true: see ``jobs.parsers.figures``."""


class OverHttp(Kind, params=LoadParams):
    """Base of kinds that send ``LoadParams`` to a deployment with the tool of ``environment``."""

    family = "benchmark"
    lengths = (lengths.INPUT, lengths.OUTPUT)
    takes_key: ClassVar[bool] = False  # the tool takes an API key from its environment
    has_tokenizers: ClassVar[bool] = False  # the tool's environment has them

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        """Return the choices of ``field`` on this host."""
        if field != "prompts":
            return None
        random = Choice(lengths.RANDOM, _("random words"))
        return [*included_choices(), random, *team_choices(target)]

    def can_measure(self, served: AssetRef, target: Target) -> bool:
        """Return False for an API key that the tool would show."""
        return self.takes_key or not served.data.get("api_key")

    def needs(self, params: LoadParams, target: Target) -> Sequence[Need]:
        """Return the tool's environment, and that of tokenizers where the tool has none."""
        own = super().needs(params, target)
        if params.prompts != lengths.RANDOM or self.has_tokenizers:
            return own
        return (*own, Need(TOKENIZERS))

    def title_of(self, params: LoadParams, target: Target) -> str:
        """ "smollm2-135m-instruct-int8 @ 1, 2, 4"."""
        served = target.asset("deployment", params.deployment)
        return f"{served.title} @ {', '.join(map(str, params.concurrency))}"

    def successors(self, params: LoadParams) -> Sequence[str]:
        """Accuracy of the same deployment."""
        return ("evaluate",)

    def work(self, params: Mapping[str, Any]) -> float:
        """Rounds of requests, at each concurrency."""
        return work.over_http(params)

    def load(self, params: LoadParams, target: Target) -> HttpLoad:
        """Return the requests for the deployment.

        Raises:
            LaunchError: the deployment is not on the host, or has a key, which the tool would
                show; answers do not fit with the longest prompt; a concurrency is entered twice;
                unknown prompts, or no tokenizer for random ones.
        """
        deployment = target.asset("deployment", params.deployment)
        served = deployment.data
        if served.get("api_key") and not self.takes_key:
            message = _("%(tool)s would show the API key in the process list. Use “Benchmark”.")
            tool = ENVIRONMENTS[self.environment].title
            raise LaunchError(message % {"tool": tool}, "deployment")
        check_concurrency(params.concurrency)
        sent = self._chosen(params, deployment, target)
        check_answer(served, "output_tokens", params.output_tokens, sent.longest)
        return HttpLoad(
            concurrency=params.concurrency,
            requests=params.requests,
            output_tokens=params.output_tokens,
            prompts=sent.prompts,
            metrics=COUNTERS.get(str(served.get("toolchain")), ()),
            streamed=not served.get("bare_stream"),
            has_dies=target.has_dies,
            seed=params.seed,
            key=str(served.get("api_key") or ""),
            of_team=sent.of_team,
            sized=sent.sized,
        )

    def _chosen(self, params: LoadParams, deployment: AssetRef, target: Target) -> Chosen:
        if params.prompts != lengths.RANDOM:
            return chosen(params.prompts, target)
        most = deployment.data.get("max_input")
        if most and params.input_tokens > int(most):
            message = _("Max prompt length of the deployment is %(tokens)d tokens.")
            raise LaunchError(message % {"tokens": int(most)}, "input_tokens")
        return random_of(params.input_tokens, deployment, target)

    def measured(
        self,
        params: LoadParams,
        plan: Plan,
        points: Sequence[Point],
        began: Mapping[int, float],
        *,
        warm_ups: Mapping[int, WarmUp] | None = None,
        requests: Mapping[int, Sequence[RequestTimes]] | None = None,
    ) -> Outcome:
        """Return the outcome with its remarks. ``began``, ``warm_ups``, ``requests``: see
        :class:`Measurement`."""
        streamed = any("ttft_mean_ms" in point.metrics for point in points)
        return outcome(
            points,
            what=f"{_name_of(params)} → {params.output_tokens} tok",
            tool=f"{self.environment} {tool_version(plan, self.environment)}",
            remarks=[
                *failed_remarks(points),
                *([] if streamed else [Message("benchmark:no_stream")]),
                *few_remark(params.requests),
                *missing_remark(params.concurrency, points),
            ],
            began=began,
            warm_ups=warm_ups,
            requests=requests,
        )


def _name_of(params: LoadParams) -> str:
    if params.prompts == lengths.RANDOM:
        return f"{params.prompts} {params.input_tokens}"
    return params.prompts


def check_concurrency(values: Sequence[int]) -> None:
    """Refuse duplicate values.

    Raises:
        LaunchError: at the field.
    """
    if len(set(values)) < len(values):
        raise LaunchError(_("Enter each concurrency only once."), "concurrency")


def outcome(
    points: Sequence[Point],
    *,
    what: str,
    tool: str,
    remarks: Sequence[Message],
    began: Mapping[int, float] | None = None,
    warm_ups: Mapping[int, WarmUp] | None = None,
    requests: Mapping[int, Sequence[RequestTimes]] | None = None,
    keeps_failed: bool = True,
    may_have_no_tokens: bool = False,
) -> Outcome:
    """Build the outcome: the headline is the point with the highest output rate, of those that
    :func:`holds_load` if there are any; requests are counted over all points.

    ``began``, ``warm_ups``, ``requests``: see :class:`Measurement`. ``keeps_failed``: points
    without a completed request are kept, with their failures. ``may_have_no_tokens``: answers
    without tokens are not a failure.
    """
    done = [point for point in points if point.completed]
    if not done:
        failed = sum(point.failed for point in points)
        return Outcome(failure=Message("benchmark:no_request", {"failed": failed}))
    if not may_have_no_tokens and not any(point.metrics.get(RATE) for point in done):
        return Outcome(failure=Message("benchmark:no_token"))
    whole, uncounted = _whole(points, requests or {})
    held = [point for point in done if holds_load(point.completed, point.failed)]
    best = max(held or done, key=lambda point: point.metrics.get(RATE, 0.0))
    figures = {RATE: best.metrics.get(RATE, 0.0), "concurrency": best.concurrency or 0}
    at = {"concurrency": float(best.concurrency)} if best.concurrency else {}  # not all tools say
    return Outcome(
        message=Message("benchmark:done", figures),
        measured=Measurement(
            type="benchmark",
            what=what,
            tool=tool,
            metrics=of_all({**at, **best.metrics}, ((one.completed, one.failed) for one in points)),
            points=[
                (one.concurrency or 0, one.metrics) for one in (points if keeps_failed else done)
            ],
            remarks=[
                *remarks,
                *[why for one in points for why in one.left_out][:MOST_LEFT_OUT],
                *uncounted,
            ],
            began=began or {},
            warm_ups=warm_ups or {},
            requests=whole,
        ),
    )


def _whole(
    points: Sequence[Point], requests: Mapping[int, Sequence[RequestTimes]]
) -> tuple[dict[int, Sequence[RequestTimes]], list[Message]]:
    """Return the requests of points with all of them, and a remark on each other point: shares and
    intervals of a part would mislead."""
    whole: dict[int, Sequence[RequestTimes]] = {}
    remarks = []
    for point in points:
        times = requests.get(point.concurrency or 0, ())
        if len(times) > MOST_REQUESTS:
            remarks.append(Message("figures:many_requests", {"most": MOST_REQUESTS}))
        elif any(value is not None and value < 0 for one in times for value in one):
            remarks.append(Message("figures:no_requests", {"reason": "a time below 0"}))
        elif len(times) == point.completed:
            whole[point.concurrency or 0] = times
        elif times:
            counts = {"requests": len(times), "completed": point.completed}
            remarks.append(Message("figures:other_requests", counts))
    return whole, remarks


def failed_remarks(points: Sequence[Point]) -> list[Message]:
    """Return a remark per concurrency with failed requests."""
    return [
        Message(
            "benchmark:failed_requests",
            {
                "failed": point.failed,
                "total": point.failed + point.completed,
                "concurrency": point.concurrency or 0,
            },
        )
        for point in points
        if point.failed
    ]


def cause_remarks(causes: Iterable[tuple[str, int]]) -> list[Message]:
    """Return a remark for each cause (the client's error) with its number of requests."""
    return [
        Message(
            "benchmark:disconnected" if DISCONNECTED in cause else "benchmark:cause",
            {"failed": failed, "cause": cause},
        )
        for cause, failed in causes
    ]


def few_remark(requests: int) -> list[Message]:
    """Return a remark on percentiles of too few requests."""
    if requests >= ENOUGH_FOR_P99:
        return []
    return [Message("benchmark:few_requests", {"requests": requests})]


def last_token_remark(ends: Iterable[bool]) -> list[Message]:
    """Return a remark where single requests end at their last token."""
    return [Message("benchmark:last_token")] if any(ends) else []


def missing_remark(asked: Sequence[int], points: Sequence[Point]) -> list[Message]:
    """Return a remark per requested concurrency that was not measured."""
    measured = {point.concurrency for point in points}
    missing = ", ".join(str(value) for value in asked if value not in measured)
    return [Message("benchmark:not_measured", {"concurrency": missing})] if missing else []
