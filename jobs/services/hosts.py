"""Changes of a host by people."""

import re
import secrets
from typing import Any, NamedTuple

from django.contrib.auth.models import AbstractBaseUser
from django.core.cache import caches
from django.db import transaction
from django.utils.timezone import now
from django.utils.translation import gettext as _

from jobs.access import valkey_users
from jobs.base.errors import JobsError, LaunchError
from jobs.base.files import text_sha256
from jobs.base.messages import Message
from jobs.models import Deployment, Host, Job
from jobs.notifications import notify
from jobs.queries.hosts import dies, is_away, missing_dies
from jobs.schedule import deployments, lifecycle

# Max concurrent jobs of a new host. Dies are the real limit: most jobs use some exclusively.
SLOTS, MOST_SLOTS = 8, 64
REFUSALS_KEPT, REFUSAL_CHARS = 20, 500
NAME = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")


class HostAnswers(JobsError):
    """The host is online: cancel its jobs instead of marking it as lost."""

    id = "host:answers"


class Credentials(NamedTuple):
    """Login of a host, shown once. ``valkey_password`` "": no Valkey user of its own."""

    key: str
    valkey_password: str

    @property
    def hashes(self) -> dict[str, str]:
        valkey_sha256 = self.valkey_password and text_sha256(self.valkey_password)
        return {"key_sha256": text_sha256(self.key), "valkey_sha256": valkey_sha256}


def add(
    name: str, host_type: str = Host.Type.VACC, *, slots: int = SLOTS
) -> tuple[Host, Credentials]:
    """Raises ``LaunchError``: invalid or duplicate name."""
    if not NAME.match(name):
        message = _("Use small letters, digits and hyphens, at most 63, such as va16-01.")
        raise LaunchError(message, "name")
    made = _new_credentials()
    defaults = {"type": host_type, "slots": slots, **made.hashes}
    host, is_new = Host.objects.get_or_create(name=name, defaults=defaults)
    if not is_new:
        raise LaunchError(_("A host of this name already exists."), "name")
    transaction.on_commit(valkey_users.sync)
    notify("host", name=name)
    return host, made


def keep_own(name: str, host_type: str, key: str, **fields: int) -> Credentials:
    """Add or update a host on the dashboard's own computer, where its key is stored, too. Its
    Valkey password is a new one each time."""
    made = Credentials(key, valkey_users.new_password() if valkey_users.are_managed() else "")
    defaults: dict[str, Any] = {"type": host_type, **made.hashes, **fields}
    Host.objects.update_or_create(name=name, defaults=defaults)
    transaction.on_commit(valkey_users.sync)
    return made


def new_key(host_id: int) -> Credentials:
    """Replace a host's credentials; the old ones are refused from now on."""
    made = _new_credentials()
    Host.objects.filter(pk=host_id).update(**made.hashes)
    transaction.on_commit(valkey_users.sync)
    return made


def revoke_key(host_id: int) -> bool:
    """Refuse a host's credentials from now on. False: it had none."""
    host = Host.objects.filter(pk=host_id).exclude(key_sha256="")
    is_revoked = host.update(key_sha256="", valkey_sha256="") == 1
    transaction.on_commit(valkey_users.sync)
    return is_revoked


def _new_credentials() -> Credentials:
    password = valkey_users.new_password() if valkey_users.have_passwords() else ""
    return Credentials(secrets.token_urlsafe(32), password)


def set_draining(name: str, *, draining: bool) -> bool:
    """Pause or resume new jobs of a host; running jobs continue. False: no change."""
    changed = Host.objects.filter(name=name, draining=not draining).update(draining=draining)
    if changed:
        notify("host", name=name)
    return changed == 1


def read_slots(text: str) -> int:
    """Parse the max concurrent jobs of a host. Raises ``LaunchError``: invalid number."""
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= MOST_SLOTS:
        raise LaunchError(_("Enter a whole number from 1 to %(most)s."), "slots", most=MOST_SLOTS)
    return int(text)


def set_slots(host_id: int, slots: int) -> bool:
    """Set the max concurrent jobs of a host. False: no change."""
    return Host.objects.filter(pk=host_id).exclude(slots=slots).update(slots=slots) == 1


def forget_missing_dies(host_id: int) -> list[str]:
    """Forget missing dies for good. Returns their names."""
    with transaction.atomic():
        host = lifecycle.lock_host(host_id)
        gone = missing_dies(host)
        host.dies_seen = dies(host)
        host.save(update_fields=["dies_seen"])
    return gone


def mark_lost(host_id: int, user: AbstractBaseUser) -> int:
    """Mark an offline host as lost, with its jobs and deployments; return their number. If it comes
    back, it ends those jobs, and a running server is reattached. Raises ``HostAnswers``."""
    with transaction.atomic():
        host = lifecycle.lock_host(host_id)
        if not is_away(host):
            raise HostAnswers(f"{host.name} answers")
        args = {"host": host.name, "user": user.get_username()}
        return lose_all(host, Message("job:given_up", args), Message("deployment:given_up", args))


def note_refusal(host: Host, about: str, problem: str) -> None:
    """Keep for the host's page that a message was refused; the same one once in ten seconds."""
    key = f"refused:{host.pk}:{about}:{problem}"[:200]
    if not caches["process"].add(text_sha256(key), True, 10.0):
        return
    entry = {"at": now().isoformat(), "about": about, "problem": problem[:REFUSAL_CHARS]}
    with transaction.atomic():
        row = Host.objects.select_for_update(no_key=True).get(pk=host.pk)
        others = [one for one in row.refusals if (one["about"], one["problem"]) != (about, problem)]
        Host.objects.filter(pk=host.pk).update(refusals=[entry, *others][:REFUSALS_KEPT])
    notify("host", name=host.name)


def forget_refusals(host_id: int) -> None:
    Host.objects.filter(pk=host_id).update(refusals=[])


def lose_all(host: Host, job_message: Message, deployment_message: Message) -> int:
    """Mark all jobs and deployments of a host as *lost*; return the count."""
    lost = 0
    for job in Job.on([host], Job.ON_HOST_STATES):
        lost += lifecycle.finish_job(job.pk, Job.State.LOST, message=job_message)
    for row in Deployment.objects.filter(host=host, state__in=Deployment.LIVE_STATES):
        lost += deployments.lose(row, deployment_message)
    return lost
