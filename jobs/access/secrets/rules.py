"""Rules of secrets: people, hosts, purpose and endpoints."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs import plans
from jobs.access.secrets import keys
from jobs.access.secrets.uses import Use, uses
from jobs.base.errors import JobsError, LaunchError
from jobs.base.messages import Message
from jobs.base.web_addresses import is_below
from jobs.kinds.lib.base import endpoint_number
from jobs.models import Deployment, Host, Job, Secret
from jobs.plans import ENGINES, Plan

logger = logging.getLogger(__name__)
PURPOSES: Mapping[str, str | Promise] = {
    Secret.Purpose.HUB: gettext_lazy("hub token"),
    Secret.Purpose.REGISTRY: gettext_lazy("registry password"),
    Secret.Purpose.ENGINE: gettext_lazy("engine key"),
}
_FIELDS = ("token", "api_key", "registry_password")


class Refused(JobsError):
    """A secret that a plan may not have. ``message`` is for a job, ``text`` for a form."""

    id = "secret:refused"

    def __init__(self, message: Message, text: str, *, is_about_address: bool = False) -> None:
        super().__init__(text)
        self.message = message
        self.text = text
        self.is_about_address = is_about_address


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """Values of a plan that asks for secrets. ``person`` None: a deleted one, or a command.

    ``host`` None: the dashboard itself. ``launched_at`` None: being launched now. A restart is
    asked for by a person who was checked then: ``is_checked``. ``external``: destinations, as
    slots, that are engines which this dashboard did not start.
    """

    host: Host | None
    person: int | None
    values: Mapping[str, str]
    launched_at: datetime | None = None
    is_checked: bool = False
    external: frozenset[str] = frozenset()


def check(
    plan: Plan,
    params: Mapping[str, Any],
    *,
    host: Host,
    user: AbstractBaseUser | None,
    values: Mapping[str, str] | None = None,
) -> None:
    """Refuse a plan that ``user`` may not launch on ``host`` with the secrets it names.

    ``values``: known slots. Without a user, only secrets for everyone are allowed.

    Raises:
        LaunchError: at the field of ``params`` that names the secret or its destination, else at
        the deployment that uses it.
    """
    wanted = uses(plan)
    if not wanted:
        return
    request = _Request(
        host=host,
        person=user.pk if user else None,
        values=values or {},
        external=_external(params),
    )
    try:
        _given(wanted, request)
    except Refused as refused:
        raise LaunchError(refused.text, _field_of(refused, params, wanted)) from None


def of_job(job: Job, *, values: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return name → secret for the host that claims ``job``; ``values``: those of its lease.

    Raises:
        Refused: the host gets none.
    """
    wanted = uses(plans.from_json(job.plan))
    if not wanted:  # most jobs: no query
        return {}
    request = _Request(
        host=job.host,
        person=job.created_by_id,
        values=job.values if values is None else values,
        launched_at=job.created_at,
        external=_external(job.params),
    )
    return _given(wanted, request)


def of_restart(deployment: Deployment) -> dict[str, str]:
    """Return name → secret for the host that claims a restart.

    Raises:
        Refused: the host gets none.
    """
    job = deployment.job
    wanted = uses(plans.from_json(job.plan))
    if not wanted:
        return {}
    request = _Request(
        host=deployment.host,
        person=None,
        values=job.values,
        launched_at=job.created_at,
        is_checked=True,
    )
    return _given(wanted, request)


def engine_key(name: str, deployment: Deployment) -> str:
    """Return the key of a deployment, for the dashboard's own requests; "" if it may not be sent
    there."""
    request = _Request(
        host=deployment.host,
        person=None,
        values={"deployment.url": deployment.dashboard_url},
        is_checked=True,
    )
    try:
        return _given([_of_engine(name)], request)[name]
    except Refused:
        return ""


def check_endpoint(name: str, url: str, user: AbstractBaseUser | None) -> None:
    """Refuse an endpoint's key that ``user`` may not choose, or that may not be sent to ``url``.

    Raises:
        LaunchError: at the field ``api_key``.
    """
    try:
        endpoint_key_for(user, name, url)
    except Refused as refused:
        raise LaunchError(refused.text, "api_key") from None


def endpoint_key_for(user: AbstractBaseUser | None, name: str, url: str) -> str:
    """Return the key of an endpoint, for a request of ``user`` to it.

    Raises:
        Refused: ``user`` may not use it, or it may not be sent there.
    """
    return _given([_of_engine(name)], _to_endpoint(url, user.pk if user else None))[name]


def endpoint_key(name: str, url: str) -> str:
    """Return the key of an endpoint, for the dashboard's own requests to it.

    Raises:
        Refused: it may not be sent there.
    """
    return _given([_of_engine(name)], _to_endpoint(url, None, is_checked=True))[name]


def _of_engine(name: str) -> Use:
    return Use(name, Secret.Purpose.ENGINE, _address_of("deployment"))


def _address_of(field: str) -> str:
    """Return the slot of an engine's address."""
    return f"{{{field}.url}}"


def _to_endpoint(url: str, person: int | None, *, is_checked: bool = False) -> _Request:
    values = {"deployment.url": url}
    external = frozenset({_address_of("deployment")})
    return _Request(
        host=None, person=person, values=values, is_checked=is_checked, external=external
    )


def _external(params: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(
        _address_of(field) for field in ENGINES if endpoint_number(params.get(field)) is not None
    )


def _given(wanted: Sequence[Use], request: _Request) -> dict[str, str]:
    """Return the values of all uses, or of none.

    Raises:
        Refused: the first one that is not allowed.
    """
    rows = stored(use.name for use in wanted)
    for use in wanted:
        if use.name not in rows:
            raise _gone(use.name)
        _check_use(use, rows[use.name], request)
    try:
        return decrypted(rows)
    except keys.KeyUnusable:
        pass
    try:  # the keys were changed between the two reads
        return decrypted(stored(rows))
    except keys.KeyUnusable as error:
        logger.warning("secrets %s cannot be decrypted: %s", ", ".join(rows), error)
        raise _undecryptable(next(iter(rows))) from None


def stored(names: Iterable[str]) -> dict[str, Secret]:
    """Return the records of stored ones among ``names``."""
    return {row.name: row for row in Secret.objects.filter(name__in=set(names))}


def decrypted(rows: Mapping[str, Secret]) -> dict[str, str]:
    """Return name → value.

    Raises:
        KeyUnusable: the key file is missing or another one.
    """
    known = keys.load() if rows else []
    return {name: keys.decrypt(name, row.encrypted, known) for name, row in rows.items()}


def _check_use(use: Use, row: Secret, request: _Request) -> None:
    host = request.host
    if host is not None and not (row.all_hosts or row.hosts.filter(pk=host.pk).exists()):
        raise _wrong_host(row, host)
    if not (row.everyone or request.is_checked) and not (
        request.person and row.people.filter(pk=request.person).exists()
    ):
        raise _wrong_person(row)
    if not row.is_complete:
        # Stored by an earlier version: jobs that were launched with it then go on.
        if request.launched_at is not None and request.launched_at < row.created_at:
            return
        raise _incomplete(row)
    if use.purpose != row.purpose:
        raise _wrong_purpose(row, use)
    address = use.address(request.values)
    if address is None and request.launched_at is None:
        return  # the address of a server that is not there yet: checked when the job starts
    if use.destination in request.external and not row.endpoints:
        raise _no_address(row, address or "?")
    if row.endpoints and address != "" and not is_below(address or "", row.endpoints):
        raise _wrong_address(row, address or "?")


def _field_of(refused: Refused, params: Mapping[str, Any], wanted: Sequence[Use]) -> str:
    # A hub's address; an engine's is that of the deployment.
    if refused.is_about_address and "endpoint" in params and "deployment" not in params:
        return "endpoint"
    name = refused.message.args["name"]
    named = [field for field, value in params.items() if value == name]
    named.sort(key=lambda field: field not in _FIELDS)
    to = {use.destination for use in wanted if use.name == name}
    named += [field for field in ENGINES if field in params and _address_of(field) in to]
    return next(iter(named), "deployment" if "deployment" in params else "")


def _gone(name: str) -> Refused:
    text = _("Secret %(name)s does not exist. Ask an administrator to add it under Secrets.")
    return Refused(Message("job:secret_gone", {"name": name}), text % {"name": name})


def _incomplete(row: Secret) -> Refused:
    args = {"name": row.name}
    text = _(
        "Secret %(name)s has no purpose or no endpoints yet. Ask an administrator to complete it "
        "under Secrets."
    )
    return Refused(Message("job:secret_incomplete", args), text % args)


def _wrong_purpose(row: Secret, use: Use) -> Refused:
    args = {"name": row.name}
    if not use.purpose:
        text = _("Secret %(name)s is not allowed in this command. Launch without it.")
        return Refused(Message("job:secret_purpose", args), text % args)
    text = _(
        "Secret %(name)s is for another purpose: %(purpose)s. Choose a secret for: %(wanted)s."
    )
    words = {"purpose": PURPOSES[row.purpose], "wanted": PURPOSES[use.purpose]}
    return Refused(Message("job:secret_purpose", args), text % {**args, **words})


def _wrong_host(row: Secret, host: Host) -> Refused:
    args = {"name": row.name, "host": host.name}
    text = _(
        "Secret %(name)s may not be used on %(host)s. Choose another host, or ask an "
        "administrator to allow this one under Secrets."
    )
    return Refused(Message("job:secret_host", args), text % args)


def _wrong_person(row: Secret) -> Refused:
    args = {"name": row.name}
    text = _("You may not use secret %(name)s. Ask an administrator to allow it under Secrets.")
    return Refused(Message("job:secret_person", args), text % args)


def _wrong_address(row: Secret, address: str) -> Refused:
    args = {"name": row.name, "endpoint": address}
    text = _(
        "Secret %(name)s may not be sent to %(endpoint)s. Use %(allowed)s, or ask an administrator "
        "to allow this address under Secrets."
    )
    message = Message("job:secret_endpoint", args)
    words = text % {**args, "allowed": ", ".join(row.endpoints)}
    return Refused(message, words, is_about_address=True)


def _no_address(row: Secret, address: str) -> Refused:
    args = {"name": row.name, "endpoint": address}
    text = _(
        "Secret %(name)s names no address, so it may go to deployments only. Ask an administrator "
        "to add %(endpoint)s under Secrets."
    )
    message = Message("job:secret_endpoint", args)
    return Refused(message, text % args, is_about_address=True)


def _undecryptable(name: str) -> Refused:
    args = {"name": name}
    text = _(
        "Secret %(name)s cannot be decrypted. Ask an administrator to restore the key file named "
        "under Secrets."
    )
    return Refused(Message("job:secret_key", args), text % args)
