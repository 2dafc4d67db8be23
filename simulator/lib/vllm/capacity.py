"""Capacity of the dies: weights, KV cache. The arithmetic is public, the card has 32 GB a die."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.lib import models, world

DIE_BYTES = 32e9
OVERHEAD_BYTES = 2e9
GIB = 2**30


class StartError(Exception):
    """The engine does not start. ``message`` is the last line of the real traceback."""

    def __init__(self, sort: str, message: str) -> None:
        super().__init__(message)
        self.sort, self.message = sort, message


@dataclass(frozen=True)
class Weights:
    """A folder with a model: its config, its shards, and missing ones."""

    folder: Path
    config: dict[str, Any]
    shards: tuple[str, ...]
    missing: tuple[str, ...]
    total_bytes: int  # of the real model
    opens_thought: bool


def read(folder: Path, named: str, *, version: str) -> Weights:
    """Read a weight folder.

    Raises:
        StartError: it is none.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise _no_model(named, version) from None
    index = folder / "model.safetensors.index.json"
    there = sorted(path.name for path in folder.glob("*.safetensors"))
    wanted = there
    if index.is_file():
        wanted = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    missing = tuple(name for name in wanted if name not in there)
    if not there:
        raise StartError("RuntimeError", f"Cannot find any model weights with `{named}`")
    return Weights(
        folder,
        config,
        tuple(name for name in wanted if name in there),
        missing,
        _total(config, folder),
        _opens_thought(folder),
    )


def _no_model(named: str, version: str) -> StartError:
    if version.startswith("0.7"):
        return StartError(
            "huggingface_hub.errors.HFValidationError",
            "Repo id must be in the form 'repo_name' or 'namespace/repo_name': "
            f"'{named}'. Use `repo_type` argument if needed.",
        )
    return StartError(
        "pydantic_core._pydantic_core.ValidationError",
        "1 validation error for ModelConfig\n  Value error, Invalid repository ID or local "
        f"directory specified: '{named}'.\nPlease verify the following requirements:\n"
        "1. Provide a valid Hugging Face repository ID.\n"
        "2. Specify a local directory that contains a recognized configuration file.",
    )


def _total(config: dict[str, Any], folder: Path) -> int:
    keys = ("architectures", "hidden_size", "num_hidden_layers", "num_key_value_heads")
    for model in models.MODELS.values():
        if all(model.config.get(key) == config.get(key) for key in keys):
            return model.total_bytes
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return int(size / world.scale())


def _opens_thought(folder: Path) -> bool:
    """True when the chat template itself begins the thought: the text then only closes it."""
    try:
        text = (folder / "tokenizer_config.json").read_text(encoding="utf-8")
        template = str(json.loads(text).get("chat_template", ""))
    except (OSError, ValueError):
        return False
    return "<think>\\n' }}" in template


@dataclass(frozen=True)
class Fit:
    """Memory per die, in bytes, and the capacity of the KV cache, in tokens."""

    weights_bytes: float
    kv_bytes: float
    kv_tokens: int


def fit(weights: Weights, *, tp: int, pp: int, max_len: int, version: str, share: float) -> Fit:
    """Put weights and KV cache on ``tp * pp`` dies.

    Raises:
        StartError: they do not fit.
    """
    per_die = weights.total_bytes / (tp * pp)
    room = DIE_BYTES * share - per_die - OVERHEAD_BYTES
    space = os.environ.get("VLLM_VACC_KVCACHE_SPACE")
    if space:
        room = min(room, float(space) * GIB)
    if room <= 0:
        raise StartError(
            "ValueError",
            "No available memory for the cache blocks. Try increasing "
            "`gpu_memory_utilization` when initializing the engine.",
        )
    # MLA keeps the whole latent on every die of a group; heads are shared out otherwise.
    ways = (
        1
        if weights.config.get("kv_lora_rank")
        else min(tp, int(weights.config.get("num_key_value_heads", 1)))
    )
    per_token = models.kv_bytes_per_token(weights.config) / ways / pp
    tokens = int(room / per_token)
    if world.fault("kv_too_small"):
        tokens = max_len // 2
    if tokens < max_len:
        raise _too_long(max_len, tokens, per_token, version)
    return Fit(per_die, room, tokens)


def _too_long(max_len: int, tokens: int, per_token: float, version: str) -> StartError:
    if version.startswith("0.7"):
        return StartError(
            "ValueError",
            f"The model's max seq len ({max_len}) is larger than the maximum number of tokens that "
            f"can be stored in KV cache ({tokens}). Try increasing `gpu_memory_utilization` or "
            "decreasing `max_model_len` when initializing the engine.",
        )
    needed, there = max_len * per_token / GIB, tokens * per_token / GIB
    return StartError(
        "ValueError",
        f"To serve at least one request with the models's max seq len ({max_len}), ({needed:.2f} "
        "GiB KV cache is needed, which is larger than the available KV cache memory "
        f"({there:.2f} GiB). Based on the available memory, the estimated maximum model length is "
        f"{tokens}. Try increasing `gpu_memory_utilization` or decreasing `max_model_len` when "
        "initializing the engine.",
    )


def dies(count: int) -> list[int]:
    """The dies to use: those of ``VACC_VISIBLE_DEVICES``, else the first ones.

    Raises:
        StartError: there are too few, or one is not there.
    """
    named = os.environ.get("VACC_VISIBLE_DEVICES", "")
    chosen = [int(word) for word in named.split(",") if word.strip().isdigit()]
    chosen = chosen[:count] if named else list(range(count))
    devices = world.root() / "dev"
    is_visible = world.image() == "" or os.environ.get("STANDIN_PRIVILEGED") == "1"
    gone = [die for die in chosen if not (is_visible and (devices / f"vacc{die}").exists())]
    if len(chosen) < count:
        raise StartError(
            "RuntimeError",
            f"World size ({count}) is larger than the number of available VACCs ({len(chosen)})",
        )
    if gone:
        raise StartError("RuntimeError", f"VACC device /dev/vacc{gone[0]} is not available")
    return chosen
