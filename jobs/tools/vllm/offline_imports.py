"""Result files of vLLM's offline benchmarks: throughput and latency."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from jobs.base.messages import Message
from jobs.metrics.measured import Measurement
from jobs.tools.importing.base import Reader, Reading, Refusal, attempt
from jobs.tools.importing.bundle import Bundle
from jobs.tools.vllm import latency_parser, throughput_parser


class VllmThroughput(Reader):
    """``--output-json`` of the throughput benchmark: total tokens only."""

    tool = "vLLM bench throughput"

    def claims(self, bundle: Bundle, path: str) -> bool:
        """Return True for an object with the benchmark's keys."""
        return bundle.has_keys(path, ("elapsed_time", "num_requests", "total_num_tokens"), 2)

    def read(self, bundle: Bundle, own: Sequence[str]) -> Iterable[Reading | Refusal]:
        """Return a result per file."""
        for path in own:
            yield attempt([path], _throughput, bundle, path)


class VllmLatency(Reader):
    """``--output-json`` of the latency benchmark."""

    tool = "vLLM bench latency"

    def claims(self, bundle: Bundle, path: str) -> bool:
        """Return True for an object with the benchmark's keys."""
        return bundle.has_keys(path, ("avg_latency", "latencies", "percentiles"), 2)

    def read(self, bundle: Bundle, own: Sequence[str]) -> Iterable[Reading | Refusal]:
        """Return a result per file."""
        for path in own:
            yield attempt([path], _latency, bundle, path)


def _throughput(bundle: Bundle, path: str) -> Reading:
    run = throughput_parser.parse(path, bundle.files[path])
    remarks = (Message("import:total_tokens"), *run.left_out)
    tool = VllmThroughput.tool
    requests = int(run.metrics["requests"])
    return offline(
        *(tool, "", run.metrics, (path,)),
        what=f"offline, {requests} requests",
        at_once=requests,
        model=str(bundle.object(path).get("model_id") or ""),
        remarks=remarks,
    )


def _latency(bundle: Bundle, path: str) -> Reading:
    run = latency_parser.parse(path, bundle.files[path])
    model = str(bundle.object(path).get("model_id") or "")
    return offline(
        *(VllmLatency.tool, "", run.metrics, (path,)),
        what=f"offline, {len(run.latencies_s)} batches",
        at_once=0,
        model=model,
        remarks=run.left_out,
    )


def offline(
    tool: str,
    version: str,
    metrics: Mapping[str, float],
    sources: tuple[str, ...],
    *,
    what: str,
    at_once: int,
    model: str = "",
    remarks: Sequence[Message] = (),
) -> Reading:
    """Return the reading of a batch without a server. ``at_once``: requests that run together; 0:
    unknown, then there is no point."""
    measured = Measurement(
        type="benchmark",
        what=what,
        tool=f"{tool} {version}".strip(),
        metrics=metrics,
        points=[(at_once, metrics)] if at_once else [],
        remarks=[*remarks, Message("benchmark:no_server")],
    )
    return Reading(tool, version, model, measured, sources)
