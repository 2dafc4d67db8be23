"""send_cold.py, which counts what EvalScope's client does."""

import asyncio
import json
import time
from dataclasses import replace

import pytest

from jobs.host.run.scraper import Scraper
from jobs.kinds.benchmark import LoadParams
from jobs.tools.evalscope import perf_reading
from jobs.tools.evalscope.commands import perf_plan
from jobs.tools.evalscope.scripts import send_cold
from jobs.tools.lib.engine_counters import WarmUp
from jobs.tools.lib.load import HttpLoad, Prompts
from jobs.tools.lib.site import site_of
from tests.api import until
from tests.jobs.lib.target import here

SITE = site_of(here().facts)


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

    # Pieces of several tokens: the server's count replaces theirs.
    expected = {"sent": 2, "done": 1, "failed": 1, "tokens": 12 + 3, "level": 0, "warm": 0}
    assert client.counts == expected


def test_warm_up_requests_are_not_counted(tmp_path):
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

    counts = {name: client.counts[name] for name in ("sent", "done", "failed", "warm")}
    assert counts == {"sent": 24, "done": 24, "failed": 0, "warm": 0}
    assert max(warm) == 4


def test_warm_ups_of_each_concurrency_are_written_with_the_first_measured_request(tmp_path):
    windows = tmp_path / "windows.jsonl"
    client = send_cold.Client(tmp_path / "client.jsonl", windows=windows)
    ended = []

    async def request(tokens):
        client.begin()
        client.receive(2)
        await asyncio.sleep(0)
        client.end(tokens is not None, tokens)
        ended.append(windows.exists())

    async def level(concurrency, *tokens):
        client.begin_level(concurrency, 2)
        await asyncio.gather(*map(request, tokens))

    began = time.time()
    # The server counted no tokens of one: pieces of its stream stand for them.
    asyncio.run(level(1, 64, None, 64, 64))
    asyncio.run(level(4, 10, 11, 12))

    rows = [json.loads(line) for line in windows.read_text().splitlines()]
    sums = [(row["concurrency"], row["warm_ups"], row["warm_up_tokens"]) for row in rows]
    assert sums == [(1, 2, 64 + 2), (4, 2, 10 + 11)]
    assert all(began <= row["measured"] <= time.time() for row in rows)
    assert ended[0] is False  # not before the last warm-up has ended
    read = perf_reading.warm_ups(windows.read_bytes() + b'{"concurrency": 1, "began": 2}\n{')
    assert read[4] == WarmUp(2, 21, rows[1]["measured"])


def line_of(**answer):
    return json.dumps(answer, ensure_ascii=False)


def test_bare_lines_become_events_as_they_arrive():
    first, second = line_of(choices=[{"delta": {"content": "你"}}]), line_of(choices=[])

    events, rest = send_cold.events_of(f"{first}\n\n{second[:9]}")
    assert (events, rest) == ([f"data: {first}"], second[:9])
    assert send_cold.events_of(rest + second[9:]) == ([f"data: {second}"], "")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"errorMsg": "too long"}, "too long"),
        ({"code": 400, "msg": "no messages"}, "no messages"),
        ({"code": 500}, "500"),
        ({"choices": [], "errorMsg": "too long"}, "too long"),
        ({"choices": None, "code": 500, "msg": "oom"}, "oom"),
        ({"choices": [{"delta": {"content": "a"}}], "code": "500", "msg": "oom"}, "oom"),
    ],
)
def test_an_error_in_the_stream_is_a_failed_request(answer, text):
    ((event,), _rest) = send_cold.events_of(line_of(**answer) + "\n")

    assert json.loads(event.removeprefix("data: ")) == {"error": {"message": text}}


@pytest.mark.parametrize("code", [None, 0, 200, "200"])
def test_a_code_of_success_is_no_failed_request(code):
    line = line_of(choices=[], code=code, msg="ok")

    assert send_cold.events_of(line + "\n") == ([f"data: {line}"], "")


def test_what_is_no_object_is_passed_over():
    assert send_cold.events_of('[]\nx\n{"code": 200}\n') == (['data: {"code": 200}'], "")


def test_requests_show_before_the_first_answer(tmp_path):
    params = LoadParams(deployment="3", concurrency=(2,), requests=4)
    load = HttpLoad(params, Prompts(("Why?",), longest=1), metrics=(), streamed=False)
    plan = perf_plan(load, SITE)
    (watch,) = plan.watches
    argv = plan.steps[0].argv
    client = send_cold.Client(tmp_path / argv[argv.index("--progress") + 1])
    client.follow()
    points = tmp_path / "points.jsonl"
    watcher = Scraper((replace(watch, folder=str(tmp_path)),), points)
    client.begin_level(2, 0)
    client.begin()

    def last():
        lines = points.read_bytes().splitlines()
        return json.loads(lines[-1])["v"] if lines else {}

    until(lambda: last().get("sent"), "a request that was sent and not answered is a point")
    watcher.stop()

    counts = {"sent": 1, "done": 0, "failed": 0, "warm": 0, "level": 2, "tokens": 0}
    assert last() == counts | {"total": 4}
    assert argv[argv.index("--stream") + 1] == "bare"  # by which the script knows it
