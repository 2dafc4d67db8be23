"""Which stand-in a program is. Modules are imported one at a time: start-up is most of the time."""

import importlib
import os
import sys
from collections.abc import Sequence

# Program -> (module, function, first arguments of the function).
PROGRAMS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "conda": ("host.conda", "main", ()),
    "curl": ("hub.web", "curl", ()),
    "dmesg": ("host.kernel", "dmesg", ()),
    "docker": ("docker.client", "main", ()),
    "dockerd": ("docker.daemon", "main", ()),
    "evalscope": ("evalscope.cli", "main", ()),
    "git": ("host.git", "main", ()),
    "hf": ("hub.hf", "main", ("hf",)),
    "hfd.sh": ("hub.hfd", "main", ()),
    "huggingface-cli": ("hub.hf", "main", ("huggingface-cli",)),
    "llmdeploy": ("buildin.llmdeploy", "main", ()),
    "lsmod": ("host.kernel", "lsmod", ()),
    "lspci": ("host.kernel", "lspci", ()),
    "modelscope": ("hub.modelscope", "main", ()),
    "opencompass": ("opencompass.cli", "main", ()),
    "pip": ("host.pip", "main", ()),
    "unzip": ("hub.unzip", "main", ()),
    "vamc": ("buildin.vamc", "main", ()),
    "vasmi": ("host.vasmi", "main", ()),
    "vastgenx": ("buildin.vastgenx", "main", ()),
    "vllm": ("vllm.cli", "main", ()),
    "wget": ("hub.web", "wget", ()),
}
# Scripts of the image, run by its python3.
SCRIPTS = {
    "benchmark_serving.py": ("vllm.bench_serve", "old_main", ()),
    "benchmark_throughput.py": ("vllm.bench_offline", "throughput", ("benchmark_throughput.py",)),
    "benchmark_latency.py": ("vllm.bench_offline", "latency", ("benchmark_latency.py",)),
}


def run(name: str, argv: Sequence[str]) -> int:
    """Run the stand-in called ``name``; its exit code."""
    module, function, first = {**PROGRAMS, **SCRIPTS}[name]
    call = getattr(importlib.import_module(f"simulator.lib.{module}"), function)
    given = (list(argv), *first)
    try:
        return int(call(*given) or 0)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130
