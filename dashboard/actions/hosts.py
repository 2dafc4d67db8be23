"""Changes of hosts: their jobs, dies and keys, and people who may launch there."""

from collections.abc import Collection, Sequence
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, User
from django.utils.translation import gettext as _

from dashboard.actions.action import Done, action
from jobs.base.errors import LaunchError
from jobs.models import Host
from jobs.schedule.launch_rights import restrict
from jobs.services import hosts
from jobs.services.hosts import Credentials


@action("host.add")
def add(user: Any, name: str, *, slots: int = hosts.SLOTS) -> Done[tuple[Host, Credentials]]:
    """Add a host with its key. Raises ``LaunchError``: invalid or duplicate name."""
    host, made = hosts.add(name, slots=slots)
    return Done((host, made), _subject(host), slots=slots)


@action("host.change", dispatches=True)
def drain(user: Any, host: Host, *, draining: bool) -> Done[bool]:
    """Pause or resume new jobs of a host. False: no change."""
    changed = hosts.set_draining(host.name, draining=draining)
    return Done(changed, _subject(host), draining=draining)


@action("host.change", dispatches=True)
def set_slots(user: Any, host: Host, slots: int) -> Done[bool]:
    """Set the max concurrent jobs of a host. False: no change."""
    changed = hosts.set_slots(host.pk, slots)
    return Done(changed, _subject(host), slots=slots, before=host.slots)


@action("host.change")
def forget_dies(user: Any, host: Host) -> Done[bool]:
    """Stop listing missing dies. False: there are none."""
    gone = hosts.forget_missing_dies(host.pk)
    return Done(bool(gone), _subject(host), forgot_dies=gone)


@action("host.change")
def forget_refusals(user: Any, host: Host) -> Done[bool]:
    """Stop listing refused messages. False: there are none."""
    count = len(host.refusals)
    if count:
        hosts.forget_refusals(host.pk)
    return Done(count > 0, _subject(host), forgot_refusals=count)


@action("host.mark_lost", dispatches=True)
def mark_lost(user: AbstractBaseUser, host: Host) -> Done[int]:
    """Mark an offline host as lost with its jobs and deployments; return their number. Raises
    ``HostAnswers``."""
    lost = hosts.mark_lost(host.pk, user)
    return Done(lost, _subject(host), lost=lost)


def people_named(names: Collection[str]) -> list[User]:
    """Return the people of these names. Raises ``LaunchError``: an unknown name."""
    people = list(User.objects.filter(username__in=names))
    if unknown := set(names) - {user.username for user in people}:
        text = _("No person is named “%(name)s”.") % {"name": min(unknown)}
        raise LaunchError(text, "people")
    return people


@action("host.launchers")
def set_launchers(user: Any, host: Host, people: Sequence[User] | None) -> Done[bool]:
    """Set who may launch on a host; None: everyone. False: no change."""
    _before, changed = restrict(host.pk, people)
    names = None if people is None else sorted(person.username for person in people)
    did = "open" if names is None else "restrict"
    return Done(changed, _subject(host), did=did, people=names)


@action("host.key")
def new_key(user: Any, host: Host) -> Done[Credentials]:
    """Replace a host's credentials."""
    made = hosts.new_key(host.pk)
    host.refresh_from_db()
    return Done(made, _subject(host), did="new")


@action("host.key")
def revoke_key(user: Any, host: Host) -> Done[bool]:
    """Refuse a host's credentials from now on. False: it had none."""
    return Done(hosts.revoke_key(host.pk), _subject(host), did="revoke")


def _subject(host: Host) -> str:
    return f"host {host.name}"
