"""Secrets of jobs: encrypted values, and who may use them for what.
Here: the records and their key file, uses in plans, rules of a launch and a claim.
Not here: rights and audit (`dashboard.actions`), redaction (`jobs.host.run.redact`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.timezone import now
from django.utils.translation import gettext as _

from jobs.access.secrets import keys
from jobs.access.secrets.keys import KeyUnusable, key_file
from jobs.access.secrets.rules import (
    PURPOSES,
    Refused,
    check,
    check_endpoint,
    decrypted,
    endpoint_key,
    endpoint_key_for,
    engine_key,
    of_job,
    of_restart,
    stored,
)
from jobs.base.errors import LaunchError
from jobs.base.web_addresses import parts_of
from jobs.models import Host, Secret

__all__ = [
    "LONGEST",
    "NAME",
    "PURPOSES",
    "SHORTEST",
    "KeyUnusable",
    "Refused",
    "check",
    "check_endpoint",
    "endpoint_key",
    "endpoint_key_for",
    "engine_key",
    "forget",
    "keep",
    "key_file",
    "names",
    "of_job",
    "of_restart",
    "problem",
    "rotate",
    "values",
]

NAME = re.compile(r"^[A-Z][A-Z0-9_]{1,63}\Z")
SHORTEST = 8  # a shorter one would match any log and be no secret
LONGEST = 4096
MOST_ENDPOINTS = 20
LONGEST_ENDPOINT = 200


def names() -> list[str]:
    """Return names of stored secrets, sorted."""
    return list(Secret.objects.values_list("name", flat=True))


def keep(
    name: str,
    value: str | None,
    *,
    purpose: str,
    endpoints: Sequence[str] = (),
    hosts: Collection[Host] | None = None,
    people: Collection[AbstractBaseUser] | None = None,
) -> bool:
    """Store a secret and its rules, replacing one with the same name. True: the name is new.

    ``value`` None keeps the stored value. ``endpoints``: URL prefixes. ``hosts`` None: all hosts;
    ``people`` None: everyone.

    Raises:
        LaunchError: a wrong or missing part; ``field`` names it.
        KeyUnusable: the key file is missing or cannot be used.
    """
    _check_name(name)
    if value is not None:
        check_value(value)
    allowed = _checked_endpoints(purpose, endpoints)
    if hosts is not None and not hosts:
        raise LaunchError(_("Choose at least one host, or all hosts."), "hosts")
    if people is not None and not people:
        raise LaunchError(_("Choose at least one person, or everyone."), "people")
    with keys.alone(), transaction.atomic():
        row = Secret.objects.select_for_update().filter(name=name).first()
        is_new = row is None
        if row is None and value is None:
            raise LaunchError(_("Enter the secret's value."), "value")
        row = row or Secret(name=name)
        row.purpose, row.endpoints = purpose, allowed
        row.all_hosts, row.everyone = hosts is None, people is None
        if value is not None:
            row.encrypted, row.set_at = encrypted(name, value), now()
        row.save()
        row.hosts.set(hosts or ())
        row.people.set([person.pk for person in people or ()])
    return is_new


def encrypted(name: str, value: str) -> str:
    """Return ``value`` for the table. The caller holds :func:`keys.alone`.

    Raises:
        KeyUnusable: there are secrets, but no key file; or it cannot be used.
    """
    return keys.encrypt(name, value, keys.load() if Secret.objects.exists() else keys.make())


def forget(name: str) -> bool:
    """Delete a secret. False: unknown name."""
    return bool(Secret.objects.filter(name=name).delete()[0])


def values(wanted: Iterable[str]) -> dict[str, str]:
    """Return name → secret, of stored ones, whatever their rules: for tests and tools.

    Raises:
        KeyUnusable: the key file is missing or another one.
    """
    return decrypted(stored(wanted))


def problem() -> str:
    """Return why the secrets cannot be decrypted; "" if they can."""
    try:
        decrypted({row.name: row for row in Secret.objects.all()})
    except KeyUnusable as error:
        return str(error)
    return ""


def rotate(*, with_new_key: bool = True) -> int:
    """Encrypt every secret with a new first key, then remove the other keys; return the number.

    ``with_new_key`` False: with the file's present first key, and the file stays as it is.

    Raises:
        KeyUnusable: a secret cannot be decrypted, or the file cannot be written; then nothing has
        changed.
    """
    with keys.alone():
        known = keys.load() if Secret.objects.exists() else keys.make()
        first = keys.new() if with_new_key else known[0]
        with transaction.atomic():
            rows = list(Secret.objects.select_for_update())
            for row in rows:
                value = keys.decrypt(row.name, row.encrypted, known)
                row.encrypted = keys.encrypt(row.name, value, [first])
            if with_new_key:
                keys.write([first, *known])  # a crash from here on loses no key
            Secret.objects.bulk_update(rows, ["encrypted"])
        if with_new_key:
            keys.write([first])
    return len(rows)


def _check_name(name: str) -> None:
    if not NAME.match(name):
        message = _("Use capital letters, digits and underscores, such as HF_TOKEN.")
        raise LaunchError(message, "name")


def check_value(value: str) -> None:
    """Refuse a value that no log can be searched for.

    Raises:
        LaunchError: too short, too long, or not one printable line.
    """
    if not SHORTEST <= len(value) <= LONGEST:
        limits = {"shortest": SHORTEST, "longest": LONGEST}
        raise LaunchError(_("Enter %(shortest)s to %(longest)s characters.") % limits, "value")
    if not value.isprintable() or value != value.strip():
        raise LaunchError(_("Enter one line without leading or trailing spaces."), "value")


def _checked_endpoints(purpose: str, endpoints: Sequence[str]) -> list[str]:
    if purpose not in Secret.Purpose.values:
        raise LaunchError(_("Choose the purpose."), "purpose")
    wanted = list(dict.fromkeys(endpoints))
    if len(wanted) > MOST_ENDPOINTS:
        text = _("Enter at most %(most)s addresses.")
        raise LaunchError(text % {"most": MOST_ENDPOINTS}, "endpoints")
    for endpoint in wanted:
        if len(endpoint) > LONGEST_ENDPOINT or not _is_prefix(endpoint):
            text = _(
                "Enter addresses with http or https and without account or query, such as "
                "https://huggingface.co; not %(endpoint)s."
            )
            raise LaunchError(text % {"endpoint": endpoint[:LONGEST_ENDPOINT]}, "endpoints")
    if not wanted and purpose != Secret.Purpose.ENGINE:
        text = _("Enter at least one address to which the secret may be sent.")
        raise LaunchError(text, "endpoints")
    return wanted


def _is_prefix(endpoint: str) -> bool:
    try:
        parts_of(endpoint)
    except ValueError:
        return False
    return True
