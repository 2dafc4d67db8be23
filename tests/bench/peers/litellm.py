"""LiteLLM's proxy, as its documents have it for production: one worker, a master key, no logs.

It has no database: a key is the only right, and nothing of a request or an answer is stored.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.peers import Gateway, installed, serving
from tests.stack import free_port

KEY = "sk-bench"


@contextmanager
def litellm(folder: Path, engine: str) -> Iterator[Gateway]:
    bin_folder, port = installed("litellm[proxy]"), free_port()
    upstream = {"model": "openai/bench", "api_base": f"{engine}/v1", "api_key": "none"}
    settings = {
        "model_list": [{"model_name": "bench", "litellm_params": upstream}],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"set_verbose": False, "json_logs": True, "request_timeout": 600},
    }
    config = folder / "config.yaml"  # JSON is YAML
    config.write_text(json.dumps(settings))
    address = ["--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with serving(
        [bin_folder / "litellm", *address, "--config", config, "--num_workers", "1"],
        folder,
        f"{url}/health/liveliness",
        LITELLM_LOG="ERROR",
        LITELLM_MODE="PRODUCTION",
        LITELLM_TELEMETRY_DISABLED="true",
        LITELLM_LOCAL_MODEL_COST_MAP="True",  # else it asks the internet for prices
    ) as pid:
        yield Gateway("litellm", url, (pid,), {"Authorization": f"Bearer {KEY}"})
