"""State shared by all sockets of a web process: listener for notifications, hub of logs."""

import asyncio
import contextlib
import time
from typing import Any
from weakref import WeakKeyDictionary

from dashboard.security.log_access import is_over
from jobs import notifications
from jobs.logstore import Hub, store

# While notifications cannot arrive, pages reload at this interval.
NO_REDIS_RELOAD_S = 2.0

Notification = dict[str, Any]


class Inbox:
    """Notifications for one page: the newest of each subject, so that a slow page costs little."""

    def __init__(self) -> None:
        self._pending: dict[str, Notification] = {}
        self._news = asyncio.Event()

    def put(self, subject: str, notification: Notification) -> None:
        """Add a notification; it replaces one of the same subject that was not taken yet."""
        self._pending[subject] = notification
        self._news.set()

    async def take(self) -> list[Notification]:
        """Wait for news and return all of it, oldest subject first."""
        await self._news.wait()
        self._news.clear()
        pending, self._pending = list(self._pending.values()), {}
        return pending


class Broadcaster:
    """Distributes the notifications of one event loop. Its listener runs as long as the loop."""

    def __init__(self) -> None:
        self.hub = Hub(store(), is_over)
        self._inboxes: set[Inbox] = set()
        self._last_reload_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._listen(), name="notifications")
        store().on_append(self._appended)

    def join(self) -> Inbox:
        """Return the notifications for one more page, from now on."""
        inbox = Inbox()
        self._inboxes.add(inbox)
        return inbox

    def leave(self, inbox: Inbox) -> None:
        self._inboxes.discard(inbox)

    def _appended(self, key: str) -> None:
        """Wake readers after an append of this process, without waiting for its notification."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self.hub.wake, key)

    async def _listen(self) -> None:
        while True:
            async for topic, data in notifications.listen():
                self._take(topic, data)
            self._take(notifications.AWAY, {})  # there is no Redis at all
            await asyncio.sleep(NO_REDIS_RELOAD_S)

    def _take(self, topic: str, data: Notification) -> None:
        if topic == "log":
            # Pages that show a log have a socket of their own; the others need not know.
            self.hub.wake(str(data.get("key", "")))
        elif topic == notifications.CONNECTED:
            self.hub.wake_all()
            self._send("missed", {"type": "missed"})
        elif topic == notifications.AWAY:
            if time.monotonic() - self._last_reload_at >= NO_REDIS_RELOAD_S:
                self._last_reload_at = time.monotonic()
                self._send("missed", {"type": "missed"})
        else:
            subject = f"{topic}:{data.get('id', data.get('name', data.get('job', '')))}"
            if topic in ("job", "deployment"):
                self.hub.wake(f"{topic}/{data.get('id')}", ended=True)
            self._send(subject, {"type": topic, **data})

    def _send(self, subject: str, notification: Notification) -> None:
        for inbox in self._inboxes:
            inbox.put(subject, notification)


_broadcasters: WeakKeyDictionary[asyncio.AbstractEventLoop, Broadcaster] = WeakKeyDictionary()


def broadcaster() -> Broadcaster:
    """Return the broadcaster of the running loop; made at the first call."""
    loop = asyncio.get_running_loop()
    if loop not in _broadcasters:
        _broadcasters[loop] = Broadcaster()
    return _broadcasters[loop]
