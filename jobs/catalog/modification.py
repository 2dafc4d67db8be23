"""The vendor's modification of Qwen2: ``config_vacc.json`` made from a model's ``config.json``.
VastModelZOO has one sample of this file, which fits none of the four distills. So the file is made
from the weights' ``config.json``, after a check against the catalogue's constants. Standard library
only, Python 3.10 or newer: this file goes to a host as it is."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CONFIG = "config.json"
CONFIG_VACC = "config_vacc.json"
# Additions of config_vacc.json: VastModelZOO, llm/deepseek_r1, Build_In Deploy, step 1.2.
ADDED: dict[str, Any] = {
    "auto_map": {
        "AutoConfig": "configuration_qwen2_vacc.Qwen2Config",
        "AutoModel": "modeling_qwen2_vacc.Qwen2ForCausalLM",
        "AutoModelForCausalLM": "modeling_qwen2_vacc.Qwen2ForCausalLM",
    },
    "_attn_implementation": "eager",
    "insert_slice": True,
}
MISSING = "missing"
_MOST_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Mismatch:
    """Key of ``config.json`` that differs from the catalogue. None: absent."""

    field: str
    expected: Any
    actual: Any


@dataclass(frozen=True)
class Made:
    """``text``: content to write, "" with mismatches. ``diff``: vs config.json."""

    text: str
    diff: str
    mismatches: tuple[Mismatch, ...]


def config_vacc(config_text: str, expected: Mapping[str, Any]) -> Made:
    """Return ``config_vacc.json``, or the mismatches with ``expected``, as ``config_values()`` of
    the architecture gives it. Raises ``ValueError``: no JSON object."""
    config = _object(config_text)
    wrong = tuple(mismatches(config, expected))
    if wrong:
        return Made("", "", wrong)
    text = json.dumps(_with_added(config), indent=2, ensure_ascii=False) + "\n"
    return Made(text, difference(config_text, text), ())


def mismatches(config: Mapping[str, Any], expected: Mapping[str, Any]) -> list[Mismatch]:
    """Return the differences of ``config``, in the order of ``expected``; nested keys have dots."""
    wrong = []
    for field, value in expected.items():
        actual = config.get(field)
        if field == "head_dim" and actual is None:
            hidden, heads = config.get("hidden_size"), config.get("num_attention_heads")
            if isinstance(hidden, int) and isinstance(heads, int) and heads:
                actual = hidden // heads
        if isinstance(value, Mapping) and isinstance(actual, Mapping):
            inner = mismatches(actual, value)
            wrong += [Mismatch(f"{field}.{m.field}", m.expected, m.actual) for m in inner]
        # True differs from 1; 10000 equals 10000.0.
        elif actual != value or isinstance(actual, bool) != isinstance(value, bool):
            wrong.append(Mismatch(field, value, MISSING if field not in config else actual))
    return wrong


def difference(old: str, new: str, *, old_name: str = CONFIG, new_name: str = CONFIG_VACC) -> str:
    """Return a unified diff; "" for equal texts. Every line ends with a line feed."""
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), old_name, new_name
    )
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _object(text: str) -> dict[str, Any]:
    if len(text) > _MOST_BYTES:
        raise ValueError(f"{CONFIG} is larger than {_MOST_BYTES} bytes")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{CONFIG} is no JSON: {error}") from error
    if not isinstance(config, dict):
        raise ValueError(f"{CONFIG} is not a JSON object")
    return config


def _with_added(config: dict[str, Any]) -> dict[str, Any]:
    """Insert after "architectures", so that the diff has only added lines."""
    kept = {key: value for key, value in config.items() if key not in ADDED}
    made: dict[str, Any] = {} if "architectures" in kept else dict(ADDED)
    for key, value in kept.items():
        made[key] = value
        if key == "architectures":
            made |= ADDED
    return made
