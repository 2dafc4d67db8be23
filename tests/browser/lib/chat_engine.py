"""A chat in a real browser, with an engine that streams what a test gives it."""

import json
import queue
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from playwright.sync_api import Locator, Page

END = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def delta(**fields: Any) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": fields}]}).encode() + b"\n\n"


def ask(page: Page, text: str = "Hello") -> Locator:
    """Ask in the chat of a page; the turn."""
    page.get_by_label("Message").fill(text)
    page.get_by_role("button", name="Send").click()
    page.wait_for_url(re.compile(r"/playground/\d+/"))
    return page.locator("[data-turn]").last


def part(turn: Locator, name: str) -> Locator:
    return turn.locator(f"[data-part={name}]")


class ChatEngine:
    """``say`` goes to the request that is open, or to the next one; ``status`` is of the next.

    ``keys`` has the Authorization of each request.
    """

    def __init__(self) -> None:
        self.status = 200
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.url = ""
        self._pieces: queue.Queue[bytes | None] = queue.Queue()

    def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._pieces.put(piece)

    def end(self, *pieces: bytes) -> None:
        """Send these and close the connection."""
        self.say(*pieces)
        self._pieces.put(None)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.keys.append(request.headers.get("Authorization"))
        self.requests.append(json.loads(request.rfile.read(int(request.headers["Content-Length"]))))
        request.send_response(self.status)
        request.end_headers()
        while (piece := self._pieces.get()) is not None:
            request.wfile.write(piece)
            request.wfile.flush()


@contextmanager
def chat_engine() -> Iterator[ChatEngine]:
    engine = ChatEngine()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if self.path == "/v1/chat/completions":
                engine.answer(self)
            else:
                self.send_error(404)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        engine.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield engine
        server.shutdown()
