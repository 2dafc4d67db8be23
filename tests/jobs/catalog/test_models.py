"""Included models: constants checked against published parameter counts."""

import re
from pathlib import Path

import pytest
import yaml

from jobs.catalog import MODELS, SHIPPED, STACKS, HubSource
from jobs.catalog.presets import HERE
from jobs.catalog.stacks import load_stacks

DISTILLS = [name for name in SHIPPED if "distill" in name]
QWEN = [name for name in DISTILLS if "qwen" in name]
FULL = ["deepseek-r1", "deepseek-r1-0528"]
# Weights in GB and shards, as the hub shows them.
ON_THE_HUB = {
    "deepseek-r1-distill-qwen-1.5b": (3.55, 1),
    "deepseek-r1-distill-qwen-7b": (15.23, 2),
    "deepseek-r1-distill-qwen-14b": (29.54, 4),
    "deepseek-r1-distill-qwen-32b": (65.53, 8),
    "deepseek-r1-distill-llama-8b": (16.06, 2),
    "deepseek-r1-distill-llama-70b": (141.11, 17),
    "deepseek-r1": (688.6, 163),
    "deepseek-r1-0528": (688.6, 163),
}


def counted(shape):
    """Return the parameters of a dense model from its constants."""
    hidden, layers = shape.hidden_size, shape.num_hidden_layers
    queries = shape.num_attention_heads * shape.head_dim
    keys = shape.num_key_value_heads * shape.head_dim
    biases = queries + 2 * keys if shape.name == "Qwen2ForCausalLM" else 0
    attention = 2 * hidden * queries + 2 * hidden * keys + biases
    layer = attention + 3 * hidden * shape.intermediate_size + 2 * hidden
    embeddings = shape.vocab_size * hidden * (1 if shape.tie_word_embeddings else 2)
    return embeddings + layers * layer + hidden


def counted_with_experts(shape):
    """Return the parameters of DeepSeek-V3 from its constants, without the MTP layer."""
    hidden, mla, moe = shape.hidden_size, shape.mla, shape.moe
    heads = shape.num_attention_heads
    attention = (
        hidden * mla.q_lora_rank
        + mla.q_lora_rank * (1 + heads * (mla.qk_nope_head_dim + mla.qk_rope_head_dim))
        + hidden * (mla.kv_lora_rank + mla.qk_rope_head_dim)
        + mla.kv_lora_rank * (1 + heads * (mla.qk_nope_head_dim + mla.v_head_dim))
        + heads * mla.v_head_dim * hidden
    )
    expert = 3 * hidden * moe.moe_intermediate_size
    experts = expert * (moe.n_routed_experts + moe.n_shared_experts)
    router = moe.n_routed_experts * (hidden + 1)
    dense = moe.first_k_dense_replace
    sparse = shape.num_hidden_layers - dense
    layers = shape.num_hidden_layers * (attention + 2 * hidden)
    layers += dense * 3 * hidden * shape.intermediate_size + sparse * (experts + router)
    return 2 * shape.vocab_size * hidden + layers + hidden


def test_the_catalogue_lists_models_smallest_first():
    assert list(SHIPPED) == [
        "smollm2-135m-instruct",
        "deepseek-r1-distill-qwen-1.5b",
        "deepseek-r1-distill-qwen-7b",
        "deepseek-r1-distill-llama-8b",
        "deepseek-r1-distill-qwen-14b",
        "deepseek-r1-distill-qwen-32b",
        "deepseek-r1-distill-llama-70b",
        "deepseek-r1",
        "deepseek-r1-0528",
    ]
    assert list(MODELS) == list(SHIPPED)


@pytest.mark.parametrize("name", [*DISTILLS, "smollm2-135m-instruct"])
def test_the_constants_make_the_count_of_parameters(name):
    assert counted(SHIPPED[name].architecture) == SHIPPED[name].parameters


@pytest.mark.parametrize("name", FULL)
def test_the_constants_make_the_full_models_count(name):
    assert counted_with_experts(SHIPPED[name].architecture) == SHIPPED[name].parameters


@pytest.mark.parametrize("name", ON_THE_HUB)
def test_sizes_and_shards_are_those_of_the_hub(name):
    source, (gigabytes, shards) = SHIPPED[name].source, ON_THE_HUB[name]

    assert isinstance(source, HubSource)
    assert source.bytes / 1e9 == pytest.approx(gigabytes, abs=0.005)
    assert source.shards == shards
    assert source.is_about == (name in FULL)


@pytest.mark.parametrize("name", DISTILLS)
def test_a_distills_tensors_are_two_bytes_a_parameter(name):
    assert SHIPPED[name].source.bytes == 2 * SHIPPED[name].parameters


def test_only_qwen_distills_need_the_modification():
    needing = [model.id for model in SHIPPED.values() if model.modification]

    assert needing == QWEN
    assert SHIPPED[QWEN[0]].modification == (
        "modeling_qwen2_vacc.py",
        "configuration_qwen2_vacc.py",
        "quantization_vacc.py",
        "config_vacc.json",
    )


def test_distills_are_compiled_and_full_models_use_vllm():
    assert {tuple(SHIPPED[name].paths) for name in DISTILLS} == {("build_in",)}
    assert {tuple(SHIPPED[name].paths) for name in FULL} == {("vllm",)}


@pytest.mark.parametrize("name", [*DISTILLS, "deepseek-r1"])
def test_the_makers_advice_is_kept(name):
    model = SHIPPED[name]

    assert model.sampling.model_dump() == {
        "temperature": 0.6,
        "top_p": 0.95,
        "max_tokens": 32768,
    }
    assert model.prompting.model_dump() == {
        "system_prompt": False,
        "maths_suffix": ("Please reason step by step, and put your final answer within \\boxed{}."),
        "think_prefix": "<think>\n",
        "function_calling": False,
        "evaluation_tokens": 32768,
        "samples": 64,
    }


def test_the_update_takes_a_system_prompt():
    prompting = SHIPPED["deepseek-r1-0528"].prompting

    assert (prompting.system_prompt, prompting.think_prefix) == (True, "")
    assert (prompting.function_calling, prompting.evaluation_tokens) == (True, 65536)


def test_published_accuracy_names_its_device():
    figures = [
        (one.dataset, one.device, one.value, one.samples)
        for one in SHIPPED["deepseek-r1"].published
        if one.dataset.startswith("cluewsc-")
    ]

    assert figures == [
        ("cluewsc-dev", "VACC", 97.48, 159),
        ("cluewsc-dev", "H800", 96.86, 159),
        ("cluewsc-test", "VACC", 95.18, 976),
        ("cluewsc-test", "H800", 95.59, 976),
    ]


def test_the_makers_own_figures_of_the_distills_are_there():
    rows = {
        name: [one.value for one in SHIPPED[name].published if one.device == "paper"]
        for name in DISTILLS
    }

    assert rows["deepseek-r1-distill-qwen-7b"] == [55.5, 83.3, 92.8, 49.1, 37.6, 1189]
    assert {len(values) for values in rows.values()} == {6}


def test_a_models_folder_is_the_end_of_its_name_on_the_hub():
    assert SHIPPED["deepseek-r1"].folder == "DeepSeek-R1"


DATA = Path(__file__).parents[2] / "data"
GUIDE, CURRENT, CPU = STACKS["guide"], STACKS["current"], STACKS["vllm-cpu"]


def test_the_cpu_stack_offers_what_vllm_itself_printed():
    stderr = (DATA / "vllm-0.32" / "bench" / "serve_sonnet.stderr").read_text(encoding="utf-8")
    offered = re.findall(r"'([a-z_-]+)'", stderr.partition("choose from")[2])

    assert list(CPU.bench.online.datasets) == offered


def test_an_image_of_a_registry_needs_its_address():
    image = CURRENT.vllm.image

    assert image.reference("r:5000", tag="VVI-26.05") == "r:5000/ai_deliver/vllm_vacc:VVI-26.05"
    with pytest.raises(ValueError, match="no registry is set"):
        image.reference("")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"colour": "blue"}, "colour: "),
        ({"id": "another"}, "id is another"),
        ({"bench": None}, "bench: "),
    ],
)
def test_a_stack_that_says_something_else_is_refused(tmp_path, change, place):
    data = yaml.safe_load((HERE / "stacks" / "guide.yaml").read_text(encoding="utf-8"))
    (tmp_path / "guide.yaml").write_text(yaml.safe_dump(data | change), encoding="utf-8")

    with pytest.raises(ValueError, match=f"guide.yaml: .*{place}"):
        load_stacks(tmp_path)
