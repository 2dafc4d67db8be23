"""Sockets of pages: logs and news.
Here: messages of sockets, rights of listeners, closing a socket whose rights have ended.
Not here: reading a log (`jobs.logstore`), the stream of a chat (`chat`).
"""

from __future__ import annotations

from django.urls import path, re_path

from dashboard.consumers.live import LiveConsumer
from dashboard.consumers.logs import LogConsumer

LOG_PATH = r"^ws/log/(?P<kind>job|deployment)/(?P<record_id>[0-9]{1,18})/$"

# For channels' URLRouter, which takes ASGI applications where Django's types expect views.
websocket_urlpatterns = [
    path("ws/live/", LiveConsumer.as_asgi()),  # type: ignore[arg-type]
    re_path(LOG_PATH, LogConsumer.as_asgi()),  # type: ignore[arg-type]
]
