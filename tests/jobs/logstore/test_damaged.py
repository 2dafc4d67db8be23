"""A packed log that the disk damaged is an error, and never other bytes than the log's."""

import itertools
import os
import random
from contextlib import suppress

import pytest
import zstandard

from jobs.base.errors import DamagedLog
from jobs.logstore import Query
from jobs.logstore.packed import ENTRY, FOOTER, FRAME_BYTES, SEEKABLE_MAGIC, SKIPPABLE
from jobs.logstore.packed import SKIPPABLE_MAGIC as MAGIC
from tests.jobs.lib.packed_logs import KEY, names, noise, packed_file

HAS_CHECKSUM_AT, HAS_CHECKSUM = 4, 4  # in the head of a zstd frame
moments = itertools.count(10**18, 10**6)


def put(logs, raw):
    """Put these bytes in the place of the packed log, at a time of their own."""
    file, moment = packed_file(logs), next(moments)
    file.write_bytes(raw)
    os.utime(file, ns=(moment, moment))


def test_a_packed_log_cut_short_is_never_read_as_a_shorter_one(logs):
    data = noise(3 * FRAME_BYTES + 99)
    logs.append(KEY, 0, data)
    logs.pack(KEY)
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
    data = noise(3 * FRAME_BYTES + 99)
    logs.append(KEY, 0, data)
    logs.pack(KEY)
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
    logs.append(KEY, 0, noise(FRAME_BYTES))
    logs.pack(KEY)
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
    logs.append(KEY, 0, b"x")
    logs.pack(KEY)
    good, double, last = (
        zstandard.compress(b"a" * count) for count in (FRAME_BYTES, 2 * FRAME_BYTES, 9)
    )
    put(logs, packed_by_hand([good, last], [FRAME_BYTES, 9]))
    assert logs.read(KEY, 0, 2**30) == b"a" * (FRAME_BYTES + 9)

    put(logs, packed_by_hand([double, last], [FRAME_BYTES, 9]))
    with pytest.raises(DamagedLog, match="another size than the table says"):
        logs.read(KEY, 0, 10)


def test_a_frame_table_that_does_not_add_up_is_refused(logs):
    logs.append(KEY, 0, noise(2 * FRAME_BYTES))
    logs.pack(KEY)
    whole = bytearray(packed_file(logs).read_bytes())
    whole[-FOOTER.size - 2 * ENTRY.size] ^= 1  # the compressed size of the first frame

    put(logs, whole)

    with pytest.raises(DamagedLog, match="the table of frames is invalid"):
        logs.size(KEY)
