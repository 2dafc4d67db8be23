"""``docker cp``, with its rules of where a folder goes."""

import shutil
from collections.abc import Callable
from pathlib import Path

from simulator.lib import bars, world


def copy(source: str, target: str, path: Callable[[str, str], str | None], *, quiet: bool) -> int:
    """Copy between a container and the machine; the exit code.

    ``path(container, inside)`` is the machine's path of a container's file.
    """
    from_name, to_name = _container(source), _container(target)
    if bool(from_name) == bool(to_name):
        world.err(
            "copying between containers is not supported"
            if from_name
            else "must specify at least one container source"
        )
        return 1
    name = from_name or to_name
    inside = (source if from_name else target).partition(":")[2]
    real = path(name, inside)
    if real is None:
        world.err(f"Error response from daemon: No such container: {name}")
        return 1
    start = Path(real) if from_name else Path(source)
    end = Path(target) if from_name else Path(real)
    if not start.exists():
        if from_name:
            world.err(
                f"Error response from daemon: Could not find the file {inside} in container {name}"
            )
        else:
            world.err(f"lstat {start}: no such file or directory")
        return 1
    try:
        size = _copy(start, end, contents=source.endswith("/."))
    except FileNotFoundError:
        if to_name:
            world.err(
                f"Error response from daemon: Could not find the file {inside} in container {name}"
            )
        else:
            world.err(f"invalid output path: directory {str(end.parent)!r} does not exist")
        return 1
    if not quiet:
        where = target if to_name else str(end.resolve())
        world.err(f"Successfully copied {bars.number(size)}B to {where}")
    return 0


def _container(text: str) -> str:
    """The container of ``NAME:path``; "" for a path of the machine."""
    name, colon, _ = text.partition(":")
    return name if colon and "/" not in name and name not in ("", ".") else ""


def _copy(start: Path, end: Path, *, contents: bool) -> int:
    if start.is_dir():
        place = end / start.name if end.is_dir() and not contents else end
        if not place.parent.is_dir():
            raise FileNotFoundError(place)
        shutil.copytree(start, place, dirs_exist_ok=True)
        return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    place = end / start.name if end.is_dir() else end
    shutil.copy2(start, place)
    return place.stat().st_size
