"""Changes of secrets, for page, API and commands."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Model
from django.utils.translation import gettext as _

from dashboard.actions.action import Done, action
from jobs.access import secret_keys, secrets
from jobs.base.errors import LaunchError
from jobs.models import Host


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Rules of a secret. ``hosts`` and ``people`` by name; None: all hosts, everyone."""

    purpose: str
    endpoints: Sequence[str] = ()
    hosts: Collection[str] | None = None
    people: Collection[str] | None = None


@action("secret.manage", dispatches=True)
def keep(user: Any, name: str, value: str | None, rules: Rules) -> Done[bool]:
    """Store a secret and its rules; True: the name is new. ``value`` None keeps the stored one.
    Raises ``LaunchError``: a wrong or missing part; ``field`` names it."""
    hosts = _named(Host, "name", rules.hosts, "hosts", _("No host is named “%(name)s”."))
    people = _named(User, "username", rules.people, "people", _("No person is named “%(name)s”."))
    given, endpoints = {"hosts": hosts, "people": people}, rules.endpoints
    try:
        is_new = secrets.keep(name, value, purpose=rules.purpose, endpoints=endpoints, **given)
    except secret_keys.KeyUnusable as error:
        raise LaunchError(str(error), "value") from error
    return Done(
        is_new,
        f"secret {name}",
        did="set" if is_new else "replace" if value is not None else "change",
        purpose=rules.purpose,
        endpoints=list(rules.endpoints),
        hosts=None if rules.hosts is None else sorted(rules.hosts),
        people=None if rules.people is None else sorted(rules.people),
    )


@action("secret.manage")
def delete(user: Any, name: str) -> Done[bool]:
    """Delete a secret. False: unknown name."""
    is_done = secrets.forget(name)
    return Done(is_done, f"secret {name}" if is_done else "", did="delete")


def _named(
    model: type[Model], key: str, names: Collection[str] | None, field: str, text: str
) -> list[Any] | None:
    """Return the records of ``names``; None for None.
    Raises ``LaunchError``: a name is unknown; at ``field``."""
    if names is None:
        return None
    rows = list(model._default_manager.filter(**{f"{key}__in": names}))
    if unknown := set(names) - {getattr(row, key) for row in rows}:
        raise LaunchError(text % {"name": min(unknown)}, field)
    return rows
