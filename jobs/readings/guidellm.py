"""Benchmark with GuideLLM: its figures and progress."""

from __future__ import annotations

from jobs.measured import Outcome
from jobs.parsers import guidellm
from jobs.parsers.guidellm import progress
from jobs.readings import over_http
from jobs.readings.base import Ended

__all__ = ["outcome", "progress"]


def outcome(ended: Ended) -> Outcome:
    """A point per concurrency; the headline is the one with the highest output rate."""
    files = {path: ended.outputs[path] for path in ended.outputs if path.startswith("result-")}
    parsed = [guidellm.parse(path, content) for path, content in files.items()]
    points = sorted(parsed, key=lambda point: point.concurrency)
    began = {point.concurrency: point.began for point in points}
    requests = {point.concurrency: point.requests for point in points}
    return over_http.measured(ended, points, began, requests=requests)
