"""Check a folder that a compiler made or that a server is to load.

    verify_folder.py FOLDER --note FILE       write down what is in it now
    verify_folder.py FOLDER --since FILE      it was written to since: its size and checksum go into
                                              artifact.json
    verify_folder.py FOLDER --bytes N         it is as large as it was registered

A compiler that ends well and makes nothing has failed; so has one that finds what an earlier run
left and goes home. Files are compared with themselves: the clock of a file server is not ours.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from pathlib import Path

BLOCK = 1 << 22
SHOW_S = 1.0
# What llmdeploy is given; not every version of the compiler makes it.
DEPLOY = "{folder}-none-dynamic-vacc/{name}_deploy.json"


def stamps_of(folder):
    """Path below the folder -> size, and what else changes when it is written; by names."""
    stamps = {}
    for top, _folders, names in os.walk(folder):
        for path in (Path(top, name) for name in names):
            if path.is_file():
                stat = path.stat()
                stamp = [stat.st_size, stat.st_mtime_ns, stat.st_ino]
                stamps[path.relative_to(folder).as_posix()] = stamp
    return dict(sorted(stamps.items()))


def checksum(folder, files):
    """One checksum of all files, their names included; tells how far it is."""
    total, done, shown, digest = sum(files.values()), 0, 0.0, hashlib.sha256()
    for name, size in files.items():
        digest.update(f"{name}\0{size}\0".encode())
        with (folder / name).open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
                done += len(block)
                now = time.monotonic()
                if now - shown >= SHOW_S or done == total:
                    shown = now
                    print(f"checked {done / 1e6:.1f}/{total / 1e6:.1f} MB", flush=True)
    return digest.hexdigest()


def made(folder, since):
    """The report on a folder that must have been written to since `since` was noted."""
    if not folder.is_dir():
        sys.exit(f"error: the compiler exited with 0, but made no folder {folder}")
    before, stamps = json.loads(since.read_text(encoding="utf-8")), stamps_of(folder)
    files = {name: stamp[0] for name, stamp in stamps.items()}
    new = [name for name, stamp in stamps.items() if stamp != before.get(name)]
    if not new:
        sys.exit(f"error: the compiler exited with 0, but wrote nothing new into {folder}")
    if not sum(files.values()):
        sys.exit(f"error: all {len(files)} files in {folder} are empty")
    digest = checksum(folder, files)
    deploy = Path(DEPLOY.format(folder=folder, name=folder.name))
    return {
        "path": str(folder),
        "bytes": sum(files.values()),
        "sha256": digest,
        "files": len(files),
        "new_files": len(new),
        "tokenizer": (folder / "tokenizer").is_dir(),
        "deploy_config": str(deploy) if deploy.is_file() else "",
    }


def check_size(folder, size):
    if not folder.is_dir():
        sys.exit(f"error: {folder} is gone")
    total = sum(stamp[0] for stamp in stamps_of(folder).values())
    if total != size:
        sys.exit(f"error: {folder} has {total:,} bytes, it was registered with {size:,}")
    print(f"{folder.name}: {total:,} bytes, as registered", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--note", type=Path, help="the file to write it to")
    what.add_argument("--since", type=Path, help="the file that --note wrote")
    what.add_argument("--bytes", type=int)
    args = parser.parse_args()
    try:
        if args.note:
            there = stamps_of(args.folder)
            args.note.write_text(json.dumps(there) + "\n", encoding="utf-8")
            print(f"{args.folder}: {len(there)} files before", flush=True)
        elif args.since:
            report = json.dumps(made(args.folder, args.since), indent=1)
            Path("artifact.json").write_text(report + "\n", encoding="utf-8")
            print(report, flush=True)
        else:
            check_size(args.folder, args.bytes)
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
