"""What a terminal shows of a log; excessive logs."""

import os
import random
import struct
from pathlib import Path

import pytest

from jobs.kinds import KINDS
from jobs.logstore import LogStore, terminal
from jobs.logstore import index as line_index
from jobs.logstore.terminal import DRAWN_BYTES, READ_BYTES, ROWS, FoldBook, Terminal, plain
from jobs.readings import progress_of
from tests.jobs.lib.pyte_screen import by_pyte

BARS = Path(__file__).parent.parent.parent / "data" / "evalscope-1.14-perf" / "bars.log"
KEY = "job/17"


def folds_of(text):
    terminal = Terminal()
    terminal.feed(text)
    return [(fold.first, fold.line, *fold.texts) for fold in terminal.open_folds()]


def shown(text):
    terminal = Terminal()
    terminal.feed(text)
    return terminal.shown()


# Each comes to a row by a newline only where the row is empty: elsewhere we differ on purpose.
DRAWN = [
    "abcdef\rxy",
    "abc\b\bX",
    "a\tb\tc\rZ",
    "100%\r\x1b[K50%",
    "abcdef\x1b[3D\x1b[K!",
    "abcdef\x1b[1K",
    "abcdef\x1b[2K!",
    "\x1b[5Gfive\x1b[2Cseven",
    "one\ntwo\nthree\x1b[2A\rONE\x1b[B\rTWO",
    "one\ntwo\nthree\x1b[2F1\x1b[E2",
    "one\ntwo\nthree\x1b[2A\x1b[J!",
    "一二三四\rab",
    "\x1b[31mred\x1b[0m\x1b]0;title\x07 ink",
    "outer\n\rinner\x1b[A\rOUTER 2\n\n\rlast\x1b[A\x1b[A\router 3",
]


@pytest.mark.parametrize("text", DRAWN)
def test_rows_are_what_a_terminal_shows(text):
    assert shown(text) == by_pyte(text)[: len(shown(text))]


def test_bars_drawn_at_random_are_what_a_terminal_shows():
    chance = random.Random(7)
    for _ in range(50):
        parts = ["".join(f"\rbar {n}\n" for n in range(5))]
        for _ in range(60):
            up = chance.randint(1, 5)
            text = f"\r{chance.randint(0, 10**6):<8}" + "\x1b[K" * chance.randint(0, 1)
            parts.append(f"\x1b[{up}A{text}\x1b[{up}B\r")
        text = "".join(parts)
        assert shown(text) == by_pyte(text)[:6]


def test_what_was_drawn_over_is_one_row_with_a_line_of_its_own():
    text = "start\nouter 0%\ninner 0%\x1b[A\router 1%\n\rinner 9%\x1b[A\router 2%\n\n"
    assert folds_of(text + "done\n") == [(2, 3, "outer 2%"), (4, 4, "inner 9%"), (5, 6, "done")]


def test_numbers_of_rows_rise_whatever_was_drawn_last():
    chance = random.Random(3)
    text = "a\n" + "".join(
        "\n" * (at := chance.randint(0, 9)) + f"\rbar {at} {n}" + "\x1b[A" * at for n in range(500)
    )
    folds = folds_of(text)
    ends = [line for _, line, *_ in folds]
    assert ends == sorted(set(ends))
    assert [first for first, *_ in folds[1:]] == [line + 1 for line in ends[:-1]]
    assert [texts[0][:5] for _, _, *texts in folds] == [f"bar {n}" for n in range(10)]


def test_a_message_over_an_old_bar_stands_alone():
    text = "bar 100% and much more\nnext\x1b[A\x1b[A\nWARNING\n"
    assert shown(text)[1:3] == ["WARNING", ""]


def test_the_bars_of_a_real_benchmark_end_as_one_row_each():
    ends = [(first, line) for first, line, *_ in folds_of(BARS.read_bytes().decode())]
    assert ends == [(5, 7), (8, 9), (10, 10), (11, 18), (19, 45), (46, 48), (49, 49), (50, 50)]


def test_colours_stay_and_end_with_the_row():
    text = "\x1b[1mx\x1b[32mgreen\x1b[0m ink\nb\x1b[A\r"
    assert folds_of(text)[0][2] == "\x1b[0;1mx\x1b[0;1;32mgreen\x1b[0m ink"


def test_folds_are_the_same_however_a_log_is_read(logs):
    bars = BARS.read_bytes()
    plain_part = b"".join(b"line %d\n" % n for n in range(5 * ROWS))
    data = (plain_part + bars) * 12 + plain_part
    logs.append(KEY, 0, data)
    whole = logs.folds(KEY, budget_s=60)
    assert (whole.to, whole.lines, whole.is_done) == (len(data), data.count(b"\n"), True)
    assert len(whole.folds + whole.open) == 12 * 8

    chance, book, at = random.Random(5), FoldBook(), 0
    path = logs.path(KEY)
    copy = path.with_suffix(".copy")
    folds, series = [], ""
    with copy.open("wb") as file:
        while at < len(data):
            size = chance.randint(1, 3000)
            file.write(data[at : at + size])
            file.flush()
            at = min(len(data), at + size)
            got = book.folds(copy, series=series, known=len(folds), most=3, budget_s=60)
            folds, series = folds[: got.known] + got.folds, got.series
    while not got.is_done:
        got = book.folds(copy, series=series, known=len(folds), most=3, budget_s=60)
        folds += got.folds
    assert folds + got.open == whole.folds + whole.open


def test_a_long_log_is_read_in_parts(logs):
    update = b"\router\n\rinner\x1b[A"
    logs.append(KEY, 0, b"x\n" + update * (3 * DRAWN_BYTES // len(update)))
    first = logs.folds(KEY, budget_s=0.0)
    assert (first.to, first.is_done) == (0, False)
    while not (last := logs.folds(KEY, series=first.series, budget_s=0.01)).is_done:
        pass
    assert [fold.texts for fold in last.folds + last.open] == [("outer",), ("inner",)]


def test_a_log_without_redraws_has_no_folds_and_is_not_drawn(logs, monkeypatch):
    monkeypatch.setattr(Terminal, "_move", lambda *_: pytest.fail("moved"))
    data = b"\x1b[32mINFO\x1b[0m All is well\n" * (READ_BYTES // 20)
    logs.append(KEY, 0, data)
    folds = logs.folds(KEY, budget_s=60)
    assert (folds.folds, folds.open, folds.lines) == ([], [], data.count(b"\n"))


def test_a_log_in_the_place_of_another_is_read_from_its_begin(logs, tmp_path):
    bars = BARS.read_bytes()
    logs.append(KEY, 0, bars[:5000])
    before = logs.folds(KEY, budget_s=60)
    for file in logs.path(KEY).parent.iterdir():
        file.unlink()

    logs.append(KEY, 0, b"another\n" + bars)
    after = logs.folds(KEY, series=before.series, known=len(before.folds), budget_s=60)

    afresh = LogStore(tmp_path / "logs").folds(KEY, budget_s=60)
    assert after.series != before.series
    assert (after.known, after.folds, after.open) == (0, afresh.folds, afresh.open)
    assert (after.to, after.lines) == (afresh.to, afresh.lines)


def test_folds_go_on_from_a_raw_log_to_the_same_one_packed(logs, tmp_path):
    plain_part = b"".join(b"line %d\n" % n for n in range(5 * ROWS))
    logs.append(KEY, 0, (plain_part + BARS.read_bytes()) * 12)
    first = logs.folds(KEY, budget_s=0.0)
    logs.pack(KEY)

    whole = logs.folds(KEY, series=first.series, known=0, budget_s=60)

    afresh = LogStore(tmp_path / "logs").folds(KEY, budget_s=60)
    assert whole.series == first.series
    assert len(whole.folds) > 50
    assert (whole.folds, whole.open) == (afresh.folds, afresh.open)
    assert (whole.to, whole.lines, whole.is_done) == (afresh.to, afresh.lines, True)


@pytest.mark.parametrize(
    "text", ["abcdef\rxy", "100%\r\x1b[K50%", "ab\bc", "一二三四\rab", " 1%\r 2%"]
)
def test_plain_text_is_what_a_terminal_shows(text):
    assert plain(text.encode()).decode() == by_pyte(text)[0]


def test_plain_text_keeps_what_was_wiped_away_at_the_very_end():
    assert plain(b"\rbar 1%\r       \r\nx") == b"bar 1%\nx"


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
    monkeypatch.setattr(line_index, "CHECKED_AT_ONCE", size)
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


# One kind of each reader of progress.
READ = {kind.progress: name for name, kind in KINDS.items() if kind.progress}


@pytest.mark.parametrize("kind", READ.values(), ids=READ)
@pytest.mark.parametrize("piece", [b"1", b"1/", b"a/", b"[ 1/2] a/", b"%|", b" ", b"1.", b"\x1b]"])
def test_a_strange_line_of_a_megabyte_reads_like_a_short_one(kind, piece):
    """A reader that looked from each byte on to the end would be at it for hours."""
    long, short = (b"[ 1/2] " + piece * (size // len(piece)) + b" x" for size in (10**6, 10**3))

    assert progress_of(kind, long) == progress_of(kind, short)
