"""vLLM's three benchmarks: over HTTP against a deployment; offline throughput; offline latency.

The deployment guide, Pytorch Deploy, step 3; ``vllm bench`` of VastModelZOO's llm/deepseek_r1. The
stack's data lists each version's options.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from django.utils.translation import pgettext_lazy

from jobs.catalog.stacks import OfflineBenchmark, Stack
from jobs.plans import CLIENT, DIES, Check, Output, Plan, PlanFile, Step, Watch, literal
from jobs.tools.lib.load import COLD, TEAM_FILE, cold_prompts, json_lines, seed_word, seeds_text
from jobs.tools.lib.load import STEPS as STEPS_OF_PROMPTS
from jobs.tools.lib.site import Site, check, endpoint_check, script, secret
from jobs.tools.vacc.site import VaccSite
from jobs.tools.vllm import serve as vllm

PROGRAMS = ("docker", "python", "vllm")
STEPS = {
    **STEPS_OF_PROMPTS,
    "container": pgettext_lazy("step", "start container"),
    "plug-in": pgettext_lazy("step", "import plug-in"),
    "folder": pgettext_lazy("step", "make folder"),
    "send": pgettext_lazy("step", "send prompts"),
}
_IN_DEPLOYMENT = "{deployment.container}"
_OWN_NAME = "vllm-bench-{job}"
# Result folders in the container: the guide's, and one per job.
GUIDE_RESULTS = "/workspace/models/benchmark_result"
_OWN_RESULTS = "/tmp/vacc-bench-{job}"  # noqa: S108 -- in a container
# On the current page it is below the working folder.
_PAGE_RESULTS = "./benchmark_result"
# The job's folder in its container.
_JOB_MOUNT = "/results"
# The job's working folder without a container.
_WORK = "{job_dir}/work"
_CHAT = "/v1/chat/completions"
# A team's prompts, new for each concurrency.
CUSTOM = "custom"
# Stops what runs in a container with a given word among its arguments: a client of docker that is
# ended leaves what it has started there running.
STOP = """\
import os
import signal
import sys
from pathlib import Path

for process in Path("/proc").glob("[0-9]*"):
    try:
        argv = (process / "cmdline").read_bytes().split(b"\\0")
        if sys.argv[1].encode() in argv and int(process.name) != os.getpid():
            os.kill(int(process.name), signal.SIGTERM)
    except OSError:  # it has ended, or belongs to another account
        continue
"""


@dataclass(frozen=True, slots=True)
class BenchLoad:
    """``params``: of ``benchmark-online``; its ``input_tokens`` include the shared prefix.
    ``path``: of a data set. ``key``: name of the API key's secret.

    ``own``: a team's prompts, in place of a data set, each with a mark that makes it new (cold.py).
    ``tokenizer``: its folder, where the client sees it. ``by_url``: the server is an endpoint,
    whose address may have https and a path.
    """

    params: Any
    dataset: str
    path: str
    key: str
    own: tuple[str, ...] = ()
    tokenizer: str = "{deployment.tokenizer}"
    by_url: bool = False

    def names(self, concurrency: int) -> tuple[str, str]:
        if len(self.params.concurrency) == 1:
            return "", "result.json"
        return f"-{concurrency}", f"result-{concurrency}.json"

    def prompts_at(self, concurrency: int) -> str:
        return f"prompts-{self.params.requests}-at-{concurrency}.jsonl"

    def seed_at(self, concurrency: int) -> str:
        return seed_word(self.params.seed, self.params.concurrency.index(concurrency) + 1)

    def run_options(self, concurrency: int, folder: str) -> tuple[str, ...]:
        return (
            *("--num-prompts", str(self.params.requests), "--max-concurrency", str(concurrency)),
            *("--result-dir", folder, "--result-filename", self.names(concurrency)[1]),
            "--save-result",
        )


@dataclass(frozen=True, slots=True)
class SearchLoad(BenchLoad):
    """Load of one run of a search, with ``own`` prompts. ``run``, ``seed``: words that the search
    replaces. ``sent``: options of the load."""

    run: str = ""
    seed: str = ""
    sent: tuple[str, ...] = ()

    def names(self, _concurrency: int) -> tuple[str, str]:
        return "", f"result-{self.run}.json"

    def prompts_at(self, _concurrency: int) -> str:
        return f"prompts-{self.params.requests}-at-{self.run}.jsonl"

    def seed_at(self, _concurrency: int) -> str:
        return self.seed

    def run_options(self, concurrency: int, folder: str) -> tuple[str, ...]:
        named = ("--result-dir", folder, "--result-filename", self.names(concurrency)[1])
        requests = ("--num-prompts", str(self.params.requests))
        return (*requests, *self.sent, *named, "--save-result")


def search_commands(
    stack: Stack, load: SearchLoad, site: Site
) -> tuple[tuple[Step, ...], tuple[tuple[str, ...], ...]]:
    """Return steps before the search, and the commands of one run: in the deployment's container,
    if the stack has one."""
    command = stack.bench.online.command
    if stack.vllm.container is None:
        return (), (_own_argv(stack, load, 0, _WORK, vllm.cpu_command(stack, command, site)),)
    folder, at, file = _OWN_RESULTS, load.prompts_at(0), load.names(0)[1]
    run = _own_argv(stack, load, 0, folder, command)
    return (_folder_step(_IN_DEPLOYMENT),), (
        ("docker", "cp", at, f"{_IN_DEPLOYMENT}:{folder}/{at}"),
        (*_exec(_IN_DEPLOYMENT, key=bool(load.key)), *run),
        ("docker", "cp", f"{_IN_DEPLOYMENT}:{folder}/{file}", file),
    )


def search_environment(stack: Stack, key: str) -> tuple[tuple[str, str], ...]:
    own = vllm.cpu_variables() if stack.vllm.container is None else ()
    return (*own, *secret("OPENAI_API_KEY", key))


def search_cleanup(stack: Stack) -> tuple[str, ...]:
    """Return the command that ends a client in a container, which outlives its docker exec."""
    if stack.vllm.container is None:
        return ()
    return (*_exec(_IN_DEPLOYMENT), "python3", "-c", literal(STOP), _OWN_RESULTS)


def online_plan(stack: Stack, load: BenchLoad, python: str) -> Plan:
    """``python``: interpreter of the host."""
    as_printed = load.params.as_in_guide and bool(stack.bench.folder)
    folder = GUIDE_RESULTS if as_printed else _OWN_RESULTS
    # 0.7.2 runs to its end before it finds the folder missing.
    made = () if as_printed else (_folder_step(_IN_DEPLOYMENT),)
    steps = (*made, *_runs_in(stack, load, folder, _IN_DEPLOYMENT))
    checks = (Check("docker"), endpoint_check())
    return _online(load, python, steps, checks, _die_readings("{deployment.dies}"))


def online_from_own_plan(
    stack: Stack, load: BenchLoad, site: VaccSite, *, image: str, tokenizer: Check
) -> Plan:
    """Benchmark an endpoint at each concurrency from a container of the stack's image, without
    dies. ``tokenizer``: the check that its folder exists."""
    label, network = ("--label", f"{vllm.LABEL}={{job}}"), ("--network", "host")
    started = _container(stack, image, _OWN_NAME, site, own=label, publish=network)
    steps = (
        Step("container", started, cleanup=vllm.remove(_OWN_NAME)),
        _folder_step(_OWN_NAME),
        *_runs_in(stack, load, _OWN_RESULTS, _OWN_NAME),
    )
    checks = (
        *(Check("docker"), check("image", name=literal(image)), tokenizer),
        *(check("container", name=_OWN_NAME), endpoint_check()),
    )
    return _online(load, site.python, steps, checks)


def _folder_step(container: str) -> Step:
    return Step("folder", ("docker", "exec", container, "mkdir", "-p", _OWN_RESULTS))


def online_here_plan(stack: Stack, load: BenchLoad, site: Site) -> Plan:
    command = vllm.cpu_command(stack, stack.bench.online.command, site)
    env = (*vllm.cpu_variables(), *secret("OPENAI_API_KEY", load.key))
    steps = []
    for concurrency in load.params.concurrency:
        argv = _own_argv(stack, load, concurrency, _WORK, command)
        steps.append(Step(f"measure{load.names(concurrency)[0]}", argv, env=env))
    return _online(load, site.python, steps, (endpoint_check(),))


def _online(
    load: BenchLoad, python: str, steps: Iterable[Step], checks: tuple[Check, ...], *more: Watch
) -> Plan:
    seeds = seeds_text(load.params.seed, load.params.concurrency)
    written = cold_prompts(literal(python), TEAM_FILE, requests=load.params.requests, seeds=seeds)
    files = (script(COLD), PlanFile(TEAM_FILE, json_lines(load.own)))
    runs = tuple(
        (str(concurrency), load.params.requests) for concurrency in load.params.concurrency
    )
    return Plan(
        kind="benchmark-online",
        steps=(*((written,) if load.own else ()), *steps),
        files=files if load.own else (),
        outputs=(Output("result", "result*.json"),),
        watches=(vllm.engine_watch("{deployment.url}"), _client(runs), *more),
        checks=checks,
    )


def _client(runs: tuple[tuple[str, int], ...]) -> Watch:
    return Watch(CLIENT, interval_s=1.0, reader="bench-log", folder="{job_dir}", expected=runs)


def _die_readings(dies: str) -> Watch:
    return Watch(DIES, interval_s=5.0, reader="dies", folder=dies)


def _runs_in(stack: Stack, load: BenchLoad, folder: str, container: str) -> list[Step]:
    """Of each run: copy own prompts into the container, measure, copy the result out of it."""
    steps = []
    online, env = stack.bench.online, secret("OPENAI_API_KEY", load.key)
    for concurrency in load.params.concurrency:
        suffix, file = load.names(concurrency)
        workdir, written, mark = "", folder, folder
        if not load.params.as_in_guide:
            argv = _own_argv(stack, load, concurrency, folder, online.command)
        elif stack.bench.folder:
            # The guide's command fails: its default backend posts a prompt to the chat endpoint.
            argv = (
                *(*online.command, "--model", "{deployment.tokenizer}", "--endpoint", _CHAT),
                *(*_dataset_options(stack, load), *load.run_options(concurrency, folder)),
            )
        else:
            argv = _page_argv(stack, load, concurrency)
            workdir, mark = folder, _PAGE_RESULTS
            written = f"{folder}/{_PAGE_RESULTS.removeprefix('./')}"
        if load.own:
            prompts = load.prompts_at(concurrency)
            sent = ("docker", "cp", prompts, f"{container}:{folder}/{prompts}")
            steps.append(Step(f"send{suffix}", sent))
        run = (*_exec(container, workdir=workdir, key=bool(load.key)), *argv)
        # docker exec's process survives its client.
        stop = (*_exec(container), "python3", "-c", literal(STOP), mark)
        fetch = ("docker", "cp", f"{container}:{written}/{file}", file)
        steps.append(Step(f"measure{suffix}", run, env=env, cleanup=stop))
        steps.append(Step(f"fetch{suffix}", fetch))
    return steps


def _page_argv(stack: Stack, load: BenchLoad, concurrency: int) -> tuple[str, ...]:
    """Return the current page's command: random prompts to the completions endpoint."""
    prompts = ("--num-prompts", str(load.params.requests))
    sent: tuple[str, ...] = (
        *("--dataset-name", "random", *prompts),
        *("--random-input-len", str(load.params.input_tokens)),
        *("--ignore-eos", "--random-output-len", str(load.params.output_tokens)),
    )
    if load.dataset != "random":
        sent = (*_dataset_options(stack, load), *prompts)
    return (
        *(*stack.bench.online.command, "--host", "{deployment.host}"),
        *("--port", "{deployment.port}", "--model", "{deployment.tokenizer}"),
        *(*sent, "--max-concurrency", str(concurrency)),
        *("--served-model-name", "{deployment.name}", "--save-result"),
        *("--result-dir", _PAGE_RESULTS, "--result-filename", load.names(concurrency)[1]),
    )


def _own_argv(
    stack: Stack, load: BenchLoad, concurrency: int, folder: str, command: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the corrected command with comparable results: seed, percentiles, greedy decoding."""
    online = stack.bench.online
    address = ("--host", "{deployment.host}", "--port", "{deployment.port}")
    # Own prompts are sent unchanged, because the server applies the chat template; answers are
    # generated in full.
    own = (
        *("--dataset-name", CUSTOM, "--dataset-path", f"{folder}/{load.prompts_at(concurrency)}"),
        *("--custom-output-len", str(load.params.output_tokens), "--skip-chat-template"),
        *("--disable-shuffle", "--ignore-eos"),
    )
    return (
        *(*command, *(("--base-url", "{deployment.url}") if load.by_url else address)),
        *("--backend", online.chat_backend, "--model", load.tokenizer),
        *("--served-model-name", "{deployment.name}", "--endpoint", _CHAT),
        *(own if load.own else _dataset_options(stack, load)),
        *load.run_options(concurrency, folder),
        *(
            "--seed",
            load.seed_at(concurrency),
            "--trust-remote-code",
            "--percentile-metrics",
            "ttft,tpot,itl,e2el",
        ),
        *("--metric-percentiles", "50,90,95,99"),
        # 0.7.2 sends it by default
        *(("--temperature", "0.0") if online.sampling_flags else ()),
        # llama.cpp closes a connection after a stream: a reused one loses the next request.
        *(("--header", "Connection=close") if online.header_flag else ()),
        *(("--save-detailed",) if online.save_detailed else ()),
    )


def _dataset_options(stack: Stack, load: BenchLoad) -> tuple[str, ...]:
    name = load.dataset
    if name == "sonnet":
        return (
            *("--dataset-name", name, "--sonnet-input-len", str(load.params.input_tokens)),
            *("--sonnet-prefix-len", str(load.params.prefix_tokens)),
            *("--sonnet-output-len", str(load.params.output_tokens)),
            *("--dataset-path", literal(load.path or stack.bench.online.sonnet_file)),
        )
    if name == "sharegpt":
        options = ("--dataset-name", name, "--dataset-path", literal(load.path))
        return (*options, "--sharegpt-output-len", str(load.params.output_tokens))
    # For random prompts the prefix is added to the input, for sonnets it is included.
    own = load.params.input_tokens - load.params.prefix_tokens
    prefix = (
        ("--random-prefix-len", str(load.params.prefix_tokens)) if load.params.prefix_tokens else ()
    )
    return (
        *("--dataset-name", "random", "--random-input-len", str(own)),
        *("--random-output-len", str(load.params.output_tokens), *prefix, "--ignore-eos"),
    )


def offline_plan(
    command: Literal["throughput", "latency"],
    stack: Stack,
    params: Any,
    site: Site,
    *,
    weights: str,
    folder: str,
    image: str,
    exact: bool,
) -> Plan:
    """``params``: of ``benchmark-<command>``. ``weights``: path in the container; ``folder``: on
    the host."""
    kind, tool = f"benchmark-{command}", getattr(stack.bench, command)
    options = (
        *("--model", literal(weights), "--trust-remote-code"),
        *("--tensor-parallel-size", str(params.tp), "--enforce-eager"),
        *("--max-model-len", str(params.max_length), *_work(command, tool, params, exact=exact)),
    )
    watches = (_client((("", params.requests),)),) if command == "throughput" else ()
    if not isinstance(site, VaccSite):
        own = vllm.cpu_command(stack, tool.command, site)
        argv = (*own, *options, "--output-json", f"{_WORK}/result.json")
        return Plan(
            kind=kind,
            steps=(Step("measure", argv, env=vllm.cpu_variables(params.kv_cache_gib)),),
            outputs=(Output("result", "result.json"),),
            watches=watches,
            checks=(vllm.weights_check(folder),),
        )
    # In a separate container, because the engine needs exclusive dies.
    name = vllm.container_of(stack).name if exact else _OWN_NAME
    in_folder = _exec(name, workdir=stack.bench.folder)
    more: tuple[str, ...] = ()
    if not exact:
        more = (
            *("--label", f"{vllm.LABEL}={{job}}", "-e", "VACC_VISIBLE_DEVICES={dies}"),
            *("-v", f"{_WORK}:{_JOB_MOUNT}"),
        )
        options = (*options, "--output-json", f"{_JOB_MOUNT}/result.json")
    started = _container(stack, image, name, site, own=more)
    return Plan(
        kind=kind,
        steps=(
            Step("container", started, cleanup=vllm.remove(name)),
            *(() if exact else _plugged_in(tool, in_folder)),
            Step("measure", (*in_folder, *tool.command, *options)),
        ),
        outputs=(Output("result", "result.json", required=not exact),),
        watches=(*watches, _die_readings("{dies}")),
        dies=params.tp,
        writes=vllm.one_name(name) if exact else (),
        checks=(
            *(Check("docker"), check("image", name=literal(image))),
            *(check("dies", ids="{dies}"), Check("iommu")),
            *(vllm.weights_check(folder), check("container", name=name)),
        ),
    )


def _plugged_in(tool: OfflineBenchmark, in_folder: tuple[str, ...]) -> tuple[Step, ...]:
    """Return the step that makes a script import the plug-in, which only ``vllm`` does itself. Its
    first line, not a wrapper, because worker processes load the script too. The container's copy is
    removed with it."""
    if not tool.needs_import:
        return ()
    line = f"1i import {tool.needs_import}"
    return (Step("plug-in", (*in_folder, "sed", "-i", line, tool.command[-1])),)


def _work(command: str, tool: OfflineBenchmark, params: Any, *, exact: bool) -> tuple[str, ...]:
    """Return the options of what is measured."""
    lengths = (str(params.input_tokens), str(params.output_tokens))
    if command == "latency":
        return (
            *("--input-len", lengths[0], "--output-len", lengths[1]),
            *("--batch-size", str(params.batch_size), "--num-iters", str(params.iterations)),
        )
    named = ("--dataset-name", "random") if exact or tool.dataset_name else ()
    # If it has options for random lengths, their defaults override other options.
    of = "random-" if tool.dataset_name and not exact else ""
    return (
        *(*named, "--num-prompts", str(params.requests)),
        *(f"--{of}input-len", lengths[0], f"--{of}output-len", lengths[1]),
    )


def _container(
    stack: Stack,
    image: str,
    name: str,
    site: VaccSite,
    own: tuple[str, ...],
    publish: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """Start a waiting container of the stack. ``own``: options not in the guide; ``publish``: in
    addition, where the network is docker's own."""
    container = vllm.container_of(stack)
    if not container.publish_port:
        return vllm.waiting_container(container, image, name, site, own=own)
    return (
        *("docker", "run", "-d", "--rm", "--privileged=true"),
        *(f"--shm-size={container.shm_size}", "--name", name),
        *("-v", f"{literal(site.weights)}:{container.mount}", f"--ipc={container.ipc}"),
        *(*own, *publish, literal(image), "sleep", "infinity"),
    )


def _exec(name: str, *, workdir: str = "", key: bool = False) -> tuple[str, ...]:
    where = ("-w", workdir) if workdir else ()
    given = ("-e", "OPENAI_API_KEY") if key else ()
    return ("docker", "exec", *where, *given, name)
