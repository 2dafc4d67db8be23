"""An engine that streams, and a browser that asks the relay."""

import asyncio
import json
from contextlib import asynccontextmanager

from aiohttp import web
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User

from dashboard.chat.relay import relay_application
from jobs.models import Conversation, Turn
from tests.factories import make_deployment, make_endpoint


def delta(**fields):
    return b"data: " + json.dumps({"choices": [{"delta": fields}]}).encode() + b"\n\n"


END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


class Engine:
    """A server that streams what a test gives it, over a real socket."""

    def __init__(self):
        self.say: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.requests = []
        self.keys = []
        self.was_left = asyncio.Event()
        self.status, self.headers = 200, {}
        self.tokens = None  # how its tokenizer counts a text

    async def ends(self, *pieces):
        for piece in (*pieces, None):
            await self.say.put(piece)

    async def chat(self, request):
        self.requests.append(await request.json())
        self.keys.append(request.headers.get("Authorization"))
        response = web.StreamResponse(status=self.status, headers=self.headers)
        await response.prepare(request)
        try:
            while (piece := await self.say.get()) is not None:
                await response.write(piece)
        except (asyncio.CancelledError, ConnectionError):
            self.was_left.set()
            raise
        return response

    async def tokenize(self, request):
        if self.tokens is None:
            return web.json_response({"detail": "Not Found"}, status=404)
        return web.json_response(self.tokens((await request.json())["prompt"]))

    @asynccontextmanager
    async def served(self):
        app = web.Application()
        app.router.add_post("/tokenize", self.tokenize)
        app.router.add_post("/v1/chat/completions", self.chat)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            await runner.cleanup()


class Browser:
    """One request to the relay, as an ASGI server makes it."""

    def __init__(self, client, path, *, method="POST", query="", headers=()):
        token = "t" * 32
        cookies = {name: morsel.value for name, morsel in client.cookies.items()}
        cookies["csrftoken"] = token
        self.scope = {
            "type": "http",
            "method": method,
            "path": path,
            "root_path": "",
            "query_string": query.encode(),
            "headers": [
                (b"host", b"testserver"),
                (b"cookie", "; ".join(f"{k}={v}" for k, v in cookies.items()).encode()),
                *(headers or [(b"x-csrftoken", token.encode())]),
            ],
            "scheme": "http",
            "server": ("testserver", 80),
        }
        self.status = None
        self.headers = {}
        self.body = b""
        self.came = asyncio.Event()
        self.leave = asyncio.Event()
        self.task = asyncio.create_task(relay_application(self.scope, self.receive, self.send))

    async def receive(self):
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        self.status = message.get("status", self.status)
        self.headers |= dict(message.get("headers", ()))
        self.body += message.get("body", b"")
        self.came.set()

    async def until(self, size):
        while len(self.body) < size:
            self.came.clear()
            await self.came.wait()


def opened(client, turn, verb="start", **more):
    method = "POST" if verb in ("start", "stop") else "GET"
    return Browser(client, f"/relay/turns/{turn.pk}/{verb}", **{"method": method, **more})


async def begun(client, engine, turn, piece):
    """A browser that has got the first piece of an answer, while the engine still works."""
    browser = opened(client, turn)
    await engine.say.put(piece)
    await browser.until(len(piece))
    assert not browser.task.done()
    return browser


def outcome(client, *pieces, make=None, status=200, headers=()):
    """Return the ended turn, the stream that its page got, and requests and keys of the engine."""
    seen = []

    async def scenario(engine, turn):
        engine.status, engine.headers = status, dict(headers)
        await engine.ends(*pieces)
        browser = opened(client, turn)
        await browser.task
        seen.extend((browser.body, engine.requests, engine.keys))

    return run(scenario, make), *seen


def run(scenario, make=None):
    """Run an async scenario with an engine and a turn for it, which ``make`` makes of its URL."""

    async def whole():
        engine = Engine()
        async with engine.served() as url:
            turn = await sync_to_async(make or make_turn)(url)
            async with asyncio.timeout(20):
                await scenario(engine, turn)
            await sync_to_async(turn.refresh_from_db)()
        return turn

    return async_to_sync(whole)()


def make_turn(url, user=None):
    deployment = make_deployment(name="m", model_id="m", dashboard_url=url)
    user = user or User.objects.get(username="lin")
    chat = Conversation.objects.create(user=user, deployment=deployment)
    asked = {"index": 0, "prompt": "Hi", "request": {"model": "m"}}
    return Turn.objects.create(conversation=chat, deployment=deployment, **asked)


def make_external_turn(url, **fields):
    endpoint = make_endpoint("H800", **{"url": url, "model": "m", **fields})
    user = User.objects.get(username="lin")
    chat = Conversation.objects.create(user=user, endpoint=endpoint)
    asked = {"index": 0, "prompt": "Hi", "request": {"model": "m"}, "device": endpoint.device}
    return Turn.objects.create(conversation=chat, endpoint=endpoint, **asked)
