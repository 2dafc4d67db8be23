"""Files of a hub's repository: small ones whole, weights of the right shape made small."""

import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from simulator.lib import models, world

COMMIT = "56d4cbbb4d29f4355bab4b9a39ccb717a14ad5ad"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,;:!?'\"()[]{}<>/\\|_-+"


@dataclass(frozen=True)
class RepoFile:
    """One file: ``real_bytes`` is its size on the true hub, ``make`` its content here."""

    path: str
    real_bytes: int
    make: Callable[[], bytes]
    large: bool = False

    @property
    def sha256(self) -> str:
        """Of the content here; what the made-up hub says, too."""
        return hashlib.sha256(self.make()).hexdigest()


def _text(path: str, text: str) -> RepoFile:
    data = text.encode()
    return RepoFile(path, len(data), lambda: data)


def _json(path: str, value: object) -> RepoFile:
    return _text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


@lru_cache(maxsize=32)
def of_model(model_id: str) -> tuple[RepoFile, ...]:
    """The files of a model's repository, in the order of their names."""
    model = models.MODELS[model_id]
    return tuple(sorted(_model(model), key=lambda file: file.path))


def shard_names(model: models.Model) -> list[str]:
    """Names of the weight files, as DeepSeek's repositories number them."""
    if model.shards == 1:
        return ["model.safetensors"]
    return [
        f"model-{number:05d}-of-{model.shards:06d}.safetensors"
        for number in range(1, model.shards + 1)
    ]


def tensors(model: models.Model) -> dict[str, str]:
    """Tensor -> the file that it is in."""
    layers = int(model.config["num_hidden_layers"])
    parts = [
        *("input_layernorm", "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        *("self_attn.o_proj", "post_attention_layernorm", "mlp.gate_proj", "mlp.up_proj"),
        "mlp.down_proj",
    ]
    names = ["model.embed_tokens.weight"]
    names += [f"model.layers.{n}.{part}.weight" for n in range(layers) for part in parts]
    names += ["model.norm.weight", "lm_head.weight"]
    shards = shard_names(model)
    return {name: shards[i * len(shards) // len(names)] for i, name in enumerate(names)}


def _weights(model: models.Model, shard: str) -> bytes:
    """A safetensors file: the true format, with values that are all zero and far too few."""
    names = [name for name, file in tensors(model).items() if file == shard]
    # A byte each, or two; the true file of R1 keeps some scales and norms in other types.
    dtype, size = ("F8_E4M3", 1) if "quantization_config" in model.config else ("BF16", 2)
    each = max(2, world.scaled_bytes(model.total_bytes) // len(tensors(model)) // 2 * 2)
    header: dict[str, object] = {"__metadata__": {"format": "pt", "note": world.MARK}}
    for i, name in enumerate(names):
        header[name] = {
            "dtype": dtype,
            "shape": [each // size],
            "data_offsets": [i * each, (i + 1) * each],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes(each * len(names))


def _model(model: models.Model) -> list[RepoFile]:
    shards = shard_names(model)
    files = [
        RepoFile(
            shard,
            model.total_bytes // len(shards),
            lambda shard=shard: _weights(model, shard),  # type: ignore[misc]
            large=True,
        )
        for shard in shards
    ]
    if len(shards) > 1:
        each = max(2, world.scaled_bytes(model.total_bytes) // len(tensors(model)) // 2 * 2)
        total = each * len(tensors(model))
        index = {"metadata": {"total_size": total}, "weight_map": tensors(model)}
        files.append(_json("model.safetensors.index.json", index))
    generation = {
        "_from_model_config": True,
        "bos_token_id": model.config["bos_token_id"],
        "eos_token_id": model.config["eos_token_id"],
        "do_sample": True,
        "temperature": 0.6,
        "top_p": 0.95,
        "transformers_version": "4.39.3",
    }
    files += [
        _json("config.json", model.config),
        _json("generation_config.json", generation),
        _json("tokenizer.json", _tokenizer()),
        _json("tokenizer_config.json", _tokenizer_config(model)),
        _text("README.md", f"# {model.name}\n\nMade up ({world.MARK}): these weights are empty.\n"),
        _text("LICENSE", f"MIT License ({world.MARK})\n"),
        _text(".gitattributes", "*.safetensors filter=lfs diff=lfs merge=lfs -text\n"),
    ]
    if "kv_lora_rank" in model.config:
        note = f'"""Made up ({world.MARK}): the model\'s own code is not here."""\n'
        files += [
            _text("configuration_deepseek.py", note),
            _text("modeling_deepseek.py", note),
        ]
    return files


def _tokenizer() -> dict[str, object]:
    """A tokenizer that knows letters only: enough for a reader that wants one."""
    vocab = {letter: number for number, letter in enumerate(ALPHABET)}
    special = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<think>", "</think>"]
    added = [
        {
            "id": len(vocab) + number,
            "content": text,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": number < 2,
        }
        for number, text in enumerate(special)
    ]
    return {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": None,
        "model": {"type": "BPE", "vocab": vocab, "merges": [], "unk_token": None},
    }


def _tokenizer_config(model: models.Model) -> dict[str, object]:
    opens = "<think>\\n" if model.opens_thought else ""
    template = (
        "{{ bos_token }}{% for message in messages %}"
        "{% if message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}"
        "{% elif message['role'] == 'assistant' %}"
        "{{ '<｜Assistant｜>' + message['content'].split('</think>')[-1] + "
        "'<｜end▁of▁sentence｜>' }}"
        "{% else %}{{ message['content'] }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<｜Assistant｜>" + opens + "' }}{% endif %}"
    )
    return {
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": "<｜begin▁of▁sentence｜>",
        "eos_token": "<｜end▁of▁sentence｜>",
        "chat_template": template,
        "legacy": True,
        "model_max_length": 16384 if "Distill" in model.name else 131072,
        "tokenizer_class": "LlamaTokenizerFast",
        "unk_token": None,
        "use_default_system_prompt": False,
    }
