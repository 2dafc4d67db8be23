"""Addresses of the API and of the intake, below ``/api/v1/``."""

from __future__ import annotations

from django.urls import include, path

from dashboard.api import intake, lines, logs, pins, rest

urlpatterns = [
    path("host/", include(intake.urlpatterns)),
    path("", include(rest.urlpatterns)),
    path("", include(lines.urlpatterns)),
    path("", include(logs.urlpatterns)),
    path("", include(pins.urlpatterns)),
]
