"""Requests of a benchmark over HTTP, whichever tool sends them."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.plans import DIES, PlanFile, Watch


@dataclass(frozen=True, slots=True)
class HttpLoad:
    """Requests to send. ``requests`` per concurrency; tokens per request.

    ``metrics``: engine counters to scrape, if any. Not ``streamed``: complete answers, for servers
    whose stream a tool cannot parse. ``seed`` None: a new one per concurrency and job. ``key``:
    name of the API key's secret, for tools that take it from their environment.
    """

    concurrency: tuple[int, ...]
    requests: int
    output_tokens: int
    prompts: tuple[str, ...]
    metrics: tuple[str, ...]
    streamed: bool = True
    seed: int | None = None
    has_dies: bool = False
    key: str = ""

    def prompts_file(self) -> PlanFile:
        """Return prompts.txt, one prompt a line."""
        return PlanFile("prompts.txt", "\n".join(self.prompts) + "\n")

    def watches(self, *own: Watch) -> tuple[Watch, ...]:
        """Return the tool's own watches between those of the engine and of the dies."""
        engine = Watch("engine", "{deployment.url}/metrics", self.metrics)
        dies = Watch(DIES, interval_s=5.0, reader="dies", folder="{deployment.dies}")
        return (
            *((engine,) if self.metrics else ()),
            *own,
            *((dies,) if self.has_dies else ()),
        )
