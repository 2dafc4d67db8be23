"""The models that the made-up hubs have, with the constants of their public ``config.json``."""

from dataclasses import dataclass, field
from typing import Any

OWNER = "deepseek-ai"


@dataclass(frozen=True)
class Model:
    """One model: its name on the hubs, its shape, and how large it really is (bytes)."""

    name: str
    config: dict[str, Any] = field(repr=False)
    total_bytes: int
    shards: int
    opens_thought: bool = True  # its chat template ends with <think>
    gated: bool = False

    @property
    def id(self) -> str:
        """``owner/name``."""
        return f"{OWNER}/{self.name}"


def _common(**values: Any) -> dict[str, Any]:
    return {
        "attention_dropout": 0.0,
        "hidden_act": "silu",
        "initializer_range": 0.02,
        "torch_dtype": "bfloat16",
        "use_cache": True,
        **values,
    }


def _qwen(
    *,
    hidden: int,
    inner: int,
    layers: int,
    heads: int,
    kv: int,
    vocab: int,
    theta: int,
    window: int,
    windows: int,
    eps: float,
) -> dict[str, Any]:
    return _common(
        architectures=["Qwen2ForCausalLM"],
        model_type="qwen2",
        bos_token_id=151643,
        eos_token_id=151643,
        hidden_size=hidden,
        intermediate_size=inner,
        max_position_embeddings=131072,
        max_window_layers=windows,
        num_attention_heads=heads,
        num_hidden_layers=layers,
        num_key_value_heads=kv,
        rms_norm_eps=eps,
        rope_theta=theta,
        sliding_window=window,
        tie_word_embeddings=False,
        transformers_version="4.44.0",
        use_mrope=False,
        use_sliding_window=False,
        vocab_size=vocab,
    )


def _llama(*, hidden: int, inner: int, layers: int, heads: int) -> dict[str, Any]:
    return _common(
        architectures=["LlamaForCausalLM"],
        model_type="llama",
        attention_bias=False,
        bos_token_id=128000,
        eos_token_id=128001,
        hidden_size=hidden,
        intermediate_size=inner,
        max_position_embeddings=131072,
        mlp_bias=False,
        num_attention_heads=heads,
        num_hidden_layers=layers,
        num_key_value_heads=8,
        pretraining_tp=1,
        rms_norm_eps=1e-05,
        rope_scaling={
            "factor": 8.0,
            "high_freq_factor": 4.0,
            "low_freq_factor": 1.0,
            "original_max_position_embeddings": 8192,
            "rope_type": "llama3",
        },
        rope_theta=500000.0,
        tie_word_embeddings=False,
        transformers_version="4.43.0.dev0",
        vocab_size=128256,
    )


_R1 = _common(
    architectures=["DeepseekV3ForCausalLM"],
    model_type="deepseek_v3",
    auto_map={
        "AutoConfig": "configuration_deepseek.DeepseekV3Config",
        "AutoModel": "modeling_deepseek.DeepseekV3Model",
        "AutoModelForCausalLM": "modeling_deepseek.DeepseekV3ForCausalLM",
    },
    bos_token_id=0,
    eos_token_id=1,
    ep_size=1,
    first_k_dense_replace=3,
    hidden_size=7168,
    intermediate_size=18432,
    kv_lora_rank=512,
    max_position_embeddings=163840,
    moe_intermediate_size=2048,
    moe_layer_freq=1,
    n_group=8,
    n_routed_experts=256,
    n_shared_experts=1,
    norm_topk_prob=True,
    num_attention_heads=128,
    num_experts_per_tok=8,
    num_hidden_layers=61,
    num_key_value_heads=128,
    num_nextn_predict_layers=1,
    q_lora_rank=1536,
    qk_nope_head_dim=128,
    qk_rope_head_dim=64,
    quantization_config={
        "activation_scheme": "dynamic",
        "fmt": "e4m3",
        "quant_method": "fp8",
        "weight_block_size": [128, 128],
    },
    rms_norm_eps=1e-06,
    rope_scaling={
        "beta_fast": 32,
        "beta_slow": 1,
        "factor": 40,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
        "original_max_position_embeddings": 4096,
        "type": "yarn",
    },
    rope_theta=10000,
    routed_scaling_factor=2.5,
    scoring_func="sigmoid",
    tie_word_embeddings=False,
    topk_group=4,
    topk_method="noaux_tc",
    transformers_version="4.46.3",
    v_head_dim=128,
    vocab_size=129280,
)
_GIB = 2**30
_SMALL = {"theta": 10000, "window": 4096, "eps": 1e-06}
_LARGE = {"theta": 1000000, "window": 131072, "eps": 1e-05}
_QWENS = {
    "1.5B": _qwen(
        hidden=1536,
        inner=8960,
        layers=28,
        heads=12,
        kv=2,
        vocab=151936,
        windows=21,
        **_SMALL,  # type: ignore[arg-type]
    ),
    "7B": _qwen(
        hidden=3584,
        inner=18944,
        layers=28,
        heads=28,
        kv=4,
        vocab=152064,
        windows=28,
        **_SMALL,  # type: ignore[arg-type]
    ),
    "14B": _qwen(
        hidden=5120,
        inner=13824,
        layers=48,
        heads=40,
        kv=8,
        vocab=152064,
        windows=48,
        **_LARGE,  # type: ignore[arg-type]
    ),
    "32B": _qwen(
        hidden=5120,
        inner=27648,
        layers=64,
        heads=40,
        kv=8,
        vocab=152064,
        windows=64,
        **_LARGE,  # type: ignore[arg-type]
    ),
}
_LLAMA_8B = _llama(hidden=4096, inner=14336, layers=32, heads=32)
_LLAMA_70B = _llama(hidden=8192, inner=28672, layers=80, heads=64)

_DISTILL = "DeepSeek-R1-Distill"
MODELS = {
    model.id: model
    for model in (
        Model(f"{_DISTILL}-Qwen-1.5B", _QWENS["1.5B"], 1_777_088_000 * 2, 1),
        Model(f"{_DISTILL}-Qwen-7B", _QWENS["7B"], 7_615_616_512 * 2, 2),
        Model(f"{_DISTILL}-Qwen-14B", _QWENS["14B"], 14_770_033_664 * 2, 4),
        Model(f"{_DISTILL}-Qwen-32B", _QWENS["32B"], 32_763_876_352 * 2, 8),
        Model(f"{_DISTILL}-Llama-8B", _LLAMA_8B, 8_030_261_248 * 2, 2),
        Model(f"{_DISTILL}-Llama-70B", _LLAMA_70B, 70_553_706_496 * 2, 17),
        Model("DeepSeek-R1", _R1, 642 * _GIB, 163),
        Model("DeepSeek-R1-0528", _R1, 642 * _GIB, 163, opens_thought=False),
    )
}


def find(repo: str) -> Model | None:
    """The model of that id; hubs do not mind capitals."""
    return next((model for key, model in MODELS.items() if key.lower() == repo.lower()), None)


def kv_bytes_per_token(config: dict[str, Any]) -> int:
    """Bytes of a token in the KV cache, in bf16: the latent with MLA, keys and values else."""
    layers = int(config["num_hidden_layers"])
    if config.get("kv_lora_rank"):
        return layers * (int(config["kv_lora_rank"]) + int(config["qk_rope_head_dim"])) * 2
    heads = int(config["num_attention_heads"])
    head_dim = int(config["hidden_size"]) // heads
    return 2 * layers * int(config["num_key_value_heads"]) * head_dim * 2
