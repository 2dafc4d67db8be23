"""The names of kinds, metrics and states for people."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext

from dashboard.formats import number
from jobs import kinds, metrics
from jobs.models import Host, Job
from jobs.queries.hosts import is_away

KINDS = getattr(kinds, "KINDS", {})
METRICS = getattr(metrics, "METRICS", {})


def kind_title(name: str) -> str:
    """The title of a kind, translated; the name itself for a kind that is gone."""
    kind = KINDS.get(name)
    return gettext(kind.title) if kind else name


def metric_label(name: str) -> str:
    """What a metric is called, translated."""
    metric = METRICS.get(name)
    return gettext(metric.label) if metric else name


def metric_text(name: str, value: float) -> tuple[str, str]:
    """A metric's value as (number, unit). Shares are shown in per cent with two decimals."""
    metric = METRICS.get(name)
    unit = metric.unit if metric else ""
    if name == "accuracy":
        return number(100 * value, 2), "%"
    if float(value).is_integer() and unit not in ("tok/s", "req/s", "ms", "s"):
        return number(int(value)), unit
    return number(float(value)), unit


def state_of(thing: Any) -> str:
    """The state of a record as a key of ``dashboard.states``; a word stands for itself."""
    if isinstance(thing, str):
        return thing
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
