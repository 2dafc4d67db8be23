"""``vllm serve``: in a container on a VACC host, or in an environment of this computer.

Commands follow the deployment guide (Pytorch Deploy, step 2) and VastModelZOO's llm/deepseek_r1
(June 2026); the stack's data lists each version's flags.
"""

from __future__ import annotations

from dataclasses import dataclass

from jobs.base.numbers import bytes_of
from jobs.catalog.stacks import Container, Stack
from jobs.plans import Check, Output, Plan, PlanFile, Step, Watch, literal
from jobs.tools.lib import engine_counters
from jobs.tools.lib.environments import site_python
from jobs.tools.lib.site import DIRECT, FILES, Site, port_checks, script
from jobs.tools.vacc.site import VaccSite
from jobs.tools.vllm import cpu as vllm_cpu

PROGRAMS = ("docker", "python", "python3", "vllm")
CLIENTS = ("follow_ready.py",)
KIND = "deploy-vllm"
METRICS = (
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "vllm:generation_tokens_total",
    "vllm:prompt_tokens_total",
    *engine_counters.VLLM,
)
ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 -- the dashboard's chat must reach the server
LOOPBACK = "127.0.0.1"
# Address of the guide's machine; other hosts cannot listen on it.
GUIDE_ADDRESS = "10.24.73.25"
# 642 GiB from a slow disk: an hour and a half at 120 MB/s.
READY_TIMEOUT_S = 2 * 3600.0
LABEL = "vacc.job"
OWN_NAME = "vllm-{deployment.id}"
# Template that starts reasoning, for models not trained to reason.
TEMPLATE = "reasoning.jinja"


@dataclass(frozen=True, slots=True)
class VllmServer:
    """Server settings. ``weights``: path in the container; ``folder``: path on the host.

    ``name``: model name in requests; "": vLLM uses the folder. ``long_input``: prompts may exceed
    the stack's default limit. ``exact``: as printed on the stack's page. ``key``: name of the API
    key's secret. ``template``: a built-in template makes the model reason.
    """

    weights: str
    folder: str
    name: str
    tp: int
    pp: int
    max_length: int
    reasoning: bool
    mtp: bool
    long_input: bool
    bind: str
    port: int
    exact: bool
    image: str
    key: str = ""
    kv_cache_space: int = 0
    template: bool = False

    @property
    def dies(self) -> int:
        """Number of dies."""
        return self.tp * self.pp

    @property
    def served_name(self) -> str:
        """Model name in requests."""
        return self.name or self.weights

    @property
    def only_address(self) -> str:
        """Its only listen address; "" for all."""
        return "" if self.bind in (ALL_ADDRESSES, LOOPBACK) else self.bind

    @property
    def url(self) -> str:
        """Its URL on its own host."""
        return f"http://{self.only_address or LOOPBACK}:{{port}}"


def serve_plan(stack: Stack, serving: VllmServer, site: VaccSite) -> Plan:
    """Start a container with a server, and wait until ready."""
    container = stack.vllm.container
    if container is None:
        raise ValueError(f"the stack {stack.id} runs in no container")
    name = container.name if serving.exact else OWN_NAME
    steps: tuple[Step, ...]
    if container.publish_port:
        steps = (_run(stack, serving, container, name, site),)
    else:
        steps = _start_and_exec(stack, serving, container, name, site)
    return Plan(
        kind=KIND,
        steps=(*steps, _wait(stack, serving, site.python_word)),
        files=(script("follow_ready.py"), script(DIRECT)),
        outputs=(Output("ready", "ready.json"),),
        watches=(engine_watch(serving.url),),
        dies=serving.dies,
        checks=_checks(stack, container, serving, name),
        port=serving.port,
        address=serving.only_address,
        writes=one_name(name) if serving.exact else (),
    )


def one_name(container: str) -> tuple[str, ...]:
    """Return the place written by jobs with the guide's fixed container name, which allows one
    at a time."""
    return (f"docker:{container}",)


def serve_here_plan(stack: Stack, serving: VllmServer, site: Site) -> Plan:
    """Start the server from the stack's environment, and wait until ready."""
    serve = Step(
        "serve",
        serve_argv(stack, serving, vllm_cpu.command(stack, stack.vllm.command, site)),
        env=(*vllm_cpu.variables(serving.kv_cache_space), *_environment(serving)),
        serves=True,
        health=stack.vllm.health_path,
    )
    return Plan(
        kind=KIND,
        steps=(serve, _wait(stack, serving, site_python(site))),
        files=(script("follow_ready.py"), script(DIRECT), *_template(serving)),
        outputs=(Output("ready", "ready.json"),),
        watches=(engine_watch(serving.url),),
        checks=(*vllm_cpu.checks(serving.folder), *port_checks(serving.port)),
        port=serving.port,
        address=serving.only_address,
    )


def engine_watch(url: str) -> Watch:
    """Return the watch of the counters of a vLLM server."""
    return Watch("engine", f"{url}/metrics", METRICS, interval_s=1.0)


def _template(serving: VllmServer) -> tuple[PlanFile, ...]:
    return (script(TEMPLATE),) if serving.template else ()


def waiting_container(
    container: Container, image: str, name: str, site: VaccSite, *, own: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Return the guide's container: a waiting shell.

    -dit replaces the guide's -it, because no terminal is attached. ``own``: options not in the
    guide.
    """
    return (
        *("docker", "run", f"--ipc={container.ipc}", "--rm", "-dit"),
        *(f"--shm-size={container.shm_size}", "--network", container.network, "--privileged"),
        *("-v", f"{site.at()}:{literal(site.mount)}", *own),
        *(f"--name={name}", literal(image), "bash"),
    )


def _bytes(size: str) -> int:
    """Parse a docker size ("256g") into bytes."""
    return bytes_of(float(size[:-1]), f"{size[-1].upper()}iB")


def remove(name: str) -> tuple[str, ...]:
    """Return the command that removes a container."""
    return ("docker", "rm", "-f", name)


def _start_and_exec(
    stack: Stack, serving: VllmServer, container: Container, name: str, site: VaccSite
) -> tuple[Step, ...]:
    """Return the guide's steps: a waiting container, then the server in it."""
    own = () if serving.exact else _own_options(serving)
    return (
        Step(
            "container",
            waiting_container(container, serving.image, name, site, own=own),
            env=_environment(serving),
            serves=True,
            cleanup=remove(name),
        ),
        Step(
            "serve",
            ("docker", "exec", name, *serve_argv(stack, serving, stack.vllm.command)),
            serves=True,
            health=stack.vllm.health_path,
        ),
    )


def _run(
    stack: Stack, serving: VllmServer, container: Container, name: str, site: VaccSite
) -> Step:
    """Return the current step: one ``docker run`` with the server as its command."""
    argv = (
        *("docker", "run", "--privileged=true", f"--shm-size={container.shm_size}"),
        *("--name", name, "-v", f"{literal(site.weights)}:{container.mount}"),
        *("-p", "{port}:{port}", f"--ipc={container.ipc}"),
        *(() if serving.exact else ("--rm", *_own_options(serving))),
        *_long_input(stack, serving),
        literal(serving.image),
        *serve_argv(stack, serving, stack.vllm.command),
    )
    return Step(
        "serve",
        argv,
        env=_environment(serving),
        serves=True,
        cleanup=remove(name),
        health=stack.vllm.health_path,
    )


def _own_options(serving: VllmServer) -> tuple[str, ...]:
    """Return options missing in the printed commands: dies, label, API key."""
    return (
        *("--label", f"{LABEL}={{job}}", "-e", "VACC_VISIBLE_DEVICES={dies}"),
        *(("-e", "VLLM_API_KEY") if serving.key else ()),
        *(
            ("-e", f"VLLM_VACC_KVCACHE_SPACE={serving.kv_cache_space}")
            if serving.kv_cache_space
            else ()
        ),
    )


def _environment(serving: VllmServer) -> tuple[tuple[str, str], ...]:
    """Return the command's environment. docker's ``-e NAME`` passes the key on, so that process
    lists do not show it."""
    return (("VLLM_API_KEY", f"{{secret:{serving.key}}}"),) if serving.key else ()


def _long_input(stack: Stack, serving: VllmServer) -> tuple[str, ...]:
    long = stack.vllm.long_input
    if long is None or not serving.long_input:
        return ()
    return tuple(word for key, value in long.env.items() for word in ("-e", f"{key}={value}"))


def serve_argv(stack: Stack, serving: VllmServer, command: tuple[str, ...]) -> tuple[str, ...]:
    """Return the server's command, with arguments in the order of its page."""
    known = stack.vllm
    parser: tuple[str, ...] = ()
    if serving.reasoning:
        flag = ("--enable-reasoning",) if known.enable_reasoning else ()
        parser = (*flag, "--reasoning-parser", known.reasoning_parser)
    speculative = (known.mtp.flag, literal(known.mtp.value)) if serving.mtp and known.mtp else ()
    return (
        *(*command, literal(serving.weights), "--trust-remote-code"),
        *("--tensor-parallel-size", str(serving.tp)),
        *(("--pipeline-parallel-size", str(serving.pp)) if serving.pp > 1 else ()),
        *("--max-model-len", str(serving.max_length), "--enforce-eager"),
        *parser,
        *("--host", literal(serving.bind), "--port", "{port}"),
        *(("--served-model-name", literal(serving.name)) if serving.name else ()),
        *speculative,
        *(("--no-async-scheduling",) if is_synchronous(stack, serving) else ()),
        # A server restarts from its own folder, because the job's may be removed.
        *(("--chat-template", f"{{serve_dir}}/files/{TEMPLATE}") if serving.template else ()),
    )


def is_synchronous(stack: Stack, serving: VllmServer) -> bool:
    """Return True if --no-async-scheduling is required: the page requires it in text, but omits
    it in its command."""
    asked = stack.vllm.no_async_scheduling and (serving.mtp or serving.pp > 1)
    return asked and not serving.exact


def _wait(stack: Stack, serving: VllmServer, python: str) -> Step:
    """Follow the server's log until it is ready and serves the model."""
    return Step(
        "wait",
        (
            *(python, f"{FILES}/follow_ready.py", serving.url),
            *("--health", stack.vllm.health_path, "--log", "{serve_dir}/log"),
            *("--model", literal(serving.served_name)),
            *("--timeout", f"{READY_TIMEOUT_S:g}"),
        ),
        env=(
            ("PYTHONUNBUFFERED", "1"),
            *((("API_KEY", f"{{secret:{serving.key}}}"),) if serving.key else ()),
        ),
    )


def _checks(
    stack: Stack, container: Container, serving: VllmServer, name: str
) -> tuple[Check, ...]:
    """Return checks before dies are leased for an hour of loading."""
    return (
        Check("docker"),
        Check("image", (("name", literal(serving.image)),)),
        Check("dies", (("ids", "{dies}"),)),
        Check("iommu"),
        # A pulled image matches the processor; a built one may not.
        *((Check("avx512", asks=True),) if stack.vllm.image and stack.vllm.image.build else ()),
        # With --ipc=host the container uses the host's shared memory, regardless of --shm-size.
        Check("shm", (("bytes", str(_bytes(container.shm_size))),), asks=True),
        Check("weights", (("path", literal(serving.folder)),)),
        Check("container", (("name", name),)),
        *port_checks(serving.port),
    )
