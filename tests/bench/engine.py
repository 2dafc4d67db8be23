"""An engine that answers at once: ``python -m tests.bench.engine`` prints its port.

A request says how many tokens it gets and how many a second, 0 for all as fast as they are taken:
``{"tokens", "rate"}`` beside what an OpenAI request has. A token is one event of 154 bytes; with
``"text"`` in place of ``"tokens"`` each is four characters of it. A question that came by a page
says so in its last message.
"""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from itertools import cycle, islice
from typing import Any

import uvloop
from aiohttp import web

TOKEN_BYTES = 154
CHARACTERS = 4
END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def token(text: str) -> bytes:
    """One event as vLLM sends it."""
    delta = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
    chunk = {"id": "chatcmpl-0", "object": "chat.completion.chunk", **delta}
    text = f"data: {json.dumps(chunk)}"
    return text.encode().ljust(TOKEN_BYTES - 2) + b"\n\n"


# More than one: LiteLLM's proxy ends an answer that has the same token a hundred times.
WORDS = [token(word) for word in ("so ", "the ", "value ", "of ", "this ", "term ", "is ")]


def _events(asked: Mapping[str, Any]) -> Iterable[bytes]:
    if "text" not in asked:
        return islice(cycle(WORDS), asked["tokens"])
    text = asked["text"]
    return (token(text[at : at + CHARACTERS]) for at in range(0, len(text), CHARACTERS))


async def chat(request: web.Request) -> web.StreamResponse:
    asked = await request.json()
    if "rate" not in asked:
        asked = json.loads(asked["messages"][-1]["content"])
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    rate, began = asked["rate"], time.monotonic()
    for number, event in enumerate(_events(asked)):
        await response.write(event)
        if rate:
            due = began + (number + 1) / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
    await response.write(END)
    return response


async def main() -> None:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
