"""Permitted sources of code, data and engines: included ones, and those that a team adds.

Here: the list, and the check of a launch, a retry, a start and a claim.
Not here: which fields of a kind name a source (`jobs.kinds`), rights and audit (`dashboard`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import BaseModel

from jobs.access.source_addresses import clean, permits, resolve
from jobs.base.errors import JobsError, LaunchError
from jobs.base.messages import Message
from jobs.catalog import STACKS
from jobs.kinds import KINDS
from jobs.kinds.lib.base import Kind, Target, endpoint_number, source_fields
from jobs.models import Endpoint, Host, Job, Source
from jobs.plans import ENGINES
from jobs.tools.opencompass.environment import INDEX
from jobs.tools.vacc.datasets import CORE_URL, MATH_URL, SONNET_URL
from jobs.tools.vacc.weights import HF_MIRROR

TYPES: Mapping[str, str | Promise] = {
    Source.Type.GIT: gettext_lazy("git repository"),
    Source.Type.INDEX: gettext_lazy("package index"),
    Source.Type.HUB: gettext_lazy("hub"),
    Source.Type.REVISION: gettext_lazy("model revision"),
    Source.Type.IMAGE: gettext_lazy("container image"),
    Source.Type.DATA: gettext_lazy("data"),
    Source.Type.ENDPOINT: gettext_lazy("endpoint"),
}
EXAMPLES: Mapping[str, str] = {
    Source.Type.GIT: "https://git.example/team",
    Source.Type.INDEX: "https://pypi.example/simple",
    Source.Type.HUB: "https://hub.example",
    Source.Type.REVISION: "deepseek-ai/DeepSeek-R1@1a2b3c4",
    Source.Type.IMAGE: "registry.example/team/image",
    Source.Type.DATA: "https://data.example/sets",
    Source.Type.ENDPOINT: "http://10.0.0.5:8000",
}
MOST = 500
LONGEST_ADDRESS, LONGEST_NOTE = 300, 200
_WEB = gettext_lazy(
    "Enter a web address such as %(example)s: host in lower case, an IP address as four numbers, "
    "no account, query or percent sign."
)
_FORMS = {
    str(Source.Type.IMAGE): gettext_lazy(
        "Enter registry and name in lower case, such as %(example)s, with a tag if only one is "
        "permitted."
    ),
    str(Source.Type.REVISION): gettext_lazy(
        "Enter a model's hub ID and the revision, such as %(example)s."
    ),
}
_GUIDE = "guide"
# Suffixes of the vendor's tags for processors, see jobs.tools.vacc.images.
_VARIANTS = ("", "_noavx", "_arm")
_HUGGING_FACE = gettext_lazy("default of huggingface_hub")
_MODELSCOPE = gettext_lazy("default of modelscope")


class Refused(JobsError):
    """A source that is not permitted. ``message`` is for a job."""

    id = "source:refused"

    def __init__(self, source_type: str, address: str) -> None:
        super().__init__(address)
        self.message = Message("job:source", {"type": source_type, "address": address})


@dataclass(frozen=True, slots=True)
class Included:
    """A source that the catalogue and its tools name, always permitted. ``origin``: what names it.

    ``is_typed`` False: forms choose it by a name, so no field takes its address. An image has no
    registry: that of each host counts.
    """

    type: str
    address: str
    origin: str | Promise
    is_typed: bool = True


@cache
def included() -> tuple[Included, ...]:
    """Return all included sources, sorted by type; of each type in the order of the stacks."""
    guide = gettext_lazy(STACKS[_GUIDE].name)
    images = [(stack, stack.vllm.image) for stack in STACKS.values() if stack.vllm.image]
    return (
        *_repositories(),
        Included(Source.Type.INDEX, INDEX.rstrip("/"), guide),
        Included(Source.Type.HUB, HF_MIRROR, guide),
        Included(Source.Type.HUB, "https://huggingface.co", _HUGGING_FACE),
        Included(Source.Type.HUB, "https://www.modelscope.cn", _MODELSCOPE, is_typed=False),
        *(
            Included(
                Source.Type.IMAGE,
                f"{image.name}:{tag}",
                format_lazy(gettext_lazy("stack “{name}”"), name=gettext_lazy(stack.name)),
            )
            for stack, image in images
            for tag in (image.tags if image.in_registry else ())
        ),
        Included(Source.Type.DATA, CORE_URL, guide, is_typed=False),
        Included(Source.Type.DATA, MATH_URL, guide, is_typed=False),
        Included(Source.Type.DATA, SONNET_URL, "vLLM 0.7.2", is_typed=False),
    )


def _repositories() -> Iterator[Included]:
    for stack in STACKS.values():
        image = stack.vllm.image
        named = [build.repository for build in image.build] if image else []
        for address in (*named, stack.evaluation.opencompass_repository):
            if address:
                yield Included(Source.Type.GIT, address, gettext_lazy(stack.name))


def is_included(source_type: str, address: str, facts: Mapping[str, Any]) -> bool:
    """Return True if ``address`` is an included source for a host with ``facts``."""
    mine = [one for one in included() if one.type == source_type and one.is_typed]
    if source_type == Source.Type.IMAGE:
        registry = facts.get("registry")
        names = (f"{registry}/{one.address}{end}" for one in mine for end in _VARIANTS)
        return bool(registry) and address in names
    return any(permits(source_type, one.address, address) for one in mine)


def addable_types() -> list[str]:
    """Return the types that a field of some kind names, and endpoints: others would permit
    nothing."""
    named = {found for kind in KINDS.values() for found in source_fields(kind.Params).values()}
    named.add(Source.Type.ENDPOINT)
    return [source_type for source_type in TYPES if source_type in named]


def add(source_type: str, address: str, *, note: str = "", user: AbstractBaseUser | None) -> Source:
    """Add a source to the list. ``user`` None: a command.
    Raises ``LaunchError``: a wrong or missing part, or it is permitted already; ``field`` names
    it."""
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
    return row if Source.objects.filter(pk=source_id).delete()[0] else None


def offered(source_type: str, facts: Mapping[str, Any]) -> list[str]:
    """Return values for a field of the type on a host with ``facts``: addresses; of images the
    tags of the catalogue's ones in the host's registry; of models the revisions alone."""
    mine = [one.address for one in included() if one.type == source_type and one.is_typed]
    listed = _listed(source_type)
    if source_type == Source.Type.REVISION:
        found = [entry.rpartition("@")[2] for entry in listed]
    elif source_type == Source.Type.IMAGE:
        ours = {f"{facts.get('registry')}/{address.partition(':')[0]}" for address in mine}
        found = [address.rpartition(":")[2] for address in mine]
        parts = (entry.rpartition(":") for entry in listed)
        found += [tag for name, _colon, tag in parts if name in ours]
    else:
        found = [*mine, *listed]
    return list(dict.fromkeys(found))


def check(kind: Kind, params: BaseModel, host: Host) -> None:
    """Refuse params that name a source that is not permitted.
    Raises ``LaunchError``: at the field."""
    refused = _refused(_named(kind, params, host), host)
    if refused is None:
        return
    field, source_type, address = refused
    if source_type == Source.Type.ENDPOINT:
        check_endpoint(address, field=field)
    text = _(
        "%(address)s is not a permitted source. Choose a listed one, or ask an administrator to "
        "add it under Sources."
    )
    raise LaunchError(text % {"address": address}, field)


def check_endpoint(url: str, *, field: str = "url") -> list[str]:
    """Return the addresses of permitted endpoints, which permit to call the engine at ``url``.
    Raises ``LaunchError``: they do not; at ``field``."""
    listed = _listed(Source.Type.ENDPOINT)
    if not _permitted(Source.Type.ENDPOINT, url, {}, listed):
        text = _(
            "%(address)s may not be called. Ask an administrator to add it under Sources, type "
            "“endpoint”."
        )
        raise LaunchError(text % {"address": url}, field)
    return listed


def engine_ips(url: str) -> tuple[str, ...]:
    """Return the IP addresses at which the dashboard may call an engine, resolved once.
    Raises ``LaunchError``: ``url`` is not permitted; ``SpecialAddress``: its name is, its address
    not; ``OSError``: the name has no address, or no answer came within ``LOOKUP_S``."""
    return resolve(url, check_endpoint(url))


def of_job(job: Job) -> None:
    """Check the sources of a launched job again, and the addresses of its endpoints: the present
    ones and, once the job has started, those that it was given.
    Raises ``Refused``: one is no longer permitted."""
    kind = KINDS.get(job.kind)
    if kind is None:
        return
    params = _params(kind, job)
    named = _named(kind, params, job.host)
    for field in ENGINES:
        url = job.values.get(f"{field}.url")
        if endpoint_number(getattr(params, field, None)) and url:
            named.append((field, Source.Type.ENDPOINT, str(url)))
    refused = _refused(named, job.host)
    if refused is not None:
        _field, source_type, address = refused
        raise Refused(source_type, address)


def stopped_by_removal(source: Source) -> list[Job]:
    """Return queued jobs that no other source would permit."""
    others = [entry for entry in _listed(source.type) if entry != source.address]

    def stops(job: Job) -> bool:
        kind = KINDS[job.kind]
        return any(
            named == source.type and not _permitted(named, address, job.host.facts, others)
            for _field, named, address in _named(kind, _params(kind, job), job.host)
        )

    def names(kind: Kind) -> bool:
        calls = not kind.Params.model_fields.keys().isdisjoint(ENGINES)
        is_called = calls and source.type == Source.Type.ENDPOINT
        return is_called or source.type in source_fields(kind.Params).values()

    kinds = [kind.name for kind in KINDS.values() if names(kind)]
    waiting = Job.objects.filter(state=Job.State.QUEUED, kind__in=kinds).select_related("host")
    return [job for job in waiting if stops(job)]


def _refused(named: Iterable[tuple[str, str, str]], host: Host) -> tuple[str, str, str] | None:
    """Return (field, type, address) of the first source that is not permitted."""
    for field, source_type, address in named:
        if not _permitted(source_type, address, host.facts, _listed(source_type)):
            return field, source_type, address
    return None


def _named(kind: Kind, params: BaseModel, host: Host) -> list[tuple[str, str, str]]:
    """Return (field, type, address) of each source that the params choose."""
    types, found = source_fields(kind.Params), list[tuple[str, str, str]]()
    if types:
        try:
            target = Target(name=host.name, type=host.type, facts=host.facts)
            addresses: Mapping[str, str] = kind.sources(params, target)
        except LaunchError:  # the host's registry was removed since the launch: as typed
            typed = {name: str(getattr(params, name, "")) for name in types}
            addresses = {name: value for name, value in typed.items() if value}
        found = [(field, types[field], address) for field, address in addresses.items()]
    for field in ENGINES:
        number = endpoint_number(getattr(params, field, None))
        if number is not None:
            urls = Endpoint.objects.filter(pk=number).values_list("url", flat=True)
            found += [(field, str(Source.Type.ENDPOINT), url) for url in urls]
    return found


def _params(kind: Kind, job: Job) -> BaseModel:
    """Return stored params unchecked: they may be of an older version of the kind."""
    return kind.Params.model_construct(**job.params)


def _permitted(
    source_type: str, address: str, facts: Mapping[str, Any], listed: Iterable[str]
) -> bool:
    if is_included(source_type, address, facts):
        return True
    return any(permits(source_type, entry, address) for entry in listed)


def _listed(source_type: str) -> list[str]:
    return list(Source.objects.filter(type=source_type).values_list("address", flat=True))
