"""Packed logs: the same bytes at any moment, whatever is killed, and never wrong ones."""

import hashlib
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard

from jobs.errors import DamagedLog, OffsetMismatch
from jobs.logstore import LogStore, Query, packed, packing
from jobs.logstore.packed import FRAME_BYTES

KEY = "job/17"
fork = multiprocessing.get_context("fork")


@pytest.fixture
def logs(tmp_path):
    return LogStore(tmp_path / "logs")


def noise(count, seed=1):
    """Lines of which no two are the same, and no frame is packed like another."""
    chance = random.Random(seed)
    lines = []
    while count > 0:
        lines.append(
            b"%d %s\n" % (len(lines), chance.randbytes(chance.randint(0, 60)).hex().encode())
        )
        count -= len(lines[-1])
    return b"".join(lines)[:count] if count else b"".join(lines)


def names(logs):
    return sorted(path.name for path in logs.path(KEY).parent.iterdir())


def packed_file(logs):
    return logs.path(KEY).with_name("17.log.zst")


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
    data = noise(5 * FRAME_BYTES + 1)
    logs.append(KEY, 0, data)
    logs.pack(KEY)

    with packed_file(logs).open("rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        assert reader.read() == data
    if shutil.which("zstd"):
        command = ["zstd", "-dc", str(packed_file(logs))]
        assert subprocess.run(command, capture_output=True, check=True).stdout == data


def test_nothing_is_packed_twice_and_nothing_of_nothing(logs):
    assert not logs.pack(KEY)
    logs.append(KEY, 0, b"one\n")
    assert logs.pack(KEY)
    assert not logs.pack(KEY)
    assert logs.read(KEY, 0, 9) == b"one\n"


def test_a_log_that_is_not_what_its_record_says_stays_raw(logs, caplog):
    logs.append(KEY, 0, b"one\n")
    before = names(logs)

    assert not logs.pack(KEY, sha256="0" * 64)

    assert names(logs) == before
    assert logs.path(KEY).read_bytes() == b"one\n"
    assert "is not packed: its SHA-256 is" in caplog.text


@pytest.mark.parametrize("bit", [0, 200, 70_000, -1, -12])
def test_a_log_is_only_gone_when_what_was_written_was_read_back(logs, monkeypatch, caplog, bit):
    logs.append(KEY, 0, noise(2 * FRAME_BYTES))
    before = names(logs)
    written = packing.write_packed

    def wrongly(raw_fd, size, packed_fd):
        digest = written(raw_fd, size, packed_fd)
        end = os.fstat(packed_fd).st_size
        os.pwrite(packed_fd, b"\xff", bit % end)
        return digest

    monkeypatch.setattr(packing, "write_packed", wrongly)
    assert not logs.pack(KEY)

    assert names(logs) == before
    assert "is not packed: what was written" in caplog.text


def test_a_log_that_grows_while_it_is_packed_stays_raw(logs, monkeypatch):
    data = noise(FRAME_BYTES)
    logs.append(KEY, 0, data)
    written = packing.write_packed

    def slowly(*args):
        digest = written(*args)
        logs.append(KEY, len(data), b"more\n")
        return digest

    monkeypatch.setattr(packing, "write_packed", slowly)
    assert not logs.pack(KEY)

    assert logs.path(KEY).read_bytes() == data + b"more\n"
    assert [name for name in names(logs) if "zst" in name] == []


def test_a_full_disk_leaves_a_log_raw(logs, monkeypatch):
    logs.append(KEY, 0, noise(FRAME_BYTES))
    before = names(logs)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(packed, "_write_all", full)
    with pytest.raises(OSError, match="No space"):
        logs.pack(KEY)

    assert names(logs) == before


def test_what_comes_after_all_goes_on_where_a_packed_log_ends(logs):
    data = noise(3 * FRAME_BYTES + 5)
    logs.append(KEY, 0, data)
    logs.pack(KEY)

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


def test_all_files_of_a_log_are_counted_and_removed_and_no_others(logs):
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
    data = noise(FRAME_BYTES)
    logs.append(KEY, 0, data)
    logs.pack(KEY)

    aside = logs.set_aside(KEY)

    assert sorted(path.name for path in aside.iterdir()) == ["17.lines", "17.log.zst", "17.times"]
    assert (logs.size(KEY), logs.search(KEY, Query("1")).total) == (0, 0)
    assert logs.append(KEY, 0, b"new\n") == 4


def damaged_at_will(logs, damage):
    """Each damage in a file of its own time, as one that a disk damaged has."""
    file = packed_file(logs)
    damage(file)
    damaged_at_will.count += 1_000_000
    os.utime(file, ns=(damaged_at_will.count, damaged_at_will.count))


damaged_at_will.count = 10**18


def test_a_packed_log_that_is_cut_short_is_never_read_as_a_shorter_one(logs):
    data = noise(3 * FRAME_BYTES + 99)
    logs.append(KEY, 0, data)
    logs.pack(KEY)
    whole = packed_file(logs).read_bytes()
    cuts = [0, 1, 8, 17, len(whole) // 2, len(whole) - 60, *range(len(whole) - 12, len(whole))]
    for cut in cuts:
        damaged_at_will(logs, lambda file, cut=cut: file.write_bytes(whole[:cut]))
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
    for place in places:
        changed = bytearray(whole)
        changed[place] ^= chance.randint(1, 255)
        damaged_at_will(logs, lambda file, changed=changed: file.write_bytes(changed))
        refused = 0
        with suppress(DamagedLog):
            assert logs.size(KEY) == len(data)
        for start in range(0, len(data), FRAME_BYTES):
            try:
                assert logs.read(KEY, start, start + FRAME_BYTES) == data[start:][:FRAME_BYTES]
            except DamagedLog:
                refused += 1
        assert refused, place


def test_a_search_in_a_process_of_its_own_says_that_a_log_is_damaged(logs):
    logs.append(KEY, 0, noise(FRAME_BYTES))
    logs.pack(KEY)
    damaged_at_will(logs, lambda file: file.write_bytes(file.read_bytes()[:-1]))

    with pytest.raises(DamagedLog):
        logs.search(KEY, Query("1"))
    with pytest.raises(DamagedLog):
        logs.search(KEY, Query("1", regex=True))


def in_child(do):
    """A real process that does it; its exit code says whether all went well."""
    process = fork.Process(target=do)
    process.start()
    return process


def test_several_packers_at_once_pack_a_log_once(logs, tmp_path):
    data = noise(8 * FRAME_BYTES)
    for round_ in range(5):
        key = f"job/{round_ + 1}"
        logs.append(key, 0, data)
        gate = fork.Barrier(4)
        won = fork.Value("i", 0)

        def packs(key=key, gate=gate, won=won):
            gate.wait(20)
            if LogStore(tmp_path / "logs").pack(key):
                with won.get_lock():
                    won.value += 1

        packers = [in_child(packs) for _ in range(4)]
        for packer in packers:
            packer.join(30)
        assert [packer.exitcode for packer in packers] == [0] * 4
        assert won.value == 1
        assert logs.read(key, 0, 2**30) == data
        assert not list(logs.path(key).parent.glob("*.new"))


def test_readers_see_every_byte_while_logs_are_packed_and_unpacked(logs, tmp_path):
    data = noise(3 * FRAME_BYTES)
    line = b"one line more\n"
    logs.append(KEY, 0, data)
    over = fork.Event()

    def reads():
        own, seen, looks = LogStore(tmp_path / "logs"), 0, 0
        chance = random.Random(os.getpid())
        while not over.is_set() or looks < 20:
            looks += 1
            size = own.size(KEY)
            assert size >= seen >= 0, (size, seen)
            seen = size
            start = chance.randint(0, size - 1)
            got = own.read(KEY, start, size)
            more = (size - len(data)) // len(line)
            assert got == (data + line * more)[start:size]
            assert own.line_count(KEY) >= data.count(b"\n") + more

    readers = [in_child(reads) for _ in range(2)]
    try:
        for n in range(40):
            assert logs.pack(KEY)
            logs.append(KEY, len(data) + n * len(line), line)
    finally:
        over.set()
        for reader in readers:
            reader.join(30)
    assert [reader.exitcode for reader in readers] == [0, 0]


def test_nothing_is_lost_of_what_is_appended_while_logs_are_packed(logs, tmp_path):
    data = noise(FRAME_BYTES)
    over = fork.Event()

    def appends():
        own, at, chance = LogStore(tmp_path / "logs"), 0, random.Random(os.getpid())
        while at < len(data):
            try:
                at = own.append(KEY, at, data[at : at + chance.randint(1, 9000)])
            except OffsetMismatch as error:
                at = error.size

    def packs():
        own = LogStore(tmp_path / "logs")
        while not over.is_set():
            own.pack(KEY)

    writers, packers = [in_child(appends) for _ in range(2)], [in_child(packs) for _ in range(2)]
    for writer in writers:
        writer.join(60)
    over.set()
    for packer in packers:
        packer.join(30)

    assert [process.exitcode for process in (*writers, *packers)] == [0] * 4
    assert logs.read(KEY, 0, 2**30) == data
    assert logs.line_count(KEY) == data.count(b"\n") + (not data.endswith(b"\n"))


STEPS = ["write_packed", "_sync_folder", "os.fsync", "Path.replace", "Path.unlink", "fcntl.flock"]


def dies_at(step, moment):
    """Have this process killed just before or after it has done ``step``."""
    owner, name = {
        "os": (os, step.rpartition(".")[2]),
        "Path": (Path, step.rpartition(".")[2]),
        "fcntl": (packing.fcntl, step.rpartition(".")[2]),
    }.get(step.partition(".")[0], (packing, step))
    real = getattr(owner, name)

    def last(*args, **kwargs):
        if moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, last)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("work", ["pack", "unpack"])
def test_a_kill_at_any_step_leaves_every_byte(logs, tmp_path, work, step, moment):
    data = noise(2 * FRAME_BYTES + 3)
    logs.append(KEY, 0, data)
    if work == "unpack":
        logs.pack(KEY)

    def dies():
        own = LogStore(tmp_path / "logs")
        dies_at(step, moment)
        own.pack(KEY) if work == "pack" else own.append(KEY, len(data), b"more\n")

    child = in_child(dies)
    child.join(30)

    if (work, step) != ("unpack", "write_packed"):
        assert child.exitcode == -signal.SIGKILL
    kept = logs.read(KEY, 0, 2**30)
    assert kept in (data, data + b"more\n")
    if kept == data:
        logs.append(KEY, len(data), b"more\n")
    assert logs.pack(KEY)
    assert logs.read(KEY, 0, 2**30) == data + b"more\n"
    assert names(logs) == ["17.lines", "17.log.zst", "17.times"]


def test_kills_at_random_moments_lose_nothing(logs, tmp_path):
    data, line = noise(4 * FRAME_BYTES), b"one line more\n"
    logs.append(KEY, 0, data)
    chance = random.Random(11)
    told, promised = os.pipe()
    size = len(data)

    def packs_and_appends():
        own = LogStore(tmp_path / "logs")
        while True:
            own.pack(KEY)
            own.append(KEY, own.size(KEY), line)
            os.write(promised, b"+")

    for _ in range(60):
        child = in_child(packs_and_appends)
        os.read(told, 1)  # it is at work
        size += len(line)
        time.sleep(chance.uniform(0, 0.05))
        child.kill()
        child.join(30)
        os.set_blocking(told, False)
        with suppress(BlockingIOError):
            size += len(os.read(told, 65536)) * len(line)
        os.set_blocking(told, True)

        # One line may be kept whose writer was killed before it could say so.
        assert logs.size(KEY) in (size, size + len(line))
        size = logs.size(KEY)
        more = (size - len(data)) // len(line)
        assert logs.read(KEY, 0, 2**30) == data + line * more
    os.close(told)
    os.close(promised)

    assert logs.pack(KEY)
    assert logs.line_count(KEY) == data.count(b"\n") + more
    assert names(logs) == ["17.lines", "17.log.zst", "17.times"]


def test_threads_share_what_was_read(logs):
    data = noise(20 * FRAME_BYTES)
    logs.append(KEY, 0, data)
    logs.pack(KEY)
    wrong = []

    def reads(seed):
        chance = random.Random(seed)
        for _ in range(200):
            start = chance.randrange(len(data))
            end = start + chance.randint(1, 2 * FRAME_BYTES)
            if logs.read(KEY, start, end) != data[start:end]:
                wrong.append((start, end))

    threads = [threading.Thread(target=reads, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
