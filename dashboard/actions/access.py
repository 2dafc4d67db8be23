"""Changes of accounts, their API tokens, secrets and permitted sources: page, API and commands."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from secrets import token_urlsafe
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, User
from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _

from dashboard.actions.action import Done, action
from dashboard.security.counters import hashed
from dashboard.security.permissions import allowed
from jobs.access import accounts, secret_keys, secrets, sources
from jobs.base.errors import LaunchError
from jobs.models import Account, ApiToken, Host, Source


@transaction.atomic
@action("user.manage")
def add_person(user: Any, person: User, role: Account.Role) -> Done[User]:
    person.save()
    accounts.set_role(person, role)
    return Done(person, f"user {person.pk}", did="add", role=role)


@action("user.manage", withdraws=True)
def set_role(user: Any, person: User, role: Account.Role) -> Done[bool]:
    """Change a role; open sockets are checked. False: no change. Raises ``LastAdministrator``."""
    before = accounts.set_role(person, role)
    if before is None:
        return Done(False)
    return Done(True, f"user {person.pk}", did=role, before=before)


@action("user.manage", withdraws=True)
def set_active(user: Any, person: User, *, active: bool) -> Done[bool]:
    """Deactivate or reactivate an account. Returns and raises as :func:`set_role`."""
    if not accounts.set_active(person, active=active):
        return Done(False)
    return Done(True, f"user {person.pk}", did="on" if active else "off")


def change_person(user: AbstractBaseUser, person: User, wanted: str) -> None:
    """Change the account of another person: ``wanted`` is a role, "on" or "off". Raises
    ``LaunchError``: nothing of these, or one's own account; ``LastAdministrator``."""
    if wanted not in (*Account.Role.values, "on", "off"):
        raise LaunchError(_("Unknown action."))
    if person == user:
        raise LaunchError(_("You cannot change your own account here. Ask another admin."))
    if wanted in Account.Role.values:
        set_role(user, person, Account.Role(wanted))
    else:
        set_active(user, person, active=wanted == "on")


@action("user.manage", withdraws=True)
def reset_password(user: Any, person: User, *, revokes_tokens: bool) -> Done[None]:
    """Store the new password set on ``person``: their sessions end, tokens on request."""
    with transaction.atomic():  # closed before open pages are looked at
        person.save()
        tokens = accounts.revoke_tokens(person) if revokes_tokens else 0
    return Done(None, f"user {person.pk}", did="password", tokens=tokens)


def scopes_of(user: AbstractBaseUser) -> list[ApiToken.Scope]:
    """Return the scopes that add something to each other for ``user``, least first."""
    scopes = [ApiToken.Scope.READ]
    if allowed(user, "job.launch"):
        scopes.append(ApiToken.Scope.LAUNCH)
    if allowed(user, "gateway.use"):
        scopes.append(ApiToken.Scope.MODELS)
    if allowed(user, "token.manage"):
        scopes.append(ApiToken.Scope.ADMIN)
    return scopes


def tokens_for(user: AbstractBaseUser) -> QuerySet[ApiToken]:
    """Return the tokens that ``user`` sees, newest first: their own, an administrator all."""
    rows = ApiToken.objects.select_related("user")
    return rows if allowed(user, "token.manage") else rows.filter(user_id=user.pk)


@action("token.create")
def create_token(
    user: User,
    name: str,
    *,
    scope: str,
    expires_at: datetime | None,
    limits: Mapping[str, Any] | None = None,
) -> Done[str]:
    """Create a token of ``user``, whose scope the caller has checked; it is returned only here.
    ``limits`` of the scope *models*, by field of the row."""
    token = token_urlsafe(32)
    named = {"name": name, "scope": scope, "expires_at": expires_at, **(limits or {})}
    row = ApiToken.objects.create(user=user, token_sha256=hashed(token), **named)
    return Done(token, f"token {row.pk}", name=name, scope=scope)


@action("token.change", withdraws=True)
def change_token(user: Any, row: ApiToken, changes: Mapping[str, Any]) -> Done[None]:
    """Store an expiry, and limits of the scope *models*, by field of the row."""
    for name, value in changes.items():
        setattr(row, name, value)
    row.save(update_fields=[*changes])
    told = {name: value for name, value in changes.items() if name != "expires_at"}
    if expires_at := changes.get("expires_at"):
        told["expires_at"] = expires_at.isoformat()
    return Done(None, f"token {row.pk}", name=row.name, **told)


@action("token.delete", withdraws=True)
def revoke_token(user: Any, row: ApiToken) -> Done[None]:
    """End a token: its next call is refused."""
    done = Done(None, f"token {row.pk}", name=row.name, of=row.user.get_username())
    row.delete()
    return done


@action("secret.manage", dispatches=True, withdraws=True)
def keep_secret(
    user: Any,
    name: str,
    value: str | None,
    *,
    purpose: str,
    endpoints: Sequence[str] = (),
    hosts: Collection[str] | None = None,
    people: Collection[str] | None = None,
) -> Done[bool]:
    """Store a secret and its rules; True: a new name. ``value`` None keeps the stored one.
    ``hosts`` and ``people`` by name; None: all hosts, everyone."""
    rules = {
        "hosts": _named(Host, "name", hosts, "hosts", _("No host is named “%(name)s”.")),
        "people": _named(User, "username", people, "people", _("No person is named “%(name)s”.")),
    }
    try:
        is_new = secrets.keep(name, value, purpose=purpose, endpoints=endpoints, **rules)
    except secret_keys.KeyUnusable as error:
        raise LaunchError(str(error), "value") from error
    done = Done(is_new)
    done.add(
        f"secret {name}",
        did="set" if is_new else "replace" if value is not None else "change",
        purpose=purpose,
        endpoints=list(endpoints),
        hosts=None if hosts is None else sorted(hosts),
        people=None if people is None else sorted(people),
    )
    return done


@action("secret.manage", withdraws=True)
def delete_secret(user: Any, name: str) -> Done[bool]:
    """Delete a secret. False: unknown name."""
    return Done(secrets.forget(name), f"secret {name}", did="delete")


def _named(
    model: type[Model], key: str, names: Collection[str] | None, field: str, text: str
) -> list[Any] | None:
    """Return the records of ``names``; None for None. Raises ``LaunchError``: an unknown name."""
    if names is None:
        return None
    rows = list(model._default_manager.filter(**{f"{key}__in": names}))
    if unknown := set(names) - {getattr(row, key) for row in rows}:
        raise LaunchError(text % {"name": min(unknown)}, field)
    return rows


@action("source.manage")
def add_source(user: Any, source_type: str, address: str, note: str = "") -> Done[Source]:
    """Permit a source. Raises ``LaunchError``: a wrong or missing part; ``field`` names it."""
    row = sources.add(source_type, address, note=note, user=user)
    return Done(row, f"source {row.pk}", **_about(row, "add"))


@action("source.manage", dispatches=True, withdraws=True)
def remove_source(user: Any, source_id: int) -> Done[Source | None]:
    """Remove a source and return it; None: unknown. Queued jobs that need it fail."""
    row = sources.remove(source_id)
    return Done(row, f"source {source_id}", **_about(row, "delete")) if row else Done(None)


def _about(row: Source, did: str) -> dict[str, Any]:
    return {"did": did, "source_type": row.type, "address": row.address, "note": row.note}
