"""Run a download and tell how far it is, whatever tool it is.

    follow_download.py FOLDER [--bytes N] -- COMMAND [ARGUMENT ...]

The tool prints what it prints; beside it stands a line of our own each few seconds with the bytes
that lie in FOLDER, so that tools of which each tells another thing (files, parts, nothing) are told
alike. The total is what the weights' own index says, once that has arrived, else N.
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
    """What the command line says."""
    words = sys.argv[1:]
    if "--" not in words:
        raise SystemExit("error: no command after --")
    cut = words.index("--")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--bytes", type=int, default=0, help="expected size")
    args = parser.parse_args(words[:cut])
    args.command = words[cut + 1 :]
    return args


def bytes_in(folder):
    """What lies in a folder, parts of files included; those that go meanwhile do not count."""
    total = 0
    for top, _folders, names in os.walk(folder):
        for name in names:
            try:
                total += Path(top, name).lstat().st_size
            except OSError:
                continue
    return total


def total_of(folder, expected):
    """How many bytes there will be; 0 where nobody knows."""
    try:
        index = json.loads((folder / INDEX).read_bytes())
        return int(index["metadata"]["total_size"])
    except (OSError, ValueError, KeyError, TypeError):
        return expected


def tell(folder, expected, shown):
    """Print how far it is, if that has changed. Return what was shown."""
    done, total = bytes_in(folder), total_of(folder, expected)
    if done == shown:
        return shown
    if total:
        text = f"downloaded {min(done, total) / 1e6:.1f}/{total / 1e6:.1f} MB"
    else:
        text = f"downloaded {done / 1e6:.1f} MB"
    # The tool may be in the middle of a bar that it redraws: that row is ours first.
    print(f"\r\x1b[K{text}", flush=True)
    return done


def main():
    """Run the command; its exit code."""
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
