"""vLLM's three benchmarks: over HTTP against a deployment; offline throughput; offline latency.

The deployment guide, Pytorch Deploy, step 3; ``vllm bench`` of VastModelZOO's llm/deepseek_r1. The
stack's data lists each version's options.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from django.utils.translation import pgettext_lazy

from jobs.catalog.stacks import Offline, Stack
from jobs.plans import CLIENT, DIES, Check, Output, Plan, PlanFile, Step, Watch, literal
from jobs.tools.lib.load import STEPS as STEPS_OF_PROMPTS
from jobs.tools.lib.seeds import seed_word
from jobs.tools.lib.site import Site, script_path
from jobs.tools.vacc.site import VaccSite
from jobs.tools.vllm import cpu as vllm_cpu
from jobs.tools.vllm import serve as vllm
from jobs.tools.vllm.own_prompts import OwnPrompts

PROGRAMS = ("docker", "python", "vllm")
STEPS = {
    **STEPS_OF_PROMPTS,
    "container": pgettext_lazy("step", "start container"),
    "plug-in": pgettext_lazy("step", "import plug-in"),
    "folder": pgettext_lazy("step", "make folder"),
    "send": pgettext_lazy("step", "send prompts"),
}
IN_DEPLOYMENT = "{deployment.container}"
OWN_NAME = "vllm-bench-{job}"
# Result folders in the container: the guide's, and one per job.
GUIDE_RESULTS = "/workspace/models/benchmark_result"
OWN_RESULTS = "/tmp/vacc-bench-{job}"  # noqa: S108 -- in a container
# On the current page it is below the working folder.
PAGE_RESULTS = "./benchmark_result"
# The job's folder in its container.
JOB_MOUNT = "/results"
# The job's working folder without a container.
WORK = "{job_dir}/work"
PERCENTILES = "50,90,95,99"
CHAT = "/v1/chat/completions"
# For stacks in containers, or in environments.
AnySite = VaccSite | Site
# docker exec's process survives its client: this stops it.
STOP = "stop_inside.py"


@dataclass(frozen=True, slots=True)
class BenchLoad:
    """Requests to send. Lengths in tokens; ``concurrency``: one run each; ``path``: of a data set.

    ``input_tokens`` includes ``prefix_tokens``, the shared prefix. ``seed`` None: a new one per
    concurrency and job. ``tokenizer``: its folder, where the client sees it. ``by_url``: the server
    is an endpoint, whose address may have https and a path. ``own``: a team's prompts, in place of
    a data set.
    """

    dataset: str
    path: str
    input_tokens: int
    prefix_tokens: int
    output_tokens: int
    prompts: int
    concurrency: tuple[int, ...]
    seed: int | None
    exact: bool
    key: str = ""
    tokenizer: str = "{deployment.tokenizer}"
    by_url: bool = False
    own: OwnPrompts | None = None


def online_plan(stack: Stack, load: BenchLoad, python: str) -> Plan:
    """Benchmark a deployment at each concurrency in its own container, and copy the results.

    ``python``: interpreter of the host.
    """
    as_printed = load.exact and bool(stack.bench.folder)
    folder = GUIDE_RESULTS if as_printed else OWN_RESULTS
    steps: list[Step] = list(_written(load, python))
    if not as_printed:
        # 0.7.2 runs to its end before it finds the folder missing.
        steps.append(Step("folder", ("docker", "exec", IN_DEPLOYMENT, "mkdir", "-p", folder)))
    for concurrency in load.concurrency:
        steps += _measured(stack, load, concurrency, folder, IN_DEPLOYMENT)
    return Plan(
        kind="benchmark-online",
        steps=tuple(steps),
        files=_files(load),
        outputs=(Output("result", "result*.json"),),
        watches=(
            vllm.engine_watch("{deployment.url}"),
            _client(_runs(load)),
            _die_readings("{deployment.dies}"),
        ),
        checks=(Check("docker"), _endpoint()),
    )


def online_from_own_plan(
    stack: Stack, load: BenchLoad, site: VaccSite, *, image: str, tokenizer: Check
) -> Plan:
    """Benchmark an endpoint at each concurrency from a container of the stack's image, without
    dies. ``tokenizer``: the check that its folder exists.
    """
    label = ("--label", f"{vllm.LABEL}={{job}}")
    started = _container(stack, image, OWN_NAME, site, own=label, publish=("--network", "host"))
    folder = ("docker", "exec", OWN_NAME, "mkdir", "-p", OWN_RESULTS)
    steps = [
        *_written(load, site.python),
        Step("container", started, cleanup=vllm.remove(OWN_NAME)),
        Step("folder", folder),
    ]
    for concurrency in load.concurrency:
        steps += _measured(stack, load, concurrency, OWN_RESULTS, OWN_NAME)
    return Plan(
        kind="benchmark-online",
        steps=tuple(steps),
        files=_files(load),
        outputs=(Output("result", "result*.json"),),
        watches=(vllm.engine_watch("{deployment.url}"), _client(_runs(load))),
        checks=(
            Check("docker"),
            Check("image", (("name", literal(image)),)),
            tokenizer,
            Check("container", (("name", OWN_NAME),)),
            _endpoint(),
        ),
    )


def online_here_plan(stack: Stack, load: BenchLoad, site: Site) -> Plan:
    """Benchmark a deployment at each concurrency from the stack's environment."""
    command = vllm_cpu.command(stack, stack.bench.online.command, site)
    steps = list(_written(load, site.python))
    for concurrency in load.concurrency:
        suffix, file = _names(load, concurrency)
        argv = _own_argv(stack, load, concurrency, WORK, file, command)
        env = (*vllm_cpu.variables(), *_key(load.key))
        steps.append(Step(f"measure{suffix}", argv, env=env))
    return Plan(
        kind="benchmark-online",
        steps=tuple(steps),
        files=_files(load),
        outputs=(Output("result", "result*.json"),),
        watches=(vllm.engine_watch("{deployment.url}"), _client(_runs(load))),
        checks=(_endpoint(),),
    )


def _written(load: BenchLoad, python: str) -> tuple[Step, ...]:
    return (load.own.written(python),) if load.own else ()


def _files(load: BenchLoad) -> tuple[PlanFile, ...]:
    return load.own.files() if load.own else ()


def _client(runs: tuple[tuple[str, int], ...]) -> Watch:
    """Return the watch of the benchmark's progress, from its log."""
    return Watch(CLIENT, interval_s=1.0, reader="bench-log", folder="{job_dir}", expected=runs)


def _die_readings(dies: str) -> Watch:
    """Return the watch of power and temperature of the engine's dies."""
    return Watch(DIES, interval_s=5.0, reader="dies", folder=dies)


def _runs(load: BenchLoad) -> tuple[tuple[str, int], ...]:
    return tuple((str(concurrency), load.prompts) for concurrency in load.concurrency)


def _endpoint() -> Check:
    return Check("endpoint", (("url", "{deployment.url}"), ("model", "{deployment.name}")))


def _names(load: BenchLoad, concurrency: int) -> tuple[str, str]:
    """Return the step suffix of a run, and its file name."""
    if len(load.concurrency) == 1:
        return "", "result.json"
    return f"-{concurrency}", f"result-{concurrency}.json"


def _measured(
    stack: Stack, load: BenchLoad, concurrency: int, folder: str, container: str
) -> tuple[Step, ...]:
    """Return steps of one run: copy own prompts into the container, measure, copy the result out of
    it."""
    suffix, file = _names(load, concurrency)
    workdir = ""
    if not load.exact:
        argv = _own_argv(stack, load, concurrency, folder, file, stack.bench.online.command)
        written, mark = folder, folder
    elif stack.bench.folder:
        argv = _guide_argv(stack, load, concurrency, folder, file)
        written, mark = folder, folder
    else:
        argv = _page_argv(stack, load, concurrency, file)
        workdir, mark = folder, PAGE_RESULTS
        written = f"{folder}/{PAGE_RESULTS.removeprefix('./')}"
    measure = Step(
        f"measure{suffix}",
        (*_exec(container, workdir=workdir, key=bool(load.key)), *argv),
        env=_key(load.key),
        cleanup=_stop(mark, container),
    )
    copied = ("docker", "cp", f"{container}:{written}/{file}", file)
    fetch = Step(f"fetch{suffix}", copied)
    if not load.own:
        return measure, fetch
    prompts = load.own.file_at(concurrency)
    sent = ("docker", "cp", prompts, f"{container}:{folder}/{prompts}")
    return Step(f"send{suffix}", sent), measure, fetch


def _stop(mark: str, container: str) -> tuple[str, ...]:
    """Return the command that stops the benchmark with this argument in the container."""
    program = literal(script_path(STOP).read_text(encoding="utf-8"))
    return (*_exec(container), "python3", "-c", program, mark)


def _guide_argv(
    stack: Stack, load: BenchLoad, concurrency: int, folder: str, file: str
) -> tuple[str, ...]:
    """Return the guide's command. It fails, because its default backend posts a prompt to the
    chat endpoint."""
    return (
        *(*stack.bench.online.command, "--model", "{deployment.tokenizer}", "--endpoint", CHAT),
        *_dataset_options(stack, load),
        *("--num-prompts", str(load.prompts), "--max-concurrency", str(concurrency)),
        *("--result-dir", folder, "--result-filename", file, "--save-result"),
    )


def _page_argv(stack: Stack, load: BenchLoad, concurrency: int, file: str) -> tuple[str, ...]:
    """Return the current page's command: random prompts to the completions endpoint."""
    prompts = ("--num-prompts", str(load.prompts))
    sent: tuple[str, ...] = (
        *("--dataset-name", "random", *prompts, "--random-input-len", str(load.input_tokens)),
        *("--ignore-eos", "--random-output-len", str(load.output_tokens)),
    )
    if load.dataset != "random":
        sent = (*_dataset_options(stack, load), *prompts)
    return (
        *(*stack.bench.online.command, "--host", "{deployment.host}"),
        *("--port", "{deployment.port}", "--model", "{deployment.tokenizer}"),
        *(*sent, "--max-concurrency", str(concurrency)),
        *("--served-model-name", "{deployment.name}", "--save-result"),
        *("--result-dir", PAGE_RESULTS, "--result-filename", file),
    )


def _own_argv(
    stack: Stack,
    load: BenchLoad,
    concurrency: int,
    folder: str,
    file: str,
    command: tuple[str, ...],
) -> tuple[str, ...]:
    """Return the corrected command with comparable results: seed, percentiles, greedy decoding."""
    online = stack.bench.online
    address = ("--host", "{deployment.host}", "--port", "{deployment.port}")
    return (
        *(*command, *(("--base-url", "{deployment.url}") if load.by_url else address)),
        *("--backend", online.chat_backend, "--model", load.tokenizer),
        *("--served-model-name", "{deployment.name}", "--endpoint", CHAT),
        *(load.own.options(concurrency, folder) if load.own else _dataset_options(stack, load)),
        *("--num-prompts", str(load.prompts), "--max-concurrency", str(concurrency)),
        *("--result-dir", folder, "--result-filename", file, "--save-result"),
        *("--seed", _seed(load, concurrency), "--trust-remote-code"),
        *("--percentile-metrics", "ttft,tpot,itl,e2el", "--metric-percentiles", PERCENTILES),
        # 0.7.2 sends it by default
        *(("--temperature", "0.0") if online.sampling_flags else ()),
        # llama.cpp closes a connection after a stream: a reused one loses the next request.
        *(("--header", "Connection=close") if online.header_flag else ()),
        *(("--save-detailed",) if online.save_detailed else ()),
    )


def _seed(load: BenchLoad, concurrency: int) -> str:
    return seed_word(load.seed, load.concurrency.index(concurrency) + 1)


def _dataset_options(stack: Stack, load: BenchLoad) -> tuple[str, ...]:
    name = load.dataset
    if name == "sonnet":
        return (
            *("--dataset-name", name, "--sonnet-input-len", str(load.input_tokens)),
            *("--sonnet-prefix-len", str(load.prefix_tokens)),
            *("--sonnet-output-len", str(load.output_tokens)),
            *("--dataset-path", literal(load.path or stack.bench.online.sonnet_file)),
        )
    if name == "sharegpt":
        options = ("--dataset-name", name, "--dataset-path", literal(load.path))
        return (*options, "--sharegpt-output-len", str(load.output_tokens))
    # For random prompts the prefix is added to the input, for sonnets it is included.
    own = load.input_tokens - load.prefix_tokens
    prefix = ("--random-prefix-len", str(load.prefix_tokens)) if load.prefix_tokens else ()
    return (
        *("--dataset-name", "random", "--random-input-len", str(own)),
        *("--random-output-len", str(load.output_tokens), *prefix, "--ignore-eos"),
    )


@dataclass(frozen=True, slots=True)
class Engine:
    """Engine settings of an offline benchmark. ``weights``: path in the container.

    ``kv_cache_gib`` applies only on a processor.
    """

    weights: str
    folder: str
    tp: int
    max_length: int
    image: str
    exact: bool
    kv_cache_gib: int = 0


def throughput_plan(
    stack: Stack, engine: Engine, site: AnySite, *, prompts: int, input_tokens: int, output: int
) -> Plan:
    """Measure throughput with ``prompts`` requests sent at once."""
    newer = stack.bench.throughput.dataset_name
    named = _RANDOM if engine.exact or newer else ()
    # If it has options for random lengths, their defaults override other options.
    of = "random-" if newer and not engine.exact else ""
    options = (
        *_engine_options(stack, engine),
        *(*named, "--num-prompts", str(prompts)),
        *(f"--{of}input-len", str(input_tokens), f"--{of}output-len", str(output)),
    )
    tool = stack.bench.throughput
    plan = _offline_plan("benchmark-throughput", stack, tool, engine, site, options)
    return replace(plan, watches=(_client((("", prompts),)), *plan.watches))


def latency_plan(
    stack: Stack,
    engine: Engine,
    site: AnySite,
    *,
    input_tokens: int,
    output: int,
    batch: int,
    iterations: int,
) -> Plan:
    """Measure time per batch, over ``iterations`` after ten warm-up batches."""
    options = (
        *_engine_options(stack, engine),
        *("--input-len", str(input_tokens), "--output-len", str(output)),
        *("--batch-size", str(batch), "--num-iters", str(iterations)),
    )
    return _offline_plan("benchmark-latency", stack, stack.bench.latency, engine, site, options)


_RANDOM = ("--dataset-name", "random")


def _engine_options(stack: Stack, engine: Engine) -> tuple[str, ...]:
    return (
        *("--model", literal(engine.weights), "--trust-remote-code"),
        *("--tensor-parallel-size", str(engine.tp), "--enforce-eager"),
        *("--max-model-len", str(engine.max_length)),
    )


def _offline_plan(
    kind: str,
    stack: Stack,
    tool: Offline,
    engine: Engine,
    site: AnySite,
    options: tuple[str, ...],
) -> Plan:
    if isinstance(site, VaccSite):
        return _offline_in_container(kind, stack, tool, engine, site, options)
    argv = (
        *(*vllm_cpu.command(stack, tool.command, site), *options),
        *("--output-json", f"{WORK}/result.json"),
    )
    return Plan(
        kind=kind,
        steps=(Step("measure", argv, env=vllm_cpu.variables(engine.kv_cache_gib)),),
        outputs=(Output("result", "result.json"),),
        checks=vllm_cpu.checks(engine.folder),
    )


def _offline_in_container(
    kind: str,
    stack: Stack,
    tool: Offline,
    engine: Engine,
    site: VaccSite,
    options: tuple[str, ...],
) -> Plan:
    """Run the benchmark in a separate container, because the engine needs exclusive dies."""
    container = stack.vllm.container
    name = container.name if container and engine.exact else OWN_NAME
    own = () if engine.exact else _own_options()
    started = _container(stack, engine.image, name, site, own=own)
    result = () if engine.exact else ("--output-json", f"{JOB_MOUNT}/result.json")
    measured = (*_exec(name, workdir=stack.bench.folder), *tool.command, *options, *result)
    return Plan(
        kind=kind,
        steps=(
            Step("container", started, cleanup=vllm.remove(name)),
            *_plugged_in(stack, tool, engine, name),
            Step("measure", measured),
        ),
        outputs=(Output("result", "result.json", required=not engine.exact),),
        watches=(_die_readings("{dies}"),),
        dies=engine.tp,
        writes=vllm.one_name(name) if engine.exact else (),
        checks=(
            Check("docker"),
            Check("image", (("name", literal(engine.image)),)),
            Check("dies", (("ids", "{dies}"),)),
            Check("iommu"),
            Check("weights", (("path", literal(engine.folder)),)),
            Check("container", (("name", name),)),
        ),
    )


def _container(
    stack: Stack,
    image: str,
    name: str,
    site: VaccSite,
    *,
    own: tuple[str, ...],
    publish: tuple[str, ...] = (),
) -> tuple[str, ...]:
    """Return the command that starts a waiting container of the stack.

    ``own``: options not in the guide; ``publish``: in addition, where the network is docker's own.
    """
    container = stack.vllm.container
    if container is None:
        raise ValueError(f"the stack {stack.id} runs in no container")
    if not container.publish_port:
        return vllm.waiting_container(container, image, name, site, own=own)
    return (
        *("docker", "run", "-d", "--rm", "--privileged=true"),
        *(f"--shm-size={container.shm_size}", "--name", name),
        *("-v", f"{literal(site.weights)}:{container.mount}", f"--ipc={container.ipc}"),
        *(*own, *publish, literal(image), "sleep", "infinity"),
    )


def _plugged_in(stack: Stack, tool: Offline, engine: Engine, name: str) -> tuple[Step, ...]:
    """Only the command ``vllm`` imports the plug-in: other scripts get it as their first line.

    In the script, not in a wrapper, because worker processes load the script too. The container's
    copy is removed with it.
    """
    if engine.exact or not tool.needs_import:
        return ()
    line = f"1i import {tool.needs_import}"
    return (
        Step(
            "plug-in",
            (*_exec(name, workdir=stack.bench.folder), "sed", "-i", line, tool.command[-1]),
        ),
    )


def _own_options() -> tuple[str, ...]:
    return (
        *("--label", f"{vllm.LABEL}={{job}}", "-e", "VACC_VISIBLE_DEVICES={dies}"),
        *("-v", f"{{job_dir}}/work:{JOB_MOUNT}"),
    )


def _exec(name: str, *, workdir: str = "", key: bool = False) -> tuple[str, ...]:
    """Return ``docker exec`` for a command of the guide's container shell."""
    where = ("-w", workdir) if workdir else ()
    given = ("-e", "OPENAI_API_KEY") if key else ()
    return ("docker", "exec", *where, *given, name)


def _key(name: str) -> tuple[tuple[str, str], ...]:
    return (("OPENAI_API_KEY", f"{{secret:{name}}}"),) if name else ()
