"""Errors as JSON: one shape for the API and for the pages' own requests."""

from collections.abc import Mapping
from typing import Any

from django.http import JsonResponse

from dashboard.text.retention import removed_words
from jobs.models import Deployment, Job


def error(
    status: int,
    code: str,
    message: str,
    *,
    fields: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JsonResponse:
    body = {"error": code, "message": message, "fields": fields or {}, **more}
    return JsonResponse(body, status=status, headers=headers)


def gone(record: Job | Deployment) -> JsonResponse:
    return error(410, "removed", removed_words(record), **removal(record) or {})


def removal(record: Job | Deployment) -> dict[str, Any] | None:
    if record.removed_at is None:
        return None
    return {
        "removed_at": record.removed_at.isoformat(),
        "why": record.removed_why,
        "bytes": record.removed_bytes,
        "log_bytes": record.log_bytes,
        "log_sha256": record.log_sha256 if isinstance(record, Job) else "",
    }
