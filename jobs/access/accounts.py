"""Roles of people: who has which, and changes that leave at least one administrator."""

from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, User
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils.timezone import now
from django.utils.translation import gettext as _

from jobs.base.errors import JobsError
from jobs.models import Account, ApiToken


class LastAdministrator(JobsError):
    """Refusal to leave the dashboard without an active administrator. The message is for people."""

    id = "account:last_administrator"

    def __init__(self, name: str) -> None:
        text = _("%(name)s is the last administrator. Make another person admin first.")
        super().__init__(text % {"name": name})


def role_of(user: AbstractBaseUser | AnonymousUser) -> Account.Role:
    """The least one without a row. Reads the database unless ``account`` was read with the user."""
    account = getattr(user, "account", None)
    return Account.Role(account.role) if account is not None else Account.Role.VIEWER


def open_account(sender: Any, instance: User, *, created: bool, raw: bool, **kwargs: Any) -> None:
    """Give a new user a role, after each way to make one: admin for Django's staff, else member."""
    if created and not raw:
        is_admin = instance.is_staff or instance.is_superuser
        role = Account.Role.ADMIN if is_admin else Account.Role.MEMBER
        Account.objects.create(user=instance, role=role)


def set_role(user: User, role: Account.Role) -> Account.Role | None:
    """Change the role; return the former one. None: no change. Raises ``LastAdministrator``."""
    with transaction.atomic():
        others = _other_administrators(user)
        account, _is_new = Account.objects.get_or_create(user_id=user.pk)
        before = Account.Role(account.role)
        if before == role:
            return None
        if before == Account.Role.ADMIN and user.is_active and not others:
            raise LastAdministrator(user.get_username())
        account.role = role
        account.save(update_fields=["role"])
        user.account = account
        user.is_staff = role == Account.Role.ADMIN
        user.is_superuser = user.is_staff and user.is_superuser
        user.save(update_fields=["is_staff", "is_superuser"])
    return before


def set_active(user: User, *, active: bool) -> bool:
    """Deactivate or reactivate an account. False: no change. Deactivation ends all sessions and
    tokens: a stolen one must not come back with the account. Raises ``LastAdministrator``."""
    with transaction.atomic():
        others = _other_administrators(user)
        is_admin = Account.objects.filter(user_id=user.pk, role=Account.Role.ADMIN).exists()
        if is_admin and not active and not others:
            raise LastAdministrator(user.get_username())
        if not User.objects.filter(pk=user.pk, is_active=not active).update(is_active=active):
            return False
        if not active:
            revoke_tokens(user)
            # Sessions have no column for their person: each is decoded.
            for session in Session.objects.filter(expire_date__gt=now()).iterator():
                if session.get_decoded().get(SESSION_KEY) == str(user.pk):
                    session.delete()
    return True


def revoke_tokens(user: AbstractBaseUser) -> int:
    return ApiToken.objects.filter(user_id=user.pk).delete()[0]


def _other_administrators(user: User) -> list[int]:
    """Lock all active administrators, so that two changes come one after the other."""
    admins = Account.objects.filter(role=Account.Role.ADMIN, user__is_active=True)
    locked = admins.select_for_update(of=("self",)).order_by("pk")
    return [row.pk for row in locked if row.pk != user.pk]
