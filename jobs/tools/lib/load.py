"""Requests of a benchmark over HTTP, whichever tool sends them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import pgettext_lazy

from jobs.plans import DIES, PlanFile, Step, Watch, literal
from jobs.tools.lib.seeds import COLD
from jobs.tools.lib.site import FILES, script

TEAM_FILE = "prompts.jsonl"
SIZED = "sized.py"
# Title of the step that writes prompts.
STEPS = {"prompts": pgettext_lazy("step", "write prompts")}


def json_lines(prompts: Iterable[str]) -> str:
    """Return prompts as JSON lines with the key "prompt"."""
    return "".join(json.dumps({"prompt": one}, ensure_ascii=False) + "\n" for one in prompts)


def team_file(prompts: Iterable[str]) -> PlanFile:
    """Return a team's prompts as a file of a plan."""
    return PlanFile(TEAM_FILE, json_lines(prompts))


@dataclass(frozen=True, slots=True)
class Sized:
    """Random prompts of ``tokens`` by the tokenizer in ``folder``, a path on the host."""

    tokens: int
    folder: str

    def written(self, python: str, *, requests: int, seeds: str) -> Step:
        """Return the step that writes a file for each concurrency. ``python``: as an argument."""
        return Step(
            "prompts",
            (
                *(python, f"{FILES}/{SIZED}", "--tokens", str(self.tokens)),
                *("--requests", str(requests), "--seeds", seeds, literal(self.folder)),
            ),
        )


@dataclass(frozen=True, slots=True)
class HttpLoad:
    """Requests to send. ``requests`` per concurrency; tokens per request.

    ``metrics``: engine counters to scrape, if any. Not ``streamed``: the server's stream has
    bare JSON lines, which no tool can parse. ``seed`` None: a new one per concurrency and job.
    ``key``: name of the API key's secret, for tools that take it from their environment.
    ``of_team``: the prompts are a team's, which may have several lines. ``sized``: random prompts
    in their place.
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
    sized: Sized | None = None

    def prompts_file(self) -> PlanFile:
        """Return the file with one prompt a line: prompts.txt, or prompts.jsonl of a team."""
        if self.of_team:
            return team_file(self.prompts)
        return PlanFile("prompts.txt", "\n".join(self.prompts) + "\n")

    def files(self) -> tuple[PlanFile, ...]:
        """Return the scripts that make prompts, and those to make them from."""
        if self.sized:
            return (script(COLD), script(SIZED))
        return (script(COLD), self.prompts_file())

    def watches(self, *own: Watch) -> tuple[Watch, ...]:
        """Return the tool's own watches between those of the engine and of the dies."""
        engine = Watch("engine", "{deployment.url}/metrics", self.metrics)
        dies = Watch(DIES, interval_s=5.0, reader="dies", folder="{deployment.dies}")
        return (
            *((engine,) if self.metrics else ()),
            *own,
            *((dies,) if self.has_dies else ()),
        )
