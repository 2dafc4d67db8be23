"""llama.cpp on the CPU: convert and quantise a GGUF file, serve it."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import pgettext_lazy

from jobs.plans import Output, Plan, PlanFile, Step, Watch, literal
from jobs.tools.lib import engine_counters
from jobs.tools.lib.environments import ENVIRONMENTS, LLAMA_CPP
from jobs.tools.lib.site import DIRECT, FILES, Site, path_in, script

PROGRAMS = ("python",)
CLIENTS = ("wait_ready.py",)
STEPS = {
    "quantise": pgettext_lazy("step", "quantise"),
}
NAME = "llama.cpp"
# Precision -> llama.cpp's type name.
FILE_TYPES = {"fp16": "F16", "int8": "Q8_0"}
METRICS = (
    "llamacpp:tokens_predicted_total",
    "llamacpp:prompt_tokens_total",
    "llamacpp:requests_processing",
    "llamacpp:requests_deferred",
    # Tokens are counted at a request's end; decode calls times busy slots grow during it.
    "llamacpp:n_decode_total",
    "llamacpp:n_busy_slots_per_decode",
    *engine_counters.LLAMA_CPP,
)
READY_TIMEOUT_S = 120.0


def compile_plan(model_id: str, precision: str, source_precision: str, site: Site) -> Plan:
    """Convert the weights in the slot ``{weights.path}``.

    Directly from the source's type, not via F16: llama.cpp expands each tensor to 32 bits and
    quantises that, so F16 would only add rounding (and 270 MB of disk).
    """
    environment = ENVIRONMENTS[LLAMA_CPP]
    file_type = FILE_TYPES[precision]
    return Plan(
        kind="compile",
        steps=(
            Step(
                "quantise",
                (
                    *(environment.python(site), f"{FILES}/llama_quantise.py"),
                    *("--source", "{weights.path}"),
                    *("--source-precision", literal(source_precision)),
                    *("--type", file_type),
                    *("--threads", str(site.spare_threads)),
                    *("--folder", path_in(site.artifacts, model_id)),
                    *("--stem", literal(f"{model_id}-{file_type}-job") + "{job}"),
                ),
                env=(("PYTHONUNBUFFERED", "1"),),
            ),
        ),
        files=(script("llama_quantise.py"),),
        outputs=(Output("artifact", "artifact.json"),),
    )


@dataclass(frozen=True, slots=True)
class LlamaServer:
    """Server settings: ``context`` tokens per request, ``parallel`` concurrent requests,
    ``listen`` address.
    """

    name: str
    listen: str
    context: int
    parallel: int
    threads: int
    reasoning: bool


def deploy_plan(serving: LlamaServer, site: Site) -> Plan:
    """Verify the artifact in the slot ``{artifact.path}``, serve it, wait until ready."""
    python = ENVIRONMENTS[LLAMA_CPP].python(site)
    name = literal(serving.name)
    return Plan(
        kind="deploy",
        steps=(
            Step(
                "check",
                (
                    *(python, f"{FILES}/verify_artifact.py", "{artifact.path}"),
                    *("--bytes", "{artifact.bytes}", "--sha256", "{artifact.sha256}"),
                ),
            ),
            Step("serve", (python, *_serve_arguments(serving)), serves=True),
            Step(
                "wait",
                (
                    *(python, f"{FILES}/wait_ready.py", "http://127.0.0.1:{port}"),
                    *("--model", name, "--timeout", f"{READY_TIMEOUT_S:g}"),
                ),
                env=(("PYTHONUNBUFFERED", "1"),),
            ),
        ),
        files=_deploy_files(reasoning=serving.reasoning),
        outputs=(Output("ready", "ready.json"),),
        watches=(Watch("engine", "http://127.0.0.1:{port}/metrics", METRICS, interval_s=2.0),),
    )


def _serve_arguments(serving: LlamaServer) -> tuple[str, ...]:
    # A server restarts from its own folder, because the job's may be removed.
    arguments = (
        *("{serve_dir}/files/llama_serve.py", "--model", "{artifact.path}"),
        *("--alias", literal(serving.name), "--host", serving.listen, "--port", "{port}"),
        *("--ctx", str(serving.context), "--parallel", str(serving.parallel)),
        *("--threads", str(serving.threads)),
    )
    if not serving.reasoning:
        return arguments
    return (
        *(*arguments, "--chat-template-file", "{serve_dir}/files/reasoning.jinja"),
        *("--grammar-file", "{serve_dir}/files/reasoning.gbnf"),
    )


def _deploy_files(*, reasoning: bool) -> tuple[PlanFile, ...]:
    names = ("verify_artifact.py", "llama_serve.py", "wait_ready.py", DIRECT)
    files = tuple(map(script, names))
    if not reasoning:
        return files
    return (*files, script("reasoning.jinja"), script("reasoning.gbnf"))
