"""Check the weights of a model in a folder, and write weights.json.

    verify_weights.py FOLDER --expected FILE [--sha256]

Every shard of the index must be there, as long as its own header says, in the precision of the
catalogue, with every tensor of the index; config.json must say what the catalogue says. With
--sha256 every shard is read whole, and compared with the hub's checksum where the download left it.
FILE is JSON: {"model", "precision", "config": {key: value}, "shards": n, "bytes": n or null}.
"""

import argparse
import hashlib
import json
import struct
import sys
import time
from pathlib import Path

# jobs/catalog/modification.py, which travels beside this file: how a config is compared.
import modification

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
BLOCK = 1 << 22
MOST_HEADER = 100 << 20  # the format's own limit
# Words of safetensors (its README, "Format") -> those of the catalogue.
DTYPES = {"BF16": "bf16", "F16": "fp16", "F8_E4M3": "fp8", "F32": "fp32", "I8": "int8"}
SHOW_S = 1.0


def shards_of(folder):
    """Shard -> the tensors that the index expects in it, and the sum of bytes that it tells. None
    for either where there is no index, or it does not tell."""
    index = folder / INDEX
    if not index.is_file():
        if (folder / SINGLE).is_file():
            return {SINGLE: None}, None
        sys.exit(
            f"error: {folder} holds neither {INDEX} nor {SINGLE}: the download is not complete"
        )
    try:
        content = json.loads(index.read_bytes())
        files = {}
        for tensor, name in content["weight_map"].items():
            if "/" in name or name.startswith("."):
                sys.exit(f"error: {INDEX} names a file elsewhere: {name!r}")
            files.setdefault(name, set()).add(tensor)
        return files, int(content.get("metadata", {}).get("total_size", 0)) or None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        sys.exit(f"error: {INDEX} cannot be read: {error!r}")


def header_of(path):
    """(tensor -> its entry, bytes that the file must have) from the head of a safetensors file."""
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8:
            sys.exit(f"error: {path.name} has no header: it is cut off")
        (length,) = struct.unpack("<Q", start)
        if length > MOST_HEADER:
            sys.exit(f"error: {path.name} is no safetensors file")
        text = file.read(length)
    if len(text) < length:
        sys.exit(f"error: {path.name} has no whole header: it is cut off")
    try:
        entries = json.loads(text)
        entries.pop("__metadata__", None)
        data = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
        return entries, 8 + length + int(data)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        sys.exit(f"error: {path.name} is no safetensors file: {error!r}")


def check_shard(path, tensors, dtype_bytes):
    """Check one shard, add its bytes a dtype to `dtype_bytes`, and return its size."""
    if not path.is_file():
        sys.exit(f"error: {path.name} is missing")
    entries, wanted = header_of(path)
    size = path.stat().st_size
    if size != wanted:
        what = "cut off" if size < wanted else "longer than it should be"
        sys.exit(f"error: {path.name} has {size:,} bytes of {wanted:,}: it is {what}")
    lacks = sorted(tensors - set(entries)) if tensors is not None else []
    if lacks:
        sys.exit(f"error: {path.name} lacks {len(lacks)} tensors of the index, such as {lacks[0]}")
    for entry in entries.values():
        begin, end = entry["data_offsets"]
        dtype_bytes[entry["dtype"]] = dtype_bytes.get(entry["dtype"], 0) + end - begin
    return size


def check_config(folder, expected):
    path = folder / "config.json"
    if not path.is_file():
        sys.exit(f"error: {folder} holds no config.json")
    try:
        config = json.loads(path.read_bytes())
        wrong = modification.mismatches(config, expected["config"])
    except (ValueError, AttributeError, TypeError) as error:
        sys.exit(f"error: config.json cannot be read: {error!r}")
    for one in wrong:
        print(f"config.json: {one.field} is {one.actual!r}, the catalogue says {one.expected!r}")
    if wrong:
        names = ", ".join(one.field for one in wrong)
        sys.exit(f"error: config.json is not that of {expected['model']}: {names}")
    print(f"config.json: all {len(expected['config'])} constants are those of {expected['model']}")


def check_precision(dtype_bytes, precision):
    """Most of the weights must be in the precision of the catalogue."""
    most = max(dtype_bytes, key=dtype_bytes.get, default="")
    actual = DTYPES.get(most, most)
    if actual != precision:
        sys.exit(f"error: most weights are {actual}, the catalogue says {precision}")


def known_sha256(folder, name):
    """The hub's checksum of a file: huggingface_hub leaves it beside a download. None: unknown."""
    path = folder / ".cache" / "huggingface" / "download" / f"{name}.metadata"
    try:
        etag = path.read_text(encoding="utf-8").splitlines()[1].strip()
    except (OSError, IndexError, UnicodeDecodeError):
        return None
    return etag if len(etag) == 64 else None  # of a small file it is the hash of git, 40 digits


def checksums(folder, sizes):
    """Shard -> its SHA-256, each compared with the hub's where that is known; how many were."""
    total, done, shown, sums, compared = sum(sizes.values()), 0, 0.0, {}, 0
    for name in sizes:
        digest = hashlib.sha256()
        with (folder / name).open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
                done += len(block)
                now = time.monotonic()
                if now - shown >= SHOW_S or done == total:
                    shown = now
                    print(f"checked {done / 1e6:.1f}/{total / 1e6:.1f} MB", flush=True)
        sums[name] = digest.hexdigest()
        known = known_sha256(folder, name)
        if known and known != sums[name]:
            sys.exit(f"error: {name} is damaged: its sha256 is {sums[name]}, the hub says {known}")
        compared += known is not None
    return sums, compared


def verify(args, expected):
    files, indexed = shards_of(args.folder)
    check_config(args.folder, expected)
    sizes, dtype_bytes = {}, {}
    for number, (name, tensors) in enumerate(sorted(files.items()), 1):
        sizes[name] = check_shard(args.folder / name, tensors, dtype_bytes)
        print(f"shard {number}/{len(files)}: {name}, {sizes[name]:,} bytes", flush=True)
    tensors_bytes = sum(dtype_bytes.values())
    # Told only: a published index may have the sum wrong, and every tensor of it was found.
    if indexed not in (None, tensors_bytes):
        print(f"{tensors_bytes:,} bytes of tensors; {INDEX} says {indexed:,}")
    if len(files) != expected["shards"]:
        print(f"{len(files)} shards; the catalogue says {expected['shards']}", flush=True)
    if expected["bytes"] not in (None, tensors_bytes):
        print(f"{tensors_bytes:,} bytes of tensors; the catalogue says {expected['bytes']:,}")
    check_precision(dtype_bytes, expected["precision"])
    sums, compared = checksums(args.folder, sizes) if args.sha256 else ({}, 0)
    # One checksum for all shards: of their names, sizes and, where read, their own checksums.
    lines = [f"{name} {sizes[name]} {sums.get(name, '')}\n" for name in sorted(sizes)]
    return {
        "path": str(args.folder),
        "bytes": sum(sizes.values()),
        "sha256": hashlib.sha256("".join(lines).encode()).hexdigest(),
        "precision": expected["precision"],
        "shards": len(sizes),
        "checked": "sha256" if args.sha256 else "sizes",
        "compared": compared,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--expected", type=Path, required=True)
    parser.add_argument("--sha256", action="store_true", help="read every shard completely")
    args = parser.parse_args()
    try:
        report = verify(args, json.loads(args.expected.read_text(encoding="utf-8")))
    except OSError as error:
        sys.exit(f"error: {error}")
    Path("weights.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1), flush=True)


if __name__ == "__main__":
    main()
