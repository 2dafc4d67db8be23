"""Benchmark with GuideLLM, the load generator of the vLLM project."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.kinds.lib import over_http
from jobs.kinds.lib.base import Outcome, Target
from jobs.kinds.lib.common import against, site
from jobs.parsers import guidellm as parser
from jobs.parsers.progress import Progress
from jobs.plans import Plan
from jobs.toolchains import guidellm, load


class Params(over_http.LoadParams):
    """Requests to send. Lengths are in tokens."""


class BenchmarkGuidellm(over_http.OverHttp, params=Params):
    """Measure each concurrency in a separate run. Works with any engine."""

    name = guidellm.KIND
    title = "Benchmark with GuideLLM"
    environment = guidellm.NAME
    programs = guidellm.PROGRAMS
    steps = load.STEPS
    follows = ("deploy", "deploy-build-in", "deploy-vllm")
    progress_is_whole = False
    has_tokenizers = True

    def plan(self, params: Params, target: Target) -> Plan:
        """A step that writes prompts, then a step per concurrency. The engine's counters are
        scraped too."""
        here, served = site(target), target.asset("deployment", params.deployment)
        plan = guidellm.benchmark_plan(self.load(params, target), here)
        return against(plan, served, here.python)

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
        began = {point.concurrency: point.began for point in points}
        requests = {point.concurrency: point.requests for point in points}
        return self.measured(params, plan, points, began, requests=requests)
