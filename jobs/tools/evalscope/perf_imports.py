"""Summaries of EvalScope's performance test: a folder per concurrency."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jobs.base.messages import Message
from jobs.metrics.measured import RequestTimes
from jobs.tools.evalscope import (
    perf_parser,
    requests_parser,
)
from jobs.tools.importing import dates as imports_dates
from jobs.tools.importing.base import Reader, Reading, Refusal, attempt
from jobs.tools.importing.bundle import Bundle
from jobs.tools.importing.over_http import Run, reading
from jobs.tools.importing.values import text, whole

_KEYS = ("Success Requests", "Succeed requests", "Failed Requests", "Failed requests")
_ARGUMENTS = ("parallel", "tokenizer_path", "max_prompt_length")


@dataclass(frozen=True, slots=True)
class _Part:
    path: str
    beside: tuple[str, ...]
    run: Run
    has_percentiles: bool
    arguments: dict[str, Any]
    at: datetime | None


class EvalscopePerf(Reader):
    """``benchmark_summary.json`` with percentiles and arguments of the same folder."""

    tool = "evalscope perf"

    def claims(self, bundle: Bundle, path: str) -> bool:
        """Return True for a summary of any generation."""
        return bundle.has_keys(path, _KEYS)

    def read(self, bundle: Bundle, own: Sequence[str]) -> Iterable[Reading | Refusal]:
        """Return one result with a point per summary."""
        parts = []
        for path in own:
            one = attempt([path], _part, bundle, own, path)
            if isinstance(one, Refusal):
                yield one
            else:
                parts.append(one)
        for series in _series(parts):
            files = [one.path for one in series]
            yield attempt(files, _reading, series)


def _part(bundle: Bundle, own: Sequence[str], path: str) -> _Part:
    beside = bundle.beside(path)
    alone = not any(one in own for one in beside)  # else the files cannot be paired
    percentiles = [one for one in beside if alone and b'"Percentiles"' in bundle.files[one]]
    arguments = [one for one in beside if alone and bundle.has_keys(one, _ARGUMENTS, 3)]
    pair = (percentiles[0], bundle.files[percentiles[0]]) if len(percentiles) == 1 else None
    point = perf_parser.point(path, bundle.files[path], pair)
    bases = [one for one in beside if alone and requests_parser.is_base(bundle.files[one])]
    requests, damage = (
        requests_parser.read(bases[0], bundle.files[bases[0]]) if len(bases) == 1 else ((), ())
    )
    if "ttft_mean_ms" not in point.metrics:  # whole answers: EvalScope writes their time as TTFT
        requests = [RequestTimes(None, None, one.latency_s) for one in requests]
    logs = [one for one in beside if one.endswith(".log")]
    return _Part(
        path,
        (*percentiles[:1], *arguments[:1], *(bases if requests else ())),
        Run(
            point.concurrency,
            point.completed,
            point.failed,
            point.metrics,
            (*point.left_out, *damage),
            requests,
        ),
        pair is not None,
        bundle.object(arguments[0]) if len(arguments) == 1 else {},
        imports_dates.of_text(path)
        or next((at for log in logs if (at := imports_dates.of_log(bundle, log))), None),
    )


def _series(parts: Sequence[_Part]) -> list[list[_Part]]:
    """Return the points by result: a repeated concurrency begins another result."""
    series: list[list[_Part]] = []
    for part in parts:
        for each in series:
            if part.run.concurrency not in {one.run.concurrency for one in each}:
                each.append(part)
                break
        else:
            series.append([part])
    return series


def _reading(parts: Sequence[_Part]) -> Reading:
    arguments = next((one.arguments for one in parts if one.arguments), {})
    lacking = [one for one in parts if one.run.completed and not one.has_percentiles]
    return reading(
        EvalscopePerf.tool,
        "",
        [one.run for one in parts],
        what=_what(arguments),
        model=text(arguments, "model"),
        sources=tuple(one.path for one in parts),
        companions=tuple(file for one in parts for file in one.beside),
        remarks=[Message("import:no_percentiles")] if lacking else [],
        asked=_asked(arguments),
        at=imports_dates.first(one.at for one in parts),
    )


def _what(arguments: dict[str, Any]) -> str:
    """ "random 40–60 → 32 tok"; without the lengths that the arguments lack."""
    dataset, output = text(arguments, "dataset"), whole(arguments, "max_tokens")
    least, most = _prompts(arguments)
    length = f" {least}" if least == most else f" {least}–{most}"
    sent = f"{dataset}{length if most else ''}"
    return f"{sent} → {output} tok" if dataset and output else dataset


def _asked(arguments: dict[str, Any]) -> dict[str, int]:
    """Return the requested lengths; of random prompts between two lengths the middle."""
    output = whole(arguments, "max_tokens")
    asked = {
        "input_tokens": sum(_prompts(arguments)) // 2,
        "output_tokens": output if output == whole(arguments, "min_tokens") else 0,
    }
    return {name: value for name, value in asked.items() if value}


def _prompts(arguments: dict[str, Any]) -> tuple[int, int]:
    """Return the shortest and longest random prompt; 0, 0 for prompts with their own lengths."""
    if text(arguments, "dataset") != "random":
        return 0, 0
    least, most = (whole(arguments, f"{name}_prompt_length") for name in ("min", "max"))
    return (least, most) if 0 < least <= most else (0, 0)
