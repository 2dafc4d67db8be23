"""Have a clone of a git repository that knows a tag: clone it, or fetch what it lacks.

What a person changed in a clone is left alone; a folder that is no clone of it is refused.
"""

import argparse
import subprocess
import sys
from pathlib import Path


def git(*arguments, capture=False):
    """Run git; its exit code, or with `capture` what it said ("" where it failed)."""
    command = ["git", *map(str, arguments)]
    if capture:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""
    print("$ " + " ".join(command), flush=True)
    return subprocess.call(command)


def fetch(args):
    """Fetch the tag into the clone that is there, where it is missing. Return an exit code."""
    if not (args.folder / ".git").exists():
        print(f"error: {args.folder} is there and is no clone of anything", file=sys.stderr)
        return 1
    origin = git("-C", args.folder, "remote", "get-url", "origin", capture=True)
    if origin != args.repository:
        print(f"{args.folder} is a clone of {origin}; used unchanged", flush=True)
    wanted = f"{args.ref}^{{commit}}"
    if git("-C", args.folder, "rev-parse", "--verify", "-q", wanted, capture=True):
        print(f"{args.folder} already has {args.ref}", flush=True)
        return 0
    return git("-C", args.folder, "fetch", "--tags", "--", args.repository, args.ref)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository", help="address of the repository")
    parser.add_argument("folder", type=Path, help="folder of the clone")
    parser.add_argument("--ref", required=True, help="required tag")
    args = parser.parse_args()
    if args.folder.exists() and (not args.folder.is_dir() or any(args.folder.iterdir())):
        return fetch(args)
    args.folder.parent.mkdir(parents=True, exist_ok=True)
    return git("clone", "--", args.repository, args.folder)


if __name__ == "__main__":
    sys.exit(main())
