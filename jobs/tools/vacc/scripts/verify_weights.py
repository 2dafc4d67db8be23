"""Check the weights of a model in a folder, and write weights.json.

    verify_weights.py FOLDER --expected FILE [--sha256]

Every shard that the index names must be there, as long as its own header says, in the precision
that the catalogue names, with every tensor that the index expects in it; config.json must say what
the catalogue says of the model. With --sha256 every shard is read whole, and compared with the
hub's checksum where the download tool has left one beside it.

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
# Words of the catalogue -> those of safetensors (safetensors README, "Format").
DTYPES = {"bf16": "BF16", "fp16": "F16", "fp8": "F8_E4M3", "fp32": "F32", "int8": "I8"}
SHOW_S = 1.0


class Refused(Exception):
    """The weights are not whole, or not those of this model; the text says why."""


def shards_of(folder):
    """Shard -> the tensors that the index expects in it, and the sum of bytes that it tells. None
    for either where there is no index, or it does not tell."""
    index = folder / INDEX
    if not index.is_file():
        if (folder / SINGLE).is_file():
            return {SINGLE: None}, None
        raise Refused(f"{folder} holds neither {INDEX} nor {SINGLE}: the download is not complete")
    try:
        content = json.loads(index.read_bytes())
        files = {}
        for tensor, name in content["weight_map"].items():
            if "/" in name or name.startswith("."):
                raise Refused(f"{INDEX} names a file elsewhere: {name!r}")
            files.setdefault(name, set()).add(tensor)
        return files, int(content.get("metadata", {}).get("total_size", 0)) or None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"{INDEX} cannot be read: {error!r}") from error


def header_of(path):
    """(tensor -> its entry, bytes that the file must have) from the head of a safetensors file."""
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8:
            raise Refused(f"{path.name} has no header: it is cut off")
        (length,) = struct.unpack("<Q", start)
        if length > MOST_HEADER:
            raise Refused(f"{path.name} is no safetensors file")
        text = file.read(length)
    if len(text) < length:
        raise Refused(f"{path.name} has no whole header: it is cut off")
    try:
        entries = json.loads(text)
        entries.pop("__metadata__", None)
        data = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
        return entries, 8 + length + int(data)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise Refused(f"{path.name} is no safetensors file: {error!r}") from error


def check_shard(path, tensors, dtype_bytes):
    """Check one shard, add its bytes a dtype to `dtype_bytes`, and return its size."""
    if not path.is_file():
        raise Refused(f"{path.name} is missing")
    entries, wanted = header_of(path)
    size = path.stat().st_size
    if size != wanted:
        what = "cut off" if size < wanted else "longer than it should be"
        raise Refused(f"{path.name} has {size:,} bytes of {wanted:,}: it is {what}")
    lacks = sorted(tensors - set(entries)) if tensors is not None else []
    if lacks:
        raise Refused(f"{path.name} lacks {len(lacks)} tensors of the index, such as {lacks[0]}")
    for entry in entries.values():
        begin, end = entry["data_offsets"]
        dtype_bytes[entry["dtype"]] = dtype_bytes.get(entry["dtype"], 0) + end - begin
    return size


def check_config(folder, expected):
    path = folder / "config.json"
    if not path.is_file():
        raise Refused(f"{folder} holds no config.json")
    try:
        config = json.loads(path.read_bytes())
        wrong = modification.mismatches(config, expected["config"])
    except (ValueError, AttributeError, TypeError) as error:
        raise Refused(f"config.json cannot be read: {error!r}") from error
    for one in wrong:
        print(f"config.json: {one.field} is {one.actual!r}, the catalogue says {one.expected!r}")
    if wrong:
        names = ", ".join(one.field for one in wrong)
        raise Refused(f"config.json is not that of {expected['model']}: {names}")
    print(f"config.json: all {len(expected['config'])} constants are those of {expected['model']}")


def check_precision(dtype_bytes, precision):
    """Most of the weights must be in the precision of the catalogue. Return what they are in."""
    most = max(dtype_bytes, key=dtype_bytes.get, default="")
    names = {word: name for name, word in DTYPES.items()}
    actual = names.get(most, most)
    if actual != precision:
        raise Refused(f"most weights are {actual}, the catalogue says {precision}")
    return actual


def known_sha256(folder, name):
    """The hub's checksum of a file: huggingface_hub leaves it beside a download. None: unknown."""
    path = folder / ".cache" / "huggingface" / "download" / f"{name}.metadata"
    try:
        etag = path.read_text(encoding="utf-8").splitlines()[1].strip()
    except (OSError, IndexError, UnicodeDecodeError):
        return None
    return etag if len(etag) == 64 else None  # of a small file it is the hash of git, 40 digits


class Reading:
    """Reads files whole, and tells how far it is."""

    def __init__(self, total):
        self.total, self.done, self.shown = total, 0, 0.0

    def sha256(self, path):
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
                self.done += len(block)
                self.tell()
        return digest.hexdigest()

    def tell(self):
        now = time.monotonic()
        if now - self.shown >= SHOW_S or self.done == self.total:
            self.shown = now
            print(f"checked {self.done / 1e6:.1f}/{self.total / 1e6:.1f} MB", flush=True)


def checksums(folder, sizes):
    """Shard -> its SHA-256, each compared with the hub's where that is known; how many were."""
    reading, sums, compared = Reading(sum(sizes.values())), {}, 0
    for name in sizes:
        sums[name] = reading.sha256(folder / name)
        known = known_sha256(folder, name)
        if known and known != sums[name]:
            raise Refused(f"{name} is damaged: its sha256 is {sums[name]}, the hub says {known}")
        compared += known is not None
    return sums, compared


def fingerprint(sizes, sums):
    """One checksum for all shards: of their names, sizes and, where read, their own checksums."""
    digest = hashlib.sha256()
    for name in sorted(sizes):
        digest.update(f"{name} {sizes[name]} {sums.get(name, '')}\n".encode())
    return digest.hexdigest()


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
    precision = check_precision(dtype_bytes, expected["precision"])
    sums, compared = checksums(args.folder, sizes) if args.sha256 else ({}, 0)
    return {
        "path": str(args.folder),
        "bytes": sum(sizes.values()),
        "sha256": fingerprint(sizes, sums),
        "precision": precision,
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
    except (Refused, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    Path("weights.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
