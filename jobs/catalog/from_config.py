"""Architecture of a model from its ``config.json`` (Hugging Face transformers)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jobs.catalog.architecture import Architecture, Fp8, Mla, Moe, RopeScaling

MOST_CHARACTERS = 200_000
_PLAIN = [
    name
    for name in Architecture.model_fields
    if name not in ("name", "rope_scaling", "mla", "moe", "quantization")
]
_DTYPES = {"bfloat16": "bf16", "float16": "fp16"}


def read_config(text: str) -> dict[str, Any]:
    """Return the file's content; for a multimodal model, the language part.

    Raises:
        ValueError: not a config.json.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError("too large for a config.json")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("not JSON") from error
    if not isinstance(config, dict):
        raise ValueError("not a config.json: expected one JSON object")
    inner = config.get("text_config")
    if isinstance(inner, dict):
        config = {"architectures": config.get("architectures"), **inner}
    if "hidden_size" not in config:
        raise ValueError("not a config.json of a language model: hidden_size is missing")
    return config


def architecture_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``architecture`` of a model's file, as far as given in the config.

    Values that transformers computes when absent are computed here too: ``head_dim``,
    ``num_key_value_heads``.
    """
    values = {name: config[name] for name in _PLAIN if config.get(name) is not None}
    names = config.get("architectures")
    if isinstance(names, list) and names:
        values["name"] = names[0]
    heads, hidden = config.get("num_attention_heads"), config.get("hidden_size")
    if isinstance(heads, int) and heads > 0:
        values.setdefault("num_key_value_heads", heads)
        if isinstance(hidden, int):
            values.setdefault("head_dim", hidden // heads)
    for name in ("bos_token_id", "eos_token_id"):
        if isinstance(values.get(name), list) and values[name]:
            values[name] = values[name][0]
    values.setdefault("tie_word_embeddings", False)
    return {**values, **_parts(config)}


def facts_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return other fields of the model's file from the config: context, weight precision."""
    facts: dict[str, Any] = {"context_tokens": config.get("max_position_embeddings")}
    quantised = config.get("quantization_config")
    if isinstance(quantised, dict) and quantised.get("quant_method") == "fp8":
        facts["dtype"] = "fp8"
    else:
        stored = config.get("torch_dtype") or config.get("dtype")
        facts["dtype"] = _DTYPES.get(str(stored))
    return {name: value for name, value in facts.items() if value is not None}


def _parts(config: Mapping[str, Any]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    scaling = config.get("rope_scaling")
    if isinstance(scaling, dict):
        rope_type = scaling.get("rope_type") or scaling.get("type")
        parts["rope_scaling"] = {"type": rope_type, **_of(RopeScaling, scaling, but="type")}
    if config.get("kv_lora_rank"):
        parts["mla"] = _of(Mla, config)
    if config.get("n_routed_experts"):
        parts["moe"] = _of(Moe, config)
    quantised = config.get("quantization_config")
    if isinstance(quantised, dict) and quantised.get("weight_block_size"):
        parts["quantization"] = _of(Fp8, quantised)
    return parts


def _of(part: Any, values: Mapping[str, Any], *, but: str = "") -> dict[str, Any]:
    return {
        name: values[name]
        for name in part.model_fields
        if name != but and values.get(name) is not None
    }
