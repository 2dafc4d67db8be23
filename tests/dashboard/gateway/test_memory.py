"""Memory of the gateway: its age, and when it is read again."""

import asyncio
import time

from dashboard.gateway import memory


def test_what_is_still_fresh_is_read_again_behind_the_request():
    began = []
    kept = memory.Memory(lambda name: began.append(time.monotonic()) or "new")
    asked = time.monotonic()
    kept._known.keep("key", "old", since=asked - memory.AGAIN_S)

    async def ask():
        found = await kept.get("key")
        await kept._reading["key"]
        return found, await kept.get("key")

    assert asyncio.run(ask()) == ("old", "new")
    assert began[0] - asked >= memory._PAUSE_S
