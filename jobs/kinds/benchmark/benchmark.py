"""Benchmark: send requests to a deployment and measure its speed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.translation import gettext as _

from jobs.errors import LaunchError
from jobs.kinds.lib import over_http
from jobs.kinds.lib.base import Need, Outcome, Target
from jobs.kinds.lib.common import exclusive_field, overlap_field, site, tool_version
from jobs.messages import Message
from jobs.parsers import progress
from jobs.parsers.evalscope import evalscope_perf
from jobs.parsers.evalscope.evalscope_perf import PerfPoint
from jobs.parsers.progress import Progress
from jobs.plans import Plan
from jobs.toolchains.environments import EVALSCOPE
from jobs.toolchains.evalscope import evalscope


class Params(over_http.LoadParams):
    """Requests to send. Lengths are in tokens."""

    exclusive: bool = exclusive_field(False)
    overlap: bool = overlap_field()


class Benchmark(over_http.OverHttp, params=Params):
    """Send requests to a deployment and measure its speed."""

    name = "benchmark"
    title = "Benchmark"
    programs = evalscope.PROGRAMS

    def needs(self, params: Params, target: Target) -> Sequence[Need]:
        """EvalScope."""
        return (Need(EVALSCOPE),)

    def plan(self, params: Params, target: Target) -> Plan:
        """One step: EvalScope's performance test. The engine's counters are scraped meanwhile."""
        served = over_http.deployment(params, target)
        if served.data.get("api_key"):
            message = _(
                "EvalScope would show the API key in the process list. Use “Benchmark online”."
            )
            raise LaunchError(message, "deployment")
        over_http.check_concurrency(params.concurrency)
        over_http.check_output(params, served)
        return evalscope.perf_plan(
            evalscope.PerfLoad(
                concurrency=params.concurrency,
                requests=params.requests,
                output_tokens=params.output_tokens,
                prompts=over_http.prompts_of(params.prompts),
                metrics=over_http.counters_of(served),
                streamed=not served.data.get("bare_stream"),
                has_dies=target.has_dies,
                seed=params.seed,
            ),
            site(target),
        )

    def successors(self, params: Params) -> Sequence[str]:
        """Accuracy of the same deployment."""
        return ("evaluate",)

    def progress(self, log: str) -> Progress | None:
        """EvalScope's progress bars."""
        return progress.share_of_runs(log)

    def parse_outcome(
        self, params: Params, plan: Plan, outputs: Mapping[str, bytes], exit_code: int
    ) -> Outcome:
        """A point per concurrency; the headline is the one with the highest output rate. Requests
        are counted over all points.
        """
        points = evalscope_perf.parse(outputs)
        return over_http.outcome(
            points,
            what=f"{params.prompts} → {params.output_tokens} tok",
            tool=f"evalscope {tool_version(plan, EVALSCOPE)}",
            remarks=_remarks(params, points),
            began=evalscope_perf.began(outputs.get(evalscope.WINDOWS, b"")),
        )


def _remarks(params: Params, points: Sequence[PerfPoint]) -> list[Message]:
    streamed = any("ttft_mean_ms" in point.metrics for point in points)
    return [
        *over_http.failed_remarks(points),
        *([] if streamed else [Message("benchmark:no_stream")]),
        *over_http.few_remark(params.requests),
        *over_http.missing_remark(params.concurrency, points),
    ]
