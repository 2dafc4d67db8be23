"""Errors of a chat turn (dashboard.chat.turns, dashboard.chat.engines), by id."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

CHAT_MESSAGES: dict[str, str | Promise] = {
    "chat:interrupted": _("The dashboard was stopped during this answer."),
    "chat:unreachable": _("The engine is not responding."),
    "chat:timeout": _("Timeout: the answer took longer than an hour."),
    "chat:too-long": _(
        "The engine sent more data than the limit without ending, so the answer was stopped. "
        "Received text is kept."
    ),
    "chat:silent": _("Timeout: the engine sent nothing for 15 minutes."),
    "chat:redirect": _(
        "The engine answered with a redirect, which is not followed. "
        "Check which program listens at the engine's address."
    ),
    "chat:compressed": _(
        "The engine compressed its answer. Configure the engine to send plain text."
    ),
    "chat:no-http": _("The engine's response is not valid HTTP."),
    "chat:address": _(
        "The deployment has no address that the dashboard may call. Loopback and link-local "
        "addresses are allowed on This computer only: check DASHBOARD_URL of its host."
    ),
    "chat:not-ready": _("This deployment is not ready."),
    "chat:archived": _("This endpoint is archived. Restore it, or choose another one."),
    "chat:not-permitted": _(
        "%(url)s may not be called any more. Ask an administrator to add it under Sources, type "
        "“endpoint”."
    ),
    "chat:special": _(
        "%(url)s has the special address %(ip)s. Ask an administrator to add %(entry)s under "
        "Sources, type “endpoint”."
    ),
    "chat:unknown-name": _("%(url)s has no IP address. Correct the endpoint's host name."),
    "chat:key": _(
        "API key %(name)s was not sent: it was removed, or its rules forbid this endpoint or you. "
        "Ask an administrator to check it under Secrets."
    ),
    "chat:disk": _(
        "The dashboard's disk has only its reserve left (DISK_RESERVE), so nothing was sent. "
        "Free disk space of the dashboard, then retry."
    ),
    "chat:not-kept": _("The dashboard's disk is full: the rest of this answer was not stored."),
    "chat:unreadable": _("The engine's response cannot be parsed. Its raw bytes are kept."),
    "chat:broken": _("The request to the engine failed."),
    "chat:cut": _("The engine closed the connection in the middle of the answer."),
}
