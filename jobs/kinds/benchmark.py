"""Benchmark over HTTP: send requests to a deployment and measure its speed."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from django.utils.translation import gettext as _
from pydantic import Field

from jobs.base.errors import LaunchError
from jobs.kinds.lib.base import AssetRef, Choice, Kind, KindParams, Target, field
from jobs.kinds.lib.common import (
    against,
    exclusive_field,
    key_of,
    overlap_field,
    seed_field,
    site,
)
from jobs.kinds.lib.load import (
    COUNTERS,
    INPUT,
    OUTPUT,
    PROMPT_TOKENS,
    RANDOM,
    check_answer,
    check_concurrency,
    check_input,
    chosen_prompts,
    included_choices,
    random_prompts,
    team_choices,
    work_of_requests,
)
from jobs.plans import Plan
from jobs.tools.evalscope import commands as evalscope
from jobs.tools.lib import load
from jobs.tools.lib.environments import ENVIRONMENTS, EVALSCOPE, TOKENIZERS
from jobs.tools.lib.load import HttpLoad


class LoadParams(KindParams):
    """Requests to send. Lengths are in tokens."""

    deployment: str = field(..., "Deployment", "Target", asset="deployment")
    """Deployment to benchmark."""
    concurrency: tuple[Annotated[int, Field(ge=1, le=256)], ...] = field(
        (1, 2, 4), "Concurrency", "Load", "requests", min_length=1, max_length=12
    )
    """Max concurrency. Several values are measured one after another."""
    requests: int = field(12, "Requests", "Load", "requests", ge=1, le=10000)
    """Requests per concurrency. Percentiles need many."""
    output_tokens: int = field(
        *(64, "Output length", "Load", "tokens"),
        ge=1,
        le=8192,
        beside=("deployment", PROMPT_TOKENS),
    )
    """Output tokens per request, always generated in full."""
    prompts: str = field("everyday", "Prompts", "Load", max_length=60)
    """Included prompts, or those of the team. Sent in turn. Random words of a chosen length need
    the model's tokenizer on the host."""
    input_tokens: int = field(
        128, "Prompt length", "Load", "tokens", ge=1, le=1048576, when=("prompts", RANDOM)
    )
    """Tokens of a random prompt, without the chat template."""
    seed: int | None = seed_field()
    exclusive: bool = exclusive_field(False)
    overlap: bool = overlap_field()


class OverHttp(Kind, params=LoadParams):
    """Base of kinds that send ``LoadParams`` to a deployment with the tool of ``environment``."""

    family = "benchmark"
    steps = load.STEPS
    leads_to = ("evaluate",)
    lengths = (INPUT, OUTPUT)
    takes_key: ClassVar[bool] = False  # the tool takes an API key from its environment
    has_tokenizers: ClassVar[bool] = False  # the tool's environment has them

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field != "prompts":
            return None
        return [*included_choices(), Choice(RANDOM, _("random words")), *team_choices(target)]

    def can_measure(self, served: AssetRef, target: Target) -> bool:
        return self.takes_key or not key_of(served)

    def needs(self, params: LoadParams, target: Target) -> Sequence[str]:
        own = super().needs(params, target)
        if params.prompts != RANDOM or self.has_tokenizers:
            return own
        return (*own, TOKENIZERS)

    def title_of(self, params: LoadParams, target: Target) -> str:
        """ "smollm2-135m-instruct-int8 @ 1, 2, 4"."""
        served = target.asset("deployment", params.deployment)
        return f"{served.title} @ {', '.join(map(str, params.concurrency))}"

    def load_of(self, params: LoadParams) -> str:
        """ "everyday → 64 tok"; "random 1024 → 64 tok"."""
        sized = f" {params.input_tokens}" if params.prompts == RANDOM else ""
        return f"{params.prompts}{sized} → {params.output_tokens} tok"

    def work(self, params: Mapping[str, Any]) -> float:
        return work_of_requests(params)

    def load(self, params: LoadParams, target: Target) -> HttpLoad:
        served = target.asset("deployment", params.deployment)
        if not self.can_measure(served, target):
            message = _("%(tool)s would show the API key in the process list. Use “Benchmark”.")
            tool = ENVIRONMENTS[self.environment].title
            raise LaunchError(message, "deployment", tool=tool)
        check_concurrency(params.concurrency)
        if params.prompts == RANDOM:
            check_input(params.input_tokens, served)
            sent = random_prompts(params.input_tokens, served, target)
        else:
            sent = chosen_prompts(params.prompts, target)
        check_answer(served.data, OUTPUT, params.output_tokens, sent.longest)
        return HttpLoad(
            *(params, sent, COUNTERS.get(str(served.data.get("toolchain")), ()), key_of(served)),
            streamed=not served.data.get("bare_stream"),
            has_dies=target.has_dies,
        )


class Benchmark(OverHttp, params=LoadParams):
    """Send requests to a deployment and measure its speed."""

    name = "benchmark"
    title = "Benchmark"
    reads = "tools.evalscope.perf_reading.outcome"
    progress = "tools.outputs.progress.share_of_runs"
    environment = EVALSCOPE
    programs = evalscope.PROGRAMS
    clients = evalscope.PERF_CLIENTS
    takes_key = True

    def plan(self, params: LoadParams, target: Target) -> Plan:
        """EvalScope's performance test, after a step that writes random prompts if chosen. The
        engine's counters are scraped meanwhile."""
        here, served = site(target), target.asset("deployment", params.deployment)
        return against(evalscope.perf_plan(self.load(params, target), here), served, here.python)
