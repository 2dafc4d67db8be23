"""Architecture of a model, with the names of its ``config.json``."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError


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


class Architecture(Strict):
    """Constants of ``config.json``, with its field names.

    ``num_nextn_predict_layers``: layers that predict the token after the next (MTP).
    """

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

    @property
    def attention(self) -> str:
        """Return "MLA", "GQA" or "MHA"."""
        if self.mla:
            return "MLA"
        return "GQA" if self.num_key_value_heads < self.num_attention_heads else "MHA"

    def config_values(self) -> dict[str, Any]:
        """Return the required values of this model's ``config.json``, None for an absent key.

        Nested keys are joined by a dot. ``head_dim`` is included, although older configs omit it.
        """
        values = self.model_dump(exclude={"name", "rope_scaling", "mla", "moe", "quantization"})
        if not self.num_nextn_predict_layers:
            del values["num_nextn_predict_layers"]
        for part in (self.mla, self.moe):
            values |= part.model_dump() if part else {}
        if self.mla:
            del values["head_dim"]  # has three own dimensions instead
        return {"architectures": [self.name], **values, "rope_scaling": self._scaling()}

    def _scaling(self) -> dict[str, Any] | None:
        scaling = self.rope_scaling
        if scaling is None:
            return None
        values = scaling.model_dump(exclude_none=True, exclude={"type"})
        return {"rope_type" if scaling.type == "llama3" else "type": scaling.type, **values}
