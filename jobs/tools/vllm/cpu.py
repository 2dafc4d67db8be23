"""vLLM without cards: its commands from an environment instead of a container."""

from __future__ import annotations

from jobs.catalog.stacks import Stack
from jobs.plans import Check, Output, Plan, PlanFile, Step, literal
from jobs.tools.lib.environments import ENVIRONMENTS, VLLM_CPU
from jobs.tools.lib.site import FILES, Site, path_in, script

PROGRAMS = ("python",)
FORMAT = "safetensors"  # input: a folder, not a GGUF file
PRECISION = "BF16"
UNPACK = "gguf_to_hf.py"
# No hub access, no telemetry.
_ENV = (
    ("PYTHONUNBUFFERED", "1"),
    ("HF_HUB_OFFLINE", "1"),
    ("VLLM_NO_USAGE_STATS", "1"),
    ("DO_NOT_TRACK", "1"),
    ("no_proxy", "127.0.0.1,localhost"),
)


def command(stack: Stack, argv: tuple[str, ...], site: Site) -> tuple[str, ...]:
    """Return a command of the stack's data, with its program's path in the environment."""
    return (ENVIRONMENTS[stack.environment].program(site, argv[0]), *argv[1:])


def variables(kv_cache_gib: int = 0) -> tuple[tuple[str, str], ...]:
    """Return environment variables; ``kv_cache_gib``: KV cache memory, 0: vLLM's default."""
    space = (("VLLM_CPU_KVCACHE_SPACE", str(kv_cache_gib)),) if kv_cache_gib else ()
    return (*_ENV, *space)


def checks(folder: str) -> tuple[Check, ...]:
    """Return checks before loading the weights in ``folder``."""
    return (Check("weights", (("path", literal(folder)),)),)


def label_of(source_precision: str) -> str:
    """Return the label of unpacked weights: "BF16 from Q4_1"."""
    return f"{PRECISION} from {source_precision}"


def unpack_plan(folder: str, label: str, site: Site) -> Plan:
    """Convert the GGUF file in the slot ``{weights.path}`` to a folder of safetensors."""
    argv = (
        *(ENVIRONMENTS[VLLM_CPU].python(site), f"{FILES}/{UNPACK}"),
        *("--source", "{weights.path}", "--precision", literal(label), "--to", path_in(folder)),
    )
    files: tuple[PlanFile, ...] = (script(UNPACK),)
    return Plan(
        kind="convert-weights",
        steps=(Step("unpack", argv, env=(("PYTHONUNBUFFERED", "1"),)),),
        files=files,
        outputs=(Output("weights", "weights.json"),),
    )
