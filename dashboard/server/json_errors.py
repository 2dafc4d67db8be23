"""Errors as JSON: one shape for the API and for the pages' own requests."""

from collections.abc import Mapping
from typing import Any

from django.http import JsonResponse

from dashboard.text.retention import removed_words
from jobs.models import Deployment, Job


def error(
    status: int, code: str, message: str, *, fields: Mapping[str, str] | None = None, **more: Any
) -> JsonResponse:
    body = {"error": code, "message": message, "fields": fields or {}, **more}
    return JsonResponse(body, status=status)


def gone(record: Job | Deployment) -> JsonResponse:
    """Return 410: time, reason and log size of a removal."""
    return error(410, "removed", removed_words(record), **removal(record) or {})


def removal(record: Job | Deployment) -> dict[str, Any] | None:
    """Return a removal as JSON; None where nothing was removed."""
    if record.removed_at is None:
        return None
    return {
        "removed_at": record.removed_at.isoformat(),
        "why": record.removed_why,
        "bytes": record.removed_bytes,
        "log_bytes": record.log_bytes,
        "log_sha256": record.log_sha256 if isinstance(record, Job) else "",
    }
