"""Dates of a measurement in files of others: epochs, texts, names of folders."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from jobs.base.patterns import pattern
from jobs.tools.importing.bundle import Bundle

_STAMP = pattern(r"(?:^|\D)(20\d{6})[-_](\d{6})(?:\D|$)")
_LINE = pattern(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d")
_FIRST, _LAST = 2000, 2100  # years
_HEAD = 4096


def of_epoch(value: Any) -> datetime | None:
    """Return the time of seconds since the epoch."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return _plausible(datetime.fromtimestamp(value, UTC))
    except (ValueError, OverflowError, OSError):
        return None


def of_text(text: Any) -> datetime | None:
    """Return the time in ISO form, or as "20261124-141114" anywhere in a name. Without a time zone
    in the text, the result has none either: local time of the machine that measured."""
    if not isinstance(text, str):
        return None
    try:
        stamp, at = "", 0
        # The sign after a stamp is the one before the next.
        while found := _STAMP.search(text[-_HEAD:], at):
            stamp, at = found[1] + found[2], found.end(2)
        if stamp:
            return _plausible(datetime.strptime(stamp, "%Y%m%d%H%M%S"))
        return _plausible(datetime.fromisoformat(text[:40]))
    except ValueError:
        return None


def of_log(bundle: Bundle, path: str) -> datetime | None:
    """Return the time of the first dated line at the beginning of a log."""
    match = _LINE.search(bundle.files[path][:_HEAD].decode("utf-8", errors="replace"))
    return of_text(match[0]) if match else None


def first(times: Iterable[datetime | None]) -> datetime | None:
    """Return the earliest time; a missing time zone does not count."""
    known = [time for time in times if time is not None]
    return min(known, key=lambda time: time.replace(tzinfo=None), default=None)


def _plausible(time: datetime) -> datetime | None:
    return time if _FIRST <= time.year < _LAST else None
