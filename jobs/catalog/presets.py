"""Presets: workloads of benchmarks, evaluations, included prompts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from jobs.catalog.files import load_by_id
from jobs.catalog.schema import Strict, Text, Tokens, Word

HERE = Path(__file__).parent

Concurrency = Annotated[int, Field(ge=1, le=1024)]
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=32)]


class PresetLimits(Strict):
    """Limits of a published workload: tokens of all concurrent requests, and of a prompt."""

    total_tokens: Tokens | None = None
    max_input: Tokens | None = None


class OnProcessor(Strict):
    """Values on a host without dies."""

    input_tokens: tuple[Tokens, ...]
    output_tokens: tuple[Tokens, ...]
    concurrency: tuple[Concurrency, ...]


class Workload(Strict):
    """Preset of a benchmark. ``commands``: kinds of separate jobs, in place of a matrix.
    ``requests`` is the number of a cell; ``requests_each`` is multiplied by its concurrency.
    ``warm_up``: one run before all others does not count. ``stops_early``: a row ends when more
    load only queues. ``params``: values of other fields of the form, of kinds that have them."""

    id: Id
    name: Word
    purpose: Text
    takes: Text
    commands: tuple[Id, ...] = ()
    input_tokens: tuple[Tokens, ...] = ()
    output_tokens: tuple[Tokens, ...] = ()
    concurrency: tuple[Concurrency, ...] = ()
    requests: Annotated[int, Field(ge=1, le=10000)] | None = None
    requests_each: Annotated[int, Field(ge=1, le=1000)] | None = None
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    shuffled: bool = False
    warm_up: bool = False
    stops_early: bool = False
    limits: PresetLimits = PresetLimits()
    params: Mapping[str, str] = Field(default_factory=dict)
    source: str = ""
    without_dies: OnProcessor | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> Workload:
        axes = (self.input_tokens, self.output_tokens, self.concurrency)
        if bool(self.commands) == any(axes) or any(axes) != all(axes):
            raise ValueError("a workload has either commands or all three axes")
        if not self.commands and (self.requests is None) == (self.requests_each is None):
            raise ValueError("a workload has requests or requests_each")
        return self

    def on_host(self, *, has_dies: bool) -> Workload:
        if has_dies or self.without_dies is None:
            return self
        return self.model_copy(update=dict(self.without_dies))


class EvaluationPreset(Strict):
    """Preset of an evaluation. ``kinds``: kind of job -> values of its form, the usual first."""

    id: Id
    name: Word
    purpose: Text
    takes: Text
    kinds: Annotated[Mapping[Id, Mapping[str, str]], Field(min_length=1)]


WORKLOADS = load_by_id(Workload, HERE / "workloads.yaml")
EVALUATION_PRESETS = load_by_id(EvaluationPreset, HERE / "evaluations.yaml")
PROMPT_SETS = {  # a prompt a line
    path.stem: tuple(path.read_text(encoding="utf-8").splitlines())
    for path in sorted((HERE / "prompts").glob("*.txt"))
}
