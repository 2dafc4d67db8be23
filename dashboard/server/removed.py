"""The answer for what was removed to save space."""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse

from dashboard.server.json_errors import error
from dashboard.text.retention import removed_words
from jobs.models import Deployment, Job


def gone(record: Job | Deployment) -> JsonResponse:
    """410 an error with the code "removed": when and why, and what the log was."""
    return error(410, "removed", removed_words(record), **removal(record) or {})


def removal(record: Job | Deployment) -> dict[str, Any] | None:
    """A removal as JSON; None where nothing was removed."""
    if record.removed_at is None:
        return None
    return {
        "removed_at": record.removed_at.isoformat(),
        "why": record.removed_why,
        "bytes": record.removed_bytes,
        "log_bytes": record.log_bytes,
        "log_sha256": record.log_sha256 if isinstance(record, Job) else "",
    }
