"""Inputs of vamc: the yaml of the guide and changed model files."""

import shutil
from pathlib import Path

import yaml

from simulator import furnish
from tests.simulator.host import Host

NAME = "DeepSeek-R1-Distill-Qwen-7B-int8-tp4-1024-2048"


def config(host: Host, *, block: bool = True, **more: object) -> str:
    """The guide's int8 yaml for a model with its modification; ``more`` changes the frontend."""
    checkpoint = host.weights()
    frontend: dict[str, object] = {
        "checkpoint": str(checkpoint),
        "type": "huggingface",
        "shape": {"input_ids": [[1024], [2048]]},
        "model_kwargs": {"b2s": True, "tp": 4, "model_arch": "vacc"},
        "quantize": {"type": "w8a16_gptq"},
        **more,
    }
    data = {
        "name": NAME,
        "frontend": frontend,
        "backend": {"type": "tvm_vacc", "dtype": "int8", "compile": {"data_type": 0}},
        "workspace": {"path": "./vacc_deploy", "workers": 4},
    }
    text = yaml.safe_dump(data, default_flow_style=None if block else False, sort_keys=False)
    (host.workspace / "c.yaml").write_text(text)
    return "c.yaml"


def modify(host: Host) -> Path:
    """Put the four files beside the weights, as the guide does."""
    folder = host.weights()
    furnish.workspace(host.workspace)
    source = host.workspace / "build_in/source_code"
    for name in ("modeling_qwen2_vacc.py", "configuration_qwen2_vacc.py", "quantization_vacc.py"):
        shutil.copy(source / name, folder)
    shutil.copy(folder / "config.json", folder / "config_vacc.json")
    return folder
