"""Shared code of benchmarks over HTTP: a point per concurrency, and remarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from django.utils.translation import gettext as _
from pydantic import Field

from jobs.base.errors import LaunchError
from jobs.kinds.lib import lengths, work
from jobs.kinds.lib.base import AssetRef, Choice, Kind, KindParams, Need, Target
from jobs.kinds.lib.common import (
    deployment_field,
    exclusive_field,
    overlap_field,
    seed_field,
)
from jobs.kinds.lib.lengths import check_answer
from jobs.kinds.lib.prompts import (
    PROMPT_TOKENS,
    Chosen,
    chosen,
    included_choices,
    random_of,
    team_choices,
)
from jobs.tools.lib.environments import ENVIRONMENTS, TOKENIZERS
from jobs.tools.lib.load import HttpLoad
from jobs.tools.llama_cpp import commands as llama_cpp
from jobs.tools.vllm import serve as vllm

# Counters of each engine under /metrics.
COUNTERS = {llama_cpp.NAME: llama_cpp.METRICS, "vllm": vllm.METRICS}


class LoadParams(KindParams):
    """Requests with included prompts, or those of the team. Lengths are in tokens."""

    deployment: str = deployment_field("Deployment to benchmark.")
    concurrency: tuple[Annotated[int, Field(ge=1, le=256)], ...] = Field(
        (1, 2, 4),
        min_length=1,
        max_length=12,
        description="Max concurrency. Several values are measured one after another.",
        json_schema_extra={"label": "Concurrency", "unit": "requests", "group": "Load"},
    )
    requests: int = Field(
        12,
        ge=1,
        le=10000,
        description="Requests per concurrency. Percentiles need many.",
        json_schema_extra={"label": "Requests", "unit": "requests", "group": "Load"},
    )
    output_tokens: int = Field(
        64,
        ge=1,
        le=8192,
        description="Output tokens per request, always generated in full.",
        json_schema_extra={
            "label": "Output length",
            "unit": "tokens",
            "group": "Load",
            "beside": ["deployment", PROMPT_TOKENS],
        },
    )
    prompts: str = Field(
        "everyday",
        max_length=60,
        description="Included prompts, or those of the team. Sent in turn. Random words of a "
        "chosen length need the model's tokenizer on the host.",
        json_schema_extra={"label": "Prompts", "group": "Load"},
    )
    input_tokens: int = Field(
        128,
        ge=1,
        le=1048576,
        description="Tokens of a random prompt, without the chat template.",
        json_schema_extra={
            "label": "Prompt length",
            "unit": "tokens",
            "group": "Load",
            "when": ["prompts", lengths.RANDOM],
        },
    )
    seed: int | None = seed_field()
    exclusive: bool = exclusive_field(False)
    overlap: bool = overlap_field()


class OverHttp(Kind, params=LoadParams):
    """Base of kinds that send ``LoadParams`` to a deployment with the tool of ``environment``."""

    family = "benchmark"
    lengths = (lengths.INPUT, lengths.OUTPUT)
    takes_key: ClassVar[bool] = False  # the tool takes an API key from its environment
    has_tokenizers: ClassVar[bool] = False  # the tool's environment has them

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        """Return the choices of ``field`` on this host."""
        if field != "prompts":
            return None
        random = Choice(lengths.RANDOM, _("random words"))
        return [*included_choices(), random, *team_choices(target)]

    def can_measure(self, served: AssetRef, target: Target) -> bool:
        """Return False for an API key that the tool would show."""
        return self.takes_key or not served.data.get("api_key")

    def needs(self, params: LoadParams, target: Target) -> Sequence[Need]:
        """Return the tool's environment, and that of tokenizers where the tool has none."""
        own = super().needs(params, target)
        if params.prompts != lengths.RANDOM or self.has_tokenizers:
            return own
        return (*own, Need(TOKENIZERS))

    def title_of(self, params: LoadParams, target: Target) -> str:
        """ "smollm2-135m-instruct-int8 @ 1, 2, 4"."""
        served = target.asset("deployment", params.deployment)
        return f"{served.title} @ {', '.join(map(str, params.concurrency))}"

    def successors(self, params: LoadParams) -> Sequence[str]:
        """Accuracy of the same deployment."""
        return ("evaluate",)

    def work(self, params: Mapping[str, Any]) -> float:
        """Rounds of requests, at each concurrency."""
        return work.over_http(params)

    def load(self, params: LoadParams, target: Target) -> HttpLoad:
        """Return the requests for the deployment.

        Raises:
            LaunchError: the deployment is not on the host, or has a key, which the tool would
                show; answers do not fit with the longest prompt; a concurrency is entered twice;
                unknown prompts, or no tokenizer for random ones.
        """
        deployment = target.asset("deployment", params.deployment)
        served = deployment.data
        if served.get("api_key") and not self.takes_key:
            message = _("%(tool)s would show the API key in the process list. Use “Benchmark”.")
            tool = ENVIRONMENTS[self.environment].title
            raise LaunchError(message % {"tool": tool}, "deployment")
        check_concurrency(params.concurrency)
        sent = self._chosen(params, deployment, target)
        check_answer(served, "output_tokens", params.output_tokens, sent.longest)
        return HttpLoad(
            concurrency=params.concurrency,
            requests=params.requests,
            output_tokens=params.output_tokens,
            prompts=sent.prompts,
            metrics=COUNTERS.get(str(served.get("toolchain")), ()),
            streamed=not served.get("bare_stream"),
            has_dies=target.has_dies,
            seed=params.seed,
            key=str(served.get("api_key") or ""),
            of_team=sent.of_team,
            sized=sent.sized,
        )

    def _chosen(self, params: LoadParams, deployment: AssetRef, target: Target) -> Chosen:
        if params.prompts != lengths.RANDOM:
            return chosen(params.prompts, target)
        most = deployment.data.get("max_input")
        if most and params.input_tokens > int(most):
            message = _("Max prompt length of the deployment is %(tokens)d tokens.")
            raise LaunchError(message % {"tokens": int(most)}, "input_tokens")
        return random_of(params.input_tokens, deployment, target)


def name_of(params: LoadParams) -> str:
    """Return the prompts for results: "random 1024"."""
    if params.prompts == lengths.RANDOM:
        return f"{params.prompts} {params.input_tokens}"
    return params.prompts


def check_concurrency(values: Sequence[int]) -> None:
    """Refuse duplicate values.

    Raises:
        LaunchError: at the field.
    """
    if len(set(values)) < len(values):
        raise LaunchError(_("Enter each concurrency only once."), "concurrency")
