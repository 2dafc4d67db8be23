"""Service levels: the chosen one, from the address or as the browser remembers it, and words."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.translation import gettext as _

from dashboard.text.formatting import number, percent
from dashboard.text.labels import metric_text
from jobs.queries.results.levels import Level, LevelPoint, team_levels

PARAMETER = "level"
NONE = "none"
COOKIE = "level"
KEPT_S = 365 * 86400
_FAMILIES = {"ttft": "TTFT", "tpot": "TPOT"}


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen level, of ``options`` by the key that addresses have. ``key``: "" for none.
    ``is_unknown``: the address names a level that was removed or hidden."""

    options: Sequence[tuple[str, Level]]
    key: str = ""
    level: Level | None = None
    is_unknown: bool = False


def level_choice(request: HttpRequest) -> Choice:
    """Return the choice for a page. ``?level=none`` chooses none, so that a link says all."""
    options = team_levels().options()
    asked = request.GET.get(PARAMETER, "")
    key = asked or request.COOKIES.get(COOKIE, "")
    known = dict(options)
    if key in known:
        return Choice(options, key, known[key])
    return Choice(options, is_unknown=bool(asked) and asked != NONE)


def metric_words(metric: str) -> str:
    """Return a limit's metric: "TTFT p99"."""
    family, share, _unit = metric.split("_")
    return f"{_FAMILIES.get(family) or _('End-to-end latency')} {share}"


def limits_words(level: Level) -> str:
    """Return the limits: "TTFT p99 ≤ 450 ms, TPOT p99 ≤ 40 ms"."""
    parts = [f"{metric_words(name)} ≤ {_limit(name, most)}" for name, most in level.limits.items()]
    if level.goodput is not None:
        share = number(100 * level.goodput, _decimals(100 * level.goodput))
        parts.append(_("%(share)s %% of requests within all") % {"share": share})
    return _(", ").join(parts)


def check_words(one: LevelPoint) -> str:
    """Return which limits a point exceeds: "TTFT p99 1 200 > 450 ms"; "" where it holds all."""
    parts = [
        f"{metric_words(check.metric)} {metric_text(check.metric, check.value)[0]}"
        f" > {_limit(check.metric, check.limit)}"
        for check in one.missed
        if check.value is not None
    ]
    if one.goodput is not None and not parts and one.verdict == "missed":
        parts.append(_("only %(share)s %% within all") % {"share": percent(one.goodput.value)})
    return _(", ").join(parts)


def _limit(metric: str, most: float) -> str:
    return f"{number(most, _decimals(most))} {metric.rpartition('_')[2]}"


def _decimals(limit: float) -> int:
    """Return the decimals of a limit, which is shown as entered."""
    return next((digits for digits in range(3) if round(limit, digits) == limit), 3)
