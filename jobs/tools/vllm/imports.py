"""Import readers of files and logs of vLLM's own clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from jobs.base.messages import Message
from jobs.base.patterns import pattern
from jobs.kinds.lib import load
from jobs.tools import imports
from jobs.tools.imports import Bundle, ImportRefusal, ImportRefused, Reader, Reading
from jobs.tools.outputs import over_http_reading
from jobs.tools.outputs.files import lines_of, number_or_none
from jobs.tools.vllm.reading import (
    TEST_RUN,
    Served,
    batch,
    parse_latency,
    parse_latency_log,
    parse_served,
    parse_served_log,
    parse_throughput,
    parse_throughput_log,
)

_SCRIPT = "vLLM benchmark_serving.py"  # to 0.8; each successor writes the failed requests
_BLOCK, _SHOWS_RATE, _SHOWS_LATENCY = b"Serving Benchmark Result", b"Throughput: ", b"Avg latency: "
# Printed figures; begin of a run, or the benchmark's own files in a traceback.
_OF_BENCHMARKS = (
    *(_BLOCK, b"percentile latency: ", b"total tokens/s", TEST_RUN),
    *(b"benchmark_serving.py", b"vllm/benchmarks/", b"usage: vllm bench"),
)
_VERSION = pattern(rb"LLM engine \(v(\d[\w.+-]{0,30})\)")
_MODEL = pattern(r"\bserved_model_name='([^']+)'|\bmodel='([^']+)'")
_USAGE = pattern(r": error: |^[\w.]*(?:Error|Exception)\b")
_LONGEST_LINE = 300


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    tool: str
    model: str
    run: Served
    remarks: tuple[Message, ...]
    at: datetime | None

    def fits(self, other: _File) -> bool:
        """Return True for another concurrency of the same measurement."""
        if (self.tool, self.model) != (other.tool, other.model):
            return False
        means = [
            [one.run.metrics.get(name, 0.0) for one in (self, other)]
            for name in ("input_tokens_mean", "output_tokens_mean")
        ]
        return self.run.concurrency != other.run.concurrency and all(
            max(pair) <= (1 + load.APART) * min(pair) for pair in means
        )


class VllmServe(Reader):
    """``benchmark_serving.py`` to 0.8, ``vllm bench serve`` since."""

    tool = "vLLM bench serve"
    keys = (
        *("completed", "num_prompts", "request_throughput", "output_throughput", "request_rate"),
        *("total_token_throughput", "total_output_tokens", "mean_ttft_ms", "max_concurrency"),
    )
    least = 4

    def read(self, bundle: Bundle, own: Sequence[str]) -> Sequence[Reading | ImportRefusal]:
        """Return a result per measurement: files with other concurrencies are one curve."""
        return imports.curves(own, lambda path: _file(bundle, path), _File.fits, _curve)


def _file(bundle: Bundle, path: str) -> _File:
    data = bundle.object(path)
    run, remarks = _limited(parse_served(path, bundle.files[path]))
    remarks += tuple(over_http_reading.last_token_remark([run.ends_at_last_token]))
    remarks += tuple(over_http_reading.cause_remarks(run.causes))
    tool = VllmServe.tool if "failed" in data else _SCRIPT
    model = str(data.get("model_id") or "")
    return _File(path, tool, model, run, remarks, imports.time_of_text(data.get("date")))


def _limited(run: Served) -> tuple[Served, tuple[Message, ...]]:
    """Return the run with a concurrency, and a remark if it had no limit. All requests at once:
    their number. Sent at a rate: the peak, if the tool wrote it."""
    sent = run.completed + run.failed
    if run.concurrency:
        return run, ()
    if run.request_rate is None:
        why = Message("import:unlimited", {"requests": sent})
        return replace(run, concurrency=sent), (why,)
    peak = int(number_or_none(run.metrics, "peak_requests") or sent)
    why = Message("import:rate", {"rate": run.request_rate, "concurrency": peak})
    return replace(run, concurrency=peak), (why,)


def _curve(files: Sequence[_File]) -> Reading:
    remarks = [remark for one in files for remark in one.remarks]
    return imports.over_http(
        files[0].tool,
        "",
        [one.run for one in files],
        what="",
        model=files[0].model,
        sources=tuple(one.path for one in files),
        remarks=[one for index, one in enumerate(remarks) if one not in remarks[:index]],
        at=imports.earliest(one.at for one in files),
    )


class VllmThroughput(Reader):
    """``--output-json`` of the throughput benchmark: total tokens only."""

    tool = "vLLM bench throughput"
    keys = ("elapsed_time", "num_requests", "total_num_tokens")
    least = 2

    def read_file(self, bundle: Bundle, path: str) -> Reading:
        metrics, left_out = parse_throughput(path, bundle.files[path])
        requests = int(metrics["requests"])
        return _offline_reading(
            *(self.tool, "", metrics, path),
            what=f"offline, {requests} requests",
            at_once=requests,
            model=str(bundle.object(path).get("model_id") or ""),
            remarks=(Message("import:total_tokens"), *left_out),
        )


class VllmLatency(Reader):
    """``--output-json`` of the latency benchmark."""

    tool = "vLLM bench latency"
    keys = ("avg_latency", "latencies", "percentiles")
    least = 2

    def read_file(self, bundle: Bundle, path: str) -> Reading:
        metrics, left_out = parse_latency(path, bundle.files[path])
        return _offline_reading(
            *(self.tool, "", metrics, path),
            what=f"offline, {metrics['iterations']:.0f} batches",
            model=str(bundle.object(path).get("model_id") or ""),
            remarks=left_out,
        )


def _offline_reading(
    tool: str,
    version: str,
    metrics: Mapping[str, float],
    path: str,
    *,
    what: str = "offline benchmark",
    at_once: int = 0,
    model: str = "",
    remarks: Sequence[Message] = (),
) -> Reading:
    measured = batch(what, f"{tool} {version}".strip(), metrics, at_once, remarks)
    return Reading(tool, version, model, measured, (path,))


class VllmLog(Reader):
    """Console output, for runs without a result file: the printed block of the serving benchmark,
    or the printed lines of the offline ones."""

    tool = "vLLM bench"
    is_fallback = True

    def claims(self, bundle: Bundle, path: str) -> bool:
        """Return True for a log with printed figures, or of a benchmark that failed."""
        content = bundle.files[path]
        return content.lstrip()[:1] != b"{" and any(text in content for text in _OF_BENCHMARKS)

    def read(self, bundle: Bundle, own: Sequence[str]) -> Sequence[Reading | ImportRefusal]:
        """Return a result per log. A log without figures is not used beside one with figures."""
        found = super().read(bundle, own)
        return [one for one in found if isinstance(one, Reading)] or found

    def read_file(self, bundle: Bundle, path: str) -> Reading:
        content = bundle.files[path]
        match = _VERSION.search(content)
        version = match[1].decode() if match else ""
        if _BLOCK in content:
            return _printed(path, content)
        if _SHOWS_LATENCY in content:
            metrics, left_out = parse_latency_log(path, content)
            return _offline_reading(VllmLatency.tool, version, metrics, path, remarks=left_out)
        if _SHOWS_RATE in content:
            metrics, _none = parse_throughput_log(path, content)
            remarks = [Message("import:unchecked")]
            return _offline_reading(VllmThroughput.tool, version, metrics, path, remarks=remarks)
        # The last line that names an error, else the last line.
        lines = [line.text.strip() for line in lines_of(content) if line.text.strip()]
        named = [line for line in lines if _USAGE.search(line)] or lines or [""]
        args = {"file": path, "line": named[-1][:_LONGEST_LINE]}
        raise ImportRefused(Message("import:no_figures", args))


def _printed(path: str, content: bytes) -> Reading:
    limited = [_limited(run) for run in parse_served_log(path, content)]
    runs = [run for run, _notes in limited]
    if len({run.concurrency for run in runs}) < len(runs):
        raise ImportRefused(Message("import:same_concurrency", {"file": path}))
    arguments = (line.text for line in lines_of(content) if line.text.startswith("Namespace("))
    named = _MODEL.search(next(arguments, ""))
    return imports.over_http(
        _SCRIPT if b"Failed requests:" not in content else VllmServe.tool,
        "",
        runs,
        what="",
        model=(named[1] or named[2]) if named else "",
        sources=(path,),
        remarks=[*(note for _run, notes in limited for note in notes), Message("import:printed")],
    )
