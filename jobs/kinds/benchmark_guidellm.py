"""Benchmark with GuideLLM, the load generator of the vLLM project."""

from jobs.kinds.benchmark import LoadParams, OverHttp
from jobs.tools.guidellm import commands as guidellm


class BenchmarkGuidellm(OverHttp, params=LoadParams):
    """Measure each concurrency in a separate run. Works with any engine."""

    name = guidellm.KIND
    title = "Benchmark with GuideLLM"
    good_for = "Any engine: a second client that confirms a result."
    reads = "tools.guidellm.reading.outcome"
    progress = "tools.guidellm.reading.progress"
    environment = guidellm.NAME
    programs = guidellm.PROGRAMS
    offered_after = ("deploy", "deploy-build-in", "deploy-vllm")
    progress_is_whole = False
    has_tokenizers = True
    client_plan = staticmethod(guidellm.benchmark_plan)
