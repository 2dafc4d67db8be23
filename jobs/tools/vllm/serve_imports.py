"""Result files of vLLM's serving benchmark, of every generation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.base.messages import Message
from jobs.kinds.lib import lengths
from jobs.tools.importing import dates as imports_dates
from jobs.tools.importing.base import Reader, Reading, Refusal, attempt
from jobs.tools.importing.bundle import Bundle
from jobs.tools.importing.over_http import Run, reading
from jobs.tools.outputs import over_http_reading
from jobs.tools.outputs.files import number_or_none
from jobs.tools.vllm import serve_parser
from jobs.tools.vllm.serve_parser import Served

_KEYS = (
    *("completed", "num_prompts", "request_throughput", "output_throughput", "request_rate"),
    *("total_token_throughput", "total_output_tokens", "mean_ttft_ms", "max_concurrency"),
)
_LEAST = 4


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    tool: str
    model: str
    run: Run
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
            max(pair) <= (1 + lengths.APART) * min(pair) for pair in means
        )


class VllmServe(Reader):
    """``benchmark_serving.py`` to 0.8, ``vllm bench serve`` since."""

    tool = "vLLM bench serve"

    def claims(self, bundle: Bundle, path: str) -> bool:
        """Return True for an object with the benchmark's keys."""
        return bundle.has_keys(path, _KEYS, _LEAST)

    def read(self, bundle: Bundle, own: Sequence[str]) -> Iterable[Reading | Refusal]:
        """Return a result per measurement: files with other concurrencies are one curve."""
        series: list[list[_File]] = []
        for path in own:
            one = attempt([path], _file, bundle, path)
            if isinstance(one, Refusal):
                yield one
                continue
            found = next((each for each in series if all(one.fits(two) for two in each)), None)
            if found is None:
                series.append([one])
            else:
                found.append(one)
        for each in series:
            files = [one.path for one in each]
            yield attempt(files, _reading, each)


def _file(bundle: Bundle, path: str) -> _File:
    served = serve_parser.parse_with_requests(path, bundle.files[path])
    data = bundle.object(path)
    sent = served.completed + served.failed
    concurrency, remarks = concurrency_of(served, sent)
    remarks += tuple(over_http_reading.last_token_remark([served.ends_at_last_token]))
    remarks += tuple(over_http_reading.cause_remarks(served.causes))
    run = run_of(concurrency, served)
    # The last version of the script: each successor writes the key "failed".
    tool = VllmServe.tool if "failed" in data else "vLLM benchmark_serving.py"
    at = imports_dates.of_text(data.get("date"))
    return _File(path, tool, str(data.get("model_id") or ""), run, remarks, at)


def run_of(concurrency: int, served: Served) -> Run:
    """Return the run with its single requests."""
    return Run(
        concurrency,
        served.completed,
        served.failed,
        served.metrics,
        served.left_out,
        serve_parser.times(served),
    )


def concurrency_of(served: Served, sent: int) -> tuple[int, tuple[Message, ...]]:
    """Return the concurrency, with a remark for a run without a limit.

    All requests at once: their number. Sent at a rate: the peak, if the tool wrote it.
    """
    if served.concurrency:
        return served.concurrency, ()
    if served.request_rate is None:
        return sent, (Message("import:unlimited", {"requests": sent}),)
    peak = number_or_none(served.metrics, "peak_requests")
    args: dict[str, Any] = {"rate": served.request_rate, "concurrency": int(peak or sent)}
    return int(peak or sent), (Message("import:rate", args),)


def _reading(files: Sequence[_File]) -> Reading:
    remarks = [remark for one in files for remark in one.remarks]
    return reading(
        files[0].tool,
        "",
        [one.run for one in files],
        what="",
        model=files[0].model,
        sources=tuple(one.path for one in files),
        remarks=[one for index, one in enumerate(remarks) if one not in remarks[:index]],
        at=imports_dates.first(one.at for one in files),
    )
