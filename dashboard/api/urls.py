"""Addresses of the API and of the intake, below ``/api/v1/``."""

from __future__ import annotations

from django.urls import include, path, re_path

from dashboard.api import intake, lines, logs, pins, pipelines, rest

urlpatterns = [
    path("host/", include(intake.urlpatterns)),
    path("", include(rest.urlpatterns)),
    path("", include(lines.urlpatterns)),
    path("", include(logs.urlpatterns)),
    path("", include(pins.urlpatterns)),
    path("", include(pipelines.urlpatterns)),
    # Last. A host reads no words: below host/ it gets a bare 404.
    re_path(r"^(?!host/)", rest.unknown, name="api-unknown"),
]
