"""Hints between processes over Redis, "new data exists"; no e-mail. A fast path, not the delivery.

Published on one Redis channel for each dashboard, ``vacc:<instance id>:notifications``, as JSON
``{"type": topic, "at": seconds since the epoch, …}``. Notifications may be lost; listeners also
poll every second.

Topics: ``log`` (key, size), ``job`` (id, state), ``deployment`` (id, state), ``host`` (name: it
changed, more than its measurements), ``points`` (job),
``preflight`` (id), ``rates`` (id of a deployment with new points of its server), ``chat`` (id: a
turn was asked, or another one is shown).
"""

import asyncio
import json
import logging
import socket
import time
from collections.abc import AsyncGenerator
from functools import cache, partial
from typing import Any

import redis
import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, transaction
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs.base.valkey import socket_of
from jobs.models import Instance

logger = logging.getLogger(__name__)

# Connection events for listeners: notifications resumed; notifications unavailable.
CONNECTED = "connected"
AWAY = "away"
# Max wait of a request for Redis, followed by a pause.
TIMEOUT_S = 0.25
REST_S = 2.0
RECONNECT_S = 0.5
_rest_until, _is_away = 0.0, False


@cache
def channel() -> str:
    # The one row, made by the first caller: see jobs.queries.hosts, a later package.
    instance, _is_new = Instance.objects.get_or_create(pk=1)
    return f"vacc:{instance.instance_id}:notifications"


def notify(topic: str, **data: Any) -> None:
    """Notify all processes of this dashboard, after the commit of a transaction. Never raises, and
    hardly waits if Redis is down."""
    if settings.REDIS_URL:
        transaction.on_commit(partial(_send, topic, data))


async def listen() -> AsyncGenerator[tuple[str, dict[str, Any]]]:
    """Yield ``(topic, data)`` for ever; ``data`` has ``at``. Connects again by itself. After each
    (re)connect it yields ``(CONNECTED, {})``: notifications in between are lost. While Redis is
    away it yields ``(AWAY, {})`` at each try. Without any ``REDIS_URL`` it ends."""
    while settings.REDIS_URL:
        try:
            async for notification in _listen_once():
                yield notification
        except (redis.RedisError, OSError, DatabaseError, ValueError, KeyError) as error:
            # The channel's name is read once from the database; foreign messages are ignored.
            logger.debug("notifications: %s", error)
        yield AWAY, {}
        await asyncio.sleep(RECONNECT_S)


async def _listen_once() -> AsyncGenerator[tuple[str, dict[str, Any]]]:
    keepalive: dict[str, Any] = {}
    if not socket_of(settings.REDIS_URL):
        # A silently vanished Redis: a listener only reads, and would not notice.
        times = {socket.TCP_KEEPIDLE: 15, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 3}
        keepalive = {"socket_keepalive": True, "socket_keepalive_options": times}
    client = redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=2.0,
        socket_timeout=None,
        **keepalive,
        retry=AsyncRetry(NoBackoff(), 0),
    )
    try:
        async with client.pubsub() as pubsub:
            await pubsub.subscribe(await sync_to_async(channel)())
            async for message in pubsub.listen():
                if message["type"] == "subscribe":
                    yield CONNECTED, {}
                elif message["type"] == "message":
                    data = json.loads(message["data"])
                    yield data.pop("type"), data
    finally:
        await client.aclose()


def _send(topic: str, data: dict[str, Any]) -> None:
    """Publish; after a failure pause, so that no request waits twice."""
    global _rest_until, _is_away
    if time.monotonic() < _rest_until:
        return
    try:
        message = json.dumps({"type": topic, "at": time.time(), **data})
        _client().publish(channel(), message)
    except (redis.RedisError, OSError) as error:
        _rest_until = time.monotonic() + REST_S
        if not _is_away:
            _is_away = True
            logger.warning("Redis is away, pages poll meanwhile: %s", error)
        return
    if _is_away:
        _is_away = False
        logger.info("Redis is back")


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=TIMEOUT_S,
        socket_timeout=TIMEOUT_S,
        # One retry without a wait: the first send after Redis came back meets a connection that has
        # died meanwhile.
        retry=Retry(NoBackoff(), 1),
    )
