"""``config_vacc.json``, made from each distill's own ``config.json``."""

import ast
import json
import sys
from pathlib import Path

import pytest

from jobs.catalog import SHIPPED, modification
from jobs.catalog.modification import Mismatch, config_vacc

ROWS = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
ROWS += ("num_key_value_heads", "max_window_layers", "rms_norm_eps", "rope_theta")
ROWS += ("sliding_window", "vocab_size")
# Differences of the four distills, from the vendor's notes.
OWN = {
    "1.5b": (1536, 8960, 28, 12, 2, 21, 1e-06, 10000, 4096, 151936),
    "7b": (3584, 18944, 28, 28, 4, 28, 1e-06, 10000, 4096, 152064),
    "14b": (5120, 13824, 48, 40, 8, 48, 1e-05, 1000000.0, 131072, 152064),
    "32b": (5120, 27648, 64, 40, 8, 64, 1e-05, 1000000.0, 131072, 152064),
}


def config_of(size, **changes):
    """Return a distill's config.json."""
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": 151643,
        "eos_token_id": 151643,
        "hidden_act": "silu",
        "max_position_embeddings": 131072,
        "model_type": "qwen2",
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "use_sliding_window": False,
        **dict(zip(ROWS, OWN[size], strict=True)),
        **changes,
    }


# Sample of VastModelZOO, for another Qwen model.
SAMPLE = {
    **config_of("14b"),
    "intermediate_size": 13696,
    "num_hidden_layers": 40,
    "num_key_value_heads": 40,
    "max_window_layers": 28,
    "eos_token_id": 151645,
    "max_position_embeddings": 32768,
    "transformers_version": "4.37.0",
    **modification.ADDED,
}


def made(size, config):
    expected = SHIPPED[f"deepseek-r1-distill-qwen-{size}"].architecture.config_values()
    return config_vacc(json.dumps(config, indent=2) + "\n", expected)


@pytest.mark.parametrize("size", OWN)
def test_a_distills_own_config_becomes_the_vendors(size):
    done = made(size, config_of(size))

    assert done.mismatches == ()
    assert json.loads(done.text) == {
        **config_of(size),
        "auto_map": {
            "AutoConfig": "configuration_qwen2_vacc.Qwen2Config",
            "AutoModel": "modeling_qwen2_vacc.Qwen2ForCausalLM",
            "AutoModelForCausalLM": "modeling_qwen2_vacc.Qwen2ForCausalLM",
        },
        "_attn_implementation": "eager",
        "insert_slice": True,
    }


def test_the_difference_is_what_is_added_and_nothing_else():
    lines = made("7b", config_of("7b")).diff.splitlines()

    assert lines[:2] == ["--- config.json", "+++ config_vacc.json"]
    assert [line for line in lines[2:] if line.startswith("-")] == []
    assert [line.strip("+ ,") for line in lines[2:] if line.startswith("+")] == [
        '"auto_map": {',
        '"AutoConfig": "configuration_qwen2_vacc.Qwen2Config"',
        '"AutoModel": "modeling_qwen2_vacc.Qwen2ForCausalLM"',
        '"AutoModelForCausalLM": "modeling_qwen2_vacc.Qwen2ForCausalLM"',
        "}",
        '"_attn_implementation": "eager"',
        '"insert_slice": true',
    ]


@pytest.mark.parametrize("size", OWN)
def test_the_sample_that_the_vendor_ships_fits_none(size):
    done = made(size, SAMPLE)

    assert (done.text, done.diff) == ("", "")
    assert {"num_hidden_layers", "num_key_value_heads", "eos_token_id"} <= {
        wrong.field for wrong in done.mismatches
    }


@pytest.mark.parametrize("size", OWN)
@pytest.mark.parametrize("other", OWN)
def test_only_its_own_config_is_taken(size, other):
    assert bool(made(size, config_of(other)).text) is (size == other)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"hidden_size": 5120}, Mismatch("hidden_size", 3584, 5120)),
        ({"rope_theta": 1000000}, Mismatch("rope_theta", 10000.0, 1000000)),
        ({"tie_word_embeddings": 0}, Mismatch("tie_word_embeddings", False, 0)),
        ({"head_dim": 64}, Mismatch("head_dim", 128, 64)),
        (
            {"rope_scaling": {"type": "yarn"}},
            Mismatch("rope_scaling", None, {"type": "yarn"}),
        ),
        (
            {"architectures": ["LlamaForCausalLM"]},
            Mismatch("architectures", ["Qwen2ForCausalLM"], ["LlamaForCausalLM"]),
        ),
    ],
)
def test_each_difference_has_both_values(changes, wrong):
    assert wrong in made("7b", config_of("7b", **changes)).mismatches


def test_an_absent_key_is_reported_as_missing():
    config = config_of("7b")
    del config["sliding_window"]

    assert made("7b", config).mismatches == (Mismatch("sliding_window", 4096, "missing"),)


def test_keys_that_were_there_already_are_replaced_once():
    done = made("7b", config_of("7b", auto_map={"AutoConfig": "x.Y"}, insert_slice=False))

    assert json.loads(done.text)["insert_slice"] is True
    assert done.text.count('"auto_map"') == 1
    assert any(line.startswith('-  "insert_slice": false') for line in done.diff.splitlines())


def test_nested_constants_are_compared_too():
    expected = SHIPPED["deepseek-r1-distill-llama-8b"].architecture.config_values()
    scaling = {**expected["rope_scaling"], "factor": 4.0}

    assert modification.mismatches({**expected, "rope_scaling": scaling}, expected) == [
        Mismatch("rope_scaling.factor", 8.0, 4.0)
    ]


def test_full_model_constants_keep_their_names():
    expected = SHIPPED["deepseek-r1"].architecture.config_values()

    assert modification.mismatches(expected, expected) == []
    assert (expected["kv_lora_rank"], expected["n_routed_experts"]) == (512, 256)
    assert expected["num_nextn_predict_layers"] == 1
    assert "head_dim" not in expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "not a JSON object"),
        (" " * 1_048_577, "larger than"),
    ],
)
def test_what_is_no_config_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        config_vacc(text, {})


def test_the_file_can_go_to_a_host_as_it_is():
    source = Path(modification.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 10))
    names = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }

    assert names <= set(sys.stdlib_module_names)
