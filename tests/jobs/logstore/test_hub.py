import asyncio
import functools
import time

import pytest

from jobs.logstore import LogStore
from jobs.logstore.hub import KEPT_FRAMES, MAX_FRAME_BYTES, Hub
from tests.frames import unframe
from tests.waiting import PATIENCE_S

KEY = "job/1"


def in_loop(test):
    """Run an asynchronous test."""

    @functools.wraps(test)
    def run(**fixtures):
        asyncio.run(test(**fixtures))

    return run


class Over:
    """Reports a log as complete once it is set so, and counts the questions."""

    def __init__(self, value=False):
        self.value = value
        self.asked = 0

    async def __call__(self, key):
        self.asked += 1
        return self.value


class CountingStore(LogStore):
    def __init__(self, root):
        super().__init__(root)
        self.reads = 0

    def read(self, key, start, end):
        self.reads += 1
        return super().read(key, start, end)


@pytest.fixture
def logs(tmp_path):
    return CountingStore(tmp_path)


@pytest.fixture
def hub(logs):
    return Hub(logs, Over(), poll_s=60)


def frames_of(messages):
    """Offset and bytes of each frame."""
    return [(offset, data) for offset, _, data in map(unframe, messages)]


async def take(frames, size):
    """Frames that hold ``size`` bytes together."""
    taken = []
    while sum(len(data) for _, data in frames_of(taken)) < size:
        taken.append(await asyncio.wait_for(anext(frames), PATIENCE_S))
    return taken


@in_loop
async def test_what_arrives_is_read_and_framed_once_for_all(logs):
    over = Over()
    hub = Hub(logs, over, poll_s=60)
    followers = [hub.follow(KEY, 0) for _ in range(20)]
    waiting = [asyncio.create_task(take(follower, 6)) for follower in followers]
    await asyncio.sleep(0.05)
    before = logs.reads
    logs.append(KEY, 0, b"hello\n")
    hub.wake(KEY)
    taken = await asyncio.gather(*waiting)

    assert {id(messages[0]) for messages in taken} == {id(taken[0][0])}
    assert frames_of(taken[0]) == [(0, b"hello\n")]
    assert logs.reads - before == 1
    assert over.asked == 1


@in_loop
async def test_a_slow_reader_reads_the_file_and_catches_up(logs, hub):
    slow, quick = hub.follow(KEY, 0), hub.follow(KEY, 0)
    logs.append(KEY, 0, b"x")
    assert await take(slow, 1) == await take(quick, 1)
    size = 1
    for n in range(3 * KEPT_FRAMES):
        size = logs.append(KEY, size, b"%05d" % n)
        hub.wake(KEY)
        await take(quick, 5)
    behind = await take(slow, size - 1)
    logs.append(KEY, size, b"end")
    hub.wake(KEY)

    assert b"".join(data for _, data in frames_of(behind)) == logs.read(KEY, 1, size)
    assert (await take(slow, 3))[0] is (await take(quick, 3))[0]


@in_loop
async def test_no_frame_is_longer_than_agreed(logs):
    logs.append(KEY, 0, bytes(700_000))

    messages = [message async for message in Hub(logs, Over(True)).follow(KEY, 10)]

    lengths = [len(data) for _, data in frames_of(messages)]
    assert (max(lengths), sum(lengths)) == (MAX_FRAME_BYTES, 699_990)


@in_loop
async def test_a_log_ends_only_after_its_last_byte(logs):
    over = Over()
    hub = Hub(logs, over, poll_s=60)
    follower = hub.follow(KEY, 0)
    logs.append(KEY, 0, b"first")
    assert frames_of(await take(follower, 5)) == [(0, b"first")]
    logs.append(KEY, 5, b"last")
    over.value = True
    hub.wake(KEY, ended=True)
    rest = [message async for message in follower]
    assert frames_of(rest) == [(5, b"last")]
    assert hub._readers == {}


@in_loop
async def test_without_any_hint_the_next_look_finds_what_came(logs):
    follower = Hub(logs, Over(), poll_s=0.05).follow(KEY, 0)
    waiting = asyncio.create_task(take(follower, 4))
    await asyncio.sleep(0.02)
    logs.append(KEY, 0, b"came")
    assert frames_of(await waiting) == [(0, b"came")]


@in_loop
async def test_followers_are_sent_away_when_their_reader_breaks(logs):
    async def broken(key):
        raise KeyError(key)

    with pytest.raises(RuntimeError, match="broke"):
        await asyncio.wait_for(anext(Hub(logs, broken).follow(KEY, 0)), PATIENCE_S)


@in_loop
async def test_readers_that_catch_up_together_read_the_file_once(logs, hub):
    size = 5 * MAX_FRAME_BYTES
    logs.append(KEY, 0, bytes(size))
    followers = [hub.follow(KEY, 0) for _ in range(20)]
    taken = await asyncio.gather(*(take(follower, size) for follower in followers))

    assert {len(messages) for messages in taken} == {5}
    assert logs.reads == 5


@in_loop
async def test_a_reader_that_leaves_takes_nothing_from_the_others(logs, hub):
    logs.append(KEY, 0, bytes(3 * MAX_FRAME_BYTES))
    first, second = hub.follow(KEY, 0), hub.follow(KEY, 0)
    leaving = asyncio.create_task(anext(first))
    staying = asyncio.create_task(anext(second))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    leaving.cancel()

    [(_, data)] = frames_of([await asyncio.wait_for(staying, PATIENCE_S)])
    assert len(data) == MAX_FRAME_BYTES


@in_loop
async def test_a_reader_keeps_a_few_frames_only(logs, hub):
    logs.append(KEY, 0, bytes((KEPT_FRAMES + 4) * MAX_FRAME_BYTES))
    early, late = hub.follow(KEY, 0), hub.follow(KEY, 0)
    await take(early, (KEPT_FRAMES + 4) * MAX_FRAME_BYTES)
    before = logs.reads
    await take(late, MAX_FRAME_BYTES)

    assert logs.reads - before == 1


@in_loop
async def test_a_reader_of_a_removed_log_does_not_wait_for_ever(logs):
    logs.append(KEY, 0, b"x" * (2 * MAX_FRAME_BYTES))
    frames = Hub(logs, Over(True), poll_s=0.01).follow(KEY, 0)
    await take(frames, MAX_FRAME_BYTES)
    logs.remove(KEY)

    with pytest.raises(RuntimeError, match="was removed"):
        await take(frames, MAX_FRAME_BYTES)


@in_loop
async def test_a_frame_says_when_its_bytes_arrived_even_if_read_late(logs, hub, monkeypatch):
    for at_s, data in ((1000, b"old"), (5000, b"new")):
        monkeypatch.setattr(time, "time_ns", lambda at_s=at_s: at_s * 10**9)
        logs.append(KEY, logs.size(KEY), data)

    taken = [unframe((await take(hub.follow(KEY, start), 1))[0]) for start in (0, 2, 3, 4)]

    old, new = (0, 1_000_000), (3, 5_000_000)
    assert taken == [
        (0, [old, new], b"oldnew"),
        (2, [old, new], b"dnew"),
        (3, [new], b"new"),
        (4, [new], b"ew"),
    ]
