"""Excessive logs: their part in memory, and the bytes read."""

import os
import struct

import pytest

from jobs.kinds import KINDS
from jobs.logstore import plain, side_files, terminal
from jobs.logstore.terminal import FoldBook
from jobs.readings import progress_of
from tests.jobs.lib.pyte_screen import by_pyte

KEY = "job/17"
FOLD = b"bar %d begun\n\x1b[Abar %d has ended\n"


def drawn_over(rows):
    return b"".join(FOLD % (n, n) for n in range(rows))


def all_folds(logs, key=KEY):
    closed, part = [], logs.folds(key, budget_s=60)
    closed += part.folds
    while not part.is_done:
        part = logs.folds(key, series=part.series, known=len(closed), budget_s=60)
        closed += part.folds
    return closed, part


def test_of_too_many_folds_the_first_ones_are_kept(logs, monkeypatch):
    monkeypatch.setattr(terminal, "MOST_BYTES", 100_000)
    logs.append(KEY, 0, drawn_over(40_000))

    closed, part = all_folds(logs)

    assert (part.is_full, part.is_done) == (True, True)
    assert part.to < logs.size(KEY)
    assert [fold.texts for fold in closed[:2]] == [("bar 0 has ended",), ("bar 1 has ended",)]
    assert closed[-1].line <= part.lines < 80_000
    logs.append(KEY, logs.size(KEY), b"and more\n")
    again = logs.folds(KEY, series=part.series, known=len(closed))
    assert (again.to, again.lines, again.folds) == (part.to, part.lines, [])


def test_a_log_with_fewer_folds_has_them_all(logs):
    logs.append(KEY, 0, drawn_over(3000))

    closed, part = all_folds(logs)

    assert (part.is_full, part.to) == (False, logs.size(KEY))
    assert len(closed + part.open) == 3000


def test_logs_not_asked_for_lately_are_dropped_from_memory(logs, monkeypatch):
    monkeypatch.setattr(terminal, "MOST_BYTES_OF_ALL", 4_000_000)
    book = FoldBook()
    series = {}
    for number in range(8):
        key = f"job/{number}"
        logs.append(key, 0, drawn_over(3000))
        path = logs.path(key)
        part = book.folds(path, series="", known=0, most=10, budget_s=60)
        series[path] = part.series

    kept = {path: reader.series for path, reader in book._readers.items()}
    assert 0 < len(kept) < 8
    assert kept == dict(list(series.items())[-len(kept) :])
    assert sum(reader.weight for reader in book._readers.values()) <= 4_000_000


def test_a_bar_that_redraws_for_hours_is_skipped_up_to_its_end(logs, monkeypatch):
    data = b"before\n" + b"".join(b"\rstep %10d |" % n for n in range(400_000)) + b"\nafter\n"
    fed = []
    feed = terminal.Terminal.feed
    monkeypatch.setattr(
        terminal.Terminal, "feed", lambda self, text: (fed.append(len(text)), feed(self, text))
    )
    logs.append(KEY, 0, data)

    part = logs.folds(KEY, budget_s=60)

    assert (part.is_done, part.folds, part.open, part.lines) == (True, [], [], 3)
    assert sum(fed) < len(data) / 100


def test_a_long_line_is_the_terminal_screen_of_its_last_redraws():
    redraws = b"".join(b"\rstep %10d |%s" % (n, b"#" * (n % 40)) for n in range(40_000))
    assert len(redraws) > 2 * 256 * 1024

    shown = plain(b"start\n" + redraws + b"\nend")

    assert shown.decode() == "start\n" + by_pyte(redraws[-10_000:].decode())[0] + "\nend"


def test_times_of_arrival_are_found_without_reading_all_of_them(logs, monkeypatch):
    logs.append(KEY, 0, b"x")
    entry = struct.Struct("<QQ")
    times = b"".join(entry.pack(n * 100, 10**12 + n * 1000) for n in range(200_000))
    logs.path(KEY).with_suffix(".times").write_bytes(times)
    read, pread = [], os.pread
    monkeypatch.setattr(os, "pread", lambda *about: (read.append(about[1]), pread(*about))[1])

    arrivals = logs.arrivals(KEY, 12_345_678, 12_345_999, limit=100)

    assert arrivals == [(n * 100, 10**12 + n * 1000) for n in range(123_456, 123_460)]
    thinned = logs.arrivals(KEY, 0, 20_000_000, limit=4)
    assert [offset for offset, _ in thinned] == [0, 5_000_000, 10_000_000, 15_000_000]
    assert sum(read) < len(times) / 500


@pytest.mark.parametrize("size", [1, 40])
def test_a_damaged_entry_of_a_long_line_index_is_found_anywhere(logs, monkeypatch, size):
    monkeypatch.setattr(side_files, "CHECKED_AT_ONCE", size)
    data = b"".join(b"line %d\n" % n for n in range(1, 400_001))
    for start in range(0, len(data), 1_000_000):
        logs.append(KEY, start, data[start : start + 1_000_000])
    index = logs.path(KEY).with_suffix(".lines")
    raw = index.read_bytes()
    whole = logs.newline_counts(KEY)
    for number in (1, size, size + 1, len(whole) // 2):
        index.write_bytes(raw[: number * 8] + bytes(8) + raw[(number + 1) * 8 :])

        assert logs.newline_counts(KEY) == whole
        assert logs.newline_counts(KEY, known=7) == whole[7:]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("piece", [b"1", b"1/", b"a/", b"[ 1/2] a/", b"%|", b" ", b"1.", b"\x1b]"])
def test_a_strange_line_of_a_megabyte_reads_like_a_short_one(kind, piece):
    """A reader that looked from each byte on to the end would be at it for hours."""
    long, short = (b"[ 1/2] " + piece * (size // len(piece)) + b" x" for size in (10**6, 10**3))

    assert progress_of(kind, long) == progress_of(kind, short)
