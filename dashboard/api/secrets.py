"""The public API's secrets: names and rules, never values."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from dashboard.actions import secrets as actions
from dashboard.api.answers import SecretAnswer, Secrets, answers
from dashboard.api.auth import caller
from dashboard.api.errors import missing
from dashboard.api.requests import SecretAsked
from jobs.models import Secret

router = Router(tags=["Secrets"])


@router.get(
    "secrets",
    auth=caller("secret.manage"),
    **answers(Secrets),
    url_name="api-secrets",
    summary="List secrets",
)
def list_secrets(request: HttpRequest) -> dict[str, Any]:
    """All, by name, without their values."""
    rows = Secret.objects.prefetch_related("hosts", "people")
    return {"secrets": [_shape(row) for row in rows], "next": None}


@router.put(
    "secrets/{str:secret}",
    auth=caller("secret.manage"),
    **answers(SecretAnswer, 413, 422),
    url_name="api-secret",
    summary="Set a secret, or change its rules",
)
def set_secret(request: HttpRequest, secret: str, asked: SecretAsked) -> dict[str, Any]:
    """Without a value, a stored secret keeps its own."""
    rules = actions.Rules(
        purpose=asked.purpose,
        endpoints=asked.endpoints,
        hosts=asked.hosts,
        people=asked.people,
    )
    actions.keep(request.user, secret, asked.value, rules)
    return _shape(Secret.objects.prefetch_related("hosts", "people").get(name=secret))


@router.delete(
    "secrets/{str:secret}",
    auth=caller("secret.manage"),
    **answers(SecretAnswer),
    url_name="api-secret",
    summary="Delete a secret",
)
def delete_secret(request: HttpRequest, secret: str) -> dict[str, Any]:
    """Running jobs keep the values they have."""
    row = Secret.objects.filter(name=secret).first()
    if row is None:
        raise missing()
    deleted = _shape(row)
    actions.delete(request.user, secret)
    return deleted


def _shape(row: Secret) -> dict[str, Any]:
    return {
        "name": row.name,
        "purpose": row.purpose,
        "endpoints": row.endpoints,
        "hosts": None if row.all_hosts else [host.name for host in row.hosts.all()],
        "people": None if row.everyone else [one.get_username() for one in row.people.all()],
        "complete": row.is_complete,
        "set_at": row.set_at.isoformat(),
    }
