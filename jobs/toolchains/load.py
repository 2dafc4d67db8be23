"""Requests of a benchmark over HTTP, whichever tool sends them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from jobs.plans import DIES, PlanFile, Watch

TEAM_FILE = "prompts.jsonl"


def json_lines(prompts: Iterable[str]) -> str:
    """Return prompts as JSON lines with the key "prompt"."""
    return "".join(json.dumps({"prompt": one}, ensure_ascii=False) + "\n" for one in prompts)


def team_file(prompts: Iterable[str]) -> PlanFile:
    """Return a team's prompts as a file of a plan."""
    return PlanFile(TEAM_FILE, json_lines(prompts))


@dataclass(frozen=True, slots=True)
class HttpLoad:
    """Requests to send. ``requests`` per concurrency; tokens per request.

    ``metrics``: engine counters to scrape, if any. Not ``streamed``: complete answers, for servers
    whose stream a tool cannot parse. ``seed`` None: a new one per concurrency and job. ``key``:
    name of the API key's secret, for tools that take it from their environment. ``of_team``: the
    prompts are a team's, which may have several lines.
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
    of_team: bool = False

    def prompts_file(self) -> PlanFile:
        """Return the file with one prompt a line: prompts.txt, or prompts.jsonl of a team."""
        if self.of_team:
            return team_file(self.prompts)
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
