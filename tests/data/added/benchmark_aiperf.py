"""Benchmark with AIPerf."""

from jobs.kinds.lib.base import Target
from jobs.kinds.lib.common import against, site
from jobs.kinds.lib.load import LoadParams, OverHttp
from jobs.plans import Plan
from jobs.tools.aiperf import commands as aiperf
from jobs.tools.lib import load


class BenchmarkAiperf(OverHttp, params=LoadParams):
    """Measure each concurrency in a separate run."""

    name = aiperf.KIND
    title = "Benchmark with AIPerf"
    reads = "tools.aiperf.reading.outcome"
    environment = aiperf.NAME
    programs = aiperf.PROGRAMS
    steps = load.STEPS
    offered_after = ("deploy", "deploy-vllm")

    def plan(self, params: LoadParams, target: Target) -> Plan:
        here, served = site(target), target.asset("deployment", params.deployment)
        return against(aiperf.benchmark_plan(self.load(params, target), here), served, here.python)
