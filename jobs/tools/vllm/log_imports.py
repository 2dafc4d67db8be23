"""Console output of vLLM's benchmarks, for runs without a result file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jobs.base.messages import Message
from jobs.base.patterns import pattern
from jobs.tools.importing.base import Reader, Reading, Refusal, Refused, attempt
from jobs.tools.importing.bundle import Bundle
from jobs.tools.importing.over_http import Run, reading
from jobs.tools.outputs.lines import lines_of
from jobs.tools.vllm import (
    latency_parser,
    serve_parser,
    throughput_parser,
)
from jobs.tools.vllm.offline_imports import VllmLatency, VllmThroughput, offline
from jobs.tools.vllm.serve_imports import VllmServe, concurrency_of, run_of

_BLOCK, _THROUGHPUT, _LATENCY = b"Serving Benchmark Result", b"Throughput: ", b"Avg latency: "
# Begin of a run, or the benchmark's own files in a traceback.
_BEGUN = (
    *(b"benchmark_serving.py", b"vllm/benchmarks/", b"Starting initial single prompt test run"),
    b"usage: vllm bench",
)
_VERSION = pattern(rb"LLM engine \(v(\d[\w.+-]{0,30})\)")
_MODEL = pattern(r"\bserved_model_name='([^']+)'|\bmodel='([^']+)'")
_USAGE = pattern(r": error: |^[\w.]*(?:Error|Exception)\b")
_LONGEST_LINE = 300


class VllmLog(Reader):
    """The printed block of the serving benchmark, or the printed lines of the offline ones."""

    tool = "vLLM bench"
    is_fallback = True

    def claims(self, bundle: Bundle, path: str) -> bool:
        """Return True for a log with printed figures, or of a benchmark that failed."""
        content = bundle.files[path]
        if content.lstrip()[:1] == b"{":
            return False
        printed = (_BLOCK, b"percentile latency: ", b"total tokens/s", *_BEGUN)
        return any(text in content for text in printed)

    def read(self, bundle: Bundle, own: Sequence[str]) -> Iterable[Reading | Refusal]:
        """Return a result per log. A log without figures is not used beside one with figures."""
        found = [attempt([path], _log, path, bundle.files[path]) for path in own]
        readings = [one for one in found if isinstance(one, Reading)]
        return readings or [one for one in found if isinstance(one, Refusal)]


def _log(path: str, content: bytes) -> Reading:
    match = _VERSION.search(content)
    version = match[1].decode() if match else ""
    if _BLOCK in content:
        return _served(path, content)
    if _LATENCY in content:
        run = latency_parser.parse_log(path, content)
        about = (VllmLatency.tool, version, run.metrics, (path,))
        return offline(*about, what="offline benchmark", at_once=0, remarks=run.left_out)
    if _THROUGHPUT in content:
        metrics = throughput_parser.parse_log(path, content).metrics
        what = "offline benchmark"
        return offline(VllmThroughput.tool, version, metrics, (path,), what=what, at_once=0)
    raise Refused(Message("import:no_figures", {"file": path, "line": _cause(content)}))


def _served(path: str, content: bytes) -> Reading:
    runs: list[Run] = []
    remarks: list[Message] = []
    for served in serve_parser.parse_log(path, content):
        sent = served.completed + served.failed
        concurrency, notes = concurrency_of(served, sent)
        remarks += notes
        runs.append(run_of(concurrency, served))
    if len({run.concurrency for run in runs}) < len(runs):
        raise Refused(Message("import:same_concurrency", {"file": path}))
    named = next((_MODEL.search(line) for line in _heads(content)), None)
    return reading(
        "vLLM benchmark_serving.py" if b"Failed requests:" not in content else VllmServe.tool,
        "",
        runs,
        what="",
        model=(named[1] or named[2]) if named else "",
        sources=(path,),
        remarks=[*remarks, Message("import:printed")],
    )


def _heads(content: bytes) -> list[str]:
    """Return the lines with the arguments of a run."""
    return [line.text for line in lines_of(content) if line.text.startswith("Namespace(")]


def _cause(content: bytes) -> str:
    """Return the last line that names an error, else the last line."""
    lines = [line.text.strip() for line in lines_of(content) if line.text.strip()]
    named = [line for line in lines if _USAGE.search(line)]
    return (named or lines or [""])[-1][:_LONGEST_LINE]
