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
        sys.exit(f"error: {args.path} is missing")
    size = args.path.stat().st_size
    if size != args.bytes:
        sys.exit(f"error: {args.path} has {size:,} bytes, not {args.bytes:,}")
    digest = hashlib.sha256()
    with args.path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != args.sha256:
        sys.exit(f"error: {args.path} has changed: sha256 {digest.hexdigest()}")
    print(f"{args.path.name}: {size:,} bytes, checksum verified", flush=True)


if __name__ == "__main__":
    main()
