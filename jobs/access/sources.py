"""Permitted sources of code, data and engines: included ones, and those that a team adds.

Here: the list, its addresses, and the check of a launch, a retry, a start and a claim.
Not here: which fields of a kind name a source (`jobs.kinds`), rights and audit (`dashboard`).

Hubs and package indexes are permitted by the exact address. Below one, anyone may have a folder:
``https://hub.example/theirs/repo/resolve/main`` as a hub would serve files of their own. A revision
is exact too, because everyone may propose changes to a model, which then have a revision. Git
repositories, images, data and endpoints are permitted by prefix, up to the end of a path segment.
"""

import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address
from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth.models import AbstractBaseUser
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import BaseModel

from jobs.base import engine_addresses
from jobs.base.errors import JobsError, LaunchError
from jobs.base.messages import Message
from jobs.base.validation_errors import one_line
from jobs.catalog import STACKS
from jobs.kinds import KINDS
from jobs.kinds.lib.base import Kind, Target, endpoint_number, source_fields
from jobs.models import Endpoint, Host, Job, Source
from jobs.plans import ENGINES
from jobs.tools.opencompass.commands import INDEX
from jobs.tools.vacc.downloads import CORE_URL, HF_MIRROR, MATH_URL, SONNET_URL

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
_WEB_FORM = gettext_lazy(
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
# Suffixes of the vendor's tags for processors, see jobs.tools.vacc.images.
_VARIANTS = ("", "_noavx", "_arm")
_HUGGING_FACE = gettext_lazy("default of huggingface_hub")
_MODELSCOPE = gettext_lazy("default of modelscope")
# Stricter than clients: no upper case in the host, no account, no escape, no empty segment.
_WEB = re.compile(
    r"https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\])(:[0-9]{1,5})?"
    r"(/[A-Za-z0-9._~+-]+)*/?"
)
_IMAGE = re.compile(
    r"(?P<registry>[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?)"
    r"(?P<path>(/[a-z0-9]+([._-]+[a-z0-9]+)*)*)(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?"
)
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*"
_REVISION = re.compile(rf"{_NAME}/{_NAME}@[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._-]+)*")
# Numbers that resolvers read as an IPv4 address, such as 2130706433, 0x7f000001 and 127.1.
_NUMBER = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)")
_SCHEMES: Mapping[str, tuple[str, ...]] = {
    Source.Type.GIT: ("https",),
    **dict.fromkeys(("index", "hub", "data", "endpoint"), ("http", "https")),
}
_LONGEST_LABEL = 63  # of a host's name, between two dots
_EXACT = {Source.Type.HUB, Source.Type.INDEX, Source.Type.REVISION}
_RANGES: Mapping[str, str | Promise] = {
    engine_addresses.LOOPBACK_RANGE: gettext_lazy("loopback, the dashboard's own machine"),
    engine_addresses.OWN: gettext_lazy("an address of the dashboard's own machine"),
    engine_addresses.LINK_LOCAL: gettext_lazy("link-local, devices of one network segment"),
    engine_addresses.METADATA: gettext_lazy("a cloud metadata service, which returns credentials"),
    engine_addresses.NO_MACHINE: gettext_lazy("an address of no machine"),
}
LOOKUP_S = 5.0
# The system's resolver cannot be interrupted: a thread waits on when nobody waits for it any more.
_lookups = ThreadPoolExecutor(max_workers=8, thread_name_prefix="lookup")
_PORTS = {"http": 80, "https": 443}
_AMBIGUOUS = re.compile(r"[\s\\@?#\x00-\x20]|%2e|%2f|%5c", re.IGNORECASE)
# (where, segments of the path, tag): comparable parts of an address.
_Parts = tuple[tuple[str, ...], tuple[str, ...], str]


def clean(source_type: str, address: str) -> str:
    """``address`` as the list stores it, without a slash at its end. Raises ``ValueError``."""
    _parts(source_type, address)
    if source_type in _SCHEMES:
        host = urlsplit(address).hostname or ""
        if ":" not in host and not all(0 < len(part) <= _LONGEST_LABEL for part in host.split(".")):
            raise ValueError(host)
    return address.rstrip("/")


def permits(source_type: str, entry: str, address: str) -> bool:
    """Return True if the list's ``entry``, a valid one, permits ``address``."""
    try:
        where, path, tag = _parts(source_type, address)
    except ValueError:
        return False
    at, below, only_tag = _parts(source_type, entry)
    if where != at:
        return False
    if source_type in _EXACT or only_tag:
        return (path, tag) == (below, only_tag)
    return path[: len(below)] == below


def _parts(source_type: str, address: str) -> _Parts:
    if source_type == Source.Type.IMAGE:
        found = _IMAGE.fullmatch(address)
        if found is None:
            raise ValueError(address)
        registry, path, tag = found["registry"], found["path"], found["tag"] or ""
        # Without a dot or a port, docker takes the first part for a folder of its own hub.
        has_host = "." in registry or ":" in registry or registry == "localhost"
        if not has_host or (tag and not path):
            raise ValueError(address)
        return (registry,), tuple(path.split("/")[1:]), tag
    if source_type == Source.Type.REVISION:
        if not _REVISION.fullmatch(address):
            raise ValueError(address)
        return (address,), (), ""
    if not _WEB.fullmatch(address) or urlsplit(address).scheme not in _SCHEMES[source_type]:
        raise ValueError(address)
    scheme, host, port, path = parts_of(address)
    if _NUMBER.fullmatch(host):
        IPv4Address(host)  # raises ValueError for another spelling than four numbers
    if source_type == Source.Type.GIT:
        path = path.removesuffix(".git")  # servers take both names for one repository
    return (scheme, host, str(port)), tuple(path.split("/")[1:]), ""


def is_below(address: str, prefixes: Iterable[str]) -> bool:
    """``https://hub.example/a`` contains ``https://hub.example/a/b``, not ``…/ab`` or ``…/a/../b``.
    Scheme, host and port must be equal."""
    try:
        scheme, host, port, path = parts_of(address)
    except ValueError:
        return False
    for prefix in prefixes:
        *place, folder = parts_of(prefix)
        if place == [scheme, host, port] and f"{path}/".startswith(f"{folder}/"):
            return True
    return False


def parts_of(address: str) -> tuple[str, str, int, str]:
    """Return (scheme, host, port, path without a slash at its end) of an http address. Raises
    ValueError: another scheme, no host, or what clients read in different ways: an account, a
    query, a fragment, a dot segment, an encoded separator, a backslash, a space."""
    if _AMBIGUOUS.search(address):
        raise ValueError(address)
    parts = urlsplit(address)
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError(address)
    if {".", ".."} & set(parts.path.split("/")) or "//" in parts.path:
        raise ValueError(address)
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    return parts.scheme, parts.hostname, port, parts.path.rstrip("/")


class SpecialAddress(LaunchError):
    """A special address that the list does not name. ``args_of_message``: of the message of it."""

    def __init__(self, url: str, ip: str, found: str) -> None:
        args = {"url": url, "ip": ip, "entry": _at(url, ip)}
        text = _(
            "%(url)s has the address %(ip)s: %(what)s. Ask an administrator to add %(entry)s under "
            "Sources, type “endpoint”."
        )
        super().__init__(text % {**args, "what": _RANGES[found]}, "url")
        self.args_of_message = args


def special_range(url: str) -> str | Promise:
    """Return the special range of a web address, in words; "" for others. No name is resolved."""
    host = _host(url)
    if f".{host}".endswith(".localhost"):
        return _RANGES[engine_addresses.LOOPBACK_RANGE]
    try:
        return _RANGES.get(engine_addresses.special(engine_addresses.ip_from(host)), "")
    except ValueError:
        return ""


def resolve(url: str, listed: Iterable[str]) -> tuple[str, ...]:
    """Return the IP addresses of an engine's ``url`` that the dashboard may call: the caller
    connects to these, because a second look may find others. ``listed``: as for
    :func:`callable_ips`. Raises ``SpecialAddress``: the name has special addresses only, and none
    is listed; ``OSError``: the name has no address, or none came within ``LOOKUP_S``."""
    if not has_name(url):
        return callable_ips(url, _addresses(url), listed)
    found = lookup(url)
    try:
        ips = found.result(LOOKUP_S)
    except TimeoutError:
        found.cancel()
        raise TimeoutError(f"no address of the name within {LOOKUP_S:g} s") from None
    return callable_ips(url, ips, listed)


def has_name(url: str) -> bool:
    """Return True if the host of a web address is no IP address, and is to be looked up."""
    try:
        engine_addresses.ip_from(_host(url))
    except ValueError:
        return True
    return False


def lookup(url: str) -> Future[list[str]]:
    """Look up the IP addresses of a web address in another thread. Fails with OSError."""
    return _lookups.submit(_addresses, url)


def callable_ips(url: str, ips: Sequence[str], listed: Iterable[str]) -> tuple[str, ...]:
    """Those of an engine's addresses ``ips`` that the dashboard may call. A special address must be
    among the permitted endpoints ``listed`` itself. Raises ``SpecialAddress``: there is none."""
    allowed, entries, ranges = [], list(listed), {}
    for ip in ips:
        found = engine_addresses.special(engine_addresses.ip_from(ip.partition("%")[0]))
        ranges[ip] = found
        is_listed = found not in ("", engine_addresses.NO_MACHINE) and any(
            permits(Source.Type.ENDPOINT, entry, _at(url, ip)) for entry in entries
        )
        if not found or is_listed:
            allowed.append(ip)
    if not allowed:
        raise SpecialAddress(url, *next(iter(ranges.items())))
    return tuple(dict.fromkeys(allowed))


def _addresses(url: str) -> list[str]:
    port = urlsplit(url).port or 0
    try:
        known = socket.getaddrinfo(_host(url), port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # a label that is empty or too long
        raise OSError(f"no host name: {error}") from None
    return [str(at[0]) for *_kind, at in known]


def _at(url: str, ip: str) -> str:
    """Return ``url`` with ``ip`` in the place of its host."""
    parts = urlsplit(url)
    port = "" if parts.port is None else f":{parts.port}"
    return parts._replace(netloc=f"[{ip}]{port}" if ":" in ip else f"{ip}{port}").geturl()


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


class SourceRefused(JobsError):
    """A source that is not permitted. ``message`` is for a job."""

    id = "source:refused"

    def __init__(self, source_type: str, address: str) -> None:
        super().__init__(address)
        self.message = Message("job:source", {"type": source_type, "address": address})


@dataclass(frozen=True, slots=True)
class PermittedSource:
    """A source that catalogue and tools name, always permitted. ``origin``: what names it.
    ``is_typed`` False: forms choose it by name. An image has no registry: each host has its own."""

    type: str
    address: str
    origin: str | Promise
    is_typed: bool = True


@cache
def included() -> tuple[PermittedSource, ...]:
    """Return all included sources, sorted by type; of each type in the order of the stacks."""
    stack = STACKS["guide"]
    guide = gettext_lazy(stack.name)
    images = [(stack, stack.vllm.image) for stack in STACKS.values() if stack.vllm.image]
    return (
        *_repositories(),
        PermittedSource(Source.Type.INDEX, INDEX.rstrip("/"), guide),
        PermittedSource(Source.Type.HUB, HF_MIRROR, guide),
        PermittedSource(Source.Type.HUB, "https://huggingface.co", _HUGGING_FACE),
        PermittedSource(Source.Type.HUB, "https://www.modelscope.cn", _MODELSCOPE, is_typed=False),
        *(
            PermittedSource(
                Source.Type.IMAGE,
                f"{image.name}:{tag}",
                format_lazy(gettext_lazy("stack “{name}”"), name=gettext_lazy(stack.name)),
            )
            for stack, image in images
            for tag in (image.tags if image.in_registry else ())
        ),
        PermittedSource(Source.Type.DATA, CORE_URL, guide, is_typed=False),
        PermittedSource(Source.Type.DATA, MATH_URL, guide, is_typed=False),
        PermittedSource(Source.Type.DATA, SONNET_URL, "vLLM 0.7.2", is_typed=False),
    )


def _repositories() -> Iterator[PermittedSource]:
    for stack in STACKS.values():
        image = stack.vllm.image
        named = [build.repository for build in image.build] if image else []
        for address in (*named, stack.evaluation.opencompass_repository):
            if address:
                yield PermittedSource(Source.Type.GIT, address, gettext_lazy(stack.name))


def is_included(source_type: str, address: str, facts: Mapping[str, Any]) -> bool:
    mine = [one for one in included() if one.type == source_type and one.is_typed]
    if source_type == Source.Type.IMAGE:
        registry = facts.get("registry")
        names = (f"{registry}/{one.address}{end}" for one in mine for end in _VARIANTS)
        return bool(registry) and address in names
    return any(permits(source_type, one.address, address) for one in mine)


def addable_types() -> list[str]:
    """Types that a field of some kind names, and endpoints: others would permit nothing."""
    named = {found for kind in KINDS.values() for found in source_fields(kind.Params).values()}
    named.add(Source.Type.ENDPOINT)
    return [source_type for source_type in TYPES if source_type in named]


def add(source_type: str, address: str, *, note: str = "", user: AbstractBaseUser | None) -> Source:
    """Add a source to the list. Raises ``LaunchError``: at a wrong field, or permitted already."""
    if source_type not in addable_types():
        raise LaunchError(_("Choose the type."), "type")
    try:
        entry = clean(source_type, address)
    except ValueError:
        form = _FORMS.get(source_type, _WEB_FORM)
        raise LaunchError(form % {"example": EXAMPLES[source_type]}, "address") from None
    if len(entry) > LONGEST_ADDRESS:
        raise LaunchError(_("Enter at most %(most)s characters."), "address", most=LONGEST_ADDRESS)
    note = one_line(note, "note", most=LONGEST_NOTE, is_optional=True)
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
    """Raise ``LaunchError`` at the field that names a source that is not permitted."""
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
    """Addresses of permitted endpoints. Raises ``LaunchError``: ``url`` is not permitted."""
    listed = _listed(Source.Type.ENDPOINT)
    if not _permitted(Source.Type.ENDPOINT, url, {}, listed):
        text = _(
            "%(address)s may not be called. Ask an administrator to add it under Sources, type "
            "“endpoint”."
        )
        raise LaunchError(text % {"address": url}, field)
    return listed


def engine_ips(url: str) -> tuple[str, ...]:
    """As :func:`resolve`. Raises ``LaunchError`` too: ``url`` is not permitted."""
    return resolve(url, check_endpoint(url))


def of_job(job: Job) -> None:
    """Check the sources of a launched job again, and the addresses of its endpoints: present ones
    and, once started, those that it was given. Raises ``SourceRefused``."""
    kind = KINDS.get(job.kind)
    if kind is None:
        return
    params = _params(job)
    named = _named(kind, params, job.host)
    for field in ENGINES:
        url = job.values.get(f"{field}.url")
        if endpoint_number(getattr(params, field, None)) and url:
            named.append((field, Source.Type.ENDPOINT, str(url)))
    refused = _refused(named, job.host)
    if refused is not None:
        _field, source_type, address = refused
        raise SourceRefused(source_type, address)


def stopped_by_removal(source: Source) -> list[Job]:
    """Return queued jobs that no other source would permit."""
    others = [entry for entry in _listed(source.type) if entry != source.address]
    kinds = {}  # that may name it
    for kind in KINDS.values():
        calls = not kind.Params.model_fields.keys().isdisjoint(ENGINES)
        is_called = calls and source.type == Source.Type.ENDPOINT
        if is_called or source.type in source_fields(kind.Params).values():
            kinds[kind.name] = kind
    waiting = Job.objects.filter(state=Job.State.QUEUED, kind__in=kinds).select_related("host")
    return [
        job
        for job in waiting
        if any(
            named == source.type and not _permitted(named, address, job.host.facts, others)
            for _field, named, address in _named(kinds[job.kind], _params(job), job.host)
        )
    ]


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


def _params(job: Job) -> BaseModel:
    """Return stored params unchecked: they may be of an older version of the kind."""
    return KINDS[job.kind].Params.model_construct(**job.params)


def _permitted(
    source_type: str, address: str, facts: Mapping[str, Any], listed: Iterable[str]
) -> bool:
    if is_included(source_type, address, facts):
        return True
    return any(permits(source_type, entry, address) for entry in listed)


def _listed(source_type: str) -> list[str]:
    return list(Source.objects.filter(type=source_type).values_list("address", flat=True))
