"""Search of a limit: the highest rate or concurrency within a service level, or a sweep."""

from collections.abc import Mapping, Sequence
from math import ceil, log2
from typing import Any, Literal

from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.catalog import STACKS, Stack
from jobs.kinds.lib import common, load
from jobs.kinds.lib.base import AssetRef, Choice, Kind, KindParams, LevelChoice, Target, field
from jobs.plans import Plan
from jobs.tools.lib.environments import TOKENIZERS
from jobs.tools.limit import commands as limit
from jobs.tools.limit.commands import CONCURRENCY, GUIDELLM, RATE, VLLM
from jobs.tools.vllm import bench

_MOST_STEPS = 1000  # between the bounds of a search
_MOST_SWEPT = 24


class LimitParams(KindParams):
    """Loads to search. Lengths are in tokens."""

    deployment: str = field(..., "Deployment", "Target", asset="deployment")
    """Deployment to measure."""
    tool: Literal["guidellm", "evalscope", "vllm"] = field("guidellm", "Client", "Target")
    """Sends the requests. vLLM's needs a deployment of vLLM."""
    level: str = field("", "Service level", "Search", max_length=32)
    """The highest load that meets it is searched. Without one, each load is measured."""
    vary: Literal["rate", "concurrency"] = field("rate", "Load", "Search")
    """Requests per second that arrive at random (Poisson), or requests at once."""
    lowest: float = field(1.0, "Lowest", "Search", gt=0, le=1024)
    """First load. If it misses the level, the search stops."""
    highest: float = field(8.0, "Highest", "Search", gt=0, le=1024)
    """Second load. If it meets the level, the search stops."""
    resolution: float = field(1.0, "Resolution", "Search", gt=0, le=1024)
    """The search stops when the highest load that met the level and the lowest that missed it are
    so far apart. Without a level, the step of the loads."""
    most_points: int = field(10, "Most loads", "Search", ge=2, le=24)
    """The search stops after so many."""
    half_width: float = field(0.0, "Repeat until within", "Search", "%", ge=0, le=50)
    """Each load is repeated until the 95 % interval of its output rate is ± so narrow. 0: once."""
    most_runs: int = field(5, "Most runs", "Search", ge=3, le=10)
    """Of one load, if it is repeated."""
    requests: int = field(50, "Requests", "Load", "requests", ge=1, le=10000)
    """Requests of each run. A percentile needs many: 6 for p50, 36 for p90, 368 for p99."""
    output_tokens: int = load.output_field()
    prompts: str = field("everyday", "Prompts", "Load", max_length=60)
    """Included prompts, or those of the team. Random words of a chosen length need the model's
    tokenizer on the host."""
    input_tokens: int = load.input_field()
    seed: int | None = field(None, "Seed", "Load", ge=0, le=2147480000)
    """Empty: new requests and arrivals in each run. A number: the same again, run by run, which a
    prefix cache answers faster."""
    exclusive: bool = common.exclusive_field(False)
    overlap: bool = common.overlap_field()


class FindLimit(Kind, params=LimitParams):
    """Find the highest load that a deployment serves within a service level."""

    name = limit.KIND
    title = "Find the limit"
    good_for = "The highest request rate or concurrency within a service level."
    reads = "tools.limit.reading.outcome"
    progress = "tools.outputs.progress.searched"
    family = "benchmark"
    programs = limit.PROGRAMS
    clients = limit.CLIENTS
    steps = bench.STEPS
    leads_to = ("evaluate",)
    offered_after = ("deploy", "deploy-build-in", "deploy-vllm")
    lengths = (load.INPUT, load.OUTPUT)

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        if field == "prompts":
            return load.prompt_choices(target)
        if field == "level":
            levels = [Choice(one.key, one.name) for one in target.levels()]
            return [Choice("", _("none: measure each load")), *levels]
        if field == "tool":
            return [
                Choice(GUIDELLM, "GuideLLM"),
                Choice(limit.EVALSCOPE, "EvalScope"),
                Choice(VLLM, "vLLM"),
            ]
        if field == "vary":
            return [Choice(RATE, _("request rate")), Choice(CONCURRENCY, _("concurrency"))]
        return None

    def needs(self, params: LimitParams, target: Target) -> Sequence[str]:
        has_tokenizers = params.tool == GUIDELLM
        more = (TOKENIZERS,) if params.prompts == load.RANDOM and not has_tokenizers else ()
        if params.tool != VLLM:
            return (params.tool, *more)
        stack = _stack_of(target.asset("deployment", params.deployment))
        return (*((stack.environment,) if stack and stack.environment else ()), *more)

    def title_of(self, params: LimitParams, target: Target) -> str:
        """ "small-int8, rate 1–8, MLPerf chat"."""
        served = target.asset("deployment", params.deployment)
        level = _level(params, target)
        bounds = f"{params.vary} {params.lowest:g}–{params.highest:g}"
        return ", ".join(filter(None, (served.title, bounds, level.name if level else "")))

    def load_of(self, params: LimitParams) -> str:
        """ "everyday → 64 tok"; "random 1024 → 64 tok, Poisson"."""
        return load.text_of(params) + (", Poisson" if params.vary == RATE else "")

    def work(self, params: Mapping[str, Any]) -> float:
        """In output tokens, one load after another: their number is the most of a search."""
        runs = int(params["most_runs"]) if params.get("half_width") else 1
        if params["vary"] == RATE:
            at_once = 1.0
        else:
            at_once = (float(params["lowest"]) + float(params["highest"])) / 2
        requests = float(params["requests"]) / max(1.0, at_once)
        return _loads(params) * runs * requests * load.work_of_request(params)

    def plan(self, params: LimitParams, target: Target) -> Plan:
        """One step: it measures a load after the other, and says why it goes on or stops."""
        here, served = common.site(target), target.asset("deployment", params.deployment)
        level = _level(params, target)
        _check(params, level)
        stack = _check_client(params, served, level)
        sent = load.http_load(params, served, target)
        made = limit.plan(sent, _rules(params, level), here, stack)
        return common.against(made, served, here.python)


def _level(params: LimitParams, target: Target) -> LevelChoice | None:
    if not params.level:
        return None
    found = next((one for one in target.levels() if one.key == params.level), None)
    if found is None:
        message = _("This service level was removed or hidden. Choose another.")
        raise LaunchError(message, "level")
    return found


def _rules(params: LimitParams, level: LevelChoice | None) -> limit.Rules:
    return {
        "tool": params.tool,
        "by": params.vary,
        "lowest": params.lowest,
        "highest": params.highest,
        "step": params.resolution,
        "most_points": params.most_points,
        "level": level.name if level else "",
        "limits": dict(level.limits) if level else {},
        "goodput": level.goodput if level else None,
        "half_width": params.half_width / 100,
        "most_runs": params.most_runs,
        "requests": params.requests,
        "seed": params.seed,
    }


def _loads(params: Mapping[str, Any]) -> int:
    """Return the number of loads, of a search the most."""
    span = float(params["highest"]) - float(params["lowest"])
    steps = max(0, int(span / float(params["resolution"]) + 1e-9))
    if not params.get("level"):
        return steps + 1
    return min(int(params["most_points"]), 2 + ceil(log2(max(1, steps))))


def _check(params: LimitParams, level: LevelChoice | None) -> None:
    if params.highest < params.lowest:
        raise LaunchError(_("Must not be below the lowest load."), "highest")
    if params.vary == CONCURRENCY:
        for name in ("lowest", "highest", "resolution"):
            if not float(getattr(params, name)).is_integer():
                raise LaunchError(_("A concurrency is a whole number."), name)
    if level is not None and not level.limits:
        raise LaunchError(_("This service level has no limit of a time. Choose another."), "level")
    most = _MOST_STEPS if level else _MOST_SWEPT
    if (params.highest - params.lowest) / params.resolution > most:
        message = _("At most %(most)d steps between the bounds. Choose a coarser resolution.")
        raise LaunchError(message, "resolution", most=most)


def _check_client(params: LimitParams, served: AssetRef, level: LevelChoice | None) -> Stack | None:
    """Return the stack of the deployment, for vLLM's client."""
    if params.tool != limit.EVALSCOPE and params.tool != VLLM and common.key_of(served):
        message = _("%(tool)s would show the API key in the process list. Choose EvalScope.")
        raise LaunchError(message, "tool", tool="GuideLLM")
    if level is not None and level.goodput is not None and params.tool != GUIDELLM:
        message = _("This level needs the times of single requests. Choose GuideLLM.")
        raise LaunchError(message, "tool")
    if params.tool != VLLM:
        return None
    stack = _stack_of(served)
    if stack is None or served.endpoint is not None:
        message = _("vLLM's client needs a deployment of vLLM. Choose another client.")
        raise LaunchError(message, "deployment")
    if bench.CUSTOM not in stack.bench.online.datasets:
        message = _(
            "The client of this vLLM version cannot send prompts of its own. Choose another."
        )
        raise LaunchError(message, "tool")
    return stack


def _stack_of(served: AssetRef) -> Stack | None:
    is_vllm = str(served.data.get("engine") or served.data.get("toolchain")) == "vllm"
    return STACKS.get(str(served.data.get("stack") or "")) if is_vllm else None
