"""Prefect: a flow logs at a pace, its server sends each log to those who have its socket open.

The server is one process with its own SQLite. Its socket of logs is off unless two settings say
otherwise; its pages do without, and ask for 50 lines every 5 s. A flow sends its logs every 2 s.

``python -m tests.bench.peers.prefect``: readers in a process of their own. Order: ``{"url", "run",
"sockets"}``. It prints ``ready``, waits for a line, then until nothing more comes, and prints
``{"lines": [...]}``: ``[socket, printed_at, arrived_at]`` of each that came (monotonic clock).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from tests.bench.command import STAMP_BYTES
from tests.bench.peers import installed, serving
from tests.bench.programs import program
from tests.stack import clean_environment, free_port

QUIET_S = 5.0


@dataclass(frozen=True, slots=True)
class Prefect:
    python: Path
    environ: dict[str, str]
    url: str

    def logged(self, lines: int, rate: int, sockets: int) -> tuple[dict[str, Any], list[Any]]:
        """Run a flow with so many readers: what it said at its end, and the lines that came."""
        order = {"lines": lines, "rate": rate}
        with program("flow", order, env=self.environ, python=self.python) as flow:
            order = {"url": self.url, "run": flow.hear(), "sockets": sockets}
            with program("peers.prefect", order) as readers:
                readers.hear()
                flow.say()
                said = flow.answer()
                flow.wait()
                readers.say()
                return said, readers.answer()["lines"]


@contextmanager
def prefect(folder: Path) -> Iterator[Prefect]:
    bin_folder, port = installed("prefect"), free_port()
    api = f"http://127.0.0.1:{port}/api"
    settings = {
        "PREFECT_HOME": str(folder),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_LOGS_STREAM_OUT_ENABLED": "true",
        "PREFECT_SERVER_LOGS_STREAM_PUBLISHING_ENABLED": "true",
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    }
    start = [bin_folder / "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with serving([*start, "--workers", "1"], folder, f"{api}/health", **settings):
        environ = clean_environment() | {"HOME": str(folder)} | settings
        socket = f"{api.replace('http', 'ws')}/logs/out"
        yield Prefect(bin_folder / "python", environ, socket)


class Reader(WSListener):
    def __init__(self, number: int, run: str, messages: list[tuple[int, bytes, float]]) -> None:
        self._number = number
        self._filter = {"flow_run_id": {"any_": [run]}}
        self._messages = messages

    def on_ws_connected(self, transport: WSTransport) -> None:
        asked = {"type": "filter", "filter": self._filter}
        transport.send(WSMsgType.TEXT, json.dumps(asked).encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.TEXT:
            message = (self._number, frame.get_payload_as_bytes(), time.monotonic())
            self._messages.append(message)


async def main() -> None:
    order = json.loads(sys.stdin.readline())
    messages: list[tuple[int, bytes, float]] = []
    for number in range(order["sockets"]):
        await ws_connect(lambda n=number: Reader(n, order["run"], messages), order["url"])
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    count = -1
    while count < len(messages):
        count = len(messages)
        await asyncio.sleep(QUIET_S)
    lines = []
    for socket, message, at in messages:
        text = json.loads(message)["log"]["message"]
        if text[0].isdigit():  # else Prefect's own
            lines.append((socket, float(text[:STAMP_BYTES]), at))
    print(json.dumps({"lines": lines}), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
