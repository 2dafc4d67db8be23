"""Check that a model file is the one that was registered: it exists, has its size and SHA-256."""

import argparse
import hashlib
import sys
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--bytes", type=int, required=True)
    parser.add_argument("--sha256", required=True)
    args = parser.parse_args()
    if not args.path.is_file():
        print(f"error: {args.path} is missing", file=sys.stderr)
        return 1
    size = args.path.stat().st_size
    if size != args.bytes:
        print(f"error: {args.path} has {size:,} bytes, not {args.bytes:,}", file=sys.stderr)
        return 1
    digest = hashlib.sha256()
    with args.path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != args.sha256:
        print(f"error: {args.path} has changed: sha256 {digest.hexdigest()}", file=sys.stderr)
        return 1
    print(f"{args.path.name}: {size:,} bytes, checksum verified", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
