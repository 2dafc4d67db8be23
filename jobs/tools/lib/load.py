"""Requests to an engine, whichever tool sends them: prompts, seeds, thinking on or off."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from django.utils.translation import pgettext_lazy

from jobs.catalog.schema import THINKING_SWITCHES
from jobs.plans import DIES, PlanFile, Step, Watch, literal
from jobs.tools.lib.site import FILES, script

TEAM_FILE = "prompts.jsonl"
COLD = "cold.py"  # makes prompts unique by a seed
SIZED = "sized.py"
# Title of the step that writes prompts.
STEPS = {"prompts": pgettext_lazy("step", "write prompts")}
# Fields that each chat request gets: vLLM, SGLang and llama.cpp give these variables to the
# template.
Body: TypeAlias = Mapping[str, Mapping[str, bool]]
_VARIABLES = "chat_template_kwargs"


def thinking_body(switch: str, *, on: bool) -> Body:
    """Return the fields that switch thinking; ``switch`` is the template's variable."""
    return {_VARIABLES: {switch: on}}


def thinking_in(request: Mapping[str, Any]) -> str:
    """Return what a request chose by a switch of thinking: "on" or "off"; "" for the default."""
    given = request.get(_VARIABLES) or {}
    switches = [given[name] for name in THINKING_SWITCHES if name in given]
    return ("on" if switches[0] else "off") if switches else ""


def seed_word(fixed: int | None, place: int) -> str:
    """Return the seed of the ``place``-th concurrency, from 1, as an argument of a plan.

    ``fixed`` is used unchanged. Otherwise job id and place (two digits: at most twelve) give a
    unique seed: repeated prompts would measure the engine's prefix cache. The id is a slot, so a
    retry has the same plan but new seeds.
    """
    return str(fixed) if fixed is not None else f"{{job}}{place:02d}"


def seeds_text(fixed: int | None, concurrencies: Sequence[int]) -> str:
    """Return the seeds of all concurrencies for cold.py: "1=1701,4=1702"."""
    pairs = enumerate(concurrencies, start=1)
    return ",".join(f"{concurrency}={seed_word(fixed, place)}" for place, concurrency in pairs)


def json_lines(prompts: Iterable[str]) -> str:
    """Return prompts as JSON lines with the key "prompt"."""
    return "".join(json.dumps({"prompt": one}, ensure_ascii=False) + "\n" for one in prompts)


def cold_prompts(python: str, file: str, *, requests: int, seeds: str) -> Step:
    """Write new prompts for each concurrency, from a file of the plan. ``python``: an argument."""
    words = ("--requests", str(requests), "--seeds", seeds, f"{FILES}/{file}")
    return Step("prompts", (python, f"{FILES}/{COLD}", *words))


@dataclass(frozen=True, slots=True)
class Prompts:
    """Prompts to send. ``longest``: estimated tokens of the longest one, with its mark.
    ``of_team``: they may have several lines. ``folder``: a tokenizer's on the host, for random
    prompts in their place."""

    texts: tuple[str, ...]
    longest: int
    of_team: bool = False
    folder: str = ""


@dataclass(frozen=True, slots=True)
class HttpLoad:
    """Requests to send. ``params``: of ``benchmark``; its seed None: a new one per concurrency and
    job. ``metrics``: engine counters to scrape, if any. ``key``: name of the API key's secret, for
    tools that take it from their environment. Not ``streamed``: the server's stream has bare JSON
    lines, which no tool can parse.
    """

    params: Any
    prompts: Prompts
    metrics: tuple[str, ...]
    key: str = ""
    streamed: bool = True
    has_dies: bool = False

    @property
    def seeds(self) -> str:
        return seeds_text(self.params.seed, self.params.concurrency)

    def written(self, python: str, requests: int, seeds: str = "") -> Step:
        """Return the step that writes new prompts for each concurrency, or each of ``seeds``.
        ``python``: an argument."""
        seeds = seeds or self.seeds
        if not self.prompts.folder:
            file = self.prompts_file().name
            return cold_prompts(python, file, requests=requests, seeds=seeds)
        wanted = ("--tokens", str(self.params.input_tokens), "--requests", str(requests))
        argv = (python, f"{FILES}/{SIZED}", *wanted, "--seeds", seeds)
        return Step("prompts", (*argv, literal(self.prompts.folder)))

    def prompts_file(self) -> PlanFile:
        if self.prompts.of_team:
            return PlanFile(TEAM_FILE, json_lines(self.prompts.texts))
        return PlanFile("prompts.txt", "\n".join(self.prompts.texts) + "\n")

    def files(self) -> tuple[PlanFile, ...]:
        return (script(COLD), script(SIZED) if self.prompts.folder else self.prompts_file())

    def watches(self, *own: Watch) -> tuple[Watch, ...]:
        engine = Watch("engine", "{deployment.url}/metrics", self.metrics)
        dies = Watch(DIES, interval_s=5.0, reader="dies", folder="{deployment.dies}")
        return (*((engine,) if self.metrics else ()), *own, *((dies,) if self.has_dies else ()))
