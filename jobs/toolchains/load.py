"""Requests of a benchmark over HTTP, whichever tool sends them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpLoad:
    """Requests to send. ``requests`` per concurrency; tokens per request.

    ``metrics``: engine counters to scrape, if any. Not ``streamed``: complete answers, for servers
    whose stream a tool cannot parse. ``seed`` None: a new one per concurrency and job.
    """

    concurrency: tuple[int, ...]
    requests: int
    output_tokens: int
    prompts: tuple[str, ...]
    metrics: tuple[str, ...]
    streamed: bool = True
    seed: int | None = None
    has_dies: bool = False
