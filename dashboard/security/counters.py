"""Counters that all web processes share: in Redis; while Redis is away, in the process."""

import hashlib
import ipaddress
import logging
from collections.abc import Callable
from typing import TypeVar

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

T = TypeVar("T")


def on_cache(do: Callable[[BaseCache], T]) -> T:
    """Return what ``do`` returns for the shared cache, or for that of this process."""
    try:
        return do(caches["default"])
    except RedisError as error:
        logger.warning("this process counts alone: %s", error)
        return do(caches["without_redis"])


def add_one(cache: BaseCache, key: str, *, keep_s: int) -> int:
    """Count one more; return the count. It is forgotten so long after the last one."""
    cache.add(key, 0, timeout=keep_s)
    count: int = cache.incr(key)
    cache.touch(key, keep_s)
    return count


def hashed(text: str) -> str:
    """Return the SHA-256 of a text that must not be stored.

    Keys and tokens are long and random; a typed name may be a password.
    """
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def network(address: str) -> str:
    """Return the address; of IPv6 the network, because each customer has 2**64 addresses."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if parsed.version == 4:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False))
