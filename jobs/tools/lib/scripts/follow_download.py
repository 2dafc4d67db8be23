"""Run a download of any tool and print its progress.

    follow_download.py FOLDER [--bytes N] -- COMMAND [ARGUMENT ...]

In addition to the tool's output, a line with the bytes in FOLDER is printed every few seconds,
because tools report progress differently or not at all. The total comes from the weights' index
once downloaded, else N.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

INDEX = "model.safetensors.index.json"
EACH_S = 2.0


def arguments():
    argv = sys.argv[1:]
    if "--" not in argv:
        raise SystemExit("error: no command after --")
    cut = argv.index("--")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bytes", type=int, default=0, help="expected size")
    args = parser.parse_args(argv[:cut])
    args.command = argv[cut + 1 :]
    return args


def bytes_in(folder):
    """Return the size of a folder, partial files included; vanishing files do not count."""
    total = 0
    for top, _folders, names in os.walk(folder):
        for name in names:
            try:
                total += Path(top, name).lstat().st_size
            except OSError:
                continue
    return total


def total_of(folder, expected):
    try:
        index = json.loads((folder / INDEX).read_bytes())
        return int(index["metadata"]["total_size"])
    except (OSError, ValueError, KeyError, TypeError):
        return expected


def tell(folder, expected, shown):
    done, total = bytes_in(folder), total_of(folder, expected)
    if done == shown:
        return shown
    if total:
        text = f"downloaded {min(done, total) / 1e6:.1f}/{total / 1e6:.1f} MB"
    else:
        text = f"downloaded {done / 1e6:.1f} MB"
    # The tool may be in the middle of a progress bar: start a new row first.
    print(f"\r\x1b[K{text}", flush=True)
    return done


def main():
    args = arguments()
    args.folder.mkdir(parents=True, exist_ok=True)
    shown = tell(args.folder, args.bytes, -1)
    try:
        child = subprocess.Popen(args.command)
    except OSError as error:
        print(f"error: {args.command[0]} cannot be run: {error.strerror}", file=sys.stderr)
        return 127
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    due = time.monotonic() + EACH_S
    while True:
        try:
            code = child.wait(timeout=max(0.0, due - time.monotonic()))
            break
        except subprocess.TimeoutExpired:
            shown = tell(args.folder, args.bytes, shown)
            due += EACH_S
    tell(args.folder, args.bytes, shown)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
