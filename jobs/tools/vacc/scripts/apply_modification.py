"""The vendor's modification of Qwen2, beside the weights of a model: show it, apply it, undo it.

    apply_modification.py show|apply|undo FOLDER [--source DIR] [--expected FILE]

The source files are copied from DIR; config_vacc.json is made from the model's own config.json,
which must say what FILE (JSON: key -> value) says. Differences are shown before writing. Previous
files are backed up in FOLDER/.vacc_backup; undo restores them, unless files were changed since.
Writes modification.json: what was done to which file.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

# jobs/catalog/modification.py, which travels beside this file: how config_vacc.json is made.
import modification

BACKUP = ".vacc_backup"
COPIED = ("modeling_qwen2_vacc.py", "configuration_qwen2_vacc.py", "quantization_vacc.py")
MISMATCH = 3  # exit code: these are not the weights of that model
MOST_LINES = 400  # of a difference; new files are long


def sha256(content):
    """Hex digest; "" of nothing."""
    return "" if content is None else hashlib.sha256(content).hexdigest()


def read(path):
    return path.read_bytes() if path.is_file() else None


def write(path, content):
    """Write a file whole or not at all; None removes it."""
    if content is None:
        path.unlink(missing_ok=True)
        return
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)


def wanted(folder, source, expected):
    """Name -> content of the four files, in the order of the guide."""
    files = {}
    for name in COPIED:
        files[name] = read(source / name)
        if files[name] is None:
            sys.exit(f"error: {source} holds no {name}: put the vendor's source files there")
    config = read(folder / modification.CONFIG)
    if config is None:
        sys.exit(f"error: {folder} holds no config.json")
    try:
        made = modification.config_vacc(config.decode(), expected)
    except ValueError as error:
        sys.exit(f"error: {folder}: {error}")
    for one in made.mismatches:
        print(f"config.json: {one.field} is {one.actual!r}, the catalogue says {one.expected!r}")
    if made.mismatches:
        names = ", ".join(one.field for one in made.mismatches)
        print(f"error: these are not the weights of that model: {names} differ", file=sys.stderr)
        sys.exit(MISMATCH)
    print(made.diff, end="", flush=True)
    files[modification.CONFIG_VACC] = made.text.encode()
    return files


def show_difference(name, old, new):
    if old == new:
        print(f"{name}: already up to date", flush=True)
        return
    before = "" if old is None else old.decode(errors="replace")
    old_name = f"{name} at present" if old is not None else "/dev/null"
    after = new.decode(errors="replace")
    text = modification.difference(before, after, old_name=old_name, new_name=name)
    lines = text.splitlines()
    print("\n".join(lines[:MOST_LINES]), flush=True)
    if len(lines) > MOST_LINES:
        print(f"… and {len(lines) - MOST_LINES} more lines of {name}", flush=True)


def show(folder, files):
    changed = {name: new for name, new in files.items() if read(folder / name) != new}
    for name, new in files.items():
        # config_vacc.json was shown already, against the config.json that it is made from.
        if name != modification.CONFIG_VACC or read(folder / name) is not None:
            show_difference(name, read(folder / name), new)
    print(f"{len(changed)} of {len(files)} files would be written", flush=True)
    return {"done": "shown", "files": {name: sha256(new) for name, new in files.items()}}


def apply(folder, files):
    backup, manifest = folder / BACKUP, {}
    if (backup / "manifest.json").is_file():
        manifest = json.loads((backup / "manifest.json").read_bytes())
    backup.mkdir(exist_ok=True)
    written = 0
    for name, new in files.items():
        old = read(folder / name)
        if old == new:
            print(f"{name}: already up to date", flush=True)
            continue
        if name not in manifest or sha256(old) != manifest[name]["after"]:
            write(backup / name, old)
            manifest[name] = {"before": sha256(old)}
        manifest[name]["after"] = sha256(new)
        # The manifest first: an interrupted apply can still be undone.
        write(backup / "manifest.json", (json.dumps(manifest, indent=1) + "\n").encode())
        write(folder / name, new)
        written += 1
        print(f"{name}: written, {len(new):,} bytes", flush=True)
    print(f"{written} of {len(files)} files written; undo restores the previous files", flush=True)
    return {"done": "applied", "files": {name: sha256(new) for name, new in files.items()}}


def undo(folder):
    backup = folder / BACKUP
    kept = read(backup / "manifest.json")
    if kept is None:
        sys.exit(f"error: {folder} has no applied patch of this dashboard")
    manifest = json.loads(kept)
    for name, about in manifest.items():
        there = sha256(read(folder / name))
        if there not in (about["after"], about["before"]):
            sys.exit(f"error: {name} was changed after it was written here: it is left as it is")
    for name, about in manifest.items():
        write(folder / name, read(backup / name) if about["before"] else None)
        print(f"{name}: {'restored' if about['before'] else 'removed'}", flush=True)
    shutil.rmtree(backup)
    return {"done": "undone", "files": {name: about["before"] for name, about in manifest.items()}}


def main():
    """Exit 3 when these are the weights of another model, 1 with the reason for anything else."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("show", "apply", "undo"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--source", type=Path, help="folder of the vendor's source files")
    parser.add_argument("--expected", type=Path, help="JSON: required values of config.json")
    args = parser.parse_args()
    if args.what != "undo" and None in (args.source, args.expected):
        parser.error("--source and --expected are needed")
    if not args.folder.is_dir():
        sys.exit(f"error: there is no folder {args.folder}")
    try:
        if args.what == "undo":
            done = undo(args.folder)
        else:
            expected = json.loads(args.expected.read_text(encoding="utf-8"))
            files = wanted(args.folder, args.source, expected)
            done = (show if args.what == "show" else apply)(args.folder, files)
        report = {"path": str(args.folder), **done}
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"error: {error!r}")
    Path("modification.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
