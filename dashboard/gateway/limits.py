"""Limits of a key: requests and tokens a minute, and a budget of tokens.

A minute is one of the clock. All web processes count together in Valkey; while it is away each
counts alone, so that no limit ends. Tokens count when an answer ends: a request begins while some
are left, and may end beyond the limit. A key without limits costs no call.
"""

import asyncio
import time
from http import HTTPStatus

from dashboard.gateway import use
from dashboard.gateway.memory import GatewayKey
from dashboard.gateway.refusals import GatewayRefusal, rate_limited
from dashboard.security.counters import count_one

_MINUTE_S = 60


async def check_limits(key: GatewayKey) -> None:
    """Count one request. Raises ``GatewayRefusal``."""
    if key.left is not None and key.left <= use.unwritten_tokens(key.token_id):
        text = "You exceeded the token budget of this key."
        status = HTTPStatus.TOO_MANY_REQUESTS
        raise GatewayRefusal(status, "insufficient_quota", text, is_final=True)
    for name, most, more in (
        ("tokens", key.tokens_per_minute, 0),
        ("requests", key.requests_per_minute, 1),
    ):
        if most is not None and await _count(key, name, more) >= most + more:
            text = f"Rate limit reached: {most} {name} per minute for this key."
            raise rate_limited(text, _MINUTE_S - int(time.time()) % _MINUTE_S)


async def count_tokens(key: GatewayKey, tokens: int) -> None:
    if key.tokens_per_minute is not None and tokens:
        await _count(key, "tokens", tokens)


async def _count(key: GatewayKey, name: str, more: int) -> int:
    minute = int(time.time()) // _MINUTE_S
    where = f"gateway:{name}:{key.token_id}:{minute}"
    return await asyncio.to_thread(count_one, where, keep_s=2 * _MINUTE_S, more=more)
