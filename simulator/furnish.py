"""Furnishes a simulated VACC host: ``python3 simulator/furnish.py ROOT WORKSPACE [DIES]``.

ROOT becomes its made-up ``/`` (see ``root.py``); WORKSPACE gets what an operator of the deployment
guide has there from the vendor: the folder ``docker`` and the changed model files.
"""

import json
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from simulator import root
from simulator.lib import world

# The zoo's own sample: of a generic model, which fits none of the distills.
_SAMPLE = {
    "architectures": ["Qwen2ForCausalLM"],
    "auto_map": {
        "AutoConfig": "configuration_qwen2_vacc.Qwen2Config",
        "AutoModel": "modeling_qwen2_vacc.Qwen2ForCausalLM",
        "AutoModelForCausalLM": "modeling_qwen2_vacc.Qwen2ForCausalLM",
    },
    "_attn_implementation": "eager",
    "insert_slice": True,
    "eos_token_id": 151645,
    "hidden_size": 5120,
    "intermediate_size": 13696,
    "max_position_embeddings": 32768,
    "num_attention_heads": 40,
    "num_hidden_layers": 40,
    "num_key_value_heads": 40,
    "transformers_version": "4.37.0",
    "vocab_size": 152064,
}
_DOCKERFILE = f"""# {world.MARK}
FROM vllm-cpu-env:v0.7.2
COPY requirements.txt /workspace/
RUN pip install -r /workspace/requirements.txt
"""


def workspace(folder: Path) -> None:
    """Write the vendor's files to where the guide has them; existing files stay as they are."""
    source = folder / "build_in" / "source_code"
    files = {
        folder / "docker" / "Dockerfile": _DOCKERFILE,
        folder / "docker" / "requirements.txt": "torch_vacc\nvllm_vacc\n",
        source / "config_vacc.json": json.dumps(_SAMPLE, indent=2) + "\n",
        **{
            source / f"{name}_vacc.py": f'"""{world.MARK}: the vendor\'s own file goes here."""\n'
            for name in ("modeling_qwen2", "configuration_qwen2", "quantization")
        },
    }
    for path, text in files.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    root.build(Path(sys.argv[1]), int(sys.argv[3]) if len(sys.argv) > 3 else root.DIES)
    workspace(Path(sys.argv[2]))
