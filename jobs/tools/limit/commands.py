"""Search of a limit: one step that runs a client's command for each load, by find_limit.py."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jobs.catalog import Stack
from jobs.plans import Output, Plan, PlanFile, Step, literal
from jobs.statistics import repeats
from jobs.tools.evalscope import commands as evalscope
from jobs.tools.guidellm import commands as guidellm
from jobs.tools.lib.environments import ENVIRONMENTS, TOKENIZERS
from jobs.tools.lib.load import HttpLoad
from jobs.tools.lib.site import FILES, Site, script
from jobs.tools.vllm import bench

KIND = "find-limit"
PROGRAMS = ("docker", "guidellm", "python", "python3", "vllm")
SCRIPT, RECORD = "find_limit.py", "search.jsonl"
GUIDELLM, EVALSCOPE, VLLM = "guidellm", "evalscope", "vllm"
RATE, CONCURRENCY = "rate", "concurrency"
# Words that find_limit.py replaces for each run.
LOAD, RUN, SEED = "@load", "@run", "@seed"
CLIENTS = (SCRIPT,)


# Arguments of find_limit.py by name. ``limits``: metric -> highest value, {} for a sweep.
# ``half_width``: share of the mean; 0 is one run. ``seed``: None draws one for each job.
Rules = Mapping[str, Any]


def plan(load: HttpLoad, rules: Rules, site: Site, stack: Stack | None) -> Plan:
    """``stack``: of the deployment, for vLLM's client."""
    client = _CLIENTS[rules["tool"]](load, rules, site, stack)
    requests = rules["requests"] + client.warm_ups
    if rules["tool"] == VLLM and not load.prompts.folder:
        # Its client reads JSON lines only.
        load = replace(load, prompts=replace(load.prompts, of_team=True))
    # A run adds its number to the seed.
    told = literal(json.dumps({**rules, "seed": "SEED"}, ensure_ascii=False))
    seed = "{job}000" if rules["seed"] is None else str(rules["seed"])
    python = site.python_word if load.prompts.folder == "" else client.python
    written = load.written(python, requests, f"{RUN}={SEED}").argv
    commands = [word for one in (written, *client.commands) for word in ("--", *one)]
    formulas = Path(repeats.__file__)
    argv = (site.python_word, f"{FILES}/{SCRIPT}", told.replace('"SEED"', seed), *commands)
    return Plan(
        kind=KIND,
        steps=(*client.before, Step("measure", argv, env=client.env, cleanup=client.cleanup)),
        files=(
            *(script(SCRIPT), PlanFile(formulas.name, formulas.read_text(encoding="utf-8"))),
            *(*client.files, *load.files()),
        ),
        outputs=(Output("search", RECORD), *client.outputs),
        watches=load.watches(),
    )


@dataclass(frozen=True, slots=True)
class _Client:
    """``python``: of an environment with tokenizers. ``warm_ups``: requests before those measured,
    whose prompts are in the same file."""

    commands: Sequence[Sequence[str]]
    env: tuple[tuple[str, str], ...]
    outputs: tuple[Output, ...]
    python: str
    before: tuple[Step, ...] = ()
    cleanup: tuple[str, ...] = ()
    files: tuple[PlanFile, ...] = ()
    warm_ups: int = 0


def _guidellm(load: HttpLoad, rules: Rules, site: Site, _stack: Stack | None) -> _Client:
    if rules["by"] == RATE:
        argv = guidellm.poisson_command(load, site, LOAD, SEED, RUN)
        env = {**dict(guidellm.ENV), **guidellm.ONE_WORKER}
    else:
        argv = guidellm.command(load, site, f"kind=concurrent,streams={LOAD}", RUN)
        env = dict(guidellm.ENV)
    return _Client(
        commands=(argv,),
        env=tuple(env.items()),
        outputs=(Output("result", "result-*.json"),),
        python=ENVIRONMENTS[guidellm.NAME].python(site),
        files=(script(guidellm.POISSON),) if rules["by"] == RATE else (),
    )


def _evalscope(load: HttpLoad, rules: Rules, site: Site, _stack: Stack | None) -> _Client:
    is_json = load.prompts.of_team or load.prompts.folder
    warm_ups = 1 if rules["by"] == RATE else int(rules["highest"])
    count, suffix = rules["requests"] + warm_ups, ".jsonl" if is_json else ".txt"
    number = ("--number", str(rules["requests"]))
    sent = {
        RATE: ("--open-loop", "--rate", LOAD, *number, "--seed", SEED),
        CONCURRENCY: ("--parallel", LOAD, *number),
    }
    prompts = f"{{job_dir}}/work/prompts-{count}-at-{RUN}{suffix}"
    argv = evalscope.perf_command(
        load,
        site,
        seeds=f"{RUN}={SEED}",
        data=("written_lines", "--dataset-path", prompts),
        sent=sent[rules["by"]],
        warm_ups=warm_ups,
        windows=f"windows-{RUN}.jsonl",
        name=f"run-{RUN}",
    )
    return _Client(
        commands=(argv,),
        env=evalscope.perf_environment(load),
        outputs=(
            Output("summary", "perf/run-*/*/benchmark_summary.json"),
            Output("percentiles", "perf/run-*/*/benchmark_percentile.json"),
            Output("windows", "windows-*.jsonl", required=False),
        ),
        python=ENVIRONMENTS[TOKENIZERS].python(site),
        files=(script(evalscope.SEND),),
        warm_ups=warm_ups,
    )


def _vllm(load: HttpLoad, rules: Rules, site: Site, stack: Stack | None) -> _Client:
    assert stack is not None  # noqa: S101 -- of the kind, for the type
    sent = {
        RATE: ("--request-rate", LOAD, "--burstiness", "1.0"),
        CONCURRENCY: ("--max-concurrency", LOAD),
    }
    own = bench.SearchLoad(
        *(load.params, bench.CUSTOM, "", load.key, load.prompts.texts or ("",)),
        run=RUN,
        seed=SEED,
        sent=sent[rules["by"]],
    )
    before, commands = bench.search_commands(stack, own, site)
    return _Client(
        commands=commands,
        env=bench.search_environment(stack, load.key),
        outputs=(Output("result", "result-*.json"),),
        python=ENVIRONMENTS[TOKENIZERS].python(site),
        before=before,
        cleanup=bench.search_cleanup(stack),
    )


_CLIENTS: Mapping[str, Callable[[HttpLoad, Rules, Site, Stack | None], _Client]] = {
    GUIDELLM: _guidellm,
    EVALSCOPE: _evalscope,
    VLLM: _vllm,
}
