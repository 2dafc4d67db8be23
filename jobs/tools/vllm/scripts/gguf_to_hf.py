"""Unpack a GGUF file of a Llama into a folder as vLLM loads it: safetensors in BF16, tokenizer.

Runs in vLLM's environment. Every weight is what the GGUF file holds, rounded to BF16: what was lost
when that was quantised does not come back. Two special tokens that have no use in a chat get the
names <think> and </think>, for a reasoning parser looks for tokens of that name; their weights stay
as they are. Writes weights.json.
"""

import argparse
import hashlib
import json
import shutil
import sys
import time
from pathlib import Path

import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

BF16_BYTES = 2
CONTROL = 3  # token type in a GGUF file: no text, but a mark
THINK = ("<think>", "</think>")
SHARD = "model.safetensors"
# Name in a GGUF file -> name in a checkpoint of transformers' LlamaForCausalLM.
NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


class Source:
    """A GGUF file of a Llama with a tokenizer that works on bytes."""

    def __init__(self, path):
        self._reader = GGUFReader(path)
        architecture = self.value("general.architecture")
        tokenizer = (self.value("tokenizer.ggml.model"), self.value("tokenizer.ggml.pre"))
        if architecture != "llama" or tokenizer != ("gpt2", "smollm"):
            found = f"{architecture} with {tokenizer}"
            sys.exit(f"error: supported: llama with gpt2/smollm, not {found}")
        self.tensors = self._reader.tensors
        self.tokens = self.value("tokenizer.ggml.tokens")
        types = self.value("tokenizer.ggml.token_type")
        self.control = [index for index, kind in enumerate(types) if kind == CONTROL]
        self.heads = self.value("llama.attention.head_count")
        self.kv_heads = self.value("llama.attention.head_count_kv")

    def value(self, key):
        field = self._reader.get_field(key)
        if field is None:
            sys.exit(f"error: the file has no {key}")
        return field.contents()

    def token(self, role):
        return self.value(f"tokenizer.ggml.{role}_token_id")


def name_of(tensor):
    """The tensor's name in a checkpoint: "blk.3.attn_q.weight" -> "model.layers.3.self_attn…"."""
    parts = tensor.split(".")
    prefix = f"model.layers.{parts[1]}." if parts[0] == "blk" else ""
    try:
        return f"{prefix}{NAMES[parts[-2]]}.{parts[-1]}"
    except (KeyError, IndexError):
        sys.exit(f"error: no Llama has a tensor {tensor}")


def thinking(source, embeddings):
    """Numbers of the tokens that are called <think> and </think> from now on. They are the two of
    no use in a chat whose embeddings are longest: of those that training never met all are alike,
    and a model does not say them, whatever its prompt shows."""
    roles = {source.token(role) for role in ("bos", "eos", "unknown", "padding")}
    unused = [number for number in source.control if number not in roles]
    if len(unused) < len(THINK):
        sys.exit("error: fewer than two special tokens are unused")
    lengths = embeddings[unused].float().norm(dim=1)
    opened, closed = (unused[place] for place in lengths.argsort()[-len(THINK) :])
    names = f"{source.tokens[opened]} is called <think>, {source.tokens[closed]} </think>"
    print(f"tokens: {names}", flush=True)
    return opened, closed


def weights_of(source):
    weights = {}
    for number, tensor in enumerate(source.tensors, start=1):
        kind = tensor.tensor_type
        values = torch.from_numpy(dequantize(tensor.data, kind).copy())
        if ".attn_q." in tensor.name:
            values = in_halves(values, source.heads)
        elif ".attn_k." in tensor.name:
            values = in_halves(values, source.kv_heads)
        shape = "x".join(map(str, values.shape))
        count = len(source.tensors)
        print(f"[{number:4d}/{count:4d}] {tensor.name} {kind.name} -> BF16 {shape}", flush=True)
        weights[name_of(tensor.name)] = values.to(torch.bfloat16).contiguous()
    return weights


def in_halves(values, heads):
    """llama.cpp turns neighbouring rows of a head together, transformers halves."""
    rows, columns = values.shape
    return values.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, -1)


def tokenizer_of(source, think):
    """GPT-2's byte pairs, each digit by itself; ``think``: numbers of the tokens that get names."""
    tokens = list(source.tokens)
    for number, name in zip(think, THINK, strict=True):
        tokens[number] = name
    merges = [tuple(pair.split(" ")) for pair in source.value("tokenizer.ggml.merges")]
    made = Tokenizer(models.BPE({text: number for number, text in enumerate(tokens)}, merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    made.decoder = decoders.ByteLevel()
    marks = [tokens[number] for number in source.control if number not in think]
    made.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in marks])
    # A parser has to see them in the text, which leaves special ones out.
    made.add_tokens([AddedToken(text, normalized=False, special=False) for text in THINK])
    if made.get_vocab_size() != len(tokens):
        sys.exit(f"error: {made.get_vocab_size()} tokens instead of {len(tokens)}")
    return made


def settings_of(source, *, tied):
    """Contents of the small files beside the weights: name -> what it says."""
    bos, eos, pad = source.token("bos"), source.token("eos"), source.token("padding")
    numbers = {"bos_token_id": bos, "eos_token_id": eos, "pad_token_id": pad}
    hidden = source.value("llama.embedding_length")
    context = source.value("llama.context_length")
    return {
        "config.json": {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_act": "silu",
            "hidden_size": hidden,
            "intermediate_size": source.value("llama.feed_forward_length"),
            "num_hidden_layers": source.value("llama.block_count"),
            "num_attention_heads": source.heads,
            "num_key_value_heads": source.kv_heads,
            "head_dim": hidden // source.heads,
            "vocab_size": len(source.tokens),
            "max_position_embeddings": context,
            "rope_theta": source.value("llama.rope.freq_base"),
            "rms_norm_eps": round(source.value("llama.attention.layer_norm_rms_epsilon"), 10),
            "tie_word_embeddings": tied,
            "attention_bias": False,
            "mlp_bias": False,
            "torch_dtype": "bfloat16",
            **numbers,
        },
        "generation_config.json": numbers,
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": source.tokens[bos],
            "eos_token": source.tokens[eos],
            "pad_token": source.tokens[pad],
            "unk_token": source.tokens[source.token("unknown")],
            "model_max_length": context,
            "clean_up_tokenization_spaces": False,
            "chat_template": source.value("tokenizer.chat_template"),
        },
    }


def unpack(source, folder):
    weights = weights_of(source)
    think = thinking(source, weights["model.embed_tokens.weight"])
    save_file(weights, folder / SHARD, metadata={"format": "pt"})
    tokenizer_of(source, think).save(str(folder / "tokenizer.json"))
    for name, content in settings_of(source, tied="lm_head.weight" not in weights).items():
        text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
        (folder / name).write_text(text, encoding="utf-8")


def put(part, folder):
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.replace(old)
    part.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True, help="the GGUF file")
    parser.add_argument("--precision", required=True, help='label of the result: "BF16 from …"')
    parser.add_argument("--to", type=Path, required=True, help="target folder")
    args = parser.parse_args()
    began = time.monotonic()
    part = args.to.with_name(args.to.name + ".part")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        source = Source(args.source)
        wanted = int(sum(int(tensor.n_elements) for tensor in source.tensors) * BF16_BYTES * 1.1)
        free = shutil.disk_usage(part).free
        if free < wanted:
            sys.exit(f"error: {part} has {free:,} bytes free, {wanted:,} needed")
        unpack(source, part)
        put(part, args.to)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    finally:
        shutil.rmtree(part, ignore_errors=True)
    shard, digest = args.to / SHARD, hashlib.sha256()
    with shard.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    report = {"path": str(args.to), "bytes": shard.stat().st_size}
    report |= {"sha256": digest.hexdigest(), "precision": args.precision}
    Path("weights.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    seconds = time.monotonic() - began
    sizes = f"{args.source.stat().st_size:,} -> {report['bytes']:,} bytes in {seconds:.1f} s"
    print(f"{args.precision}: {sizes}, sha256 {report['sha256']}", flush=True)


if __name__ == "__main__":
    main()
