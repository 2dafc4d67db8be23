"""``vamc``: the compiler. Its own output is published nowhere: the lines here are invented.

It checks all that is known: files of the Qwen patch, equal constants, lengths, heads.
"""

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from simulator.lib import world
from simulator.lib.buildin import yamls
from simulator.lib.buildin.yamls import YamlError

VERSION = "3.4.2"
MODIFICATION = (
    "modeling_qwen2_vacc.py",
    "configuration_qwen2_vacc.py",
    "quantization_vacc.py",
    "config_vacc.json",
)
_SAME = (
    *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "vocab_size", "rms_norm_eps", "rope_theta"),
)
LAYER_S = 12.0  # of the made-up world, a layer at 16 bits
QUANT_S = 6.0
LARGE = 32e9  # parameters from which the compiler wants more stack


class CompileError(Exception):
    """An error at which the compiler stops."""


def main(argv: Sequence[str]) -> int:
    """Run ``vamc``; its exit code."""
    parser = argparse.ArgumentParser("vamc")
    parser.add_argument("-v", "--version", action="version", version=f"vamc {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("compile", "quant"):
        commands.add_parser(name).add_argument("config")
    args = parser.parse_args(argv)
    path = world.real(args.config)
    try:
        _run(args.command, path)
    except (CompileError, YamlError) as error:
        _say("ERROR", str(error).splitlines()[0])
        world.err(
            "Traceback (most recent call last):\n"
            '  File "/usr/local/bin/vamc", line 8, in <module>\n'
            f"    sys.exit(main())\n{type(error).__name__}: {error}"
        )
        return 1
    except OSError as error:
        world.err(
            f"{type(error).__name__}: [Errno {error.errno}] {error.strerror}: '{error.filename}'"
        )
        return 1
    return 0


def _say(level: str, text: str) -> None:
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    world.out(f"{now} [{level}] vamc: {text}")


def _run(command: str, path: Path) -> None:
    config = yamls.load(path.read_text(encoding="utf-8"))
    _say("INFO", f"vamc {VERSION} ({world.MARK}), {command} {path}")
    name = _need(config, "name")
    checkpoint = world.real(str(_need(config, "frontend", "checkpoint")))
    shape = _need(config, "frontend", "shape", "input_ids")
    model = _model(checkpoint)
    kwargs = config["frontend"].get("model_kwargs") or {}
    tp = int(kwargs.get("tp", 1))
    lengths = _lengths(shape)
    _check(model, checkpoint, kwargs, tp=tp)
    dtype = str(_need(config, "backend", "dtype"))
    if dtype not in ("fp16", "int8"):
        raise CompileError(f"backend.dtype must be fp16 or int8, not {dtype!r}")
    quantised = (config["frontend"].get("quantize") or {}).get("type")
    if dtype == "int8" and not quantised:
        raise CompileError("backend.dtype is int8, but frontend.quantize.type is not set")
    if quantised and quantised not in ("w8a16_gptq", "w16kv8"):
        raise CompileError(f"unknown frontend.quantize.type {quantised!r}")
    workspace = (config.get("workspace") or {}).get("path") or "./vacc_deploy"
    folder = world.real(str(workspace)) / str(name)
    _say(
        "INFO", f"checkpoint {checkpoint}, {dtype}, tp {tp}, prefill {lengths[0]}, max {lengths[1]}"
    )
    _layers(model, tp, quantised=bool(quantised))
    if world.fault("exit0_no_result"):
        _say("INFO", "done")
        return
    _write(folder, str(name), model, checkpoint, tp=tp, dtype=dtype, lengths=lengths)
    _say("INFO", f"result saved to {folder}")


def _need(config: Mapping[str, Any], *path: str) -> Any:
    value: Any = config
    for key in path:
        if not isinstance(value, Mapping) or value.get(key) is None:
            raise CompileError(f"{'.'.join(path)} is missing in the configuration")
        value = value[key]
    return value


def _model(checkpoint: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((checkpoint / "config.json").read_text(encoding="utf-8")))
    except OSError:
        raise CompileError(f"frontend.checkpoint: no config.json in {checkpoint}") from None


def _lengths(shape: Any) -> tuple[int, int]:
    try:
        prefill, most = int(shape[0][0]), int(shape[1][0])
    except (TypeError, ValueError, IndexError):
        raise CompileError("frontend.shape.input_ids must be [[prefill], [max]]") from None
    if prefill % 16 or most % 16:
        raise CompileError(f"input_ids {[prefill, most]} must be multiples of 16")
    if prefill > most:
        raise CompileError(f"input_ids: prefill {prefill} is larger than max {most}")
    return prefill, most


def _check(
    model: Mapping[str, Any], checkpoint: Path, kwargs: Mapping[str, Any], *, tp: int
) -> None:
    shards = sorted(checkpoint.glob("*.safetensors"))
    index = checkpoint / "model.safetensors.index.json"
    if index.is_file():
        wanted = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        missing = sorted(wanted - {path.name for path in shards})
        if missing:
            raise CompileError(
                f"FileNotFoundError: No such file or directory: {checkpoint / missing[0]}"
            )
    elif not shards:
        raise CompileError(f"no weights in {checkpoint}")
    if kwargs.get("model_arch") == "vacc" and model.get("model_type") == "qwen2":
        _check_modification(model, checkpoint)
    heads = int(model["num_key_value_heads"])
    if heads % tp and not kwargs.get("align_qkv"):
        raise CompileError(
            f"num_key_value_heads {heads} cannot be divided by tp {tp}: set align_qkv"
        )
    if _parameters(model) >= LARGE and os.environ.get("VACC_STACK_SIZE") != "256":
        raise CompileError("stack overflow in graph pass: set VACC_STACK_SIZE=256")


def _check_modification(model: Mapping[str, Any], checkpoint: Path) -> None:
    missing = [name for name in MODIFICATION if not (checkpoint / name).is_file()]
    if missing:
        raise CompileError(f"model_arch vacc: {', '.join(missing)} not found in {checkpoint}")
    changed = json.loads((checkpoint / "config_vacc.json").read_text(encoding="utf-8"))
    wrong = [key for key in _SAME if changed.get(key) != model.get(key)]
    if world.fault("config_mismatch"):
        wrong = wrong or ["hidden_size"]
    if wrong:
        key = wrong[0]
        raise CompileError(
            f"size mismatch: {key} is {changed.get(key)} in config_vacc.json and {model.get(key)} "
            "in the checkpoint"
        )


def _parameters(model: Mapping[str, Any]) -> float:
    hidden, layers = int(model["hidden_size"]), int(model["num_hidden_layers"])
    inner, vocab = int(model["intermediate_size"]), int(model["vocab_size"])
    return layers * (2.3 * hidden * hidden + 3 * hidden * inner) + 2 * vocab * hidden


def _layers(model: Mapping[str, Any], tp: int, *, quantised: bool) -> None:
    count = int(model["num_hidden_layers"])
    if quantised:
        for number in range(count):
            world.sleep(QUANT_S)
            _say("INFO", f"quantize [{number + 1:4d}/{count:4d}] model.layers.{number} w8a16_gptq")
    for phase in ("prefill", "decode"):
        for number in range(count):
            world.sleep(LAYER_S / 2)
            _say("INFO", f"{phase} [{number + 1:4d}/{count:4d}] model.layers.{number} tp {tp}")
            if world.fault("compile_error") and number >= count // 2:
                raise CompileError(
                    "TVMError: Check failed: (layout.defined()) is false: "
                    f"tvm_vacc: cannot lower model.layers.{number}.self_attn"
                )
    if world.fault("disk_full"):
        raise OSError(28, "No space left on device", "mod.params")


def _write(
    folder: Path,
    name: str,
    model: Mapping[str, Any],
    checkpoint: Path,
    *,
    tp: int,
    dtype: str,
    lengths: tuple[int, int],
) -> None:
    """The files whose names are known; what is in them is made up."""
    folder.mkdir(parents=True, exist_ok=True)
    for phase, length in (("prefill", lengths[0]), ("decode", lengths[1])):
        for rank in range(tp):
            part = folder / f"{phase}_{length}_rank{rank}"
            part.mkdir(exist_ok=True)
            for suffix in ("so", "params", "json"):
                (part / f"mod.{suffix}").write_bytes(os.urandom(256))
    info = {
        "name": name,
        "note": world.MARK,
        "tp": tp,
        "dtype": dtype,
        "prefill": lengths[0],
        "max": lengths[1],
        "model": {key: model.get(key) for key in ("architectures", "hidden_size")},
    }
    (folder / f"{name}_module_info.json").write_text(json.dumps(info, indent=2), encoding="utf-8")
    tokenizer = folder / "tokenizer"
    tokenizer.mkdir(exist_ok=True)
    for file in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        if (checkpoint / file).is_file():
            (tokenizer / file).write_bytes((checkpoint / file).read_bytes())
    legacy = folder.parent / f"{name}-none-dynamic-vacc"
    legacy.mkdir(exist_ok=True)
    deploy = {"name": name, "note": world.MARK, "path": str(folder), "tp": tp}
    (legacy / f"{name}_deploy.json").write_text(json.dumps(deploy, indent=2), encoding="utf-8")
