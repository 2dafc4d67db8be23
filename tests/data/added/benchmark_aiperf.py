"""Benchmark with AIPerf."""

from jobs.kinds.benchmark import LoadParams, OverHttp
from jobs.kinds.lib.base import Target
from jobs.kinds.lib.common import against, site
from jobs.plans import Plan
from jobs.tools.aiperf import commands as aiperf


class BenchmarkAiperf(OverHttp, params=LoadParams):
    """Measure each concurrency in a separate run."""

    name = aiperf.KIND
    title = "Benchmark with AIPerf"
    good_for = "Any engine: the load generator of NVIDIA."
    reads = "tools.aiperf.reading.outcome"
    environment = aiperf.NAME
    programs = aiperf.PROGRAMS
    offered_after = ("deploy", "deploy-vllm")

    def plan(self, params: LoadParams, target: Target) -> Plan:
        here, served = site(target), target.asset("deployment", params.deployment)
        return against(aiperf.benchmark_plan(self.load(params, target), here), served, here.python)
