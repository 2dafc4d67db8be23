"""Benchmark: send requests to a deployment and measure its speed."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.kinds.lib import over_http
from jobs.kinds.lib.base import Outcome, Target
from jobs.kinds.lib.common import against, site
from jobs.parsers import progress
from jobs.parsers.evalscope import evalscope_perf
from jobs.parsers.progress import Progress
from jobs.plans import Plan
from jobs.toolchains import load
from jobs.toolchains.environments import EVALSCOPE
from jobs.toolchains.evalscope import evalscope


class Params(over_http.LoadParams):
    """Requests to send. Lengths are in tokens."""


class Benchmark(over_http.OverHttp, params=Params):
    """Send requests to a deployment and measure its speed."""

    name = "benchmark"
    title = "Benchmark"
    environment = EVALSCOPE
    programs = evalscope.PROGRAMS
    clients = evalscope.PERF_CLIENTS
    steps = load.STEPS
    takes_key = True

    def plan(self, params: Params, target: Target) -> Plan:
        """EvalScope's performance test, after a step that writes random prompts if chosen. The
        engine's counters are scraped meanwhile."""
        here, served = site(target), target.asset("deployment", params.deployment)
        return against(evalscope.perf_plan(self.load(params, target), here), served, here.python)

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
        windows = outputs.get(evalscope.WINDOWS, b"")
        began, warm_ups = evalscope_perf.began(windows), evalscope_perf.warm_ups(windows)
        return self.measured(params, plan, points, began, warm_ups=warm_ups)
