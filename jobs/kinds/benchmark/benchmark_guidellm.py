"""Benchmark with GuideLLM, the load generator of the vLLM project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _

from jobs.errors import LaunchError
from jobs.kinds.lib import over_http
from jobs.kinds.lib.base import Need, Outcome, Target
from jobs.kinds.lib.common import exclusive_field, overlap_field, site, tool_version
from jobs.messages import Message
from jobs.parsers import guidellm as parser
from jobs.parsers.progress import Progress
from jobs.plans import Plan
from jobs.toolchains import guidellm


class Params(over_http.LoadParams):
    """Requests to send. Lengths are in tokens."""

    exclusive: bool = exclusive_field(False)
    overlap: bool = overlap_field()


class BenchmarkGuidellm(over_http.OverHttp, params=Params):
    """Measure each concurrency in a separate run. Works with any engine."""

    name = guidellm.KIND
    title = "Benchmark with GuideLLM"
    programs = guidellm.PROGRAMS
    steps = guidellm.STEPS
    follows = ("deploy", "deploy-build-in", "deploy-vllm")
    progress_is_whole = False

    def needs(self, params: Params, target: Target) -> Sequence[Need]:
        """GuideLLM."""
        return (Need(guidellm.NAME),)

    def plan(self, params: Params, target: Target) -> Plan:
        """A step that writes prompts, then a step per concurrency. The engine's counters are
        scraped too."""
        served = over_http.deployment(params, target)
        if served.data.get("api_key"):
            message = _(
                "GuideLLM would show the API key in the process list. Use “Benchmark online”."
            )
            raise LaunchError(message, "deployment")
        over_http.check_concurrency(params.concurrency)
        over_http.check_output(params, served)
        load = guidellm.GuideLLMLoad(
            concurrency=params.concurrency,
            requests=params.requests,
            output_tokens=params.output_tokens,
            prompts=over_http.prompts_of(params.prompts),
            metrics=over_http.counters_of(served),
            streamed=not served.data.get("bare_stream"),
            has_dies=target.has_dies,
            seed=params.seed,
        )
        return guidellm.benchmark_plan(load, site(target))

    def successors(self, params: Params) -> Sequence[str]:
        """Accuracy of the same deployment."""
        return ("evaluate",)

    def progress(self, log: str) -> Progress | None:
        """Requests of the current concurrency."""
        return parser.progress(log)

    def parse_outcome(
        self, params: Params, plan: Plan, outputs: Mapping[str, bytes], exit_code: int
    ) -> Outcome:
        """A point per concurrency; the headline is the one with the highest output rate."""
        files = {path: outputs[path] for path in outputs if path.startswith("result-")}
        parsed = [parser.parse(path, content) for path, content in files.items()]
        points = sorted(parsed, key=lambda point: point.concurrency)
        streamed = any("ttft_mean_ms" in point.metrics for point in points)
        return over_http.outcome(
            points,
            what=f"{params.prompts} → {params.output_tokens} tok",
            tool=f"guidellm {tool_version(plan, guidellm.NAME)}",
            remarks=[
                *over_http.failed_remarks(points),
                *([] if streamed else [Message("benchmark:no_stream")]),
                *over_http.few_remark(params.requests),
                *over_http.missing_remark(params.concurrency, points),
            ],
            began={point.concurrency: point.began for point in points},
        )
