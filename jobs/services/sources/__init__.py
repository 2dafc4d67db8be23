"""Permitted sources of code and data: included ones, and a team's own list.
Here: the list, its addresses, and the check of a launch, a retry, a start and a claim.
Not here: which fields of a kind name a source (`jobs.kinds`), rights and audit (`dashboard`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import BaseModel

from jobs.errors import JobsError, LaunchError
from jobs.kinds import KINDS
from jobs.kinds.lib.base import Kind, Target, source_fields
from jobs.messages import Message
from jobs.models import Host, Job, Source
from jobs.services.sources.addresses import clean, permits
from jobs.services.sources.included import Included, included, is_included

__all__ = [
    "EXAMPLES",
    "TYPES",
    "Included",
    "Refused",
    "add",
    "addable_types",
    "check",
    "included",
    "of_job",
    "offered",
    "remove",
    "stopped_by_removal",
]

TYPES: Mapping[str, str | Promise] = {
    Source.Type.GIT: gettext_lazy("git repository"),
    Source.Type.INDEX: gettext_lazy("package index"),
    Source.Type.HUB: gettext_lazy("hub"),
    Source.Type.REVISION: gettext_lazy("model revision"),
    Source.Type.IMAGE: gettext_lazy("container image"),
    Source.Type.DATA: gettext_lazy("data"),
}
MOST = 500
LONGEST_ADDRESS, LONGEST_NOTE = 300, 200
_WEB = gettext_lazy(
    "Enter a web address such as %(example)s: host in lower case, no account, query or percent "
    "sign."
)
_IMAGE = gettext_lazy(
    "Enter registry and name in lower case, such as %(example)s, with a tag if only one is "
    "permitted."
)
_REVISION = gettext_lazy("Enter a model's hub ID and the revision, such as %(example)s.")
EXAMPLES: Mapping[str, str] = {
    Source.Type.GIT: "https://git.example/team",
    Source.Type.INDEX: "https://pypi.example/simple",
    Source.Type.HUB: "https://hub.example",
    Source.Type.REVISION: "deepseek-ai/DeepSeek-R1@1a2b3c4",
    Source.Type.IMAGE: "registry.example/team/image",
    Source.Type.DATA: "https://data.example/sets",
}

_FORMS = {str(Source.Type.IMAGE): _IMAGE, str(Source.Type.REVISION): _REVISION}


class Refused(JobsError):
    """A source that is not permitted. ``message`` is for a job."""

    id = "source:refused"

    def __init__(self, source_type: str, address: str) -> None:
        super().__init__(address)
        self.message = Message("job:source", {"type": source_type, "address": address})


def addable_types() -> list[str]:
    """Return the types that a field of some kind names: others would permit nothing."""
    named = {found for kind in KINDS.values() for found in source_fields(kind.Params).values()}
    return [source_type for source_type in TYPES if source_type in named]


def add(source_type: str, address: str, *, note: str = "", user: AbstractBaseUser | None) -> Source:
    """Add a source to the list. ``user`` None: a command.

    Raises:
        LaunchError: a wrong or missing part, or it is permitted already; ``field`` names it.
    """
    if source_type not in addable_types():
        raise LaunchError(_("Choose the type."), "type")
    try:
        entry = clean(source_type, address)
    except ValueError:
        form = _FORMS.get(source_type, _WEB)
        raise LaunchError(form % {"example": EXAMPLES[source_type]}, "address") from None
    if len(entry) > LONGEST_ADDRESS:
        text = _("Enter at most %(most)s characters.")
        raise LaunchError(text % {"most": LONGEST_ADDRESS}, "address")
    if len(note) > LONGEST_NOTE or not note.isprintable():
        text = _("Enter one line of at most %(most)s characters.")
        raise LaunchError(text % {"most": LONGEST_NOTE}, "note")
    if _permitted(source_type, entry, {}, _listed(source_type)):
        raise LaunchError(_("This source is permitted already."), "address")
    if Source.objects.count() >= MOST:
        text = _("The list has %(most)s sources. Remove some first.")
        raise LaunchError(text % {"most": MOST}, "address")
    known = {"note": note, "created_by_id": user.pk if user else None}
    row, is_new = Source.objects.get_or_create(type=source_type, address=entry, defaults=known)
    if not is_new:  # another process was faster
        raise LaunchError(_("This source is permitted already."), "address")
    return row


def remove(source_id: int) -> Source | None:
    """Remove a source from the list and return it; None: unknown."""
    row = Source.objects.filter(pk=source_id).first()
    is_removed = bool(Source.objects.filter(pk=source_id).delete()[0])
    return row if is_removed else None


def offered(source_type: str, facts: Mapping[str, Any]) -> list[str]:
    """Return values for a field of the type on a host with ``facts``: addresses; of images the
    tags of the catalogue's ones in the host's registry; of models the revisions alone."""
    mine = [one.address for one in included() if one.type == source_type and one.is_typed]
    if source_type == Source.Type.REVISION:
        return list(dict.fromkeys(entry.rpartition("@")[2] for entry in _listed(source_type)))
    if source_type != Source.Type.IMAGE:
        return list(dict.fromkeys([*mine, *_listed(source_type)]))
    ours = {f"{facts.get('registry')}/{address.partition(':')[0]}" for address in mine}
    listed = [entry.rpartition(":") for entry in _listed(source_type)]
    tags = [address.rpartition(":")[2] for address in mine]
    return list(dict.fromkeys([*tags, *(tag for name, _colon, tag in listed if name in ours)]))


def check(kind: Kind, params: BaseModel, host: Host) -> None:
    """Refuse params that name a source that is not permitted.

    Raises:
        LaunchError: at the field.
    """
    refused = _refused(kind, params, host)
    if refused is None:
        return
    field, _type, address = refused
    text = _(
        "%(address)s is not a permitted source. Choose a listed one, or ask an administrator to "
        "add it under Sources."
    )
    raise LaunchError(text % {"address": address}, field)


def of_job(job: Job) -> None:
    """Check the sources of a launched job again.

    Raises:
        Refused: one is no longer permitted.
    """
    kind = KINDS.get(job.kind)
    if kind is None:
        return
    refused = _refused(kind, _params(kind, job), job.host)
    if refused is not None:
        _field, source_type, address = refused
        raise Refused(source_type, address)


def stopped_by_removal(source: Source) -> list[Job]:
    """Return queued jobs that no other source would permit."""
    others = [entry for entry in _listed(source.type) if entry != source.address]
    kinds = [kind.name for kind in KINDS.values() if source.type in _types(kind)]
    waiting = Job.objects.filter(state=Job.State.QUEUED, kind__in=kinds).select_related("host")
    return [job for job in waiting if _needs(job, source.type, others)]


def _needs(job: Job, source_type: str, others: Iterable[str]) -> bool:
    kind = KINDS[job.kind]
    types = source_fields(kind.Params)
    return any(
        types[field] == source_type and not _permitted(source_type, address, job.host.facts, others)
        for field, address in _addresses(kind, _params(kind, job), job.host).items()
    )


def _refused(kind: Kind, params: BaseModel, host: Host) -> tuple[str, str, str] | None:
    """Return (field, type, address) of the first source that is not permitted."""
    types = source_fields(kind.Params)
    if not types:  # most kinds: no query
        return None
    for field, address in _addresses(kind, params, host).items():
        if not _permitted(types[field], address, host.facts, _listed(types[field])):
            return field, types[field], address
    return None


def _addresses(kind: Kind, params: BaseModel, host: Host) -> Mapping[str, str]:
    target = Target(name=host.name, type=host.type, facts=host.facts)
    try:
        return kind.sources(params, target)
    except LaunchError:  # the host's registry was removed since the launch: as typed
        typed = {name: str(getattr(params, name, "")) for name in source_fields(kind.Params)}
        return {name: value for name, value in typed.items() if value}


def _params(kind: Kind, job: Job) -> BaseModel:
    """Return stored params unchecked: they may be of an older version of the kind."""
    return kind.Params.model_construct(**job.params)


def _types(kind: Kind) -> set[str]:
    return set(source_fields(kind.Params).values())


def _permitted(
    source_type: str, address: str, facts: Mapping[str, Any], listed: Iterable[str]
) -> bool:
    if is_included(source_type, address, facts):
        return True
    return any(permits(source_type, entry, address) for entry in listed)


def _listed(source_type: str) -> list[str]:
    return list(Source.objects.filter(type=source_type).values_list("address", flat=True))
