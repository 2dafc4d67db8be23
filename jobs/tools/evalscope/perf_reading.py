"""EvalScope's performance test: a folder per concurrency with summary and percentiles.

``<run>/parallel_4_number_20/benchmark_summary.json`` with ``benchmark_percentile.json``. Three
generations use different names: 0.16 to 1.5 in seconds, 1.9 and 1.14 in ms. The unit comes from the
name, never from the version. Single requests are in the database ``benchmark_data.db`` (SQLite).
"""

import json
import math
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from jobs.base.errors import ParseError
from jobs.base.messages import Message
from jobs.base.numbers import MS_PER_S
from jobs.metrics.measured import MOST_REQUESTS, Outcome, RequestTimes, WarmUp
from jobs.tools import imports
from jobs.tools.evalscope import commands as evalscope
from jobs.tools.imports import Bundle, ImportRefusal, Reader, Reading
from jobs.tools.outputs import over_http_reading
from jobs.tools.outputs.figures import FileFigure, MeasuredPoint, take
from jobs.tools.outputs.files import Ended, count, json_object, json_of, number_or_none

SUMMARY = "benchmark_summary.json"
PERCENTILES = "benchmark_percentile.json"
WHAT = "a summary of EvalScope's performance test"

# Our name -> EvalScope's names, 1.14 first.
_DURATION = ("Test Duration (s)", "Time taken for tests (s)")
_CONCURRENCY = ("Concurrency", "Number of concurrency")
_NO_LIMIT = -1  # of requests that are sent at a rate
_COMPLETED = ("Success Requests", "Succeed requests")
_FAILED = ("Failed Requests", "Failed requests")
_HITS = "KV Cache Hit Rate (%)"
_OF_STREAMS = ("ttft_", "tpot_", "itl_")
_SUMMARY_METRICS: Mapping[str, Sequence[str]] = {
    "output_tokens_per_s": ("Output Throughput (tok/s)", "Output token throughput (tok/s)"),
    "total_tokens_per_s": ("Total Throughput (tok/s)", "Total token throughput (tok/s)"),
    "requests_per_s": ("Req Throughput (req/s)", "Request throughput (req/s)"),
    "latency_mean_s": ("Avg Latency (s)", "Average latency (s)"),
    "ttft_mean_ms": ("Avg TTFT (ms)", "TTFT (ms)", "Average time to first token (s)"),
    "tpot_mean_ms": ("Avg TPOT (ms)", "TPOT (ms)", "Average time per output token (s)"),
    "itl_mean_ms": ("Avg ITL (ms)", "ITL (ms)", "Average inter-token latency (s)"),
    "input_tokens_mean": ("Avg Input Tokens", "Average input tokens per request"),
    "output_tokens_mean": ("Avg Output Tokens", "Average output tokens per request"),
}
_PERCENTILE_COLUMNS: Mapping[str, Sequence[str]] = {
    "ttft_{}_ms": ("TTFT (ms)", "TTFT (s)"),
    "tpot_{}_ms": ("TPOT (ms)", "TPOT (s)"),
    "itl_{}_ms": ("ITL (ms)", "ITL (s)"),
    "latency_{}_s": ("Latency (s)",),
}
_ROWS = {
    **{"min": "min", "max": "max"},
    **{f"{share}%": f"p{share}" for share in (25, 50, 75, 90, 95, 99)},
}

_BASE_HEAD = b"SQLite format 3\x00"
_STEPS = 1_000  # instructions of SQLite between two checks
_MOST_S = 5.0  # processor time
_LONGEST_VALUE = 10_000_000  # bytes, also of a row
_LONGEST_REASON = 200
_KIND = "SELECT substr(sql, 1, 13) FROM sqlite_schema WHERE name = 'result'"
_COMPUTED = "SELECT name FROM pragma_table_xinfo('result') WHERE hidden <> 0"
_REQUESTS = """
    SELECT first_chunk_latency, time_per_output_token, latency, completion_tokens
    FROM result WHERE success = 1 LIMIT ?
"""


def outcome(ended: Ended) -> Outcome:
    windows = ended.outputs.get(evalscope.WINDOWS, b"")
    starts = began(windows)
    points = [
        replace(point, began=starts.get(point.concurrency or 0)) for point in parse(ended.outputs)
    ]
    is_bare = any(evalscope.BARE in step.argv for step in ended.plan.steps)
    return over_http_reading.measured(
        ended,
        points,
        warm_ups=warm_ups(windows),
        remarks=[Message("benchmark:bare_stream")] if is_bare else [],
    )


def parse(files: Mapping[str, bytes]) -> list[MeasuredPoint]:
    points = []
    for path in files:
        if PurePosixPath(path).name == SUMMARY:
            beside = str(PurePosixPath(path).with_name(PERCENTILES))
            percentiles = (beside, files[beside]) if beside in files else None
            points.append(point(path, files[path], percentiles))
    if not points:
        raise ParseError(f"EvalScope wrote no {SUMMARY}")
    return sorted(points, key=lambda one: (one.concurrency or 0, one.completed + one.failed))


def began(content: bytes) -> dict[int, float]:
    """Return concurrency -> start (seconds since the epoch), as recorded by send_cold.py."""
    return {at: one["began"] for at, one in _recorded(content, ("began",))}


def warm_ups(content: bytes) -> dict[int, WarmUp]:
    names = ("warm_ups", "warm_up_tokens", "measured")
    return {
        at: WarmUp(int(one["warm_ups"]), one["warm_up_tokens"], one["measured"])
        for at, one in _recorded(content, names)
    }


def _recorded(content: bytes, names: Sequence[str]) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield concurrency and values of the lines that have all ``names``, finite and from 0."""
    for line in content.splitlines():
        try:
            record = json.loads(line)
            values = {name: float(record[name]) for name in names}
            concurrency = int(record["concurrency"])
        except (ValueError, TypeError, LookupError, OverflowError, RecursionError):
            continue
        if all(0 <= value < math.inf for value in values.values()):
            yield concurrency, values


def point(path: str, content: bytes, percentiles: tuple[str, bytes] | None = None) -> MeasuredPoint:
    """Read a summary, with the percentiles beside it."""
    summary = json_object(path, content)
    completed, failed = (_needed(path, summary, names) for names in (_COMPLETED, _FAILED))
    has_limit = summary.get(_CONCURRENCY[0]) != _NO_LIMIT
    concurrency = _needed(path, summary, _CONCURRENCY) if has_limit else None
    figures = {
        "concurrency": FileFigure(_CONCURRENCY[0], concurrency),
        "requests": FileFigure(_COMPLETED[0], completed),
        "failed_requests": FileFigure(_FAILED[0], failed),
        "duration_s": _first("duration_s", summary, _DURATION),
    }
    if figures["duration_s"].value is None:
        _needed(path, summary, _DURATION)
    if completed:
        figures |= {ours: _first(ours, summary, names) for ours, names in _SUMMARY_METRICS.items()}
        if summary.get(_HITS):  # also 0 when the server reports no cached tokens
            figures["engine_prefix_hits"] = FileFigure(_HITS, summary[_HITS], 0.01)
        if figures["output_tokens_per_s"].value is None:
            raise ParseError(f"{path} has no known output throughput of EvalScope")
        if percentiles:
            figures |= _percentiles(*percentiles)
    whole, streamed = (
        number_or_none(summary, f"{name} Requests") for name in ("Non-Stream", "Stream")
    )
    if whole and streamed == 0:  # as reported by 1.14
        # EvalScope writes the time of the whole answer as TTFT, and 0 between tokens.
        figures = {name: figures[name] for name in figures if not name.startswith(_OF_STREAMS)}
    metrics, left_out = take(path, figures)
    return MeasuredPoint(
        concurrency=concurrency,
        completed=completed,
        failed=failed,
        metrics=metrics,
        left_out=left_out,
    )


def _percentiles(path: str, content: bytes) -> dict[str, FileFigure]:
    rows = json_of(path, content)
    if isinstance(rows, dict):  # one column each, as in the tool's memory
        if "Percentiles" not in rows or not all(isinstance(one, list) for one in rows.values()):
            raise ParseError(f"{path} does not hold percentiles of EvalScope")
        if len(set(map(len, rows.values()))) > 1:
            raise ParseError(f"{path} is damaged: columns differ in length")
        rows = [dict(zip(rows, row, strict=True)) for row in zip(*rows.values(), strict=True)]
    if not isinstance(rows, list):
        raise ParseError(f"{path} does not hold a list")
    figures = {}
    for row in rows:
        share = str(row.get("Percentiles")) if isinstance(row, dict) else ""
        if share in _ROWS:
            for metric, names in _PERCENTILE_COLUMNS.items():
                figure = _first(metric, row, names)
                named = figure._replace(key=f"{figure.key} {share}")
                figures[metric.format(_ROWS[share])] = named
    return figures


def _first(ours: str, data: Mapping[str, Any], names: Sequence[str]) -> FileFigure:
    """Return the figure of the first present name in ``names``; without one its value is None."""
    name = next((one for one in names if data.get(one) is not None), names[0])
    factor = MS_PER_S if ours.endswith("_ms") and name.endswith("(s)") else 1.0
    return FileFigure(name, data.get(name), factor)


def _needed(path: str, data: Mapping[str, Any], names: Sequence[str]) -> int:
    for name in names:
        if data.get(name) is not None:
            return count(path, data, name)
    raise ParseError(f"{path} is not {WHAT}: no {' or '.join(names)}")


def requests_of(path: str, content: bytes) -> tuple[list[RequestTimes], tuple[Message, ...]]:
    """Return the completed requests of a database, else a message with the damage.

    The file is a stranger's: it is read in memory, its schema is not trusted, and a statement that
    runs for too long is stopped. Only a plain table is read: a view, a virtual table and a
    generated column compute their values.
    """
    try:
        with closing(sqlite3.connect(":memory:")) as base:
            base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
            base.deserialize(content)
            base.execute("PRAGMA trusted_schema = OFF")
            end = time.thread_time() + _MOST_S
            base.set_progress_handler(lambda: time.thread_time() > end, _STEPS)
            is_plain = base.execute(_KIND).fetchall() == [("CREATE TABLE ",)]
            if not is_plain or base.execute(_COMPUTED).fetchone():
                raise ValueError("no plain table 'result'")
            return [_times(*row) for row in base.execute(_REQUESTS, (MOST_REQUESTS + 1,))], ()
    except (sqlite3.Error, ValueError, TypeError, OverflowError) as error:
        reason = f"{path}: {error}"[:_LONGEST_REASON]
        return [], (Message("figures:no_requests", {"reason": reason}),)


def _times(*values: Any) -> RequestTimes:
    """First token, further token and answer; EvalScope writes 0 for no further token."""
    for value in values:
        if value is not None and not (isinstance(value, int | float) and 0 <= value < math.inf):
            raise ValueError(f"{value!r:.40} is no time")
    first, further, whole, tokens = values
    has_further = further is not None and tokens not in (None, 0, 1)
    return RequestTimes(
        None if first is None else MS_PER_S * first,
        MS_PER_S * further if has_further else None,
        None if whole is None else float(whole),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    path: str
    beside: tuple[str, ...]
    run: MeasuredPoint
    has_percentiles: bool
    arguments: dict[str, Any]
    at: datetime | None


class EvalscopePerf(Reader):
    """``benchmark_summary.json`` of any generation, with percentiles, arguments and requests of the
    same folder."""

    tool = "evalscope perf"
    keys = (*_COMPLETED, *_FAILED)

    def read(self, bundle: Bundle, own: Sequence[str]) -> Sequence[Reading | ImportRefusal]:
        """Return one result with a point per summary; a repeated concurrency begins another."""
        return imports.curves(
            own,
            lambda path: _part(bundle, own, path),
            lambda one, other: one.run.concurrency != other.run.concurrency,
            _curve,
        )


def _part(bundle: Bundle, own: Sequence[str], path: str) -> _Part:
    """Return the summary of one concurrency, with what is beside it."""
    beside = bundle.beside(path)
    logs = [one for one in beside if one.endswith(".log")]
    times = [imports.time_of_text(path), *(imports.time_of_log(bundle.files[log]) for log in logs)]
    if any(one in own for one in beside):  # else the files cannot be paired
        beside = []
    percentiles = [one for one in beside if b'"Percentiles"' in bundle.files[one]]
    keys = ("parallel", "tokenizer_path", "max_prompt_length")
    arguments = [one for one in beside if bundle.has_keys(one, keys, 3)]
    bases = [one for one in beside if bundle.files[one].startswith(_BASE_HEAD)]
    pair = (percentiles[0], bundle.files[percentiles[0]]) if len(percentiles) == 1 else None
    run = point(path, bundle.files[path], pair)
    if run.concurrency is None:
        raise ParseError(f"{path}: its requests were sent at a rate, without a concurrency")
    requests, damage = (
        requests_of(bases[0], bundle.files[bases[0]]) if len(bases) == 1 else ([], ())
    )
    if "ttft_mean_ms" not in run.metrics:  # whole answers: EvalScope writes their time as TTFT
        requests = [RequestTimes(None, None, one.latency_s) for one in requests]
    return _Part(
        path,
        (*percentiles[:1], *arguments[:1], *(bases if requests else ())),
        replace(run, left_out=(*run.left_out, *damage), requests=requests),
        pair is not None,
        bundle.object(arguments[0]) if len(arguments) == 1 else {},
        next((one for one in times if one), None),
    )


def _curve(parts: Sequence[_Part]) -> Reading:
    arguments = next((one.arguments for one in parts if one.arguments), {})
    lacking = [one for one in parts if one.run.completed and not one.has_percentiles]
    dataset = imports.text_at(arguments, "dataset")
    least, most, output, least_output = (
        imports.count_at(arguments, name)
        for name in ("min_prompt_length", "max_prompt_length", "max_tokens", "min_tokens")
    )
    length = ""
    if dataset != "random" or not 0 < least <= most:  # prompts with their own lengths
        least = most = 0
    else:
        length = f" {least}" if least == most else f" {least}–{most}"
    return imports.over_http(
        EvalscopePerf.tool,
        "",
        [one.run for one in parts],
        # "random 40–60 → 32 tok"; without the lengths that the arguments lack.
        what=f"{dataset}{length} → {output} tok" if dataset and output else dataset,
        model=imports.text_at(arguments, "model"),
        sources=tuple(one.path for one in parts),
        companions=tuple(file for one in parts for file in one.beside),
        remarks=[Message("import:no_percentiles")] if lacking else [],
        # Of random prompts between two lengths the middle.
        asked=imports.lengths_asked((least + most) // 2, output if output == least_output else 0),
        at=imports.earliest(one.at for one in parts),
    )
