"""Slow down who guesses passwords: the wait after each further failed login grows.

Tries are counted for a name from one address, for a name from all addresses together, and for all
names from one address. Nobody keeps another person out for long: the waits have short limits, a try
that is refused prolongs nothing, a browser in which this person logged in before has a count of its
own, and an address from which they did is not delayed by tries elsewhere. At such an address the
first tries do not wait for those of other names, because a guesser may share it with an office.

Each try counts before the password is looked at, so that many at once get no further than many in a
row.
"""

import logging
import math
import secrets
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from time import time
from typing import NamedTuple

from django.core import signing
from django.core.cache.backends.base import BaseCache

from dashboard.security.counters import add_one, count_one, hashed, on_cache
from jobs.base.engine_addresses import network

logger = logging.getLogger(__name__)

KEEP_S = 3600  # tries are forgotten so long after the last one
WINDOW_S = 15 * 60
TOKENS_OF_AN_ADDRESS = 100
BROWSER_AGE_S = 365 * 86400
ADDRESS_AGE_S = 90 * 86400
_SALT = "dashboard.security.login_throttle.browser"


@dataclass(frozen=True, slots=True)
class TryLimit:
    """``free`` tries without a wait; then 1 s, 2 s, 4 s, … up to ``longest_s``."""

    free: int
    longest_s: int

    def wait_s(self, tries: int) -> int:
        doublings = min(tries - self.free, 20)
        return min(self.longest_s, 2**doublings) if doublings >= 0 else 0


# Room for one's own mistakes.
OF_A_NAME_AT_AN_ADDRESS = TryLimit(5, 300)
# 60 guesses an hour, from however many addresses.
OF_A_NAME = TryLimit(10, 60)
OF_A_BROWSER = TryLimit(10, 60)
# Guesses of one password for many names. An office behind one address has room for its mistakes.
OF_AN_ADDRESS = TryLimit(20, 60)
# Tries of a name, at an address from which it logged in, that wait for no other name's.
FREE_AT_A_KNOWN_ADDRESS = 3


def browser_of(name: str, browser: str = "") -> str:
    """Return the cookie of a browser in which ``name`` has just logged in: signed, for a year.
    ``browser``: the cookie that it had."""
    number = _number(name, browser) or secrets.token_urlsafe(12)
    return signing.dumps([hashed(_folded(name)), number], salt=_SALT)


def seconds_until_next_token(address: str) -> int:
    """Count an unknown API token from ``address``; 0 unless too many came in this span. A token is
    too long to be guessed: this quiets a script that goes on with one that was revoked."""
    span, passed = divmod(int(time()), WINDOW_S)
    key = f"token:{hashed(network(address))}:{span}"
    count = count_one(key, keep_s=2 * WINDOW_S)
    if count == TOKENS_OF_AN_ADDRESS + 1:
        logger.warning("too many unknown tokens from %s", address)
    return WINDOW_S - passed if count > TOKENS_OF_AN_ADDRESS else 0


@on_cache
def seconds_to_wait(
    cache: BaseCache, name: str, address: str, browser: str = "", *, is_everyones: bool = False
) -> int:
    """Count one try to log in as ``name`` from ``address``; 0 when it may go on. ``browser``: the
    cookie of :func:`browser_of`, "" without one. ``is_everyones``: all people may have this
    address, so that tries of all names together are not counted."""
    taken: list[str] = []
    own = 0
    for key, limit, free_tries in _counted(
        cache, name, address, browser, is_everyones=is_everyones
    ):
        tries = add_one(cache, key, keep_s=KEEP_S)
        taken.append(key)
        own = own or tries  # the first count is that of this name
        wait_s = 0 if own <= free_tries else limit.wait_s(tries)
        # Only one of those that come at once gets past this.
        if wait_s and not cache.add(f"{key}:wait", time() + wait_s, timeout=wait_s):
            until: float = cache.get(f"{key}:wait", 0.0)
            # A try that is refused counts nowhere.
            cache.delete_many([f"{each}:wait" for each in taken if each != key])
            for each in taken:
                _take_away(cache, each, 1)
            if cache.add(f"{key}:reported", True, timeout=60):
                logger.warning("too many login attempts from %s", address)
            return max(1, math.ceil(until - time()))
    return 0


@on_cache
def forget(cache: BaseCache, name: str, address: str, browser: str = "") -> None:
    """The try was right: what came before it under this name was a person's mistake."""
    keys = [one.key for one in _counted(cache, name, address, browser)]
    mistakes = cache.get(keys[0], 0)
    cache.delete_many([keys[0], *(f"{key}:wait" for key in keys)])
    cache.set(f"{_key(_folded(name), 'address', network(address))}:known", True, ADDRESS_AGE_S)
    for key in keys[1:]:
        _take_away(cache, key, mistakes)


class _Count(NamedTuple):
    """A count of tries. ``free_tries``: so many tries of this name from this address pass ``limit``
    whatever others have tried."""

    key: str
    limit: TryLimit
    free_tries: int = 0


def _counted(
    cache: BaseCache, name: str, address: str, browser: str, *, is_everyones: bool = False
) -> list[_Count]:
    """Return the counts of a try, that of this name first. From an address where this person has
    logged in before, tries elsewhere do not count. Keys are hashed: a name may be a password by
    mistake."""
    folded, place = _folded(name), network(address)
    if number := _number(name, browser):
        return [_Count(_key(folded, "browser", number), OF_A_BROWSER)]
    own = _key(folded, "address", place)
    is_known = bool(cache.get(f"{own}:known"))
    counts = [_Count(own, OF_A_NAME_AT_AN_ADDRESS)]
    if not is_known:
        counts.append(_Count(_key(folded, "anywhere", ""), OF_A_NAME))
    if not is_everyones:
        free_tries = FREE_AT_A_KNOWN_ADDRESS if is_known else 0
        counts.append(_Count(_key("", "all names", place), OF_AN_ADDRESS, free_tries))
    return counts


def _key(name: str, place: str, value: str) -> str:
    return f"login:{hashed(chr(10).join((name, place, value)))}"


def _number(name: str, browser: str) -> str:
    """Return the browser's number from its cookie; "" where the cookie is not for ``name``."""
    try:
        whose, number = signing.loads(browser, salt=_SALT, max_age=BROWSER_AGE_S)
    except (signing.BadSignature, ValueError, TypeError):
        return ""
    return str(number) if whose == hashed(_folded(name)) else ""


def _take_away(cache: BaseCache, key: str, count: int) -> None:
    with suppress(ValueError):  # the count has just expired: nothing is left to take away
        if cache.get(key, 0) >= count > 0:
            cache.decr(key, count)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip()
