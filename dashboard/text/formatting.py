"""Numbers, sizes, durations, times and long names as text.

Three significant digits for measurements, all digits for counts, a narrow space between thousands,
a true minus sign.
"""

import math
import re
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language, gettext, ngettext, pgettext

THIN = "\u202f"  # narrow no-break space
MINUS = "\u2212"
MANIFOLD = 2  # relative changes from here on are shown as a factor
_DECIMALS = 4  # most of a number that they do not make zero
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")
SHORTEST = 16  # characters of a name that are never cut
TAIL, LONGEST_TAIL, CUT_TAIL = 12, 26, 14
# What tells variants of a model apart: "…-int8-tp4", "…Q8_0 from Q4_1".
_PRECISION = re.compile(
    r"(?<![a-z0-9])(int[48]|fp?(8|16|32)|bf16|q\d(_\w+)?|w\da\d+)(?![a-z0-9])", re.IGNORECASE
)


class Arguments(dict[str, Any]):
    """Arguments of a text; a missing one shows as "?" instead of raising."""

    def __missing__(self, key: str) -> str:
        return "?"


def number(value: float, decimals: int | None = None, *, signed: bool = False) -> str:
    """Return a number as text. Without ``decimals``: all digits of an int, three of a float."""
    if isinstance(value, float) and not math.isfinite(value):
        return gettext("not a number")
    if decimals is None:
        power = math.floor(math.log10(abs(value))) if value else 1
        # What four decimals would show as zero has two digits.
        digits = 1 - power if power < -_DECIMALS else min(_DECIMALS, max(0, 2 - power))
        decimals = 0 if isinstance(value, int) else digits
    text = f"{abs(value):,.{decimals}f}".replace(",", THIN)
    if not text.strip("0." + THIN):  # zero has no sign
        return text
    return MINUS + text if value < 0 else f"+{text}" if signed else text


def measured(value: float) -> str:
    """Return a measurement with three significant digits: "3 424", "0.0035"."""
    return number(float(value))


def counted(value: float) -> str:
    """Return a count with all digits, "27 211"; a mean of counts like a measurement."""
    return number(int(value)) if float(value).is_integer() else number(float(value))


def percent(share: float) -> str:
    """Return a share in per cent with two decimals and without the sign: "46.20"."""
    return number(100 * share, 2)


def points(share: float, decimals: int = 2) -> str:
    """Return a difference of shares in points, signed: "−0.26"."""
    return number(100 * share, decimals, signed=True)


def p_text(p: float) -> str:
    """Return a p value: "p = 0.052", "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {number(p, 3)}"


def change_text(share: float) -> str:
    """Return a relative change as text: "+20.2 %", "−4.1 %"; from a factor of three "× 40.6"."""
    if share >= MANIFOLD:
        return f"× {number(1 + share)}"
    return f"{number(100 * share, 1, signed=True)} %"


def size(count: float) -> tuple[str, str]:
    """Return bytes as (number, unit) in powers of 1,000: ``("531", "MB")``."""
    power = 0
    while abs(count) >= 999.5 and power < len(_SIZES) - 1:
        count /= 1000
        power += 1
    return number(round(count) if power == 0 else float(count)), _SIZES[power]


def size_text(count: float) -> str:
    return " ".join(size(count))


def duration(seconds: float) -> str:
    """Return a duration as text: "3.10 ms", "0.42 s", "12.4 s", "29 min 04 s", "1 h 12 min"."""
    seconds = max(0.0, float(seconds))
    day, hour, minute, second = pgettext("days", "d"), gettext("h"), gettext("min"), gettext("s")
    whole = round(seconds)
    if 0 < seconds < 0.1:
        return f"{number(1000 * seconds)} ms"
    if round(seconds, 1) < 60:
        # A whole number of seconds is an estimate or a setting: add no decimals.
        if seconds.is_integer():
            return _spaced(whole, second)
        return _spaced(number(seconds) if seconds < 9.95 else f"{seconds:.1f}", second)
    minutes, hours = whole // 60, whole // 3600
    if whole < 3600 and seconds % 60 == 0:
        return _spaced(minutes, minute)
    if whole < 3600:
        return _spaced(minutes, minute, f"{whole % 60:02d}", second)
    if hours < 24:
        return _spaced(hours, hour, f"{minutes % 60:02d}", minute)
    return _spaced(hours // 24, day, hours % 24, hour)


def _spaced(number: int | str, unit: str, *more: int | str) -> str:
    """Join numbers with their units: Chinese has no space between digits and words."""
    return (" " if unit.isascii() else "").join(map(str, (number, unit, *more)))


def about(seconds: float) -> str:
    """Return a rounded estimate of a duration: "12 min", "2 h 30 min", "3 d 4 h"."""
    if seconds < 60:
        return gettext("less than a minute")
    minutes = round(seconds / 60)
    if minutes > 30:
        minutes = round(minutes / 5) * 5
    if 60 <= minutes < 24 * 60 and minutes % 60 == 0:
        return _spaced(minutes // 60, gettext("h"))
    return duration(minutes * 60)


def joined(*messages: str) -> str:
    """Join sentences, without a space after a full-width stop."""
    result = ""
    for text in filter(None, messages):
        result += text if not result or result.endswith(("。", "！", "？")) else f" {text}"
    return result


def moment(when: datetime, now: datetime | None = None) -> str:
    """Return a past time: clock today, else day, with its year if that is another one."""
    local = timezone.localtime(when)
    today = timezone.localtime(now or timezone.now())
    if local.date() == today.date():
        return f"{local:%H:%M}"
    return _day(local.date(), get_language(), with_year=local.year != today.year)


def day_text(when: date) -> str:
    day = timezone.localtime(when).date() if isinstance(when, datetime) else when
    return _day(day, get_language(), with_year=True)


@lru_cache(maxsize=1024)  # a list names each of its days several times
def _day(day: date, language: str | None, *, with_year: bool) -> str:
    """Return a day in ``language``, which is the active one."""
    if with_year:
        return date_format(day, pgettext("date format: day, month, year", "j M Y"))
    return date_format(day, pgettext("date format: day and month", "j M"))


def clock(when: datetime, now: datetime | None = None) -> str:
    """Return a future time in the viewer's time zone: clock within a day, else day."""
    if when - (now or timezone.now()) < timedelta(days=1):
        return f"{timezone.localtime(when):%H:%M}"
    return moment(when, now)


def exact(when: datetime) -> str:
    """Return a time in the viewer's time zone, to the second: "2026-11-27 14:03:22"."""
    return f"{timezone.localtime(when):%Y-%m-%d %H:%M:%S}"


def full_moment(when: datetime) -> str:
    """Return a time with day, seconds and time zone, for tooltips."""
    local = timezone.localtime(when)
    offset = f"{local:%z}"
    time = f"{local:%H:%M:%S} UTC{offset[:3]}:{offset[3:]}"
    return gettext("%(day)s, %(time)s") % {"day": day_text(when), "time": time}


def since(when: datetime, now: datetime | None = None) -> str:
    """Return the rounded age: "3 s ago", "12 min ago", "5 h ago", "2 days ago"."""
    passed = max(0, int(((now or timezone.now()) - when).total_seconds()))
    if passed < 60:
        return gettext("%(n)s s ago") % {"n": passed}
    if passed < 3600:
        return gettext("%(n)s min ago") % {"n": passed // 60}
    if passed < 48 * 3600:
        return gettext("%(n)s h ago") % {"n": passed // 3600}
    days = passed // 86400
    return ngettext("%(n)s day ago", "%(n)s days ago", days) % {"n": days}


def cut_in_middle(text: str, most: int) -> str:
    """Return a text of at most ``most`` characters: names differ at their end (int8, fp16)."""
    return text if len(text) <= most else f"{text[: most // 2]}…{text[1 - most // 2 :]}"


def halves(name: str) -> tuple[str, str]:
    """Return a name as head and tail, of which the head gives way first; the tail may be "".
    Variants stay distinguishable: a long tail begins with the precision and is cut inside."""
    if len(name) <= SHORTEST:
        return name, ""
    match = _PRECISION.search(name)
    start = match.start() if match else 0
    if not start:
        start = len(name) - TAIL
    tail = name[start:]
    return name[:start], tail if len(tail) <= LONGEST_TAIL else cut_in_middle(tail, CUT_TAIL)
