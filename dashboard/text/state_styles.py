"""Styles of states: one table for tags, charts and logs."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


@dataclass(frozen=True, slots=True)
class Look:
    """Label of a state, its CSS class, and its shape in ``static/icons.svg``."""

    word: str | Promise
    css: str
    shape: str


STATES: dict[str, Look] = {
    # jobs and their steps
    "queued": Look(_("queued"), "queued", "queued"),
    "starting": Look(_("starting"), "starting", "starting"),
    "running": Look(_("running"), "run", "run"),
    "cancelling": Look(_("cancelling"), "run", "run"),
    "succeeded": Look(_("succeeded"), "ok", "ok"),
    "failed": Look(_("failed"), "failed", "failed"),
    "errored": Look(_("errored"), "errored", "errored"),
    "cancelled": Look(_("cancelled"), "cancelled", "cancelled"),
    "lost": Look(_("lost"), "lost", "lost"),
    "skipped": Look(_("skipped"), "skip", "skip"),
    # deployments
    "waiting": Look(_("waiting"), "queued", "queued"),
    "loading": Look(_("loading"), "loading", "loading"),
    "ready": Look(_("ready"), "ready", "ready"),
    "unhealthy": Look(_("unhealthy"), "unhealthy", "warn"),
    "stopping": Look(_("stopping"), "run", "run"),
    "stopped": Look(_("stopped"), "cancelled", "cancelled"),
    # hosts
    "away": Look(pgettext_lazy("host", "offline"), "lost", "lost"),
    "draining": Look(pgettext_lazy("host", "paused"), "cancelled", "cancelled"),
    "expected": Look(pgettext_lazy("host", "not connected yet"), "queued", "queued"),
    "unwell": Look(pgettext_lazy("host", "needs attention"), "warn", "warn"),
    # turns of a conversation
    "streaming": Look(_("answering"), "run", "run"),
    "done": Look(_("done"), "ok", "ok"),
    # preflight checks
    "passed": Look(_("passed"), "ok", "ok"),
    "asks": Look(_("needs confirmation"), "warn", "warn"),
    "note": Look(_("info"), "queued", "queued"),
}

UNKNOWN = Look(_("unknown"), "lost", "lost")


def look(state: str) -> Look:
    """Return the style of ``state``; UNKNOWN if not in the table."""
    return STATES.get(state, UNKNOWN)
