"""Limit login attempts, counted in Redis for all web processes together.

Each try counts before the password is looked at, so that many at once get no further than many in a
row. The windows are fixed spans of the clock: their end is known, and nothing prolongs it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
import unicodedata
from time import time

from django.core.cache import cache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

WINDOW_S = 15 * 60
# Room for one's own mistakes; 480 guesses a day at one name.
TRIES_OF_A_NAME = 5
# A whole team may come from one address, and each may mistype.
TRIES_OF_AN_ADDRESS = 50
TOKENS_OF_AN_ADDRESS = 100


def seconds_to_wait(name: str, address: str) -> int:
    """Count one login attempt as ``name`` from ``address``; 0: it may continue.

    Without Redis nothing is counted (fail open): blocking would stop users, not attackers.
    """
    span, passed = divmod(int(time()), WINDOW_S)
    try:
        counts = [_count(key, span) for key in _keys(name, address)]
    except RedisError as error:
        logger.warning("login attempts are not counted: %s", error)
        return 0
    if counts[0] <= TRIES_OF_A_NAME and counts[1] <= TRIES_OF_AN_ADDRESS:
        return 0
    logger.warning("too many login attempts from %s", address)
    return WINDOW_S - passed


def seconds_until_next_token(address: str) -> int:
    """Count an unknown API token from ``address``; 0 unless too many came in this span.

    A token is too long to be guessed: this quiets a script that goes on with one that was revoked.
    """
    span, passed = divmod(int(time()), WINDOW_S)
    key = f"token:{hashlib.sha256(_network(address).encode()).hexdigest()}"
    try:
        count = _count(key, span)
    except RedisError as error:
        logger.warning("unknown tokens are not counted: %s", error)
        return 0
    if count == TOKENS_OF_AN_ADDRESS + 1:
        logger.warning("too many unknown tokens from %s", address)
    return WINDOW_S - passed if count > TOKENS_OF_AN_ADDRESS else 0


def forget(name: str, address: str) -> None:
    """The try was right: what came before it under this name was a person's mistake."""
    span = int(time()) // WINDOW_S
    own, of_the_address = (f"{key}:{span}" for key in _keys(name, address))
    try:
        mistakes = cache.get(own, 0)
        cache.delete(own)
        if cache.get(of_the_address, 0) >= mistakes > 0:
            cache.decr(of_the_address, mistakes)
    except (RedisError, ValueError) as error:  # ValueError: the span ended just now
        logger.warning("login attempts are not reset: %s", error)


def _count(key: str, span: int) -> int:
    cache.add(f"{key}:{span}", 0, timeout=2 * WINDOW_S)
    return cache.incr(f"{key}:{span}")


def _keys(name: str, address: str) -> tuple[str, str]:
    """The two that are counted. Hashed: a name may be long, and may be a password by mistake."""
    folded = unicodedata.normalize("NFKC", name).casefold().strip()
    who = f"{folded}\n{_network(address)}".encode(errors="replace")
    where = _network(address).encode()
    return f"login:{hashlib.sha256(who).hexdigest()}", f"login:{hashlib.sha256(where).hexdigest()}"


def _network(address: str) -> str:
    """The address; of IPv6 the network, since each customer has 2**64 addresses."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))
