"""Secrets of jobs: encrypted values, uses in plans, and who may use them for what, at a launch and
a claim. Not here: rights, audit (`dashboard.actions`), redaction (`jobs.host.run.redact`)."""

import logging
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils.functional import Promise
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs import plans
from jobs.access import secret_keys as keys
from jobs.access.secret_keys import KeyUnusable
from jobs.access.sources import is_below, parts_of
from jobs.base.errors import JobsError, LaunchError, PlanError
from jobs.base.messages import Message
from jobs.kinds.lib.base import endpoint_number
from jobs.models import Deployment, Host, Job, Secret
from jobs.plans import ENGINES, SECRET, Plan

logger = logging.getLogger(__name__)
PURPOSES: Mapping[str, str | Promise] = {
    Secret.Purpose.HUB: gettext_lazy("hub token"),
    Secret.Purpose.REGISTRY: gettext_lazy("registry password"),
    Secret.Purpose.ENGINE: gettext_lazy("engine key"),
}
NAME = re.compile(r"^[A-Z][A-Z0-9_]{1,63}\Z")
SHORTEST = 8  # a shorter one would match any log and be no secret
LONGEST = 4096
MOST_ENDPOINTS = 20
LONGEST_ENDPOINT = 200
# Purpose -> variable of the same step with the destination, and the tools' default.
_ADDRESSES: Mapping[str, tuple[str, str]] = {
    Secret.Purpose.HUB: ("HF_ENDPOINT", "https://huggingface.co"),
    Secret.Purpose.REGISTRY: ("REGISTRY_ADDRESS", "{deployment.url}"),
}
# Engine keys that do not go to the deployment.
_OF_REFERENCE = {"REFERENCE_API_KEY": "{reference.url}"}
_DEPLOYMENT = frozenset({"{deployment.url}"})  # as a destination outside of the dashboard
# Purpose of a secret, by the variable that gets it. A secret in another variable is refused.
VARIABLES: Mapping[str, str] = {
    "HF_TOKEN": Secret.Purpose.HUB,
    "API_KEY": Secret.Purpose.ENGINE,
    "REFERENCE_API_KEY": Secret.Purpose.ENGINE,
    "EVALSCOPE_API_KEY": Secret.Purpose.ENGINE,
    "OPENAI_API_KEY": Secret.Purpose.ENGINE,
    "REGISTRY_PASSWORD": Secret.Purpose.REGISTRY,
    "VLLM_API_KEY": Secret.Purpose.ENGINE,
}


def names() -> list[str]:
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
    ``value`` None keeps the stored value. ``hosts`` None: all hosts; ``people`` None: everyone.
    Raises ``LaunchError``: at the wrong field; ``KeyUnusable``."""
    if not NAME.match(name):
        message = _("Use capital letters, digits and underscores, such as HF_TOKEN.")
        raise LaunchError(message, "name")
    if value is not None and not SHORTEST <= len(value) <= LONGEST:
        limits = {"shortest": SHORTEST, "longest": LONGEST}
        raise LaunchError(_("Enter %(shortest)s to %(longest)s characters.") % limits, "value")
    if value is not None and (not value.isprintable() or value != value.strip()):
        raise LaunchError(_("Enter one line without leading or trailing spaces."), "value")
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
            known = keys.load() if Secret.objects.exists() else keys.make()
            row.encrypted, row.set_at = keys.encrypt(name, value, known), now()
        row.save()
        row.hosts.set(hosts or ())
        row.people.set([person.pk for person in people or ()])
    return is_new


def _checked_endpoints(purpose: str, endpoints: Sequence[str]) -> list[str]:
    if purpose not in Secret.Purpose.values:
        raise LaunchError(_("Choose the purpose."), "purpose")
    wanted = list(dict.fromkeys(endpoints))
    if len(wanted) > MOST_ENDPOINTS:
        raise LaunchError(_("Enter at most %(most)s addresses."), "endpoints", most=MOST_ENDPOINTS)
    for endpoint in wanted:
        try:
            parts_of(endpoint)
            is_prefix = len(endpoint) <= LONGEST_ENDPOINT
        except ValueError:
            is_prefix = False
        if not is_prefix:
            text = _(
                "Enter addresses with http or https and without account or query, such as "
                "https://huggingface.co; not %(endpoint)s."
            )
            raise LaunchError(text % {"endpoint": endpoint[:LONGEST_ENDPOINT]}, "endpoints")
    if not wanted and purpose != Secret.Purpose.ENGINE:
        text = _("Enter at least one address to which the secret may be sent.")
        raise LaunchError(text, "endpoints")
    return wanted


def forget(name: str) -> bool:
    return bool(Secret.objects.filter(name=name).delete()[0])


def problem() -> str:
    """Return why the secrets cannot be decrypted; "" if they can."""
    try:
        _decrypted({row.name: row for row in Secret.objects.all()})
    except KeyUnusable as error:
        return str(error)
    return ""


def rotate(*, with_new_key: bool = True) -> int:
    """Encrypt every secret with a new first key, then remove the other keys; return the number.
    ``with_new_key`` False: with the file's first key; the file stays. Raises ``KeyUnusable``."""
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


class Use(NamedTuple):
    """Use of secret ``name``: its purpose, "" for an unknown variable, and its destination.
    ``destination`` may have slots. "": the server that the plan itself starts."""

    name: str
    purpose: str
    destination: str


def uses(plan: Plan) -> list[Use]:
    """Return each different use of a secret, in the order of the steps."""
    serves = any(step.serves for step in plan.steps)
    found: dict[Use, None] = {}
    for step in plan.steps:
        for variable, text in step.env:
            for is_slot, piece in plans.pieces(text):
                if is_slot and piece.startswith(SECRET):
                    purpose = VARIABLES.get(variable, "")
                    named, default = _ADDRESSES.get(purpose, ("", "{deployment.url}"))
                    to = _OF_REFERENCE.get(variable) or dict(step.env).get(named) or default
                    found[Use(piece.removeprefix(SECRET), purpose, "" if serves else to)] = None
    return list(found)


class SecretRefused(JobsError):
    """A secret that a plan may not have. ``message`` is for a job, ``text`` for a form. ``args``
    fill both, ``words`` the text alone."""

    id = "secret:refused"

    def __init__(
        self,
        message_id: str,
        text: str,
        args: Mapping[str, str],
        *,
        words: Mapping[str, Any] | None = None,
        is_about_address: bool = False,
    ) -> None:
        self.text = text % {**args, **(words or {})}
        super().__init__(self.text)
        self.message = Message(message_id, dict(args))
        self.is_about_address = is_about_address


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """Values of a plan that asks for secrets. ``person`` None: a deleted one, or a command.
    ``host`` None: the dashboard itself. ``is_launched``: by a stored job. A restart is asked for by
    a person who was checked then: ``is_checked``. ``external``: destinations, as slots, that are
    engines which this dashboard did not start."""

    host: Host | None
    values: Mapping[str, str]
    person: int | None = None
    is_launched: bool = False
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
    """Raise ``LaunchError`` if ``user`` (None: only secrets for everyone) may not launch ``plan``
    on ``host``: at the field of ``params`` with the secret, its destination, or its deployment.
    ``values``: known slots."""
    wanted = uses(plan)
    if not wanted:
        return
    person, external = user.pk if user else None, _external(params)
    request = _Request(host=host, person=person, values=values or {}, external=external)
    try:
        _given(wanted, request)
    except SecretRefused as refused:
        raise LaunchError(refused.text, _field_of(refused, params, wanted)) from None


def of_job(job: Job, *, values: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return name → secret for the claiming host, or raise ``SecretRefused``. ``values``: at a
    lease."""
    given, external = job.values if values is None else values, _external(job.params)
    return _of_plan(job, job.host, given, person=job.created_by_id, external=external)


def of_restart(deployment: Deployment) -> dict[str, str]:
    """As :func:`of_job`, for the host that claims a restart."""
    return _of_plan(deployment.job, deployment.host, deployment.job.values, is_checked=True)


def _of_plan(job: Job, host: Host, values: Mapping[str, str], **more: Any) -> dict[str, str]:
    wanted = uses(plans.from_json(job.plan))
    if not wanted:  # most jobs: no query
        return {}
    return _given(wanted, _Request(host=host, values=values, is_launched=True, **more))


def engine_key(name: str, deployment: Deployment) -> str:
    """Return a deployment's key that the dashboard itself sends. Raises ``SecretRefused``."""
    return _key(name, deployment.dashboard_url, host=deployment.host, is_checked=True)


def check_endpoint(name: str, url: str, user: AbstractBaseUser | None) -> None:
    """Raise ``LaunchError`` at the field ``api_key`` if ``user`` may not choose an endpoint's key,
    or it may not be sent to ``url``."""
    try:
        endpoint_key_for(user, name, url)
    except SecretRefused as refused:
        raise LaunchError(refused.text, "api_key") from None


def endpoint_key_for(user: AbstractBaseUser | None, name: str, url: str) -> str:
    """Return the key that a request of ``user`` to an endpoint sends. Raises ``SecretRefused``."""
    return _key(name, url, person=user.pk if user else None, external=_DEPLOYMENT)


def endpoint_key(name: str, url: str) -> str:
    """Return the key that the dashboard's own requests to an endpoint send. Raises
    ``SecretRefused``."""
    return _key(name, url, is_checked=True, external=_DEPLOYMENT)


def _key(name: str, url: str, *, host: Host | None = None, **more: Any) -> str:
    use = Use(name, Secret.Purpose.ENGINE, _slot("deployment"))
    return _given([use], _Request(host=host, values={"deployment.url": url}, **more))[name]


def _slot(field: str) -> str:
    return f"{{{field}.url}}"


def _external(params: Mapping[str, Any]) -> frozenset[str]:
    named = (field for field in ENGINES if endpoint_number(params.get(field)) is not None)
    return frozenset(map(_slot, named))


def _given(wanted: Sequence[Use], request: _Request) -> dict[str, str]:
    """Return the values of all uses. Raises ``SecretRefused``: the first that is not allowed."""
    rows = _stored(use.name for use in wanted)
    for use in wanted:
        if use.name not in rows:
            text = _(
                "Secret %(name)s does not exist. Ask an administrator to add it under Secrets."
            )
            raise SecretRefused("job:secret_gone", text, {"name": use.name})
        _check_use(use, rows[use.name], request)
    with suppress(KeyUnusable):  # the keys may have been changed between the two reads: once more
        return _decrypted(rows)
    try:
        return _decrypted(_stored(rows))
    except KeyUnusable as error:
        logger.warning("secrets %s cannot be decrypted: %s", ", ".join(rows), error)
        text = _(
            "Secret %(name)s cannot be decrypted. Ask an administrator to restore the key file "
            "named under Secrets."
        )
        raise SecretRefused("job:secret_key", text, {"name": next(iter(rows))}) from None


def _stored(names: Iterable[str]) -> dict[str, Secret]:
    return {row.name: row for row in Secret.objects.filter(name__in=set(names))}


def _decrypted(rows: Mapping[str, Secret]) -> dict[str, str]:
    known = keys.load() if rows else []
    return {name: keys.decrypt(name, row.encrypted, known) for name, row in rows.items()}


def _check_use(use: Use, row: Secret, request: _Request) -> None:
    host, args = request.host, {"name": row.name}
    if host is not None and not (row.all_hosts or row.hosts.filter(pk=host.pk).exists()):
        text = _(
            "Secret %(name)s may not be used on %(host)s. Choose another host, or ask an "
            "administrator to allow this one under Secrets."
        )
        raise SecretRefused("job:secret_host", text, {**args, "host": host.name})
    if not (row.everyone or request.is_checked) and not (
        request.person and row.people.filter(pk=request.person).exists()
    ):
        text = _("You may not use secret %(name)s. Ask an administrator to allow it under Secrets.")
        raise SecretRefused("job:secret_person", text, args)
    if not use.purpose:
        text = _("Secret %(name)s is not allowed in this command. Launch without it.")
        raise SecretRefused("job:secret_purpose", text, args)
    if use.purpose != row.purpose:
        text = _(
            "Secret %(name)s is for another purpose: %(purpose)s. Choose a secret for: %(wanted)s."
        )
        words = {"purpose": PURPOSES.get(row.purpose, "?"), "wanted": PURPOSES[use.purpose]}
        raise SecretRefused("job:secret_purpose", text, args, words=words)
    address: str | None = None
    with suppress(PlanError):
        address = plans.fill_text(use.destination, request.values)
    if address is None and not request.is_launched:
        return  # the address of a server that is not there yet: checked when the job starts
    is_bound = use.destination in request.external or row.purpose != Secret.Purpose.ENGINE
    if is_bound and not row.endpoints:
        text = _(
            "Secret %(name)s names no address, so it may go to deployments only. Ask an "
            "administrator to add %(endpoint)s under Secrets."
        )
        if row.purpose != Secret.Purpose.ENGINE:
            text = _(
                "Secret %(name)s names no address. Ask an administrator to add %(endpoint)s under "
                "Secrets."
            )
        at = {**args, "endpoint": address or "?"}
        raise SecretRefused("job:secret_endpoint", text, at, is_about_address=True)
    if row.endpoints and address != "" and not is_below(address or "", row.endpoints):
        text = _(
            "Secret %(name)s may not be sent to %(endpoint)s. Use %(allowed)s, or ask an "
            "administrator to allow this address under Secrets."
        )
        at, allowed = {**args, "endpoint": address or "?"}, {"allowed": ", ".join(row.endpoints)}
        raise SecretRefused("job:secret_endpoint", text, at, words=allowed, is_about_address=True)


def _field_of(refused: SecretRefused, params: Mapping[str, Any], wanted: Sequence[Use]) -> str:
    # A hub's address; an engine's is that of the deployment.
    if refused.is_about_address and "endpoint" in params and "deployment" not in params:
        return "endpoint"
    name = refused.message.args["name"]
    named = [field for field, value in params.items() if value == name]
    named.sort(key=lambda field: field not in ("token", "api_key", "registry_password"))
    to = {use.destination for use in wanted if use.name == name}
    named += [field for field in ENGINES if field in params and _slot(field) in to]
    return next(iter(named), "deployment" if "deployment" in params else "")
