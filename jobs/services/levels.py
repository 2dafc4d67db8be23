"""Service levels of the team: add, change; hide included ones."""

from __future__ import annotations

import math
from collections.abc import Mapping

from django.contrib.auth.models import AbstractBaseUser
from django.utils.timezone import now
from django.utils.translation import gettext as _

from jobs.base.errors import LaunchError
from jobs.models import ServiceLevel
from jobs.queries.results.levels import FAMILIES, STATISTICS
from jobs.queries.results.team_levels import INCLUDED
from jobs.services.removable import saved

MOST = 100
LONGEST_NAME, LONGEST_NOTE = 60, 200
# A day: longer limits are mistakes.
HIGHEST = {"ms": 86_400_000.0, "s": 86_400.0}


def add(typed: Mapping[str, str], *, user: AbstractBaseUser) -> ServiceLevel:
    """Add a level. ``typed``: name, note, goodput in per cent, and for each of ``FAMILIES`` a limit
    and its percentile (``ttft``, ``ttft_share``).

    Raises:
        LaunchError: a wrong or missing part; ``field`` names it.
    """
    row = ServiceLevel(created_by_id=user.pk)
    _fill(row, typed)
    if ServiceLevel.objects.filter(key="", removed_at=None).count() >= MOST:
        text = _("There are %(most)s service levels. Remove some first.")
        raise LaunchError(text % {"most": MOST}, "name")
    return saved(row)


def change(row: ServiceLevel, typed: Mapping[str, str]) -> ServiceLevel:
    """Change a level.

    Raises:
        LaunchError: as of :func:`add`.
    """
    _fill(row, typed)
    return saved(row)


def hide(key: str, *, hidden: bool, user: AbstractBaseUser) -> bool:
    """Hide or show an included level. False: unknown."""
    if key not in INCLUDED:
        return False
    moment = now() if hidden else None
    defaults = {"name": key, "removed_at": moment, "created_by_id": user.pk}
    ServiceLevel.objects.update_or_create(key=key, defaults=defaults)
    return True


def _fill(row: ServiceLevel, typed: Mapping[str, str]) -> None:
    row.name, row.note = (typed.get(name, "").strip() for name in ("name", "note"))
    for field, most in (("name", LONGEST_NAME), ("note", LONGEST_NOTE)):
        text = getattr(row, field)
        if len(text) > most or not text.isprintable():
            message = _("Enter one line of at most %(most)s characters.")
            raise LaunchError(message % {"most": most}, field)
    if not row.name:
        raise LaunchError(_("Enter a name."), "name")
    row.limits = _limits(typed)
    row.goodput = _goodput(typed.get("goodput", "").strip())


def _limits(typed: Mapping[str, str]) -> dict[str, float]:
    limits = {}
    for family, unit in FAMILIES.items():
        text, share = typed.get(family, "").strip(), typed.get(f"{family}_share", "")
        if not text:
            continue
        if share not in STATISTICS:
            raise LaunchError(_("Choose the percentile."), family)
        value = _number(text)
        if value is None or not 0 < value <= HIGHEST[unit]:
            raise LaunchError(_("Enter a number above 0, such as 450."), family)
        limits[f"{family}_{share}_{unit}"] = value
    if not limits:
        raise LaunchError(_("Enter at least one limit."), next(iter(FAMILIES)))
    return limits


def _goodput(text: str) -> float | None:
    if not text:
        return None
    value = _number(text)
    if value is None or not 0 < value <= 100:
        raise LaunchError(_("Enter a percentage from 1 to 100, or nothing."), "goodput")
    return value / 100


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
