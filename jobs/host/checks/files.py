"""Folders and files: room, weights, changed model files, environments."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.host.base.config import Config
from jobs.host.checks.results import CheckResult, bad, good
from jobs.host.probe import probe, vacc

INDEX = "model.safetensors.index.json"
# The deployment guide, Build_In, step 1.2: what a Qwen distill needs beside its weights.
MODIFIED = (
    "modeling_qwen2_vacc.py",
    "configuration_qwen2_vacc.py",
    "quantization_vacc.py",
    "config_vacc.json",
)
# Values of config.json that must be equal in config_vacc.json.
CONSTANTS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "vocab_size",
    "rope_theta",
    "rms_norm_eps",
    "eos_token_id",
)


def disk(config: Config, args: Mapping[str, str]) -> CheckResult:
    """The disk of ``path``, or of where it will be, has ``bytes`` free, and the host's reserve.

    With ``resumes`` what an earlier download left in ``path`` counts too. ``before``: a JSON list
    of such arguments, which need room on the same disk first.
    """
    place, wanted = _there(Path(args["path"])), _bytes_wanted(config, args)
    if wanted:
        before = json.loads(args.get("before", "[]"))
        same = [one for one in before if _device(_there(Path(one["path"]))) == _device(place)]
        wanted += sum(_bytes_wanted(config, one) for one in same)
    free = shutil.disk_usage(place).free
    reserve = config.limits.disk_reserve_bytes
    is_ours = _device(place) == _device(config.dir)
    sizes = {"path": args["path"], "wanted": probe.size_text(wanted), "free": probe.size_text(free)}
    if free < wanted:
        return bad("disk_full", **sizes)
    if is_ours and free - reserve < wanted:
        return bad("disk_reserve", **sizes, reserve=probe.size_text(reserve))
    if not wanted:
        return good("disk_nothing_more", path=sizes["path"], free=sizes["free"])
    return good("disk", **sizes)


def _bytes_wanted(config: Config, args: Mapping[str, str]) -> int:
    """Return bytes still to be written below ``path``."""
    wanted = int(int(args["bytes"]) * config.scale)
    return max(0, wanted - _bytes_below(Path(args["path"]))) if args.get("resumes") else wanted


def _there(place: Path) -> Path:
    """Return ``place``, or the nearest folder above it that exists."""
    while not place.exists():
        place = place.parent
    return place


def _device(place: Path) -> int:
    return place.stat().st_dev


def path(config: Config, args: Mapping[str, str]) -> CheckResult:
    """The file or folder ``path`` is there; ``what`` names its purpose."""
    details = {"path": args["path"], "what": args.get("what", "")}
    return (
        good("path", **details) if Path(args["path"]).exists() else bad("path_missing", **details)
    )


def weights(config: Config, args: Mapping[str, str]) -> CheckResult:
    """Every shard that the index of the weights in ``path`` names is there, and not empty."""
    folder = Path(args["path"])
    if not folder.is_dir():
        return bad("weights_missing", path=args["path"])
    shards = _shards(folder)
    if not shards:
        return bad("weights_missing", path=args["path"])
    missing = [name for name in shards if not _is_there(folder / name)]
    if missing:
        return bad("shard_missing", file=missing[0], missing=len(missing), shards=len(shards))
    return good("weights", path=args["path"], shards=len(shards))


def modification(config: Config, args: Mapping[str, str]) -> CheckResult:
    """The changed files are beside the weights in ``path`` and fit the model's own config.json."""
    folder = Path(args["path"])
    missing = [name for name in MODIFIED if not _is_there(folder / name)]
    if missing:
        return bad("modification_missing", path=args["path"], files=", ".join(missing))
    own, changed = _json(folder / "config.json"), _json(folder / "config_vacc.json")
    differ = [name for name in CONSTANTS if own.get(name) != changed.get(name)]
    if differ:
        return bad("modification_differs", path=args["path"], fields=", ".join(differ))
    return good("modification", path=args["path"])


def conda(config: Config, args: Mapping[str, str]) -> CheckResult:
    """conda is there, with the environment ``env`` where one is named."""
    prefix, env = vacc.conda_prefix(), args.get("env", "")
    if not prefix:
        return bad("conda_missing")
    if env and not Path(prefix, "envs", env, "bin").is_dir():
        return bad("conda_env_missing", env=env)
    return good("conda", path=prefix)


def _bytes_below(folder: Path) -> int:
    return sum(item.lstat().st_size for item in folder.rglob("*") if item.is_file())


def _shards(folder: Path) -> list[str]:
    index = _json(folder / INDEX).get("weight_map")
    if isinstance(index, dict):
        return sorted({str(name) for name in index.values()})
    return sorted(item.name for item in folder.glob("*.safetensors"))


def _is_there(file: Path) -> bool:
    return file.is_file() and file.stat().st_size > 0


def _json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
