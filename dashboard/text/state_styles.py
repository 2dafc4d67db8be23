"""Styles of states: one table for tags, charts and logs."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


@dataclass(frozen=True, slots=True)
class StateStyle:
    """Label of a state, its CSS class, and its shape in ``static/icons.svg``."""

    word: str | Promise
    css: str
    shape: str


STATES: dict[str, StateStyle] = {
    # jobs and their steps
    "queued": StateStyle(_("queued"), "queued", "queued"),
    "needs_confirmation": StateStyle(_("needs confirmation"), "warn", "warn"),
    "starting": StateStyle(_("starting"), "starting", "starting"),
    "running": StateStyle(_("running"), "run", "run"),
    "cancelling": StateStyle(_("cancelling"), "run", "run"),
    "succeeded": StateStyle(_("succeeded"), "ok", "ok"),
    "failed": StateStyle(_("failed"), "failed", "failed"),
    "errored": StateStyle(_("errored"), "errored", "errored"),
    "cancelled": StateStyle(_("cancelled"), "cancelled", "cancelled"),
    "lost": StateStyle(_("lost"), "lost", "lost"),
    "skipped": StateStyle(_("skipped"), "skip", "skip"),
    # deployments
    "waiting": StateStyle(_("waiting"), "queued", "queued"),
    "loading": StateStyle(_("loading"), "loading", "loading"),
    "ready": StateStyle(_("ready"), "ready", "ready"),
    "unhealthy": StateStyle(_("unhealthy"), "unhealthy", "warn"),
    "stopping": StateStyle(_("stopping"), "run", "run"),
    "stopped": StateStyle(_("stopped"), "cancelled", "cancelled"),
    # hosts
    "away": StateStyle(pgettext_lazy("host", "offline"), "lost", "lost"),
    "outdated": StateStyle(pgettext_lazy("host", "outdated"), "warn", "warn"),
    "draining": StateStyle(pgettext_lazy("host", "paused"), "cancelled", "cancelled"),
    "expected": StateStyle(pgettext_lazy("host", "not connected yet"), "queued", "queued"),
    "unwell": StateStyle(pgettext_lazy("host", "needs attention"), "warn", "warn"),
    # turns of a conversation
    "streaming": StateStyle(_("answering"), "run", "run"),
    "done": StateStyle(_("done"), "ok", "ok"),
    # preflight checks
    "passed": StateStyle(_("passed"), "ok", "ok"),
    "warning": StateStyle(_("warning"), "warn", "warn"),
    "note": StateStyle(_("info"), "queued", "queued"),
}

UNKNOWN = StateStyle(_("unknown"), "lost", "lost")


def style_of(state: str) -> StateStyle:
    """Return the style of ``state``; UNKNOWN if not in the table."""
    return STATES.get(state, UNKNOWN)
