"""Convert a GGUF file to another precision with llama.cpp's own quantiser (llama-cpp-py-sync).

llama.cpp prints a line for each tensor, which is the progress. The new file gets its name from its
checksum, so that nothing is ever overwritten by something else. Writes artifact.json.
"""

import argparse
import hashlib
import json
import os
import shutil
import struct
import sys
import time
from pathlib import Path

from llama_cpp_py_sync._cffi_bindings import get_ffi, get_lib

# enum llama_ftype in llama.h
FILE_TYPES = {"F16": 1, "Q8_0": 7}
# enum ggml_type in ggml.h, as far as these file types use it
TENSOR_TYPES = {0: "F32", 1: "F16", 8: "Q8_0"}
# GGUF value types: struct formats of the plain ones; 8 is a string, 9 an array (ggml docs/gguf.md)
PLAIN = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


def quantise(source, target, file_type, threads):
    """Write `target`; return llama.cpp's return code, 0 for success."""
    ffi, lib = get_ffi(), get_lib()
    lib.llama_backend_init()
    params = lib.llama_model_quantize_default_params()
    params.ftype = FILE_TYPES[file_type]
    params.nthread = threads
    params.allow_requantize = True  # the source is quantised already; that is said in the label
    pointer = ffi.new("llama_model_quantize_params *", params)
    return lib.llama_model_quantize(os.fsencode(source), os.fsencode(target), pointer)


class Header:
    """Reads the head of a GGUF file (version 2 or 3)."""

    def __init__(self, file):
        self.file = file

    def number(self, form):
        return struct.unpack("<" + form, self.file.read(struct.calcsize("<" + form)))[0]

    def string(self):
        return self.file.read(self.number("Q"))

    def skip(self, kind):
        if kind == 8:
            self.string()
        elif kind == 9:
            inner, count = self.number("I"), self.number("Q")
            for _ in range(count):
                self.skip(inner)
        else:
            self.number(PLAIN[kind])

    def tensor_types(self):
        """Count tensors by type: {"F32": 61, "Q8_0": 211}."""
        if self.file.read(4) != b"GGUF":
            raise ValueError("not a GGUF file")
        self.number("I")
        tensors, values = self.number("Q"), self.number("Q")
        for _ in range(values):
            self.string()
            self.skip(self.number("I"))
        counts = {}
        for _ in range(tensors):
            self.string()
            for _ in range(self.number("I")):
                self.number("Q")
            number = self.number("I")
            self.number("Q")
            name = TENSOR_TYPES.get(number, f"type {number}")
            counts[name] = counts.get(name, 0) + 1
        return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--source-precision", required=True)
    parser.add_argument("--type", choices=FILE_TYPES, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True, help="target folder")
    parser.add_argument("--stem", required=True, help="prefix of its name")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    if not args.source.is_file():
        sys.exit(f"error: no such file: {args.source}")
    # F16 has 16 bits a weight; nothing in a GGUF that we read has fewer than 4.
    free, most = shutil.disk_usage(args.folder).free, 4 * args.source.stat().st_size
    if free < most:
        sys.exit(f"error: {args.folder} has {free:,} bytes free, up to {most:,} may be needed")
    part = args.folder / f"{args.stem}.part"
    began = time.monotonic()
    code = quantise(args.source, part, args.type, args.threads)
    seconds = time.monotonic() - began
    if code or not part.is_file():
        part.unlink(missing_ok=True)
        sys.exit(f"error: llama.cpp did not convert {args.source} (code {code})")
    with part.open("rb") as file:
        types = Header(file).tensor_types()
    if args.type not in types:
        part.unlink()
        sys.exit(f"error: llama.cpp produced no {args.type} tensor, only {types}")
    hashed = hashlib.sha256()
    with part.open("rb") as file:
        while block := file.read(1 << 20):
            hashed.update(block)
    digest = hashed.hexdigest()
    path = args.folder / f"{args.stem}-{digest[:8]}.gguf"
    part.replace(path)
    report = {
        "path": str(path),
        "bytes": path.stat().st_size,
        "sha256": digest,
        "type": args.type,
        "tensors": types,
        "source": {
            "path": str(args.source),
            "bytes": args.source.stat().st_size,
            "precision": args.source_precision,
        },
        "seconds": round(seconds, 3),
    }
    Path("artifact.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(
        f"{args.type} from {args.source_precision}: {report['source']['bytes']:,} -> "
        f"{report['bytes']:,} bytes in {seconds:.2f} s, sha256 {digest}",
        flush=True,
    )


if __name__ == "__main__":
    main()
