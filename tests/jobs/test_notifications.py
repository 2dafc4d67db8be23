import asyncio
from contextlib import aclosing

from django.db import OperationalError

from jobs import notifications


def test_a_database_that_is_away_does_not_end_the_listening(settings, monkeypatch):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    def channel():
        raise OperationalError("the database is away")

    monkeypatch.setattr(notifications, "channel", channel)
    monkeypatch.setattr(notifications, "RECONNECT_S", 0.0)

    async def heard():
        async with aclosing(notifications.listen()) as listening:
            return [await anext(listening) for _ in range(2)]

    assert asyncio.run(heard()) == [(notifications.AWAY, {})] * 2
