"""``conda``: makes environments below its own folder, whose pip knows our packages only."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from simulator.lib import world

VERSION = "24.5.0"


def main(argv: Sequence[str]) -> int:
    """Run ``conda``; its exit code."""
    parser = argparse.ArgumentParser("conda")
    parser.add_argument("-V", "--version", action="version", version=f"conda {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create")
    create.add_argument("-n", "--name")
    create.add_argument("-p", "--prefix")
    create.add_argument("-y", "--yes", action="store_true")
    create.add_argument("-q", "--quiet", action="store_true")
    create.add_argument("-c", "--channel", action="append")
    create.add_argument("packages", nargs="*")
    run = commands.add_parser("run")
    run.add_argument("-n", "--name")
    run.add_argument("-p", "--prefix")
    run.add_argument("--no-capture-output", action="store_true")
    run.add_argument("argv", nargs=argparse.REMAINDER)
    commands.add_parser("info").add_argument("--base", action="store_true")
    commands.add_parser("env").add_argument("what", choices=["list"])
    args = parser.parse_args(argv)
    base = Path(sys.argv[0]).resolve().parent.parent
    if args.command == "info":
        world.out(str(base))
        return 0
    if args.command == "env":
        world.out(f"# conda environments:\n#\nbase                     {base}")
        for folder in sorted((base / "envs").glob("*")):
            world.out(f"{folder.name:<24} {folder}")
        return 0
    folder = Path(args.prefix) if args.prefix else base / "envs" / (args.name or "")
    if args.command == "run":
        return _run(folder, args.argv)
    return _create(folder, args)


def _run(folder: Path, argv: Sequence[str]) -> int:
    if not folder.is_dir():
        world.err(f"EnvironmentLocationNotFound: Not a conda environment: {folder}")
        return 1
    os.environ["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    os.execvp(argv[0], list(argv))


def _create(folder: Path, args: argparse.Namespace) -> int:
    if not (args.name or args.prefix):
        world.err("conda create: error: one of the arguments -n/--name -p/--prefix is required")
        return 2
    world.out(
        "Channels:\n - defaults\nPlatform: linux-64\nCollecting package metadata "
        "(repodata.json): done\nSolving environment: done\n\n## Package Plan ##\n\n"
        f"  environment location: {folder}\n\n  added / updated specs:\n"
        + "".join(f"    - {package}\n" for package in args.packages)
    )
    if not args.yes:
        world.out("\nProceed ([y]/n)? ", end="")
        if not sys.stdin.readline().strip().lower().startswith("y"):
            world.err("\nCondaSystemExit: Exiting.")
            return 1
    world.sleep(40)
    if world.fault("disk_full"):
        world.err("\nCondaError: [Errno 28] No space left on device")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    furnish(folder)
    name = args.name or str(folder)
    world.out(
        "\nDownloading and Extracting Packages: ...working... done\n"
        "Preparing transaction: done\nVerifying transaction: done\nExecuting transaction: done\n#\n"
        f"# To activate this environment, use\n#\n#     $ conda activate {name}\n"
    )
    return 0


def furnish(folder: Path) -> None:
    """The programs of a new environment."""
    programs = folder / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    (folder / "conda-meta").mkdir(exist_ok=True)
    (folder / "conda-meta/history").write_text(f"# {world.MARK}\n", encoding="utf-8")
    # To Python it is a virtual environment: what pip puts there is found, and nothing else's.
    home = Path(os.path.realpath(sys.executable)).parent
    (folder / "pyvenv.cfg").write_text(f"home = {home}\nnote = {world.MARK}\n", encoding="utf-8")
    for name in ("python", "python3", "python3.10"):
        (programs / name).symlink_to(os.path.realpath(sys.executable))
    for name in ("pip", "pip3"):
        write_program(programs / name, "pip")


def write_program(path: Path, name: str) -> None:
    """A program that is one of our stand-ins, in any folder."""
    world.write(
        path,
        f"#!{sys.executable}\nimport sys\n\nsys.path.insert(0, {str(world.LIB.parents[1])!r})\n\n"
        "from simulator.lib import programs\n\n"
        f"sys.exit(programs.run({name!r}, sys.argv[1:]))\n",
        mode=0o755,
    )
