"""Benchmark: send requests to a deployment and measure its speed."""

from jobs.kinds.lib.base import Target
from jobs.kinds.lib.common import against, site
from jobs.kinds.lib.load import LoadParams, OverHttp
from jobs.plans import Plan
from jobs.tools.evalscope import commands as evalscope
from jobs.tools.lib import load
from jobs.tools.lib.environments import EVALSCOPE


class Benchmark(OverHttp, params=LoadParams):
    """Send requests to a deployment and measure its speed."""

    name = "benchmark"
    title = "Benchmark"
    reads = "tools.evalscope.perf_reading.outcome"
    progress = "tools.outputs.progress.share_of_runs"
    environment = EVALSCOPE
    programs = evalscope.PROGRAMS
    clients = evalscope.PERF_CLIENTS
    steps = load.STEPS
    takes_key = True

    def plan(self, params: LoadParams, target: Target) -> Plan:
        """EvalScope's performance test, after a step that writes random prompts if chosen. The
        engine's counters are scraped meanwhile."""
        here, served = site(target), target.asset("deployment", params.deployment)
        return against(evalscope.perf_plan(self.load(params, target), here), served, here.python)
