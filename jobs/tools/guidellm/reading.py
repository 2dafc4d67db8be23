"""Benchmark with GuideLLM: its figures and progress."""

from __future__ import annotations

from jobs.metrics.measured import Outcome
from jobs.tools.guidellm import parser as guidellm
from jobs.tools.guidellm.parser import progress
from jobs.tools.outputs import over_http_reading
from jobs.tools.outputs.ended import Ended

__all__ = ["outcome", "progress"]


def outcome(ended: Ended) -> Outcome:
    """A point per concurrency; the headline is the one with the highest output rate."""
    files = {path: ended.outputs[path] for path in ended.outputs if path.startswith("result-")}
    parsed = [guidellm.parse(path, content) for path, content in files.items()]
    points = sorted(parsed, key=lambda point: point.concurrency)
    began = {point.concurrency: point.began for point in points}
    requests = {point.concurrency: point.requests for point in points}
    return over_http_reading.measured(ended, points, began, requests=requests)
