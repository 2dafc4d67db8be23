"""The names of kinds, metrics and states for people."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext

from dashboard.formats import number
from jobs.kinds import KINDS
from jobs.metrics import METRICS
from jobs.models import Host, Job
from jobs.queries.hosts import is_away

# Units as they stand beside a number, where that is shorter than their name.
_SHORT = {"tokens/s": "tok/s", "requests/s": "req/s"}
_COUNTED = ("", "tokens", "requests", "questions")


def kind_title(name: str) -> str:
    """The title of a kind, translated; the name itself for a kind that is gone."""
    kind = KINDS.get(name)
    return gettext(kind.title) if kind else name


def metric_label(name: str) -> str:
    """What a metric is called, translated."""
    metric = METRICS.get(name)
    return gettext(metric.label) if metric else name


def metric_text(name: str, value: float) -> tuple[str, str]:
    """A metric's value as (number, unit). Ratios are shown in per cent with two decimals."""
    metric = METRICS.get(name)
    unit = metric.unit if metric else ""
    if unit == "%":
        return number(100 * value, 2), "%"
    if unit in _COUNTED and float(value).is_integer():
        return number(int(value)), unit
    return number(float(value)), _SHORT.get(unit, unit)


def state_of(thing: Any) -> str:
    """The state of a record as a key of ``dashboard.states``; a word stands for itself."""
    if isinstance(thing, str):
        return str(thing)
    if isinstance(thing, Host):
        return host_state(thing)
    if isinstance(thing, Job) and thing.is_open and thing.cancel_asked_at:
        return "cancelling"
    return str(thing.state)


def host_state(host: Host) -> str:
    """ "ready", "away", "draining", or "expected" before the first heartbeat."""
    if host.heartbeat_at is None:
        return "expected"
    if is_away(host):
        return "away"
    return "draining" if host.draining else "ready"
