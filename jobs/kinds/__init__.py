"""The kinds of job: Params in, Plan out; outputs in, Outcome out.
Here: a kind is a class in the file of its family, and a name in `KINDS`.
Not here: helpers (`kinds.lib`), command lines (`tools`), records (`models`).
"""

from collections.abc import Iterable, Mapping
from typing import Any

from jobs.kinds import benchmark, compile, deploy, evaluate, prepare
from jobs.kinds.benchmark_guidellm import BenchmarkGuidellm
from jobs.kinds.find_limit import FindLimit
from jobs.kinds.greedy_probe import GreedyProbe
from jobs.kinds.lib.base import Kind, rules_of

# In the order of forms and lists.
_ALL: tuple[Kind, ...] = (
    prepare.Prepare(),
    prepare.PrepareWeights(),
    prepare.ApplyModification(),
    prepare.PrepareDatasets(),
    prepare.BuildImages(),
    prepare.PrepareOpencompass(),
    prepare.ConvertWeights(),
    prepare.CollectResults(),
    compile.Compile(),
    compile.CompileVacc(),
    deploy.Deploy(),
    deploy.DeployBuildIn(),
    deploy.DeployVllm(),
    benchmark.Benchmark(),
    BenchmarkGuidellm(),
    benchmark.BenchmarkOnline(),
    FindLimit(),
    benchmark.BenchmarkThroughput(),
    benchmark.BenchmarkLatency(),
    evaluate.Evaluate(),
    evaluate.EvaluateOpencompass(),
    evaluate.EvaluateEvalscope(),
    evaluate.EvaluateOpencompassQuestions(),
    GreedyProbe(),
)
KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}


def check_makers(kinds: Iterable[Kind]) -> None:
    """Raise ``TypeError``: a rule of a field names an unknown kind."""
    for kind in kinds:
        for name, rules in rules_of(kind.Params).items():
            if rules.made_by and rules.made_by not in KINDS:
                raise TypeError(f"{kind.name}.{name}: no kind is called {rules.made_by}")


check_makers(_ALL)
# Programs that a host allows by default. jobs.host.claim.programs repeats them, because hosts do
# not import kinds.
PROGRAMS = frozenset(name for kind in _ALL for name in kind.programs)
CLIENTS = frozenset(name for kind in _ALL for name in kind.clients)


def work_of(kind: str, params: Mapping[str, Any]) -> float | None:
    """Return the amount of work of a job, in units of its kind; None if unknown."""
    known = KINDS.get(kind)
    try:
        amount = known.work(params) if known else None
    except (LookupError, TypeError, ValueError, ZeroDivisionError):  # of an older version
        return None
    return amount if amount and amount > 0 else None


def work_done(kind: str, params: Mapping[str, Any], metrics: Mapping[str, Any]) -> float | None:
    """Return the amount of work of an ended job, with the answer lengths its result measured."""
    name = "output_tokens"
    mean = metrics.get(f"{name}_mean")
    if mean is None and metrics.get("requests") and len(params.get("concurrency") or ()) < 2:
        mean = metrics.get(name, 0) / metrics["requests"]
    return work_of(kind, {**params, name: mean} if mean and name in params else params)
