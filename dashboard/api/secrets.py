"""The public API's secrets: names and rules, never values."""

from typing import Annotated

from django.http import HttpRequest
from pydantic import BaseModel, Field

from dashboard.actions import secrets as actions
from dashboard.api.base import Answer, Json, Operations, Time, listing, one_of, read
from dashboard.api.errors import missing
from jobs.models import Secret

operations = Operations("Secrets", "secrets")


class SecretAnswer(Answer):
    """A secret without its value."""

    name: str
    purpose: Annotated[
        str,
        one_of(["", *Secret.Purpose.values]),
        Field(description="empty if unknown: stored by an earlier version"),
    ]
    endpoints: list[str] = Field(description="URL prefixes to which it may be sent")
    hosts: list[str] | None = read(
        lambda row: None if row.all_hosts else [host.name for host in row.hosts.all()],
        "null: all hosts",
    )
    people: list[str] | None = read(
        lambda row: None if row.everyone else [one.username for one in row.people.all()],
        "null: everyone",
    )
    complete: bool = read("is_complete", "false: no new job can use it")
    set_at: Time


Secrets = listing("Secrets", "All secrets, by name.", "secrets", SecretAnswer)


class SecretAsked(BaseModel):
    """Value and rules of a secret."""

    value: str | None = Field(None, description="null: the stored value stays")
    purpose: Annotated[str, one_of(Secret.Purpose.values)]
    endpoints: list[str] = Field(
        default_factory=list, description="URL prefixes; empty for an engine key: all deployments"
    )
    hosts: list[str] | None = Field(None, description="names; null: all hosts")
    people: list[str] | None = Field(None, description="user names; null: everyone")


@operations.on("GET ", "secret.manage", Secrets, name="api-secrets")
def list_secrets(request: HttpRequest) -> Json:
    """List secrets. All, by name, without their values."""
    rows = Secret.objects.prefetch_related("hosts", "people")
    return {"secrets": [SecretAnswer.of(row) for row in rows], "next": None}


@operations.on("PUT /{str:secret}", "secret.manage", SecretAnswer, 413, 422, name="api-secret")
def set_secret(request: HttpRequest, secret: str, asked: SecretAsked) -> Json:
    """Set a secret, or change its rules. Without a value, a stored secret keeps its own."""
    rules = actions.Rules(
        purpose=asked.purpose,
        endpoints=asked.endpoints,
        hosts=asked.hosts,
        people=asked.people,
    )
    actions.keep(request.user, secret, asked.value, rules)
    return SecretAnswer.of(Secret.objects.prefetch_related("hosts", "people").get(name=secret))


@operations.on("DELETE /{str:secret}", "secret.manage", SecretAnswer, name="api-secret")
def delete_secret(request: HttpRequest, secret: str) -> Json:
    """Delete a secret. Running jobs keep the values they have."""
    row = Secret.objects.filter(name=secret).first()
    if row is None:
        raise missing()
    deleted = SecretAnswer.of(row)
    actions.delete(request.user, secret)
    return deleted
