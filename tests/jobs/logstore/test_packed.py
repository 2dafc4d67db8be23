"""Packed logs: every read, append and removal is as with a raw one; a damaged one is an error."""

import hashlib
import itertools
import os
import random
import shutil
import subprocess
from contextlib import suppress

import pytest
import zstandard

from jobs.base.errors import DamagedLog, OffsetMismatch
from jobs.logstore import files, packed
from jobs.logstore.packed import ENTRY, FOOTER, FRAME_BYTES, SEEKABLE_MAGIC, SKIPPABLE
from jobs.logstore.packed import SKIPPABLE_MAGIC as MAGIC
from jobs.logstore.search import Query
from tests.jobs.lib.packed_logs import KEY, keep_packed, names, noise, packed_file

SIZES = [1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 3 * FRAME_BYTES + 17]


@pytest.mark.parametrize("size", SIZES)
def test_any_range_of_a_packed_log_is_what_it_was(logs, size):
    data = noise(size)
    logs.append(KEY, 0, data)

    assert logs.pack(KEY, sha256=hashlib.sha256(data).hexdigest())

    assert (len(data), logs.size(KEY)) == (size, size)
    assert "17.log" not in names(logs)
    assert "17.log.zst" in names(logs)
    assert logs.sha256(KEY) == hashlib.sha256(data).hexdigest()
    assert b"".join(logs.chunks(KEY, 0, size)) == data
    chance = random.Random(size)
    edges = [0, size, size + 1, *range(FRAME_BYTES - 1, size, FRAME_BYTES)]
    for _ in range(300):
        start, end = (chance.choice([*edges, chance.randint(0, size)]) for _ in range(2))
        assert logs.read(KEY, start, end) == data[start:end]


def test_a_packed_log_is_what_any_zstd_prints(logs):
    data = keep_packed(logs, 5 * FRAME_BYTES + 1)

    with packed_file(logs).open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        assert reader.read() == data
    if shutil.which("zstd"):
        command = ["zstd", "-dc", str(packed_file(logs))]
        assert subprocess.run(command, capture_output=True, check=True).stdout == data


def test_nothing_is_packed_twice_and_nothing_of_nothing(logs):
    assert not logs.pack(KEY)
    data = keep_packed(logs)
    assert not logs.pack(KEY)
    assert logs.read(KEY, 0, 2**30) == data


@pytest.mark.parametrize("bit", [0, 200, 70_000, -1, -12])
def test_a_log_is_only_gone_when_what_was_written_was_read_back(logs, monkeypatch, caplog, bit):
    logs.append(KEY, 0, noise(2 * FRAME_BYTES))
    before = names(logs)
    written = files.write_packed

    def wrongly(raw_fd, size, packed_fd):
        digest = written(raw_fd, size, packed_fd)
        end = os.fstat(packed_fd).st_size
        os.pwrite(packed_fd, b"\xff", bit % end)
        return digest

    monkeypatch.setattr(files, "write_packed", wrongly)
    assert not logs.pack(KEY)

    assert names(logs) == before
    assert "is not packed: the written file" in caplog.text


def test_a_log_that_grows_while_it_is_packed_stays_raw(logs, monkeypatch):
    data = noise(FRAME_BYTES)
    logs.append(KEY, 0, data)
    written = files.write_packed

    def slowly(*args):
        digest = written(*args)
        logs.append(KEY, len(data), b"more\n")
        return digest

    monkeypatch.setattr(files, "write_packed", slowly)
    assert not logs.pack(KEY)

    assert logs.path(KEY).read_bytes() == data + b"more\n"
    assert [name for name in names(logs) if "zst" in name] == []


def test_a_log_stays_raw_on_a_full_disk_or_if_it_is_not_what_its_record_says(
    logs, monkeypatch, caplog
):
    data = noise(FRAME_BYTES)
    logs.append(KEY, 0, data)
    before = names(logs)

    assert not logs.pack(KEY, sha256="0" * 64)
    assert "is not packed: its SHA-256 is" in caplog.text
    assert names(logs) == before

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packed, "_write_all", full)
    with pytest.raises(OSError, match="No space"):
        logs.pack(KEY)
    assert names(logs) == before
    assert logs.path(KEY).read_bytes() == data


def test_what_comes_after_all_goes_on_where_a_packed_log_ends(logs):
    data = keep_packed(logs, 3 * FRAME_BYTES + 5)

    for wrong in (0, 5, len(data) - 1, len(data) + 1):
        with pytest.raises(OffsetMismatch) as caught:
            logs.append(KEY, wrong, b"again\n")
        assert caught.value.size == len(data)
    assert "17.log" not in names(logs)  # a chunk that comes twice unpacks nothing

    assert logs.append(KEY, len(data), b"more\n") == len(data) + 5
    assert logs.path(KEY).read_bytes() == data + b"more\n"
    assert names(logs) == ["17.lines", "17.log", "17.times"]
    more = noise(FRAME_BYTES, seed=2)
    logs.append(KEY, len(data) + 5, more)
    whole = data + b"more\n" + more
    lines = whole.count(b"\n") + (not whole.endswith(b"\n"))
    assert logs.line_count(KEY) == lines
    assert logs.pack(KEY, sha256=hashlib.sha256(whole).hexdigest())
    assert (logs.read(KEY, 0, 2**30), logs.line_count(KEY)) == (whole, lines)


def test_of_a_raw_and_a_packed_log_the_raw_one_counts(logs):
    logs.append(KEY, 0, b"one\n")
    logs.pack(KEY)
    left = packed_file(logs).read_bytes()
    logs.append(KEY, 4, b"two\n")
    packed_file(logs).write_bytes(left)  # a kill before it was removed

    assert (logs.size(KEY), logs.read(KEY, 0, 99)) == (8, b"one\ntwo\n")
    assert logs.append(KEY, 8, b"three\n") == 14
    assert logs.pack(KEY)
    assert logs.read(KEY, 0, 99) == b"one\ntwo\nthree\n"


def test_what_a_killed_packer_left_is_written_anew(logs):
    data = noise(FRAME_BYTES)
    logs.append(KEY, 0, data)
    packed_file(logs).with_name("17.log.zst.new").write_bytes(noise(3 * FRAME_BYTES))

    assert logs.pack(KEY)

    assert names(logs) == ["17.lines", "17.log.zst", "17.times"]
    assert logs.read(KEY, 0, 2**30) == data


def test_exactly_the_files_of_a_log_are_counted_and_removed(logs):
    logs.append(KEY, 0, noise(FRAME_BYTES))
    logs.append("job/170", 0, b"of another\n")
    logs.append("job/1", 0, b"of a third\n")
    for is_packed in (False, True):
        if is_packed:
            logs.pack(KEY)
        files = logs.path(KEY).parent.glob("17.*")
        assert logs.disk_bytes(KEY) == sum(path.stat().st_size for path in files)
    assert logs.disk_bytes("job/999") == 0

    logs.remove(KEY)
    logs.remove("job/999")

    assert names(logs) == ["1.log", "1.times", "170.log", "170.times"]
    assert (logs.size(KEY), logs.disk_bytes(KEY), logs.read(KEY, 0, 9)) == (0, 0, b"")


def test_a_packed_log_is_set_aside_whole(logs):
    keep_packed(logs)

    aside = logs.set_aside(KEY)

    assert sorted(path.name for path in aside.iterdir()) == ["17.lines", "17.log.zst", "17.times"]
    assert (logs.size(KEY), logs.search(KEY, Query("1")).total) == (0, 0)
    assert logs.append(KEY, 0, b"new\n") == 4


HAS_CHECKSUM_AT, HAS_CHECKSUM = 4, 4  # in the head of a zstd frame
moments = itertools.count(10**18, 10**6)


def put(logs, raw):
    """Put these bytes in the place of the packed log, at a time of their own."""
    file, moment = packed_file(logs), next(moments)
    file.write_bytes(raw)
    os.utime(file, ns=(moment, moment))


def test_a_packed_log_cut_short_is_never_read_as_a_shorter_one(logs):
    data = keep_packed(logs, 3 * FRAME_BYTES + 99)
    whole = packed_file(logs).read_bytes()
    cuts = [0, 1, 8, 17, len(whole) // 2, len(whole) - 60, *range(len(whole) - 12, len(whole))]
    for cut in cuts:
        put(logs, whole[:cut])
        for read in (logs.size, logs.sha256, logs.line_count, lambda key: logs.read(key, 0, 10)):
            with pytest.raises(DamagedLog, match=r"17\.log\.zst is damaged: "):
                read(KEY)
        with pytest.raises(DamagedLog):
            logs.append(KEY, len(data), b"more\n")
        assert "17.log" not in names(logs)


def test_a_byte_that_a_disk_changed_is_never_read_as_the_log(logs):
    data = keep_packed(logs, 3 * FRAME_BYTES + 99)
    whole = packed_file(logs).read_bytes()
    table = len(whole) - 17 - 4 * 8
    chance = random.Random(7)
    places = [*range(30), *range(table - 8, len(whole))]
    places += [chance.randrange(len(whole)) for _ in range(200)]
    changes = [(place, chance.randint(1, 255)) for place in places]
    for place, change in [*changes, (HAS_CHECKSUM_AT, HAS_CHECKSUM)]:
        changed = bytearray(whole)
        changed[place] ^= change
        put(logs, changed)
        refused = 0
        with suppress(DamagedLog):
            assert logs.size(KEY) == len(data)
        for start in range(0, len(data), FRAME_BYTES):
            try:
                assert logs.read(KEY, start, start + FRAME_BYTES) == data[start:][:FRAME_BYTES]
            except DamagedLog:
                refused += 1
        assert refused, place


def test_a_search_in_its_own_process_reports_a_damaged_log(logs):
    keep_packed(logs)
    put(logs, packed_file(logs).read_bytes()[:-1])

    with pytest.raises(DamagedLog):
        logs.search(KEY, Query("1"))
    with pytest.raises(DamagedLog):
        logs.search(KEY, Query("1", regex=True))


def packed_by_hand(frames, raw_sizes):
    entries = [ENTRY.pack(len(frame), size) for frame, size in zip(frames, raw_sizes, strict=True)]
    head = SKIPPABLE.pack(MAGIC, len(entries) * ENTRY.size + FOOTER.size)
    footer = FOOTER.pack(len(entries), 0, SEEKABLE_MAGIC)
    return b"".join([*frames, head, *entries, footer])


def test_a_frame_that_holds_more_than_its_place_is_refused(logs):
    keep_packed(logs, 1)
    good, double, last = (
        zstandard.compress(b"a" * count) for count in (FRAME_BYTES, 2 * FRAME_BYTES, 9)
    )
    put(logs, packed_by_hand([good, last], [FRAME_BYTES, 9]))
    assert logs.read(KEY, 0, 2**30) == b"a" * (FRAME_BYTES + 9)

    put(logs, packed_by_hand([double, last], [FRAME_BYTES, 9]))
    with pytest.raises(DamagedLog, match="another size than the table says"):
        logs.read(KEY, 0, 10)


def test_a_frame_table_that_does_not_add_up_is_refused(logs):
    keep_packed(logs, 2 * FRAME_BYTES)
    whole = bytearray(packed_file(logs).read_bytes())
    whole[-FOOTER.size - 2 * ENTRY.size] ^= 1  # the compressed size of the first frame

    put(logs, whole)

    with pytest.raises(DamagedLog, match="the table of frames is invalid"):
        logs.size(KEY)
