"""Progress bars as tqdm draws them."""

import sys
import time
from typing import TextIO

from simulator.lib import world

_EIGHTHS = " ▏▎▍▌▋▊▉"
WIDTH = 10


def clock(seconds: float) -> str:
    """``mm:ss``, with hours in front from one hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:d}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def number(value: float) -> str:
    """A count with its SI prefix, three digits long: 4.30G."""
    for unit in ("", "k", "M", "G", "T"):
        if abs(value) < 999.5:
            digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
            return f"{value:.{digits}f}{unit}"
        value /= 1000
    return f"{value:.1f}P"


def graph(share: float) -> str:
    """The bar itself, ten characters wide."""
    eighths = int(min(max(share, 0.0), 1.0) * WIDTH * 8)
    whole, part = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[part] if whole < WIDTH else "")).ljust(WIDTH)[:WIDTH]


def rate(done: float, seconds: float, unit: str) -> str:
    """``3.45it/s``, or ``2.20s/it`` when it takes longer than a second each."""
    if done <= 0 or seconds <= 0:
        return f"?{unit}/s"
    per_second = done / seconds
    if per_second < 1:
        return f"{1 / per_second:5.2f}s/{unit}"
    return f"{per_second:5.2f}{unit}/s"


def line(
    label: str, done: float, total: float, seconds: float, *, unit: str = "it", sizes: bool = False
) -> str:
    """One drawing of a bar. ``sizes``: counts are bytes."""
    share = done / total if total else 1.0
    shown = (number(done), number(total)) if sizes else (f"{done:.0f}", f"{total:.0f}")
    left = clock(seconds / done * (total - done)) if done else "?"
    speed = (
        f"{number(done / seconds)}B/s" if sizes and done and seconds else rate(done, seconds, unit)
    )
    if not done:
        speed = f"?{'B' if sizes else unit}/s"
    head = f"{label}: " if label else ""
    return (
        f"{head}{share * 100:3.0f}%|{graph(share)}| {shown[0]}/{shown[1]} "
        f"[{clock(seconds)}<{left}, {speed}]"
    )


class Bar:
    """A progress bar, redrawn after a carriage return."""

    def __init__(
        self,
        total: float,
        label: str = "",
        *,
        unit: str = "it",
        sizes: bool = False,
        to: TextIO | None = None,
        scaled: bool = False,
        every_s: float = 0.1,
    ) -> None:
        self.total, self.label, self.unit, self.sizes = total, label, unit, sizes
        self.done = 0.0
        self._to = to or sys.stderr
        self._scaled, self._every_s = scaled, every_s
        self._began = time.monotonic()
        self._drawn = 0.0
        self._draw()

    @property
    def seconds(self) -> float:
        """Seconds since the beginning; of the made-up world for a bar that is ``scaled``."""
        return world.since(self._began) if self._scaled else time.monotonic() - self._began

    def add(self, count: float = 1) -> None:
        """Add to the progress."""
        self.done = min(self.done + count, self.total)
        if time.monotonic() - self._drawn >= self._every_s:
            self._draw()

    def text(self) -> str:
        """The bar as it is now."""
        return line(
            self.label, self.done, self.total, self.seconds, unit=self.unit, sizes=self.sizes
        )

    def close(self) -> None:
        """Draw it a last time and end the line."""
        self._draw()
        self._to.write("\n")
        self._to.flush()

    def clear(self) -> None:
        """Blank the bar, as tqdm does before another line is printed; draw it again after."""
        self._to.write("\r" + " " * len(self.text()) + "\r")
        self._to.flush()

    def draw(self) -> None:
        """Draw it now."""
        self._draw()

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        self._to.write("\r" + self.text())
        self._to.flush()
