"""Changes of secrets, for page, API and commands: permission, change, audit entry, dispatch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.utils.translation import gettext as _

from dashboard.security import audit_log
from dashboard.security.permissions import check
from jobs.access import secret_keys, secrets
from jobs.base.errors import LaunchError
from jobs.models import Host
from jobs.schedule import dispatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Rules of a secret. ``hosts`` and ``people`` by name; None: all hosts, everyone."""

    purpose: str
    endpoints: Sequence[str] = ()
    hosts: Collection[str] | None = None
    people: Collection[str] | None = None


def keep(
    user: AbstractBaseUser | AnonymousUser | None, name: str, value: str | None, rules: Rules
) -> bool:
    """Store a secret and its rules; True: the name is new. ``value`` None keeps the stored one.

    Without a user it is a command on the server.

    Raises:
        PermissionDenied: ``user`` is no administrator.
        LaunchError: a wrong or missing part; ``field`` names it.
    """
    if user is not None:
        check(user, "secret.manage")
    hosts, people = _hosts(rules.hosts), _people(rules.people)
    try:
        is_new = secrets.keep(
            name,
            value,
            purpose=rules.purpose,
            endpoints=rules.endpoints,
            hosts=hosts,
            people=people,
        )
    except secret_keys.KeyUnusable as error:
        raise LaunchError(str(error), "value") from error
    did = "set" if is_new else "replace" if value is not None else "change"
    detail: dict[str, Any] = {
        "did": did,
        "purpose": rules.purpose,
        "endpoints": list(rules.endpoints),
        "hosts": None if rules.hosts is None else sorted(rules.hosts),
        "people": None if rules.people is None else sorted(rules.people),
    }
    audit_log.record(user, "secret.manage", f"secret {name}", **detail)
    dispatch.run()
    return is_new


def delete(user: AbstractBaseUser | AnonymousUser | None, name: str) -> bool:
    """Delete a secret. False: unknown name.

    Raises:
        PermissionDenied: ``user`` is no administrator.
    """
    if user is not None:
        check(user, "secret.manage")
    if not secrets.forget(name):
        return False
    audit_log.record(user, "secret.manage", f"secret {name}", did="delete")
    return True


def _hosts(names: Collection[str] | None) -> list[Host] | None:
    if names is None:
        return None
    rows = list(Host.objects.filter(name__in=names))
    if unknown := set(names) - {row.name for row in rows}:
        raise LaunchError(_("No host is named “%(name)s”.") % {"name": min(unknown)}, "hosts")
    return rows


def _people(names: Collection[str] | None) -> list[User] | None:
    if names is None:
        return None
    rows = list(User.objects.filter(username__in=names))
    if unknown := set(names) - {row.username for row in rows}:
        raise LaunchError(_("No person is named “%(name)s”.") % {"name": min(unknown)}, "people")
    return rows
