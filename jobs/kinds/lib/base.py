"""What a kind of job is: Params in, Plan out; outputs in, Conclusion out.

Pure: no clock, no disk, no database.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.utils.functional import Promise
from pydantic import BaseModel

from jobs.parsers.progress import Progress
from jobs.plans import Plan

# Families of kinds, in the order of the way of a model, with the title of each.
FAMILIES = {
    "prepare": "Prepare",
    "compile": "Compile",
    "deploy": "Deploy",
    "benchmark": "Benchmark",
    "evaluate": "Evaluate",
}


# Among a job's outputs, the end of its log: for a tool whose command asks for no file.
LOG = "@log"
LOG_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class AssetRef:
    """Something that a job needs: there already (``id``) or promised by an open job (``job``).

    ``key`` is what Params hold and forms offer: ``"3"`` or ``"job:17"``. ``type`` is "weights",
    "artifact", "deployment", "environment" or "dataset"; ``data`` holds the record's fields and
    details (or those of the promise: the producing job's ``product``), e.g. ``{"model_id": …,
    "precision": …, "path": …}``.
    """

    type: str
    label: str
    id: int | None = None
    job: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The reference as text."""
        return f"job:{self.job}" if self.id is None else str(self.id)


@dataclass(frozen=True, slots=True)
class Target:
    """A host as a kind sees it: facts and assets at one moment, from
    ``jobs.queries.hosts.targets``.

    ``deployments`` can be chosen. ``servers`` are all that have ports and dies on the host: those
    that are stopping or starting again as well.
    """

    name: str
    sort: str
    facts: Mapping[str, Any]
    weights: tuple[AssetRef, ...] = ()
    artifacts: tuple[AssetRef, ...] = ()
    deployments: tuple[AssetRef, ...] = ()
    servers: tuple[AssetRef, ...] = ()
    environments: tuple[AssetRef, ...] = ()
    datasets: tuple[AssetRef, ...] = ()

    @property
    def is_this_computer(self) -> bool:
        """Whether the dashboard runs on it too."""
        return self.sort == "this-computer"

    @property
    def has_dies(self) -> bool:
        """Whether it has accelerator dies: a VACC host, or a simulated one."""
        return bool(self.facts.get("dies"))

    def assets(self, sort: str) -> tuple[AssetRef, ...]:
        """Its assets of one type: "weights", "artifact", "deployment", "server", "environment",
        "dataset"."""
        return {
            "weights": self.weights,
            "artifact": self.artifacts,
            "deployment": self.deployments,
            "server": self.servers,
            "environment": self.environments,
            "dataset": self.datasets,
        }.get(sort, ())

    def root(self, name: str) -> str:
        """Absolute path of one of the host's folders: "weights", "artifacts", "environments"."""
        return str(self.facts["roots"][name])


@dataclass(frozen=True, slots=True)
class Need:
    """An environment that must be there first; launching adds a prepare job where it is not."""

    environment: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One value that a form field offers on this host."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence for people: an id of ``dashboard.text.messages`` and what fills it."""

    id: str
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SetScore:
    """One data set of an evaluation, as its tool reports it.

    ``value`` is in per cent where ``metric`` is a share of the questions; None where the set has no
    score. ``version`` is the hash of its prompt, "" where the tool has none. Sets of one ``group``
    belong together, such as the subjects of MMLU.
    """

    dataset: str
    version: str
    metric: str
    mode: str
    value: float | None
    questions: int | None
    group: str


@dataclass(frozen=True, slots=True)
class Measured:
    """What a benchmark or an evaluation found; becomes a Result with points and answers.

    ``began``: concurrency -> when the tool began with it (seconds since the epoch, by the host's
    clock), where no step of its own tells.
    """

    sort: str
    what: str
    tool: str
    metrics: Mapping[str, float]
    points: Sequence[tuple[int, Mapping[str, float]]] = ()  # (concurrency, metrics)
    answers: Sequence[Mapping[str, Any]] = ()  # fields of models.Answer, without index
    remarks: Sequence[Remark] = ()
    began: Mapping[int, float] = field(default_factory=dict)
    sets: Sequence[SetScore] = ()


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The kind's own look at what the tool left.

    ``failure`` is set when the tool exited 0 but did no work. ``product`` completes the job's
    promised product (bytes, sha256, path …). ``sentence`` says the success in one number.
    """

    failure: Remark | None = None
    sentence: Remark | None = None
    product: Mapping[str, Any] | None = None
    measured: Measured | None = None


def asset_values(refs: Mapping[str, AssetRef]) -> dict[str, str]:
    """Slot -> value for all fields of the assets: ``{"artifact.path": "/…", …}``."""
    return {
        f"{key}.{name}": "" if value is None else str(value)
        for key, ref in refs.items()
        for name, value in ref.data.items()
        if not isinstance(value, dict | list)
    }


class Kind(ABC):
    """One kind of job: ``class Benchmark(Kind, params=Params)``, an instance of it in ``KINDS``.

    Titles, labels and help of fields are English source text; pages translate them. A field of
    Params has ``description`` (help), limits (ge, le) and ``json_schema_extra`` with ``unit``
    ("tokens"), ``label``, ``group`` (a heading of the form), ``asset`` ("weights", "artifact",
    "deployment", "dataset": choices come from the target), ``made_by`` (the kind that makes such an
    asset, where it is not the usual one and the host can do it), ``way`` ("vllm": weights of models
    that are run so are proposed before others), ``when`` (``[field, value]``: the
    field counts only while the other one has that value) and ``needs_dies`` (True: the field is for
    hosts with cards; on others it keeps its proposal). What is proposed in place of the default
    (``jobs.kinds.lib.defaults``): ``without_dies`` on a host without accelerator cards; ``on_page``
    to the letter of today's stack, whose page prints another figure than the guide; ``follows``
    (``[field, key]``) what the asset chosen there has under that key; ``thinks``
    (``[field, value]``) that value where the deployment chosen there thinks; ``within``
    (``[[field, key, share], …]``) no more than that share of it, which bounds the field too, as
    ``stack_most`` (the stack's limit of that name) and ``of_model`` (``[path, limit]``: what the
    model of the weights allows), ``beside`` (``[field, tokens]``: what the context of the
    deployment chosen there leaves beside a prompt of so many tokens) and ``set_size`` (``field``:
    questions of the set chosen there) do; ``free_port`` (True: the next port
    that no server of the host has, nor another such field; with ``printed`` not where the guide's
    commands are wanted to the letter, which print it).
    """

    name: ClassVar[str]
    title: ClassVar[str]
    family: ClassVar[str]  # what sort of work it is: a key of FAMILIES
    programs: ClassVar[Sequence[str]]  # names of those that its steps run, its toolchain's
    # Of these and of its scripts those that ask a server: they are told a model by its name, which
    # may look like a path.
    clients: ClassVar[Sequence[str]] = ()
    # What its steps do, in a word or two, where dashboard.text.labels has none for a name of its
    # own.
    steps: ClassVar[Mapping[str, Promise]] = {}
    # Kinds whose jobs it goes on with, beside those that name it as a successor.
    follows: ClassVar[Sequence[str]] = ()
    # Ids of known failures, and of checks, whose cause a job of this kind takes away.
    mends: ClassVar[Sequence[str]] = ()
    brings: ClassVar[bool] = False  # over a network: where it is silent, the other side may be slow
    # What it asks each request to have, as far as its Params tell: see jobs.kinds.lib.lengths.
    lengths: ClassVar[Sequence[str]] = ()
    answer_limit: ClassVar[str] = ""  # field with the most tokens an answer may have: evaluations
    progress_is_whole: ClassVar[bool] = True  # else of one concurrency after the other
    Params: ClassVar[type[BaseModel]]

    def __init_subclass__(cls, *, params: type[BaseModel]) -> None:
        cls.Params = params

    def offered(self, target: Target) -> bool:
        """Whether this host can do such work at all."""
        return True

    def choices(self, field: str, target: Target) -> Sequence[Choice] | None:
        """What ``field`` may be on this host; None: anything that its type allows."""
        return None

    def needs(self, params: Any, target: Target) -> Sequence[Need]:
        """Environments that the plan uses."""
        return ()

    @abstractmethod
    def title_of(self, params: Any, target: Target) -> str:
        """What the job works on, for lists: "SmolLM2-135M-Instruct, int8"."""

    def inputs(self, params: Any, target: Target) -> Mapping[str, AssetRef]:
        """Assets that fill slots: {"artifact": ref} fills ``{artifact.path}`` and its like."""
        return {}

    def product(self, params: Any, target: Target) -> Mapping[str, Any] | None:
        """What a success registers: {"type": "artifact", …}; None: a result or nothing.

        ``details`` are what has no column of its own. With ``"amends": True`` they are added to
        the record that is there already.
        """
        return None

    @abstractmethod
    def plan(self, params: Any, target: Target) -> Plan:
        """The commands. Raises ``LaunchError`` at a field where no command can be right."""

    def notes(self, params: Any, target: Target) -> Sequence[Remark]:
        """What the plan does otherwise than the deployment guide prints it, and why."""
        return ()

    def successors(self, params: Any) -> Sequence[str]:
        """Names of the kinds that go on with what the job made or measured, the usual one first.

        Those that its host cannot do, or that cannot work on this very thing, are among them:
        ``jobs.successors`` leaves them out.
        """
        return ()

    def progress(self, log: str) -> Progress | None:
        """How far a job is, by the end of its log; None where that does not tell."""
        return None

    def work(self, params: Mapping[str, Any]) -> float | None:
        """How much a job does, in any unit: two jobs of this kind take times as their works.

        ``params`` may be of an older version: what is missing or wrong there may raise.
        """
        return None

    @abstractmethod
    def conclude(
        self, params: Any, plan: Plan, outputs: Mapping[str, bytes], exit_code: int
    ) -> Conclusion:
        """Look at what the job left. ``outputs`` is path -> content, and LOG -> the log's end.

        Raises:
            ParseError: it is not what the tool leaves.
        """
