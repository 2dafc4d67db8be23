"""Files of a running tool: added lines, counts of an evaluation. Standard library only."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from jobs.base.files import open_regular
from jobs.plans import LONGEST_PART

# Bytes of one read; a file that grew by more is read on in the next ones.
MOST_BYTES = 4 * 1024 * 1024
# A tool that makes up data sets by the thousand is a fault; a page shows no more either.
MOST_FILES = 500

Expected = Sequence[tuple[str, int]]


class GrowingReader(ABC):
    """What a watch reads. ``IS_STEADY``: a point at each look, changed or not. ``READS_AT_END``:
    once more after the tool, to the last line."""

    IS_STEADY = False
    READS_AT_END = True

    @abstractmethod
    def read(self) -> dict[str, dict[str, float]]: ...


class Tail:
    """Whole lines of one growing file. A renamed file goes on; another file begins anew."""

    def __init__(self) -> None:
        self._offset = 0
        self._inode: tuple[int, int] | None = None
        self._skips = False  # a line longer than one look: its end is looked for

    def read(self, path: Path) -> tuple[list[bytes], bool]:
        """Lines that were added, without line ends; True when the file is another one than before.
        Nothing for a file that is missing or was cut. A carriage return ends a line as well:
        progress bars are redrawn after one."""
        with suppress(OSError), open_regular(path) as fd:
            state = os.fstat(fd)
            inode = (state.st_dev, state.st_ino)
            is_other = self._inode is not None and inode != self._inode
            if inode != self._inode:
                self._inode, self._offset, self._skips = inode, 0, False
            if state.st_size <= self._offset:
                return [], is_other
            return self._lines(os.pread(fd, MOST_BYTES, self._offset)), is_other
        return [], False

    def _lines(self, data: bytes) -> list[bytes]:
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if end == 0:
            if len(data) == MOST_BYTES:
                self._offset += len(data)
                self._skips = True
            return []
        self._offset += end
        lines = data[:end].replace(b"\r", b"\n").split(b"\n")[:-1]
        begin, self._skips = int(self._skips), False
        return lines[begin:]


@dataclass(slots=True)
class Counts:
    """Questions of one file. ``right`` is a sum of scores from 0 to 1 over ``scored`` questions.
    ``cut``: answers that were cut off at the token limit. ``errors``: questions that got none.
    ``total``: questions that will be asked, 0 where that is not known."""

    answered: int = 0
    scored: int = 0
    right: float = 0.0
    cut: int = 0
    errors: int = 0
    total: int = 0

    def add(self, other: Counts) -> None:
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))

    def values(self) -> dict[str, float]:
        return {name: round(float(value), 6) for name, value in asdict(self).items()}


def rows(sets: Mapping[str, Counts]) -> dict[str, dict[str, float]]:
    """A point for each data set, and one of all as "": of unknown total where one of them is."""
    whole = Counts()
    for counts in sets.values():
        whole.add(counts)
    if any(counts.total == 0 for counts in sets.values()):
        whole.total = 0
    of_sets = {name[:LONGEST_PART]: counts.values() for name, counts in sets.items() if name}
    return {"": whole.values(), **of_sets}
