"""Have a clone of a git repository that knows a tag: clone it, or fetch what it lacks.

What a person changed in a clone is left alone; a folder that is no clone of it is refused.
"""

import argparse
import subprocess
import sys
from pathlib import Path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository", help="address of the repository")
    parser.add_argument("folder", type=Path, help="folder of the clone")
    parser.add_argument("--ref", required=True, help="required tag")
    args = parser.parse_args()
    folder = args.folder
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        folder.parent.mkdir(parents=True, exist_ok=True)
        return run("clone", "--", args.repository, str(folder))
    if not (folder / ".git").exists():
        sys.exit(f"error: {folder} is there and is no clone of anything")
    origin = answer_of(folder, "remote", "get-url", "origin")
    if origin != args.repository:
        print(f"{folder} is a clone of {origin}; used unchanged", flush=True)
    if answer_of(folder, "rev-parse", "--verify", "-q", f"{args.ref}^{{commit}}"):
        print(f"{folder} already has {args.ref}", flush=True)
        return 0
    return run("-C", str(folder), "fetch", "--tags", "--", args.repository, args.ref)


def run(*arguments):
    print("$ git " + " ".join(arguments), flush=True)
    return subprocess.call(["git", *arguments])


def answer_of(folder, *question):
    """Return what git prints on a clone; "" where it failed."""
    command = ["git", "-C", str(folder), *question]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    sys.exit(main())
