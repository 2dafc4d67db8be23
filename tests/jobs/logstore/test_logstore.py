import itertools
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
from importlib import import_module

import pytest

from jobs.base.errors import OffsetMismatch
from jobs.confined import Exceeded, Pool
from jobs.logstore import LogStore
from jobs.logstore import index as line_index
from jobs.logstore.files import open_log
from jobs.logstore.index import BLOCK_BYTES, LineIndex
from jobs.logstore.search import Query
from jobs.logstore.terminal import plain, plain_stream
from tests.jobs.lib.packed_logs import replay
from tests.waiting import PATIENCE_S

KEY = "job/17"


@pytest.fixture(params=["raw", "packed"])
def close(request, logs):
    """Ends the log: every read is the same whether it is packed then or not."""

    def close():
        if request.param == "packed":
            assert logs.pack(KEY)
            assert not logs.path(KEY).exists()

    return close


def lines_of(count, *, width=90):
    return b"".join(b"line %d " % n + b"x" * (n % width) + b"\n" for n in range(1, count + 1))


def fill(logs, data, *, piece=100_000, key=KEY):
    for start in range(0, len(data), piece):
        logs.append(key, start, data[start : start + piece])


def test_what_is_appended_at_the_end_is_read_back_and_nothing_else_is_taken(logs):
    assert logs.append(KEY, 0, b"one\n") == 4
    assert logs.append(KEY, 4, b"two\n") == 8

    for wrong in (0, 7, 9):
        with pytest.raises(OffsetMismatch) as caught:
            logs.append(KEY, wrong, b"two\n")
        assert caught.value.size == 8
    assert logs.size(KEY) == 8
    assert logs.read(KEY, 2, 100) == b"e\ntwo\n"
    assert logs.path(KEY).read_bytes() == b"one\ntwo\n"


def test_files_of_a_forgotten_record_are_set_aside_whole(logs):
    logs.append("job/170", 0, b"of another\n")
    for text in (b"one\n", b"two\n"):
        logs.append(KEY, 0, text)
        aside = logs.set_aside(KEY)

        assert logs.size(KEY) == 0
        assert (aside / "17.log").read_bytes() == text
    assert not [path for path in logs.path(KEY).parent.iterdir() if path.stem == "17"]
    assert logs.set_aside(KEY) is None
    assert logs.read("job/170", 0, 100) == b"of another\n"


@pytest.mark.parametrize(
    "key", ["", "job", "job/", "job/x", "../etc/1", "job/1/2", "job/1\n", "Job/1"]
)
def test_only_a_word_and_a_number_name_a_log(logs, key):
    with pytest.raises(ValueError, match="not a log key"):
        logs.path(key)


def test_a_log_without_bytes_is_empty_and_a_refused_append_makes_no_file(logs):
    with pytest.raises(OffsetMismatch):
        logs.append(KEY, 5, b"late")

    assert (logs.size(KEY), logs.read(KEY, 0, 10), logs.line_count(KEY)) == (0, b"", 0)
    assert (logs.search(KEY, Query("x")).total, logs.folds(KEY).is_done) == (0, True)
    assert logs.disk_bytes(KEY) == 0
    assert list(logs.path(KEY).parent.iterdir()) == []


def test_a_failed_write_leaves_the_file_as_it_was(logs, monkeypatch):
    logs.append(KEY, 0, b"one\n")
    real = os.pwrite

    def full_disk(fd, data, offset):
        if offset >= 6:
            raise OSError(28, "No space left on device")
        return real(fd, data[:2], offset)

    monkeypatch.setattr(os, "pwrite", full_disk)
    with pytest.raises(OSError, match="No space"):
        logs.append(KEY, 4, b"two\n")

    assert logs.path(KEY).read_bytes() == b"one\n"


def test_every_line_is_found_by_its_number_and_by_its_bytes(logs, close):
    data = lines_of(20_000)
    fill(logs, data)
    close()
    starts = [0, *[m.end() for m in re.finditer(b"\n", data)][:-1]]

    assert len(data) > 10 * BLOCK_BYTES
    assert logs.line_count(KEY) == 20_000
    for n in [1, 2, 999, 10_000, 19_999, 20_000, *random.Random(1).sample(range(1, 20_001), 200)]:
        assert logs.offset_of_line(KEY, n) == starts[n - 1]
        assert logs.line_at(KEY, starts[n - 1]) == n
        assert logs.line_at(KEY, starts[n - 1] + 3) == n
    assert logs.offset_of_line(KEY, 20_001) == len(data)


def test_a_line_may_be_longer_than_the_index_is_fine(logs, close):
    data = b"first\n" + b"x" * (5 * BLOCK_BYTES) + b"\nlast"
    fill(logs, data)
    close()

    assert logs.line_count(KEY) == 3
    assert logs.offset_of_line(KEY, 2) == 6
    assert logs.offset_of_line(KEY, 3) == len(data) - 4
    assert logs.line_at(KEY, 3 * BLOCK_BYTES) == 2


@pytest.mark.parametrize("damage", ["gone", "short", "torn", "zeroed"])
def test_a_damaged_line_index_is_made_again(logs, close, damage):
    data = lines_of(20_000)
    fill(logs, data)
    whole = logs.newline_counts(KEY)
    index = logs.path(KEY).with_suffix(".lines")
    raw = index.read_bytes()
    close()
    {
        "gone": index.unlink,
        "short": lambda: index.write_bytes(raw[:24]),
        "torn": lambda: index.write_bytes(raw[:-3]),
        "zeroed": lambda: index.write_bytes(raw[:40] + bytes(len(raw) - 40)),
    }[damage]()

    assert logs.newline_counts(KEY) == whole
    assert index.read_bytes() == raw
    assert logs.line_count(KEY) == 20_000


def test_a_line_index_repaired_within_a_clock_tick_is_read_again(logs, monkeypatch):
    fill(logs, lines_of(20_000))
    index = logs.path(KEY).with_suffix(".lines")
    raw = index.read_bytes()
    index.write_bytes(raw[:40] + bytes(len(raw) - 40))
    monkeypatch.setattr(
        line_index, "which", lambda stat: (stat.st_dev, stat.st_ino, 0, stat.st_size)
    )

    assert logs.line_count(KEY) == 20_000
    assert index.read_bytes() == raw


def test_who_sees_bytes_finds_when_they_arrived(logs, monkeypatch):
    known = []

    def write(fd, data, offset):
        known.extend(logs.arrivals(KEY, offset, offset, limit=1))
        os.pwrite(fd, data, offset)

    monkeypatch.setattr(sys.modules[LogStore.__module__], "_write_whole", write)
    monkeypatch.setattr(time, "time_ns", lambda: 10**18)
    logs.append(KEY, 0, b"x\n")

    assert known == [(0, 10**12)]


def test_times_of_arrival_are_kept_a_while_apart(logs, close, monkeypatch):
    moment = [1_000_000_000_000_000_000]
    monkeypatch.setattr(time, "time_ns", lambda: moment[0])
    for n in range(10):
        logs.append(KEY, n * 4, b"abc\n")
        moment[0] += 40_000_000
    close()

    everything = logs.arrivals(KEY, 0, 40, limit=100)
    assert everything == [(0, 10**12), (12, 10**12 + 120), (24, 10**12 + 240), (36, 10**12 + 360)]
    assert logs.arrivals(KEY, 13, 20, limit=100) == [(12, 10**12 + 120)]
    assert logs.arrivals(KEY, 0, 40, limit=2) == [(0, 10**12), (24, 10**12 + 240)]


def test_two_processes_that_send_the_same_bytes_do_not_mix_them(logs, tmp_path):
    data = lines_of(12_000)
    spawn = multiprocessing.get_context("spawn")
    senders = [
        spawn.Process(target=replay, args=(tmp_path / "logs", data, seed)) for seed in range(3)
    ]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(PATIENCE_S)

    assert [sender.exitcode for sender in senders] == [0, 0, 0]
    assert logs.path(KEY).read_bytes() == data
    assert logs.line_count(KEY) == 12_000


KILLED = """
import sys, pathlib
from jobs.logstore.store import LogStore
logs = LogStore(pathlib.Path(sys.argv[1]))
data = pathlib.Path(sys.argv[2]).read_bytes()
at = logs.size("job/17")
while at < len(data):
    at = logs.append("job/17", at, data[at : at + 50_000])
    print(at, flush=True)
"""


def test_a_killed_writer_leaves_a_beginning_of_its_bytes(logs, tmp_path):
    data = lines_of(60_000)
    (tmp_path / "bytes").write_bytes(data)
    command = [sys.executable, "-c", KILLED, str(tmp_path / "logs"), str(tmp_path / "bytes")]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
    promised = 0
    for acknowledged in (1, 4, 9):
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as writer:
            for _ in range(acknowledged):
                promised = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
        kept = logs.path(KEY).read_bytes()
        assert len(kept) >= promised
        assert data.startswith(kept)
    replay(tmp_path / "logs", data, 1)

    assert logs.path(KEY).read_bytes() == data
    assert logs.line_count(KEY) == 60_000


def test_a_search_counts_everything_and_lists_the_first(logs, close):
    data = b"".join(b"step %d: Throughput throughput\nnothing\n" % n for n in range(50_000))
    fill(logs, data, piece=1_000_000)
    close()

    matches = logs.search(KEY, Query("throughput", limit=3))

    assert (matches.total, matches.lines) == (100_000, 50_000)
    assert [(m.line, m.count) for m in matches.rows] == [(1, 2), (3, 2), (5, 2)]
    assert [m.offset for m in matches.rows] == [logs.offset_of_line(KEY, n) for n in (1, 3, 5)]
    assert logs.search(KEY, Query("Throughput")).total == 50_000
    assert logs.search(KEY, Query(r"step 4999\d:", regex=True)).lines == 10


def test_a_search_looks_at_what_is_shown(logs, close):
    logs.append(KEY, 0, "\x1b[32mINFO\x1b[0m ready\n 10%\r 20%\r 30%\r\n完成 100%\n".encode())
    close()

    assert [m.line for m in logs.search(KEY, Query("info ready")).rows] == [1]
    assert logs.search(KEY, Query("20%")).total == 0
    assert [m.line for m in logs.search(KEY, Query("30%")).rows] == [2]
    assert [m.line for m in logs.search(KEY, Query("完成")).rows] == [3]
    assert logs.search(KEY, Query(r"ready\s+\d", regex=True)).total == 0


def test_plain_text_has_each_lines_last_state_and_no_escapes():
    raw = b"\x1b[1;31mred\x1b[0m\r\n\x1b]0;title\x07a 1%\ra 2%\r\x1b[Ka 3%\nb\x00\x1b[Ac"

    assert plain(raw) == b"red\na 3%\nbc"
    for cut in range(1, len(raw)):
        assert b"".join(plain_stream([raw[:cut], raw[cut:]])) == b"red\na 3%\nbc"


def test_workers_search_what_may_take_long(logs, monkeypatch):
    asked = []

    def run(pool, name, args):
        asked.append((pool.limits.wall_s, args[1].text))
        raise Exceeded("time", pool.limits)

    monkeypatch.setattr(Pool, "run", run)
    logs.append(KEY, 0, b"a" * 50 + b"b\n")
    quick = {"a": logs.search(KEY, Query("a")), "b": logs.search(KEY, Query("b"), is_ours=True)}

    with pytest.raises(Exceeded):
        logs.search(KEY, Query("a+", regex=True))
    monkeypatch.setattr(import_module(LogStore.__module__), "SMALL_BYTES", 0)
    with pytest.raises(Exceeded):
        logs.search(KEY, Query("b", regex=True), is_ours=True)

    assert [result.total for result in quick.values()] == [50, 1]
    assert asked == [(30, "a+"), (300, "b")]


def test_a_search_shows_lines_nearby_and_some_of_every_part(logs, close):
    fill(logs, b"".join(b"%s %d\n" % (b"WARN" if n % 2 else b"ok", n) for n in range(1, 40_001)))
    close()

    near = logs.search(KEY, Query("warn", limit=4, near=30_000))
    assert (near.total, near.lines, near.before) == (20_000, 20_000, 14_998)
    assert [m.line for m in near.rows] == [29_997, 29_999, 30_001, 30_003]
    end = logs.search(KEY, Query("WARN", limit=4, near=10**15))
    assert [m.line for m in end.rows] == [39_997, 39_999]
    assert end.before == 19_998
    assert logs.search(KEY, Query("WARN [13]", regex=True, limit=2)).rows[1].line == 3

    spread = logs.search(KEY, Query("WARN|ok", regex=True, grave="WARN 2000.$")).spread
    assert 900 <= len(spread) <= 1001
    assert max(b - a for (a, _), (b, _) in itertools.pairwise(spread)) < 100
    assert [line for line, is_grave in spread if is_grave] == [20_001]


def test_a_search_in_colours_counts_what_is_shown(logs, close):
    colours = [b"\x1b[38;5;%dm" % n for n in range(40)]
    logs.append(KEY, 0, b"".join(c + b"INF\x1b[0mO %d\n" % n for n, c in enumerate(colours)))
    close()

    assert logs.search(KEY, Query("INFO")).lines == 40
    assert logs.search(KEY, Query("38;5")).lines == 0
    assert logs.search(KEY, Query("INFO 39")).rows[0].offset == logs.offset_of_line(KEY, 40)


def test_an_append_reads_the_end_of_the_line_index_alone(logs, monkeypatch):
    size = logs.append(KEY, 0, lines_of(20_000))
    monkeypatch.setattr(LineIndex, "_load", lambda *_: pytest.fail("it was read from its begin"))

    for _ in range(3):
        size = logs.append(KEY, size, lines_of(2_000))

    monkeypatch.undo()
    assert logs.line_count(KEY) == 26_000


@pytest.mark.parametrize("torn", [1, 2, 5])
def test_line_index_entries_lost_in_a_power_cut_are_made_again(logs, torn):
    size = logs.append(KEY, 0, lines_of(20_000))
    index = logs.path(KEY).with_suffix(".lines")
    whole = index.read_bytes()
    index.write_bytes(whole[: -8 * torn] + bytes(8 * torn))

    logs.append(KEY, size, lines_of(2_000))

    assert index.read_bytes()[: len(whole)] == whole
    assert logs.line_count(KEY) == 22_000


def test_zero_bytes_take_no_disk_raw_and_packed(logs, close):
    logs.append(KEY, 0, bytes(16 * 2**20))
    assert logs.disk_bytes(KEY) < 2**20
    close()

    logs.append(KEY, 16 * 2**20, b"end\n")

    assert logs.read(KEY, 16 * 2**20 - 2, 2**30) == b"\0\0end\n"
    assert logs.line_count(KEY) == 1
    assert logs.path(KEY).stat().st_blocks * 512 < 2**20


def test_text_between_zero_bytes_is_kept(logs):
    data = bytes(1000) + b"text" + bytes(1000)
    logs.append(KEY, 0, data)

    assert logs.read(KEY, 0, 9999) == data


def test_short_writes_to_the_disk_lose_nothing(logs, monkeypatch):
    pwrite, data = os.pwrite, random.Random(1).randbytes(3 * 2**20)
    monkeypatch.setattr(os, "pwrite", lambda fd, piece, at: pwrite(fd, piece[:200_000], at))
    logs.append(KEY, 0, data)
    assert logs.pack(KEY)

    logs.append(KEY, len(data), b"end")

    assert logs.read(KEY, 0, 2**30) == data + b"end"


def test_leftovers_of_a_removed_log_are_not_the_next_ones(logs):
    fill(logs, lines_of(20_000))
    counts = logs.newline_counts(KEY)
    left = {file: file.read_bytes() for file in logs.path(KEY).parent.iterdir()}
    logs.remove(KEY)
    for file, data in left.items():
        if file.suffix != ".log":
            file.write_bytes(data)

    fill(logs, b"x" * 10 * BLOCK_BYTES)

    assert logs.newline_counts(KEY) == [0] * 10 != counts
    assert logs.arrivals(KEY, 0, 1, limit=9)[0][0] == 0


def test_a_log_removed_while_it_is_read_is_read_right(logs):
    fill(logs, lines_of(20_000))
    path = logs.path(KEY)
    wanted = logs.offset_of_line(KEY, 15_000)
    path.with_suffix(".lines").unlink()
    with open_log(path) as log:
        logs.remove(KEY)

        assert LineIndex(path).offset_of_line(log, 15_000) == wanted

    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("seed", range(20))
def test_plain_text_is_that_of_each_line_by_itself(seed):
    chance = random.Random(seed)
    signs = [b"a", b"bc ", b"\r", b"\x08", b"\n", b"\x1b[K", b"\x1b]0;t", b"\x07", b"\x00"]
    weights = [8, 8, *chance.choices([0, 1, 3], k=2), 3, 1, 1, 1, 1]
    data = b"".join(chance.choices(signs, weights, k=400))

    assert plain(data) == b"\n".join(plain(line) for line in data.split(b"\n"))
