"""Prompts that no engine has seen before: send_cold.py, beside a real run of EvalScope 1.14."""

from __future__ import annotations

import asyncio
from itertools import islice

from jobs.catalog import PROMPT_SETS
from jobs.host.readers.client import ProgressReader
from jobs.toolchains.scripts import send_cold
from tests.api import until

LINES = list(PROMPT_SETS["everyday"])


def sent(seed, count=200):
    return list(islice(send_cold.cold(LINES, seed), count))


def test_no_prompt_begins_like_another_within_a_run_or_between_two():
    prompts = [*sent(1701), *sent(1702), *sent(1801)]

    # The first six letters: an engine caches what prompts have in common from their beginning.
    assert len({prompt[:6] for prompt in prompts}) == len(prompts)


def test_each_line_is_sent_whole_and_as_often_as_the_others():
    bodies = [prompt.split(": ", 1)[1] for prompt in sent(1701, 2 * len(LINES))]

    assert sorted(bodies) == sorted(LINES * 2)


def test_the_same_seed_sends_the_same_requests():
    assert sent(7) == sent(7)
    assert sent(7) != sent(8)


def test_each_concurrency_has_its_seed():
    assert send_cold.seeds_of("1=1701,4=1702") == {1: 1701, 4: 1702}


def test_what_the_client_does_is_counted_request_by_request(tmp_path):
    client = send_cold.Client(tmp_path / "client.jsonl")

    async def request(pieces, *, is_done, tokens):
        client.begin()
        for _ in range(pieces):
            client.receive(1)
            await asyncio.sleep(0)
        client.end(is_done, tokens)

    async def all_of_them():
        await asyncio.gather(
            request(5, is_done=True, tokens=12), request(3, is_done=False, tokens=None)
        )

    asyncio.run(all_of_them())

    # Pieces of several tokens: what the server counted stands in their place.
    expected = {"sent": 2, "done": 1, "failed": 1, "tokens": 12 + 3, "level": 0, "warm": 0}
    assert client.counts == expected


def test_warm_up_requests_of_each_concurrency_are_not_among_those_done(tmp_path):
    client = send_cold.Client(tmp_path / "client.jsonl")

    async def request(*, is_done=True):
        client.begin()
        warm.append(client.counts["warm"])
        await asyncio.sleep(0)
        client.end(is_done, 7)

    async def level(concurrency, requests):
        client.begin_level(concurrency, 4)
        await asyncio.gather(request(is_done=False), *(request() for _ in range(3 + requests)))

    async def all_levels():
        for concurrency in (1, 4):
            await level(concurrency, requests=12)

    warm: list[int] = []
    asyncio.run(all_levels())

    told = {name: client.counts[name] for name in ("sent", "done", "failed", "warm")}
    assert told == {"sent": 24, "done": 24, "failed": 0, "warm": 0}
    assert max(warm) == 4


def test_changes_are_written_down_as_they_come(tmp_path):
    client = send_cold.Client(tmp_path / "client.jsonl")
    client.follow()
    client.begin()

    reader = ProgressReader(tmp_path, (("1", 4), ("2", 4)), tmp_path / "log")
    until(lambda: reader.read()[""]["sent"] == 1, "it is written")

    assert reader.read()[""]["total"] == 8
