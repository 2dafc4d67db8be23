"""llama.cpp on the CPU: convert and quantise a GGUF file, serve it."""

from typing import Any

from django.utils.translation import pgettext_lazy

from jobs.plans import Output, Plan, Step, Watch, literal
from jobs.tools.lib import engine_counters
from jobs.tools.lib.environments import ENVIRONMENTS, LLAMA_CPP
from jobs.tools.lib.site import DIRECT, FILES, READY, UNBUFFERED, Site, path_in, ready_step, script

PROGRAMS = ("python",)
CLIENTS = (READY,)
STEPS = {"quantise": pgettext_lazy("step", "quantise")}
NAME = "llama.cpp"
# Precision -> llama.cpp's type name.
FILE_TYPES = {"fp16": "F16", "int8": "Q8_0"}
METRICS = engine_counters.LLAMA_CPP


def compile_plan(model_id: str, precision: str, source_precision: str, site: Site) -> Plan:
    """Convert the weights in the slot ``{weights.path}``. Directly from the source's type, not via
    F16: llama.cpp expands each tensor to 32 bits and quantises that, so F16 would only add rounding
    (and 270 MB of disk)."""
    file_type = FILE_TYPES[precision]
    argv = (
        *(ENVIRONMENTS[LLAMA_CPP].python(site), f"{FILES}/llama_quantise.py"),
        *("--source", "{weights.path}", "--source-precision", literal(source_precision)),
        *("--type", file_type, "--threads", str(site.spare_threads)),
        *("--folder", path_in(site.artifacts, model_id)),
        *("--stem", literal(f"{model_id}-{file_type}-job") + "{job}"),
    )
    return Plan(
        kind="compile",
        steps=(Step("quantise", argv, env=UNBUFFERED),),
        files=(script("llama_quantise.py"),),
        outputs=(Output("artifact", "artifact.json"),),
    )


def deploy_plan(params: Any, site: Site, *, name: str, listen: str) -> Plan:
    """``params``: of ``deploy``. ``name``: of the model in the API. ``listen``: an address."""
    python, name = ENVIRONMENTS[LLAMA_CPP].python(site), literal(name)
    verify = (
        *(python, f"{FILES}/verify_artifact.py", "{artifact.path}"),
        *("--bytes", "{artifact.bytes}", "--sha256", "{artifact.sha256}"),
    )
    # A server restarts from its own folder, because the job's may be removed.
    serve: tuple[str, ...] = (
        *(python, "{serve_dir}/files/llama_serve.py", "--model", "{artifact.path}"),
        *("--alias", name, "--host", listen, "--port", "{port}"),
        *("--ctx", str(params.context), "--parallel", str(params.parallel)),
        *("--threads", str(params.threads or site.spare_threads)),
    )
    files = ["verify_artifact.py", "llama_serve.py", READY, DIRECT]
    if params.reasoning:
        serve += ("--chat-template-file", "{serve_dir}/files/reasoning.jinja")
        serve += ("--grammar-file", "{serve_dir}/files/reasoning.gbnf")
        files += ["reasoning.jinja", "reasoning.gbnf"]
    url = "http://127.0.0.1:{port}"
    wait = ready_step(python, url, timeout_s=120, model=name, env=UNBUFFERED)
    return Plan(
        kind="deploy",
        steps=(Step("check", verify), Step("serve", serve, serves=True), wait),
        files=tuple(map(script, files)),
        outputs=(Output("ready", "ready.json"),),
        watches=(Watch("engine", f"{url}/metrics", METRICS, interval_s=2.0),),
    )
