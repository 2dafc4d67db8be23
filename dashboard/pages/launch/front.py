"""Questions at the top of each launch form: which model or engine, what for, which tool, where."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from django.contrib.auth.models import AbstractBaseUser
from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.pages.launch.launch_form import Field, offers
from dashboard.text.labels import disambiguate, host_title
from jobs.base.numbers import number_from
from jobs.catalog import MODELS
from jobs.kinds import KINDS
from jobs.kinds.lib.base import (
    Kind,
    Target,
    asset_fields,
    endpoint_key,
    endpoint_number,
    promised_job,
)
from jobs.launch.pipelines import Pipeline, pipelines_of
from jobs.models import Artifact, Deployment, Endpoint, Host, Job, Weights
from jobs.queries.hosts import dies, is_away
from jobs.schedule.launch_rights import open_hosts
from jobs.schedule.targets import target_of

MATRIX = "matrix"  # the tool that is no kind
# A model in place of an engine, and an engine in place of a model.
MODEL, ENGINE = "model:", "engine:"
MADE: dict[str, Any] = {"weights": Weights, "artifact": Artifact}
_ASSETS = {name for kind in KINDS.values() for name in asset_fields(kind.Params)}
_FIELDS = {name for kind in KINDS.values() for name in kind.Params.model_fields}


class Purpose(NamedTuple):
    """``families``: of its kinds; none: its tools are pipelines."""

    title: str | Promise
    families: tuple[str, ...] = ()


PURPOSES = {
    "serve": Purpose(gettext_lazy("Serve it"), ("deploy",)),
    "speed": Purpose(gettext_lazy("Measure speed"), ("benchmark",)),
    "accuracy": Purpose(gettext_lazy("Measure accuracy"), ("evaluate",)),
    "pipeline": Purpose(gettext_lazy("Everything")),
    "prepare": Purpose(gettext_lazy("Prepare"), ("prepare", "compile")),
}


class LaunchSubject(NamedTuple):
    """``model``: of the catalogue. ``engine``: key of a deployment or an endpoint. ``host``: the
    only one that reaches the engine. ``usual``: kinds that follow the job that started it."""

    model: str = ""
    engine: str = ""
    host: str = ""
    usual: Sequence[str] = ()

    @property
    def is_known(self) -> bool:
        return bool(self.model or self.engine)


class Option(NamedTuple):
    """Answer to the first question. ``is_elsewhere``: leads to another form."""

    value: str
    label: str
    is_elsewhere: bool = True


class Tool(NamedTuple):
    """``reason``: why it cannot be chosen."""

    name: str
    title: str
    good_for: str
    reason: str = ""


class HostChoice(NamedTuple):
    """``rank``: blocked, unprepared, without an engine, of another sort than the model needs."""

    host: Host
    remark: str
    rank: tuple[bool, bool, bool, bool]

    @property
    def is_blocked(self) -> bool:
        return self.rank[0]


class Front(NamedTuple):
    """The questions with their answers. ``chosen``: value of the first one. ``kept``: entered
    values of fields that this form lacks."""

    purpose: str
    tool: str
    tools: Sequence[Tool]
    chosen: str
    subjects: Sequence[tuple[str, Sequence[Option]]]
    hosts: Sequence[HostChoice]
    kept: Sequence[tuple[str, str]]
    purposes: Sequence[tuple[str, str | Promise, bool]]  # name, title, whether it is possible


def purpose_of(kind: Kind) -> str:
    return next(name for name, one in PURPOSES.items() if kind.family in one.families)


def pipelines_for(model_id: str) -> list[Pipeline]:
    model = MODELS.get(model_id)
    return pipelines_of(model) if model else []


def kept_of(data: QueryDict, own: Collection[str]) -> list[tuple[str, str]]:
    """Return entered values of other kinds' fields, but no assets: those are of a host."""
    names = (name for name in data if name in _FIELDS and name not in own)
    return [(name, str(data[name])) for name in names if name not in _ASSETS and name != "model"]


def engine_rows() -> list[Deployment | Endpoint]:
    """Return what answers now: on real hosts first, simulated ones next, then endpoints."""
    rows = Deployment.objects.filter(state=Deployment.State.READY, wanted=True)
    ready = list(rows.select_related("host", "job").defer("job__plan", "job__params"))
    endpoints = Endpoint.objects.filter(archived_at=None).order_by("name")
    return [
        *sorted(ready, key=lambda one: (one.host.is_simulated, is_away(one.host))),
        *sorted(endpoints, key=lambda one: not one.is_answering),
    ]


def named_subject(data: QueryDict) -> LaunchSubject:
    """Return the model or engine that a query names."""
    text = str(data.get("deployment") or data.get("model") or "")
    key = text.removeprefix(ENGINE)
    if text.startswith(MODEL) or (key == text and not data.get("deployment")):
        return LaunchSubject(text.removeprefix(MODEL))
    if (number := promised_job(key)) is not None:
        job = row_of(Job, str(number))
        return (
            LaunchSubject(job.model_id, key, job.host.name, usual_after(job))
            if job
            else LaunchSubject()
        )
    number = endpoint_number(key)
    row = row_of(Deployment, key) if number is None else row_of(Endpoint, str(number))
    return engine_subject(row) if row else LaunchSubject()


def row_of(model: Any, text: str) -> Any:
    number = number_from(text)
    return model.objects.filter(pk=number).first() if number is not None else None


def usual_after(job: Job) -> Sequence[str]:
    kind = KINDS.get(job.kind)
    return kind.leads_to if kind else ()


def engine_subject(row: Deployment | Endpoint) -> LaunchSubject:
    if isinstance(row, Endpoint):
        return LaunchSubject(row.model_id, endpoint_key(row.pk))
    return LaunchSubject(row.model_id, str(row.pk), row.host.name, usual_after(row.job))


def engine_on(target: Target, key: str, model: str) -> LaunchSubject:
    """Return the engine of a key as a host offers it; ``model``: of an unknown one."""
    ref = next((ref for ref in target.deployments if ref.key == key), None)
    host = target.name if ref and ref.endpoint is None else ""
    return LaunchSubject(str(ref.data["model_id"]) if ref else model, key, host)


def host_choices(
    needs_dies: bool | None,
    subject: LaunchSubject,
    user: AbstractBaseUser | None,
    kind: Kind | None = None,
) -> list[HostChoice]:
    """Return all hosts, the best first, each with the reason why it cannot run the work."""
    hosts = list(Host.objects.all())
    allowed = {host.pk for host in open_hosts(hosts, user)}
    there = prepared(kind, subject.model) if kind else None
    serving = _serving(kind, hosts, subject) if kind else set()
    likes_dies = next((one.needs_dies for one in pipelines_for(subject.model)), None)
    choices = []
    for host in hosts:
        has_dies, reason, remark = bool(dies(host)), "", ""
        lacks = there is not None and host.pk not in there
        if subject.host and host.name != subject.host:
            reason = _("does not run this engine")
        elif needs_dies and not has_dies:
            reason = _("no cards")
        elif needs_dies is False and has_dies:
            reason = _("for hosts without cards")
        elif host.pk not in allowed:
            reason = _("you may not launch here")
        elif lacks:
            remark = _("nothing prepared yet")
        elif is_away(host):
            remark = _("offline") if host.heartbeat_at else _("not connected yet")
        elif host.draining:
            remark = _("paused")
        serves_none = bool(serving) and host.pk not in serving
        rank = (bool(reason), lacks, serves_none, likes_dies not in (None, has_dies))
        choices.append(HostChoice(host, reason or remark, rank))

    def place(one: HostChoice) -> tuple[object, ...]:
        is_far, is_new = one.host.type != Host.Type.THIS_COMPUTER, not one.host.facts.get("roots")
        return (*one.rank, is_away(one.host), is_new, one.host.is_simulated, is_far)

    return sorted(choices, key=place)


def _serving(kind: Kind, hosts: Iterable[Host], subject: LaunchSubject) -> set[int]:
    """Return online hosts with an engine for the kind; none if the engine is chosen already."""
    if "deployment" not in kind.Params.model_fields or subject.engine:
        return set()
    of_model = {"model_id": subject.model} if subject.model else {}
    ready = Deployment.objects.filter(state=Deployment.State.READY, **of_model)
    engines: dict[int, list[str]] = {}
    for pk, host_id in ready.values_list("pk", "host_id"):
        engines.setdefault(host_id, []).append(str(pk))
    online = [host for host in hosts if host.pk in engines and not is_away(host)]
    return {
        host.pk
        for host in online
        if any(can_take(kind, target_of(host), key) for key in engines[host.pk])
    }


def prepared(kind: Kind, model: str) -> set[int] | None:
    """Return hosts with the weights or artifact of ``model`` that the kind needs; None: none."""
    record = next((MADE[one] for one in asset_fields(kind.Params).values() if one in MADE), None)
    if record is None or not model:
        return None
    return set(record.objects.filter(model_id=model).values_list("host", flat=True))


def chosen_host(choices: Iterable[HostChoice], named: str) -> Host | None:
    """Return the named host, also a blocked one, whose form gives the reason; else the best."""
    hosts = [one.host for one in choices]
    return next((host for host in hosts if host.name == named), hosts[0] if hosts else None)


def tools_of(
    purpose: str, subject: LaunchSubject, target: Target | None, choices: Iterable[HostChoice]
) -> list[Tool]:
    """Return tools that a host has for a purpose; with a deployment, that its own host has."""
    if target is None or purpose == "pipeline":
        return [Tool(one.id, one.title, _(one.good_for)) for one in pipelines_for(subject.model)]
    cards = {bool(dies(one.host)) for one in choices}
    if subject.host:
        cards = {target.has_dies}
    tools = []
    # On cards, kinds that need cards come first.
    for kind in sorted(KINDS.values(), key=lambda kind: target.has_dies and not kind.has_dies):
        if kind.family in PURPOSES[purpose].families and (kind.has_dies in (None, *cards)):
            is_other = bool(subject.engine) and not can_take(kind, target, subject.engine)
            reason = _("Not for this engine.") if is_other else ""
            tools.append(Tool(kind.name, _(kind.title), _(kind.good_for), reason))
    if purpose == "speed":
        text = _("Several lengths and concurrencies at once, as a table. Has presets.")
        tools.append(Tool(MATRIX, _("Matrix"), text))
    return tools


def can_take(kind: Kind, target: Target, value: str, field: str = "deployment") -> bool:
    """Return True if ``kind`` offers that engine or model on the host, or needs none."""
    offered = offers(kind, target, field)
    return offered is None or value in [choice.value for choice in offered]


def questions(
    purpose: str,
    tool: str,
    subject: LaunchSubject,
    target: Target | None,
    hosts: Sequence[HostChoice],
    kept: Sequence[tuple[str, str]],
    field: Field | None = None,
) -> Front:
    """``field``: that of the form whose value is the engine."""
    rows, near, far = engine_rows(), list[Option](), list[Option]()
    mark, other = ("", MODEL) if field else (ENGINE, "")
    if field:
        near = [Option(one.value, one.label, is_elsewhere=False) for one in field.options]
    known = {one.value for one in near}
    labels = disambiguate([(one.name, one.pk, "") for one in rows])
    for row, label in zip(rows, labels, strict=True):
        key = engine_subject(row).engine
        if key not in known:
            place = host_title(row.host) if isinstance(row, Deployment) else _("endpoint")
            far.append(
                Option(f"{mark}{key}", _("%(name)s · %(host)s") % {"name": label, "host": place})
            )
    models = [Option(other + one.id, one.name) for one in MODELS.values()]
    chosen = mark + subject.engine if subject.engine else other + subject.model
    if subject.model and not subject.engine and subject.model not in MODELS:
        models.append(Option(chosen, subject.model))
    if chosen == other:  # not a matter of one model
        models.insert(0, Option("", _("Any model")))
        chosen = ""
    name = target.name if target else ""
    here = next((host_title(one.host) for one in hosts if one.host.name == name), "")
    groups = [
        (_("Engines for %(host)s") % {"host": here}, near),
        (_("Other engines") if near else _("Engines"), far),
        (_("Models"), models),
    ]
    has_pipelines = bool(pipelines_for(subject.model)) or subject.model not in MODELS
    return Front(
        purpose=purpose,
        tool=tool,
        tools=tools_of(purpose, subject, target, hosts),
        chosen=chosen,
        subjects=[(title, options) for title, options in groups if options],
        hosts=hosts,
        kept=kept,
        purposes=[
            (name, one.title, bool(one.families) or has_pipelines) for name, one in PURPOSES.items()
        ],
    )
