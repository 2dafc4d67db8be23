"""EvalScope's logger and progress bars; all of it goes to stderr."""

import time
from pathlib import Path

from simulator.lib import bars, world

_files: list[Path] = []
_COLOURS = {"INFO": "\033[32m", "WARNING": "\033[33m", "ERROR": "\033[31m"}


def say(text: str, level: str = "INFO", *, bar: bars.Bar | None = None) -> None:
    """A line, its level coloured as the true one's; a bar makes room for it."""
    if bar is not None:
        bar.clear()
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    world.err(f"{now} - evalscope - {_COLOURS[level]}{level}\033[0m: {text}\033[0m")
    for path in _files:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{now} - evalscope - {level}: {text}\n")
    if bar is not None:
        bar.draw()


def to(path: Path) -> None:
    """Say all that comes in this file as well, without colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("", encoding="utf-8")
    _files[:] = [path]
