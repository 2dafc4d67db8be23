"""Brings files of a made-up hub onto the disk, in scaled time; a broken transfer goes on."""

import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from simulator.lib import world
from simulator.lib.hub.files import RepoFile

BYTES_PER_S = 2.4e9  # of the made-up line
STEPS = 8  # pieces that a large file comes in
STALL_S = 3600.0  # ours, not scaled: a stalled download never ends by itself
FULL_AT = 0.4  # of a file, where a full disk stops it


def chosen(
    files: Sequence[RepoFile], include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> list[RepoFile]:
    """The files that the patterns of a command line leave."""
    kept = [f for f in files if not include or any(_fits(f.path, p) for p in include)]
    return [f for f in kept if not any(_fits(f.path, p) for p in exclude)]


def arriving(files: Sequence[RepoFile]) -> list[RepoFile]:
    """The files that will really come: a shard gets lost when that is to go wrong."""
    if not world.fault("missing_shard"):
        return list(files)
    shards = [f for f in files if f.path.endswith(".safetensors")]
    lost = shards[len(shards) // 2] if shards else None
    return [f for f in files if f is not lost]


def bring(
    file: RepoFile,
    part: Path,
    target: Path,
    *,
    on_bytes: Callable[[int], None] = lambda real_bytes: None,
    share: float = 1.0,
) -> bool:
    """Write ``file`` to ``part`` and then call it ``target``; False: it was there already.

    ``on_bytes`` gets the number of the true hub's bytes since the last call; ``share`` is the
    part of the line that this file has.

    Raises:
        OSError: the disk is full.
    """
    data = file.make()
    if target.is_file() and target.stat().st_size == len(data):
        on_bytes(file.real_bytes)
        return False
    part.parent.mkdir(parents=True, exist_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    have = min(part.stat().st_size, len(data)) if part.is_file() else 0
    on_bytes(int(file.real_bytes * have / len(data)))
    with part.open("ab") as disk:
        disk.truncate(have)
        for piece in _pieces(len(data), have, STEPS if file.large else 1):
            _may_go_wrong(file, piece.stop / len(data), part)
            real_bytes = int(file.real_bytes * len(piece) / len(data))
            world.sleep(real_bytes / BYTES_PER_S / share)
            disk.write(data[piece.start : piece.stop])
            disk.flush()
            on_bytes(real_bytes)
    part.replace(target)
    return True


def _pieces(size: int, have: int, steps: int) -> list[range]:
    step = max(1, -(-size // steps))
    return [range(at, min(at + step, size)) for at in range(have, size, step)]


def _may_go_wrong(file: RepoFile, share: float, part: Path) -> None:
    if not file.large or share < FULL_AT:
        return
    if world.fault("disk_full"):
        raise world.full_disk(part)
    if world.fault("download_stalls"):
        time.sleep(STALL_S)


def _fits(path: str, pattern: str) -> bool:
    # A folder stands for all that is in it, as on the true hub.
    return fnmatch(path, f"{pattern}*" if pattern.endswith("/") else pattern)
