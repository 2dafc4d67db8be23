"""Lock files: every package of an environment, with the hashes of its files.

``python -m tests.locks`` writes them from the lists of what we chose, and needs a package index.
``--upgrade`` takes the newest releases of packages that no list names.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import tomllib
from packaging import tags
from packaging.markers import Marker
from packaging.tags import Tag
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).parent.parent
LISTS, LOCKS = ROOT, ROOT / "locks"
NEWEST = 14  # minor version of Python; bootstrap.py also runs on those that nobody has tried
MACHINES = {"linux": ("x86_64", "aarch64"), "darwin": ("x86_64", "arm64")}
_FIRST = re.compile(r"^#: first = (.+)$", re.M)
_NEWEST = re.compile(r"^#: newest = 3\.(\d+)$", re.M)


@dataclass(frozen=True)
class Target:
    """A Python 3 on a system."""

    minor: int
    system: str
    machine: str

    @property
    def is_supported(self) -> bool:
        """True where tests run: every package must have a file."""
        return self.minor < NEWEST and (self.system, self.machine) == ("linux", "x86_64")

    def wants(self, marker: str) -> bool:
        """Return True if the marker holds for the first or the last release of that Python."""
        return not marker or any(
            Marker(marker).evaluate(
                {
                    "python_version": f"3.{self.minor}",
                    "python_full_version": f"3.{self.minor}.{patch}",
                    "implementation_name": "cpython",
                    "platform_python_implementation": "CPython",
                    "sys_platform": self.system,
                    "platform_system": self.system.title(),
                    "platform_machine": self.machine,
                    "os_name": "posix",
                }
            )
            for patch in (0, 99)
        )

    @cached_property
    def tags(self) -> frozenset[Tag]:
        version, name = (3, self.minor), f"cp3{self.minor}"
        if self.system == "linux":
            ends = ["1", "2010", "2014", *(f"_2_{glibc}" for glibc in range(5, 41))]
            names = ("linux", *(f"manylinux{end}" for end in ends))
            platforms = [f"{each}_{self.machine}" for each in names]
        else:
            platforms = list(tags.mac_platforms((14, 0), self.machine))
        return frozenset(
            (
                *tags.cpython_tags(version, [name], platforms),
                *tags.compatible_tags(version, name, platforms),
            )
        )


# The tags of each are made once.
_TARGETS = {
    (minor, system, machine): Target(minor, system, machine)
    for minor in range(10, NEWEST + 1)
    for system, machines in MACHINES.items()
    for machine in machines
}


@dataclass(frozen=True)
class Lock:
    """A list and its lock. ``oldest``: minor version of Python. ``like``: lock with the same
    versions. ``left``: packages of the list that pip installs from another index, without hashes.
    ``newest``: as ``oldest``.
    """

    source: Path
    path: Path
    oldest: int
    systems: tuple[str, ...] = ("linux", "darwin")
    like: Path | None = None
    is_complete: bool = False  # the list names every package
    left: frozenset[str] = frozenset()
    newest: int = NEWEST

    @property
    def targets(self) -> Iterator[Target]:
        for minor in range(self.oldest, self.newest + 1):
            for system in self.systems:
                for machine in MACHINES[system]:
                    yield _TARGETS[minor, system, machine]


def locks() -> list[Lock]:
    """Return all locks, a lock after the one that it is like."""
    dashboard = LOCKS / "requirements.txt"
    client = "requirements-client.txt"
    ours = [
        Lock(LISTS / "requirements.txt", dashboard, 11),
        Lock(LISTS / "requirements-host.txt", LOCKS / "requirements-host.txt", 10, like=dashboard),
        Lock(LISTS / "requirements-dev.txt", LOCKS / "requirements-dev.txt", 11, like=dashboard),
        Lock(LISTS / client, LOCKS / client, 10, like=dashboard),
    ]
    return [*ours, *map(_of_tool, sorted(ROOT.glob("jobs/tools/*/pins/*.txt")))]


def _of_tool(pins: Path) -> Lock:
    text = pins.read_text(encoding="utf-8")
    first, newest = _FIRST.search(text), _NEWEST.search(text)
    left = frozenset(first[1].split()) if first else frozenset()
    last = int(newest[1]) if newest else NEWEST
    path = pins.parent.parent / "locks" / pins.name
    return Lock(pins, path, 11, ("linux",), is_complete=True, left=left, newest=last)


def main() -> int:
    """Write every lock; exit 1 at the first one that cannot be made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="newest of what no list names")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for lock in locks():
            write(lock, Path(folder), upgrade=args.upgrade)
            print(f"{lock.path.relative_to(ROOT)}: {len(lock.path.read_text().splitlines())}")
    return 0


def write(lock: Lock, folder: Path, *, upgrade: bool) -> None:
    """Resolve one list and write its lock.

    The first run of uv chooses versions, those of the present lock where they still fit. The second
    lists the files of each version with their names, which uv leaves out of a requirements file.
    """
    chosen = lock.source
    if not lock.is_complete:
        chosen = folder / lock.source.name
        if lock.path.exists():
            shutil.copy(lock.path, chosen)
        options = ["--upgrade"] if upgrade else []
        if lock.like is not None:
            options += ["--constraint", str(_versions(lock.like, folder))]
        _uv(lock, chosen, str(lock.source), *options)
    files = folder / f"pylock.{lock.path.stem.replace('.', '-')}.toml"
    _uv(lock, files, str(chosen), "--no-deps", "--format", "pylock.toml")
    packages = tomllib.loads(files.read_text())["packages"]
    lock.path.parent.mkdir(exist_ok=True)
    lock.path.write_text("".join(f"{line}\n" for line in _lines(lock, packages)))


def _versions(path: Path, folder: Path) -> Path:
    """Return a file with the versions of a lock, without their hashes."""
    versions = folder / f"versions-{path.name}"
    lines = (line.partition(" --hash")[0] for line in path.read_text().splitlines())
    versions.write_text("".join(f"{line}\n" for line in lines))
    return versions


def _uv(lock: Lock, output: Path, *arguments: str) -> None:
    uv = str(Path(sys.executable).with_name("uv"))
    options = ["--quiet", "--universal", "--no-header", "--no-annotate"]
    options += ["--python-version", f"3.{lock.oldest}", "--output-file", str(output)]
    subprocess.run([uv, "pip", "compile", *options, *arguments], check=True)


def _lines(lock: Lock, packages: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for package in packages:
        marker = package.get("marker", "")
        targets = [target for target in lock.targets if target.wants(marker)]
        if package["name"] in lock.left or not targets:
            continue
        head = f"{package['name']}=={package['version']}" + (f" ; {marker}" if marker else "")
        hashes = sorted(_hashes(package, targets))
        yield " ".join([head, *(f"--hash=sha256:{digest}" for digest in hashes)])


def _hashes(package: Mapping[str, Any], targets: Iterable[Target]) -> set[str]:
    """Return hashes of the wheels for the targets; of the source where a tested one has none."""
    hashes = set()
    for target in targets:
        wheels = {
            file["hashes"]["sha256"]
            for file in package.get("wheels", ())
            if target.tags & parse_wheel_filename(_name(file))[3]
        }
        if not wheels and target.is_supported:
            if "sdist" not in package:
                raise SystemExit(f"{package['name']} has no file for {target}")
            wheels = {package["sdist"]["hashes"]["sha256"]}
        hashes |= wheels
    return hashes


def _name(file: Mapping[str, Any]) -> str:
    return unquote(str(file.get("name") or file["url"].rpartition("/")[2]))


def name_of(line: str) -> str:
    return canonicalize_name(re.split(r"[\[=;<> ]", line, maxsplit=1)[0])


if __name__ == "__main__":
    sys.exit(main())
