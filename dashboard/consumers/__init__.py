"""WebSockets: one file a socket. All are a fast path; what a page shows can be had by HTTP."""

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
