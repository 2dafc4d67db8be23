"""People who chat: ``python -m tests.bench.chatters``.

Each line of input is ``{"headers", "requests": [{"url", "json"}]}``, all of which are sent
at once; it answers ``{"ttft_s": [...], "rates": [...], "tokens": [...]}``, one of each a request:
seconds to the first byte of the answer, tokens a second from the request to the last byte.
"""

import asyncio
import json
import sys
import time
from typing import Any

import aiohttp
import uvloop

LAST_EVENTS = 2  # of an answer are no tokens: why it ended, and that it did


async def ask(
    http: aiohttp.ClientSession, headers: dict[str, str], request: dict[str, Any]
) -> tuple[float, float, int]:
    began = time.monotonic()
    first, last, line_ends = 0.0, 0.0, 0
    async with http.post(request["url"], json=request["json"], headers=headers) as answer:
        if answer.status != 200:
            raise RuntimeError(f"{request['url']}: {answer.status} {await answer.text()}")
        async for chunk in answer.content.iter_any():
            last = time.monotonic()
            first = first or last
            line_ends += chunk.count(b"\n")
    # To the last byte: the relay's end comes when its turn is in the database.
    tokens = line_ends // 2 - LAST_EVENTS
    return first - began, tokens / (last - began), tokens


async def main() -> None:
    # Shorter than the server's 5 s, which may close a connection while a request is on its way.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=1)
    async with aiohttp.ClientSession(connector=connector) as http:
        while line := await asyncio.to_thread(sys.stdin.readline):
            order = json.loads(line)
            done = await asyncio.gather(
                *(ask(http, order["headers"], each) for each in order["requests"])
            )
            names = ("ttft_s", "rates", "tokens")
            print(json.dumps(dict(zip(names, zip(*done, strict=True), strict=True))), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
