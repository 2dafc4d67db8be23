"""``vllm serve``: in a container on a VACC host, or in an environment of this computer.

Commands are those of the deployment guide (Pytorch Deploy, step 2) and of VastModelZOO's
llm/deepseek_r1 (June 2026); which flags a version has is the stack's own data.
"""

from __future__ import annotations

from dataclasses import dataclass

from jobs.catalog.stacks_schema import Container, Stack
from jobs.parsers import engine_counters
from jobs.plans import Check, Output, Plan, PlanFile, Step, Watch, literal
from jobs.toolchains.environments import site_python
from jobs.toolchains.site import FILES, Site, port_checks, script
from jobs.toolchains.vacc_site import VaccSite
from jobs.toolchains.vllm import vllm_cpu
from jobs.units import bytes_of

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
ALL_ADDRESSES = "0.0.0.0"
LOOPBACK = "127.0.0.1"
# The guide's own machine; no other one can listen there.
GUIDE_ADDRESS = "10.24.73.25"
# 642 GiB from a slow disk: an hour and a half at 120 MB/s.
READY_TIMEOUT_S = 2 * 3600.0
LABEL = "vacc.job"
OWN_NAME = "vllm-{deployment.id}"
# A template that opens a thought, for a model that was not trained to.
TEMPLATE = "reasoning.jinja"


@dataclass(frozen=True, slots=True)
class Serving:
    """How to serve. ``weights``: the folder as the container sees it; ``folder``: as its host does.

    ``name`` is what requests call the model; "" leaves it to vLLM, which takes the folder.
    ``long_input``: prompts may be longer than what the stack takes without more ado. ``exact``: as
    the page of the stack prints it. ``key`` names the secret that requests carry.
    ``template``: the model is made to think by a template of ours.
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
        """How many it needs."""
        return self.tp * self.pp

    @property
    def served_name(self) -> str:
        """What requests call the model."""
        return self.name or self.weights

    @property
    def only_address(self) -> str:
        """The one that the server listens on; "" where it listens on all."""
        return "" if self.bind in (ALL_ADDRESSES, LOOPBACK) else self.bind

    @property
    def url(self) -> str:
        """Where its own host reaches it."""
        return f"http://{self.only_address or LOOPBACK}:{{port}}"


def serve_plan(stack: Stack, serving: Serving, site: VaccSite) -> Plan:
    """Start a container with a server in it, and wait until it is ready."""
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
        files=(script("follow_ready.py"),),
        outputs=(Output("ready", "ready.json"),),
        watches=(_metrics(serving),),
        dies=serving.dies,
        checks=_checks(stack, container, serving, name),
        port=serving.port,
        address=serving.only_address,
        writes=one_name(name) if serving.exact else (),
    )


def one_name(container: str) -> tuple[str, ...]:
    """What jobs write whose containers have the guide's one name: two cannot be there at once."""
    return (f"docker:{container}",)


def serve_here_plan(stack: Stack, serving: Serving, site: Site) -> Plan:
    """Start the server from the stack's own environment, and wait until it is ready."""
    serve = Step(
        "serve",
        serve_words(stack, serving, vllm_cpu.command(stack, stack.vllm.command, site)),
        env=(*vllm_cpu.variables(serving.kv_cache_space), *_environment(serving)),
        serves=True,
        health=stack.vllm.health_path,
    )
    return Plan(
        kind=KIND,
        steps=(serve, _wait(stack, serving, site_python(site))),
        files=(script("follow_ready.py"), *_template(serving)),
        outputs=(Output("ready", "ready.json"),),
        watches=(_metrics(serving),),
        checks=(*vllm_cpu.checks(serving.folder), *port_checks(serving.port)),
        port=serving.port,
        address=serving.only_address,
    )


def _metrics(serving: Serving) -> Watch:
    return Watch("engine", f"{serving.url}/metrics", METRICS, interval_s=1.0)


def _template(serving: Serving) -> tuple[PlanFile, ...]:
    return (script(TEMPLATE),) if serving.template else ()


def waiting_container(
    container: Container, image: str, name: str, site: VaccSite, *, own: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """The guide's container: a shell that waits, for what is typed into it.

    -dit for the guide's -it: nobody is at a terminal, and the shell gets one of docker's own.
    ``own`` are options that the guide does not print.
    """
    return (
        *("docker", "run", f"--ipc={container.ipc}", "--rm", "-dit"),
        *(f"--shm-size={container.shm_size}", "--network", container.network, "--privileged"),
        *("-v", f"{site.at()}:{literal(site.mount)}", *own),
        *(f"--name={name}", literal(image), "bash"),
    )


def _bytes(size: str) -> int:
    """A size as docker takes it ("256g") in bytes."""
    return bytes_of(float(size[:-1]), f"{size[-1].upper()}iB")


def remove(name: str) -> tuple[str, ...]:
    """What ends a container, whatever runs in it."""
    return ("docker", "rm", "-f", name)


def _start_and_exec(
    stack: Stack, serving: Serving, container: Container, name: str, site: VaccSite
) -> tuple[Step, ...]:
    """The guide's way: a container that waits, and the server started in it."""
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
            ("docker", "exec", name, *serve_words(stack, serving, stack.vllm.command)),
            serves=True,
            health=stack.vllm.health_path,
        ),
    )


def _run(stack: Stack, serving: Serving, container: Container, name: str, site: VaccSite) -> Step:
    """Today's way: one ``docker run``, whose command is the server."""
    argv = (
        *("docker", "run", "--privileged=true", f"--shm-size={container.shm_size}"),
        *("--name", name, "-v", f"{literal(site.weights)}:{container.mount}"),
        *("-p", "{port}:{port}", f"--ipc={container.ipc}"),
        *(() if serving.exact else ("--rm", *_own_options(serving))),
        *_long_input(stack, serving),
        literal(serving.image),
        *serve_words(stack, serving, stack.vllm.command),
    )
    return Step(
        "serve",
        argv,
        env=_environment(serving),
        serves=True,
        cleanup=remove(name),
        health=stack.vllm.health_path,
    )


def _own_options(serving: Serving) -> tuple[str, ...]:
    """What the printed commands leave out: which dies, whose container it is, the key."""
    return (
        *("--label", f"{LABEL}={{job}}", "-e", "VACC_VISIBLE_DEVICES={dies}"),
        *(("-e", "VLLM_API_KEY") if serving.key else ()),
        *(
            ("-e", f"VLLM_VACC_KVCACHE_SPACE={serving.kv_cache_space}")
            if serving.kv_cache_space
            else ()
        ),
    )


def _environment(serving: Serving) -> tuple[tuple[str, str], ...]:
    """docker's own: ``-e NAME`` hands the value on, which so is in no list of processes."""
    return (("VLLM_API_KEY", f"{{secret:{serving.key}}}"),) if serving.key else ()


def _long_input(stack: Stack, serving: Serving) -> tuple[str, ...]:
    long = stack.vllm.long_input
    if long is None or not serving.long_input:
        return ()
    return tuple(word for key, value in long.env.items() for word in ("-e", f"{key}={value}"))


def serve_words(stack: Stack, serving: Serving, command: tuple[str, ...]) -> tuple[str, ...]:
    """The server's own command, its arguments in the order in which its page prints them."""
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
        # A server is started again from its own folder, when the job's may be gone.
        *(("--chat-template", f"{{serve_dir}}/files/{TEMPLATE}") if serving.template else ()),
    )


def is_synchronous(stack: Stack, serving: Serving) -> bool:
    """The page asks for --no-async-scheduling in words, and leaves it out of its command."""
    asked = stack.vllm.no_async_scheduling and (serving.mtp or serving.pp > 1)
    return asked and not serving.exact


def _wait(stack: Stack, serving: Serving, python: str) -> Step:
    """Show the server's log while it loads, until it answers and offers the model."""
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


def _checks(stack: Stack, container: Container, serving: Serving, name: str) -> tuple[Check, ...]:
    """What must be there before a die is leased for an hour of loading."""
    return (
        Check("docker"),
        Check("image", (("name", literal(serving.image)),)),
        Check("dies", (("ids", "{dies}"),)),
        Check("iommu"),
        # One that is pulled is chosen for the processor; one built by hand may be for another.
        *((Check("avx512", asks=True),) if stack.vllm.image and stack.vllm.image.build else ()),
        # With --ipc=host the container has the host's own, whatever --shm-size says.
        Check("shm", (("bytes", str(_bytes(container.shm_size))),), asks=True),
        Check("weights", (("path", literal(serving.folder)),)),
        Check("container", (("name", name),)),
        *port_checks(serving.port),
    )
