"""Interface of a job type, pure: no clock, no disk, no database."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Literal

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from pydantic import BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass as checked
from pydantic_core import to_jsonable_python

from jobs.base.errors import LaunchError
from jobs.base.messages import Message
from jobs.base.numbers import number_from
from jobs.catalog import Question
from jobs.catalog.schema import PathName
from jobs.plans import ASSET_SLOTS, Plan

# Families of kinds in pipeline order, with titles.
FAMILIES = {
    "prepare": "Prepare",
    "compile": "Compile",
    "deploy": "Deploy",
    "benchmark": "Benchmark",
    "evaluate": "Evaluate",
}
EXACT = "as_in_guide"  # the field of Params for guide verbatim
_PROMISE, _EXTERNAL = "job:", "endpoint:"
_PLURALS = {"weights": "weights"} | {
    name: f"{name}s" for name in ("artifact", "deployment", "server", "environment", "dataset")
}


@dataclass(frozen=True, slots=True)
class AssetRef:
    """Input of a job: existing (``id``), promised by an open job (``job``), or an engine that this
    dashboard did not start (``endpoint``), which takes the place of a deployment.

    ``key`` is what Params hold and forms offer: ``"3"``, ``"job:17"`` or ``"endpoint:5"``. ``type``
    is "weights", "artifact", "deployment", "environment" or "dataset"; ``data`` holds the record's
    fields and details (or those of the promise: the producing job's ``product``), e.g.
    ``{"model_id": …, "precision": …, "path": …}``.
    """

    type: str
    label: str
    id: int | None = None
    job: int | None = None
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    endpoint: int | None = None

    @property
    def key(self) -> str:
        if self.endpoint is not None:
            return endpoint_key(self.endpoint)
        return f"{_PROMISE}{self.job}" if self.id is None else str(self.id)

    @property
    def record(self) -> dict[str, int]:
        if self.endpoint is not None:
            return {"endpoint": self.endpoint}
        return {"job": self.job} if self.id is None and self.job else {"id": self.id or 0}

    @property
    def is_promised(self) -> bool:
        return self.id is None and self.endpoint is None

    @property
    def title(self) -> str:
        return self.label if self.endpoint is not None else str(self.data.get("name", ""))


def promised_job(key: Any) -> int | None:
    """Return the job of a promise: 17 for ``"job:17"``; None for other keys."""
    return _number_of(key, _PROMISE)


def endpoint_key(number: int) -> str:
    return f"{_EXTERNAL}{number}"


def endpoint_number(key: Any) -> int | None:
    """Return the endpoint that a key names: 5 for ``"endpoint:5"``; None for other keys."""
    return _number_of(key, _EXTERNAL)


def _number_of(key: Any, begin: str) -> int | None:
    is_one = isinstance(key, str) and key.startswith(begin)
    return number_from(key.removeprefix(begin)) if is_one else None


@dataclass(frozen=True, slots=True)
class TeamPrompts:
    """Prompts that the team uploaded. ``longest``: estimated tokens of the longest one. ``read``
    returns them: forms need the names only."""

    name: str
    count: int
    longest: int
    read: Callable[[], Sequence[str]] = dataclasses.field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class BaselineRun:
    """Evaluation of a team's or included question set, to compare another one with.

    ``result`` is the id of its result, ``params`` its request. ``tool`` names tool and scoring
    rules. ``is_external``: of an engine that the dashboard did not deploy. ``verdicts`` returns
    id -> correct, None without a score; of the given questions whose text and answer it has.
    """

    result: int
    title: str
    questions: int
    tool: str
    is_simulated: bool
    params: Mapping[str, Any]
    verdicts: Callable[[Sequence[Question]], Mapping[str, bool | None]] = dataclasses.field(
        compare=False, repr=False
    )
    is_external: bool = False


@dataclass(frozen=True, slots=True)
class LevelChoice:
    """Service level: metric -> highest value; ``goodput``: least share of requests within all."""

    key: str
    name: str
    limits: Mapping[str, float]
    goodput: float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Snapshot of a host for kinds: facts and assets, from ``jobs.schedule.targets``.

    ``deployments`` are available for choice, endpoints included. ``servers`` are all that hold
    ports and dies, stopping and restarting ones included. ``prompts``: the team's, on every host.
    ``baselines`` reads the evaluations to compare with, newest first; with a result's id only that
    result. ``levels`` reads the service levels.
    """

    name: str
    type: str
    facts: Mapping[str, Any]
    weights: tuple[AssetRef, ...] = ()
    artifacts: tuple[AssetRef, ...] = ()
    deployments: tuple[AssetRef, ...] = ()
    servers: tuple[AssetRef, ...] = ()
    environments: tuple[AssetRef, ...] = ()
    datasets: tuple[AssetRef, ...] = ()
    prompts: tuple[TeamPrompts, ...] = ()
    baselines: Callable[[int | None], Sequence[BaselineRun]] = dataclasses.field(
        default=lambda result: (), compare=False, repr=False
    )
    levels: Callable[[], Sequence[LevelChoice]] = dataclasses.field(
        default=tuple, compare=False, repr=False
    )

    @property
    def is_this_computer(self) -> bool:
        return self.type == "this-computer"

    @property
    def has_dies(self) -> bool:
        return bool(self.facts.get("dies"))

    def assets(self, asset_type: str) -> tuple[AssetRef, ...]:
        found: tuple[AssetRef, ...] = getattr(self, _PLURALS.get(asset_type, ""), ())
        return found

    def with_asset(self, ref: AssetRef) -> "Target":
        """Return the host once ``ref`` exists."""
        names = [_PLURALS[ref.type], *(["servers"] if ref.type == "deployment" else [])]
        fields: dict[str, Any] = {name: (*getattr(self, name), ref) for name in names}
        return dataclasses.replace(self, **fields)

    def asset(self, asset_type: str, key: str, field: str = "") -> AssetRef:
        """Return the asset that Params name by ``key``.

        Raises:
            LaunchError: the asset is not on the host; ``field`` is the form's field, "" for the one
                named after the type.
        """
        for ref in self.assets(asset_type):
            if ref.key == key:
                return ref
        message = _("Not on this host, or removed meanwhile. Choose another.")
        raise LaunchError(message, field or asset_type)

    def root(self, name: str) -> str:
        return str(self.facts["roots"][name])


@dataclass(frozen=True, slots=True)
class Choice:
    """One value that a form field offers on this host."""

    value: str
    label: str


def asset_values(refs: Mapping[str, AssetRef]) -> dict[str, str]:
    """Return slot -> value for all fields of the assets: ``{"artifact.path": "/…", …}``."""
    return {
        f"{key}.{name}": "" if value is None else str(value)
        for key, ref in refs.items()
        for name, value in ref.data.items()
        if not isinstance(value, dict | list)
    }


# Facts of a deployment that fields take over or stay below.
_Fact = Literal["stack", "max_input", "max_total"]


@checked(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Rules:
    """What launches, forms and the API know of a field beyond its type: a part of its JSON schema.
    Label, unit and group are English source texts, which pages translate. A wrong name or value of
    a rule is a ``ValidationError``."""

    label: str
    group: str  # heading in the form
    unit: str | None = None
    asset: Literal["weights", "artifact", "deployment", "dataset"] | None = None  # choices
    made_by: str | None = None  # kind that makes it, if not the usual one and the host supports it
    way: PathName | None = None  # weights of models that run so come first
    when: tuple[str, Any] | None = None  # (field, value): counts only while that field has it
    # Fields of deployments: counts only if the chat template of each has a switch (evaluations).
    switch_of: tuple[str, ...] | None = None
    needs_dies: bool | None = None  # for hosts with cards, on others the default stays
    # The value is a place that code or data comes from, and must be permitted
    # (jobs.access.sources).
    source: Literal["git", "index", "hub", "revision", "image", "data"] | None = None
    # Defaults in place of the field's own (defaults.defaults_for).
    at_launch: Any = None  # of new jobs; older jobs without the field have its own
    without_dies: Any = None  # on a host without cards
    on_page: Any = None  # with guide verbatim of the current stack, whose page prints another value
    follows: tuple[str, _Fact] | None = None  # (field, key): that value of the chosen asset
    thinks: tuple[str, Any] | None = None  # (field, value): if the chosen deployment reasons
    speaks: str | None = None  # field: the language of questions, if the model knows one only
    # (field, key, share) each: at most that share of the chosen asset's value. The whole value is
    # an upper bound of the field.
    within: tuple[tuple[str, _Fact, float], ...] | None = None
    # (field, tokens): at most what the context of the chosen deployment leaves after a prompt of so
    # many tokens, which is an upper bound too.
    beside: tuple[str, int] | None = None
    free_port: bool | None = None  # the next port of no server of the host and no other such field
    printed: bool | None = None  # guide verbatim keeps the port of its commands
    # More upper bounds.
    stack_most: Literal["max_concurrency"] | None = None  # the stack's limit of that name
    # (path, limit) of the weights' model
    of_model: tuple[PathName, Literal["max_input", "max_length"]] | None = None
    set_size: str | None = None  # field whose question set gives the number

    def __call__(self, schema: dict[str, Any]) -> None:
        given = {name: getattr(self, name) for name in self.__slots__}
        schema |= to_jsonable_python({k: one for k, one in given.items() if one is not None})
        schema["description"] = _one_line(schema.get("description"))

    @property
    def leaders(self) -> set[str]:
        """Fields whose values can change this field's default, bounds or effect."""
        pairs = (self.follows, self.thinks, self.beside, *(self.within or ()))
        names = {pair[0] for pair in pairs if pair}
        return names | {*filter(None, (self.speaks, self.set_size)), *(self.switch_of or ())}


# Of pydantic's ``Field``; it would take any other name too.
_LIMITS = {"ge", "gt", "le", "pattern", "min_length", "max_length", "description", "exclude_if"}


def field(default: Any, label: str, group: str, unit: str | None = None, **options: Any) -> Any:
    """Return a field of ``Params``; its help is the text below it. ``default``: ``...`` for a field
    that must be given. ``options``: :class:`Rules`, and limits."""
    limits = {name: options.pop(name) for name in _LIMITS & options.keys()}
    rules = Rules(label=label, group=group, unit=unit, **options)
    return Field(default, json_schema_extra=rules, **limits)


class KindParams(BaseModel):
    """Base of the Params of kinds: immutable, and unknown fields are errors."""

    model_config = ConfigDict(
        title="Params",
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        coerce_numbers_to_str=True,  # the id of a deployment may be 3 or "3"
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        for info in cls.model_fields.values():
            info.description = _one_line(info.description)


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


@cache
def rules_of(params: type[BaseModel]) -> Mapping[str, Rules]:
    extras = {name: info.json_schema_extra for name, info in params.model_fields.items()}
    return {name: extra for name, extra in extras.items() if isinstance(extra, Rules)}


def asset_fields(params: type[BaseModel]) -> dict[str, str]:
    """Return field -> type of asset."""
    return {name: rules.asset for name, rules in rules_of(params).items() if rules.asset}


def source_fields(params: type[BaseModel]) -> dict[str, str]:
    return {name: rules.source for name, rules in rules_of(params).items() if rules.source}


class Kind(ABC):
    """One kind of job: ``class Benchmark(Kind, params=Params)``, an instance of it in ``KINDS``.
    ``Params`` inherit ``KindParams``; their fields come from :func:`field`."""

    name: ClassVar[str]
    title: ClassVar[str]
    good_for: ClassVar[str]  # one line that tells it from other kinds with the same purpose
    family: ClassVar[str]  # a key of FAMILIES
    # Functions that read its outputs and the end of its log, named from ``jobs.`` on; a worker
    # imports them. "": the log has no progress.
    reads: ClassVar[str]
    progress: ClassVar[str] = ""
    has_dies: ClassVar[bool | None] = None  # only hosts with, or without, accelerator cards
    environment: ClassVar[str] = ""  # that every plan uses
    programs: ClassVar[Sequence[str]]  # programs that the steps run
    # Programs and scripts that send requests to a server: their model name may look like a path.
    clients: ClassVar[Sequence[str]] = ()
    steps: ClassVar[Mapping[str, Promise]] = {}  # titles that dashboard.text.labels does not have
    leads_to: ClassVar[Sequence[str]] = ()  # kinds that follow: see ``successors``
    # Kinds after which it is offered, in addition to those that name it as a successor.
    offered_after: ClassVar[Sequence[str]] = ()
    mends: ClassVar[Sequence[str]] = ()  # ids of known failures and checks that a job fixes
    # Output, an archive, whose files may be results to import (``jobs.services.imports``).
    collects: ClassVar[str] = ""
    brings: ClassVar[bool] = False  # downloads over a network: a stall may be a slow remote side
    lengths: ClassVar[Sequence[str]] = ()  # requested, from Params: see load.asked_lengths
    answer_limit: ClassVar[str] = ""  # field with the max output tokens: evaluations
    progress_is_whole: ClassVar[bool] = True  # else of each concurrency in turn
    Params: ClassVar[type[KindParams]]

    def __init_subclass__(cls, *, params: type[KindParams]) -> None:
        cls.Params = params
        for name, rules in rules_of(params).items():
            named = rules.leaders | ({rules.when[0]} if rules.when else set())
            if unknown := named - params.model_fields.keys():
                raise TypeError(f"{cls.__name__}.{name} names unknown fields: {unknown}")

    def is_available(self, target: Target) -> bool:
        return self.has_dies in (None, target.has_dies)

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        """Return the choices of ``field`` on this host; None: any value of its type."""
        return None

    def can_measure(self, served: AssetRef, target: Target) -> bool:
        """True if nothing is known that keeps a job from measuring an offered deployment."""
        return True

    def needs(self, params: Any, target: Target) -> Sequence[str]:
        """Return environments that must exist first; launching adds a job for each missing one."""
        return (self.environment,) if self.environment else ()

    @abstractmethod
    def title_of(self, params: Any, target: Target) -> str:
        """Return the job's title for lists: "SmolLM2-135M-Instruct, int8"."""

    def inputs(self, params: Any, target: Target) -> Mapping[str, AssetRef]:
        """Return assets that fill slots: {"artifact": ref} fills ``{artifact.path}`` and others;
        by default the weights, artifact and engines that fields of these names choose."""
        types = asset_fields(self.Params)
        names = [slot.rstrip(".") for slot in ASSET_SLOTS]
        chosen = [name for name in names if name in types]
        return {name: target.asset(types[name], getattr(params, name), name) for name in chosen}

    def sources(self, params: Any, target: Target) -> Mapping[str, str]:
        """Return field -> address of the code or data that its value chooses; by default the values
        of fields with ``source`` that count. ``target`` may have facts only."""
        return {
            name: str(value)
            for name, rules in rules_of(self.Params).items()
            if rules.source and (value := getattr(params, name))
            if not rules.when or getattr(params, rules.when[0]) == rules.when[1]
        }

    def product(self, params: Any, target: Target) -> Mapping[str, Any] | None:
        """Return the asset that a success registers: {"type": "artifact", …}; None: a result or
        nothing. ``details`` hold values without a column. With ``"amends": True``, they extend the
        existing record."""
        return None

    @abstractmethod
    def plan(self, params: Any, target: Target) -> Plan:
        """Return the commands. Raises ``LaunchError`` at a field that makes a valid command
        impossible."""

    def notes(self, params: Any, target: Target) -> Sequence[Message]:
        """Return the plan's differences from the deployment guide, with reasons."""
        return ()

    def successors(self, params: Any) -> Sequence[str]:
        """Return names of kinds that continue from this job's output, the usual one first, whether
        host and output support them or not: ``jobs.launch.again`` filters them."""
        return self.leads_to

    def resumed(self, plan: Plan, earlier: str) -> Plan | None:
        """Return ``plan`` of a stopped job, continued from its folder ``earlier``; None: a job of
        this kind, or with this plan, starts over."""
        return None

    def work(self, params: Mapping[str, Any]) -> float | None:
        """Return the amount of work in any unit: durations of this kind are proportional to it.
        ``params`` may be of an older version: missing or invalid values may raise."""
        return None
