"""Rights per host: people who may launch there."""

from collections.abc import Collection, Iterable

from django.contrib.auth.models import AbstractBaseUser, User
from django.db import transaction
from django.utils.translation import gettext as _

from jobs.access.accounts import role_of
from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.models import Account, ApiToken, Host, Job
from jobs.notifications import notify


def check(host: Host, user: AbstractBaseUser | None) -> None:
    """Refuse a launch of ``user`` on ``host``. Without a user, only open hosts are allowed. Raises
    ``LaunchError``: at the field *host*, or at none for a role that may not launch anywhere."""
    if user is not None and role_of(user) == Account.Role.VIEWER:
        text = _("Your role, viewer, does not allow launching. Ask an administrator to change it.")
        raise LaunchError(text)
    if not may_launch(host, user):
        text = _(
            "You may not launch on %(host)s. Choose another host, or ask an administrator to add "
            "you on the host's page."
        )
        raise LaunchError(text % {"host": host.name}, "host")


def may_launch(host: Host, user: AbstractBaseUser | None) -> bool:
    """True if ``host`` is open to ``user``, of whatever role but viewer."""
    if not host.is_restricted:
        return True
    if user is None:
        return False
    return _is_admin(user) or host.launchers.filter(pk=user.pk).exists()


def _is_admin(user: AbstractBaseUser) -> bool:
    """Not with a token of another scope."""
    scope = getattr(user, "token_scope", ApiToken.Scope.ADMIN)
    return role_of(user) == Account.Role.ADMIN and scope == ApiToken.Scope.ADMIN


def open_hosts(hosts: Iterable[Host], user: AbstractBaseUser | None) -> list[Host]:
    rows = list(hosts)
    if not any(host.is_restricted for host in rows) or (user and _is_admin(user)):
        return rows
    mine = Host.objects.filter(launchers=user.pk if user else 0)
    own = set(mine.values_list("pk", flat=True)) if user else set()
    return [host for host in rows if not host.is_restricted or host.pk in own]


def refusal_of(job: Job) -> Message | None:
    """Why the person who launched ``job`` (read with its host) may no longer; None: they may."""
    host = job.host
    if job.created_by_id is None:
        args = {"host": host.name}
        return Message("job:launch_right_nobody", args) if host.is_restricted else None
    user = User.objects.select_related("account").get(pk=job.created_by_id)
    args = {"host": host.name, "person": user.get_username()}
    if not user.is_active or role_of(user) == Account.Role.VIEWER:
        return Message("job:launch_right_role", args)
    return None if may_launch(host, user) else Message("job:launch_right_host", args)


def restrict(host_id: int, people: Collection[User] | None) -> tuple[list[str] | None, bool]:
    """Set who may launch on a host: ``people`` and administrators; None: everyone. Returns the
    former names (None: everyone), and False if nothing changed."""
    with transaction.atomic():
        host = Host.objects.select_for_update(no_key=True).get(pk=host_id)
        before = launcher_names(host)
        wanted = None if people is None else sorted(user.get_username() for user in people)
        if before == wanted:
            return before, False
        host.is_restricted = people is not None
        host.save(update_fields=["is_restricted"])
        host.launchers.set(people or ())
        notify("host", name=host.name)
    return before, True


def launcher_names(host: Host) -> list[str] | None:
    """People who may launch, administrators not counted; None: everyone."""
    if not host.is_restricted:
        return None
    return sorted(user.get_username() for user in host.launchers.all())
