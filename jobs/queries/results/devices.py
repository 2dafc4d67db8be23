"""Devices of a result, and its rates per device and per user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.base.numbers import MS_PER_S
from jobs.models import Result

MOST = 100_000  # devices: larger counts are mistakes


def device_count(result: Result) -> int | None:
    """Return the number of devices that the engine used; None: unknown, or no device.

    Ours: the leased dies, so tensor times pipeline parallel size times instances. Measured against
    an engine of somebody else, or imported: as entered (``run_context["device"]``).
    """
    device = result.run_context.get("device")
    if isinstance(device, Mapping):
        return _count(device.get("count"))
    dies = result.run_context.get("dies")
    return _count(len(set(map(str, dies)))) if isinstance(dies, list) else None


def per_device(rate: float | None, count: int | None) -> float | None:
    """Return a rate per device; None without a rate or a known count."""
    return rate / count if rate is not None and count else None


def per_user(metrics: Mapping[str, Any]) -> float | None:
    """Return output tokens/s of one user: the inverse of TPOT p50; None: not measured."""
    tpot = metrics.get("tpot_p50_ms")
    return MS_PER_S / tpot if tpot else None


def _count(value: Any) -> int | None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 < value <= MOST else None
