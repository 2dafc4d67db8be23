"""Errors as JSON: one shape for the API and for the pages' own requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import JsonResponse


def error(
    status: int, code: str, message: str, *, fields: Mapping[str, str] | None = None, **more: Any
) -> JsonResponse:
    """An error of the API."""
    body = {"error": code, "message": message, "fields": fields or {}, **more}
    return JsonResponse(body, status=status)
