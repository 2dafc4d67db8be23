"""Logs are packed and unpacked while others read and write, and through kills of any process."""

import multiprocessing
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from jobs.logstore import LogStore, files
from jobs.logstore.packed import FRAME_BYTES
from tests.jobs.lib.packed_logs import KEY, keep_packed, names, noise, replay
from tests.waiting import PATIENCE_S, until

fork = multiprocessing.get_context("fork")


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
            gate.wait(PATIENCE_S)
            if LogStore(tmp_path / "logs").pack(key):
                with won.get_lock():
                    won.value += 1

        packers = [in_child(packs) for _ in range(4)]
        for packer in packers:
            packer.join(PATIENCE_S)
        assert [packer.exitcode for packer in packers] == [0] * 4
        assert won.value == 1
        assert logs.read(key, 0, 2**30) == data
        assert not list(logs.path(key).parent.glob("*.new"))


def test_readers_see_every_byte_during_packing_and_unpacking(logs, tmp_path):
    data = noise(3 * FRAME_BYTES)
    line = b"one line more\n"
    logs.append(KEY, 0, data)
    over = fork.Event()

    def reads():
        own, last_size, rounds = LogStore(tmp_path / "logs"), 0, 0
        chance = random.Random(os.getpid())
        while not over.is_set() or rounds < 20:
            rounds += 1
            size = own.size(KEY)
            assert size >= last_size >= 0, (size, last_size)
            last_size = size
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
            reader.join(PATIENCE_S)
    assert [reader.exitcode for reader in readers] == [0, 0]


def test_nothing_appended_during_packing_is_lost(logs, tmp_path):
    data = noise(FRAME_BYTES)
    over = fork.Event()

    def appends():
        replay(tmp_path / "logs", data, os.getpid())

    def packs():
        own = LogStore(tmp_path / "logs")
        while not over.is_set():
            own.pack(KEY)

    writers, packers = [in_child(appends) for _ in range(2)], [in_child(packs) for _ in range(2)]
    for writer in writers:
        writer.join(PATIENCE_S)
    over.set()
    for packer in packers:
        packer.join(PATIENCE_S)

    assert [process.exitcode for process in (*writers, *packers)] == [0] * 4
    assert logs.read(KEY, 0, 2**30) == data
    assert logs.line_count(KEY) == data.count(b"\n") + (not data.endswith(b"\n"))


def waits_for_lock(path):
    """Return true if a process waits for the lock of this file."""
    inode = path.stat().st_ino
    waiting = [line for line in Path("/proc/locks").read_text().splitlines() if "->" in line]
    return any(f":{inode} " in line for line in waiting)


def test_an_append_that_waits_for_packing_succeeds(logs, monkeypatch):
    data = noise(FRAME_BYTES)
    logs.append(KEY, 0, data)
    sync = files.sync_folder
    appender = threading.Thread(target=lambda: logs.append(KEY, len(data), b"more\n"))

    def meanwhile(folder):
        monkeypatch.setattr(files, "sync_folder", sync)
        appender.start()
        until(lambda: waits_for_lock(logs.path(KEY)))
        sync(folder)

    monkeypatch.setattr(files, "sync_folder", meanwhile)
    assert logs.pack(KEY)
    appender.join(PATIENCE_S)

    assert logs.read(KEY, 0, 2**30) == data + b"more\n"


def test_a_log_that_is_being_appended_to_is_not_packed(logs, monkeypatch):
    data = noise(FRAME_BYTES)
    logs.append(KEY, 0, data)
    writes, packed_it = os.pwrite, []
    packer = threading.Thread(target=lambda: packed_it.append(logs.pack(KEY)))

    def slowly(*args):
        monkeypatch.setattr(os, "pwrite", writes)
        packer.start()
        until(lambda: waits_for_lock(logs.path(KEY)) or packed_it)
        return writes(*args)

    monkeypatch.setattr(os, "pwrite", slowly)
    logs.append(KEY, len(data), b"more\n")
    packer.join(PATIENCE_S)

    assert packed_it == [False]
    assert logs.read(KEY, 0, 2**30) == data + b"more\n"


def test_a_second_packer_leaves_a_finished_packed_log_alone(logs, tmp_path, monkeypatch):
    data = noise(FRAME_BYTES)
    logs.append(KEY, 0, data)
    lock = files.fcntl.flock

    def after_another(fd, how):
        monkeypatch.setattr(files.fcntl, "flock", lock)
        assert LogStore(tmp_path / "logs").pack(KEY)
        lock(fd, how)

    monkeypatch.setattr(files.fcntl, "flock", after_another)
    assert not logs.pack(KEY)

    assert names(logs) == ["17.lines", "17.log.zst", "17.times"]
    assert logs.read(KEY, 0, 2**30) == data


# By the owner of their functions.
STEPS = {
    **{"write_packed": files, "sync_folder": files, "fsync": os, "replace": Path},
    **{"unlink": Path, "flock": files.fcntl},
}


def dies_at(step, moment):
    """Have this process killed just before or after it has done ``step``."""
    real = getattr(STEPS[step], step)

    def last(*args, **kwargs):
        if moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        real(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(STEPS[step], step, last)


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
    child.join(PATIENCE_S)

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
    read_end, promised = os.pipe()
    size = len(data)

    def packs_and_appends():
        own = LogStore(tmp_path / "logs")
        while True:
            own.pack(KEY)
            own.append(KEY, own.size(KEY), line)
            os.write(promised, b"+")

    for _ in range(60):
        child = in_child(packs_and_appends)
        os.read(read_end, 1)  # it is at work
        size += len(line)
        time.sleep(chance.uniform(0, 0.05))
        child.kill()
        child.join(PATIENCE_S)
        os.set_blocking(read_end, False)
        with suppress(BlockingIOError):
            size += len(os.read(read_end, 65536)) * len(line)
        os.set_blocking(read_end, True)

        # One line may be kept whose writer was killed before it could say so.
        assert logs.size(KEY) in (size, size + len(line))
        size = logs.size(KEY)
        more = (size - len(data)) // len(line)
        assert logs.read(KEY, 0, 2**30) == data + line * more
    os.close(read_end)
    os.close(promised)

    logs.append(KEY, size, line)  # the last that was killed may have left it packed
    assert logs.pack(KEY)
    assert logs.line_count(KEY) == data.count(b"\n") + more + 1
    assert names(logs) == ["17.lines", "17.log.zst", "17.times"]


def test_threads_share_what_was_read(logs):
    data = keep_packed(logs, 20 * FRAME_BYTES)

    def reads(seed):
        chance = random.Random(seed)
        for _ in range(200):
            start = chance.randrange(len(data))
            end = start + chance.randint(1, 2 * FRAME_BYTES)
            assert logs.read(KEY, start, end) == data[start:end]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(reads, range(4)))
