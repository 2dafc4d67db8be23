"""Pages that read a log over real WebSockets and come back by themselves, as the page's script."""

import asyncio
import contextlib
import hashlib
import json
import random
from collections.abc import Callable
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.faults.proxy import Loop
from tests.frames import unframe

FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 2.0
FINAL_CODES = (4400, 4401, 4403, 4404)
KINDS = ("steady", "slow", "restless")


class Viewer:
    """One page. ``kind``: it reads on, it reads slowly, or it goes away and comes back."""

    def __init__(self, kind: str, url: Callable[[], str], cookie: str, origin: str) -> None:
        self.kind = kind
        self.size = 0
        self.connects = 0
        self.over = False
        self.wrong = ""
        self.paused = False
        self._digest = hashlib.sha256()
        self._url, self._cookie, self._origin = url, cookie, origin
        self._chance = random.Random(kind)
        self._again = False

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def start_anew(self) -> None:
        """Read from the first byte, as a page that is opened again does."""
        self._again = True

    async def run(self) -> None:
        """Read until the log is over, through every end of the connection."""
        wait = FIRST_WAIT_S
        while not self.over and not self.wrong:
            before = self.size
            with contextlib.suppress(
                OSError, ConnectionClosed, InvalidHandshake, TimeoutError, EOFError
            ):
                await self._connection()
            wait = FIRST_WAIT_S if self.size > before else min(2 * wait, LONGEST_WAIT_S)
            await asyncio.sleep(wait)

    async def _connection(self) -> None:
        if self._again:
            self._again, self.size, self._digest = False, 0, hashlib.sha256()
        self.connects += 1
        async with connect(
            f"{self._url()}?from={self.size}",
            additional_headers={"Cookie": self._cookie},
            origin=self._origin,
            compression=None,
            max_size=None,
            open_timeout=10,
            ping_interval=5,
            ping_timeout=10,
            close_timeout=1,
        ) as socket:
            leaves_at = self.size + self._chance.randint(200_000, 5_000_000)
            async for message in socket:
                self._take(message)
                while self.paused:
                    await asyncio.sleep(0.05)
                if self._again or (self.kind == "restless" and self.size > leaves_at):
                    return
                if self.kind == "slow":
                    await asyncio.sleep(0.02)
            if socket.close_code in FINAL_CODES:
                self.wrong = f"the socket was closed with {socket.close_code}"

    def _take(self, message: Any) -> None:
        if isinstance(message, str):
            self.over = json.loads(message)["type"] == "end"
            return
        start, _, data = unframe(message)
        if start != self.size:
            self.wrong = f"a frame begins at {start}, not at {self.size}"
            return
        self._digest.update(data)
        self.size += len(data)


class Audience:
    """One viewer of each kind at one log."""

    def __init__(self, loop: Loop, url: Callable[[], str], cookie: str, origin: str) -> None:
        self.viewers = [Viewer(kind, url, cookie, origin) for kind in KINDS]
        self._tasks = [loop.start(viewer.run()) for viewer in self.viewers]

    def has(self, size: int) -> bool:
        """Return true if every viewer has so many bytes, or cannot get them."""
        return all(viewer.size >= size or viewer.wrong for viewer in self.viewers)

    def is_over(self) -> bool:
        return all(viewer.over or viewer.wrong for viewer in self.viewers)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
