"""Files of known tools that hold no result, with the file to import instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from jobs.base.messages import Message
from jobs.base.patterns import pattern
from jobs.tools.importing.base import Reader, Reading, Refusal
from jobs.tools.importing.bundle import Bundle

# Texts of a file (all of one entry) -> message. The first match counts.
_Known = tuple[tuple[tuple[bytes, ...], str], ...]
_JSON: _Known = (
    ((b'"benchmark_phase"', b'"request_start_ns"'), "import:aiperf_requests"),
    ((b'"endpoint_url"', b'"series"'), "import:aiperf_server"),
    ((b'"Percentiles"',), "import:evalscope_beside"),
    ((b'"cum_completion"',), "import:evalscope_beside"),
    ((b'"steady_state"',), "import:evalscope_beside"),
    ((b'"tokenizer_path"', b'"parallel"'), "import:evalscope_beside"),
    ((b'"doc_id"', b'"filtered_resps"'), "import:lm_eval_samples"),
    ((b'"origin_prompt"', b'"prediction"'), "import:opencompass_part"),
    ((b'"choices"', b'"message"'), "import:answer"),
    ((b'"n_ctx"',), "import:server_state"),
    ((b'"default_generation_settings"',), "import:server_state"),
    ((b'"object":"list"', b'"data"'), "import:server_state"),
)
_TEXT: _Known = (
    ((b"Metric,avg,min,max,sum",), "import:aiperf_rounded"),
    ((b"NVIDIA AIPerf",), "import:aiperf_rounded"),
    ((b"AIPerf System",), "import:aiperf_rounded"),
    ((b"Performance Test Summary Report",), "import:evalscope_rounded"),
    ((b"evalscope",), "import:evalscope_log"),
    ((b"Benchmarking complete, generated",), "import:guidellm_console"),
    ((b"guidellm",), "import:guidellm_console"),
    ((b"Generative Benchmark",), "import:guidellm_console"),
    ((b"lm_eval",), "import:lm_eval_console"),
    ((b"num_fewshot: ", b"|  Tasks  |"), "import:lm_eval_console"),
    ((b"OpenICLInfer",), "import:opencompass_log"),
    ((b"OpenICLEval",), "import:opencompass_log"),
    ((b"opencompass",), "import:opencompass_log"),
    ((b"OpenCompass",), "import:opencompass_log"),
    ((b"llama_model_quantize",), "import:quantise_log"),
    ((b"quant size",), "import:quantise_log"),
    ((b"vllm:num_requests_running",), "import:counters"),
    ((b"llamacpp:",), "import:counters"),
    ((b'"choices"',), "import:answer"),
    ((b"chat.completion.chunk",), "import:answer"),
    ((b"print_timing",), "import:server_log"),
    ((b"llama_model_loader",), "import:server_log"),
    ((b"srv ", b"slot "), "import:server_log"),
    ((b"(APIServer pid=",), "import:server_log"),
    ((b"vLLM API server",), "import:server_log"),
)
_SET_RESULT = pattern(rb'\s*\{\s*"(?:accuracy|error|score)"\s*:')


class NotResults(Reader):
    """Logs, counters and parts of results."""

    tool = ""
    is_fallback = True

    def claims(self, bundle: Bundle, path: str) -> bool:
        """Return True for a known file without a result."""
        return _message(bundle.files[path]) is not None

    def read(self, bundle: Bundle, own: Sequence[str]) -> Iterable[Reading | Refusal]:
        """Return one refusal per reason."""
        reasons: dict[str, list[str]] = {}
        for path in own:
            reasons.setdefault(_message(bundle.files[path]) or "", []).append(path)
        for name, paths in reasons.items():
            yield Refusal(tuple(paths), Message(name))


def _message(content: bytes) -> str | None:
    for texts, name in _JSON if content.lstrip()[:1] in (b"{", b"[") else _TEXT:
        if all(text in content for text in texts):
            return name
    return "import:opencompass_part" if _SET_RESULT.match(content) else None
