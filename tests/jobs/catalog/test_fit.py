"""Memory of one die, checked against manual calculations."""

from __future__ import annotations

import pytest

from jobs.catalog import SHIPPED
from jobs.catalog.limits import DIE_BYTES, fit, fits

D = "deepseek-r1-distill-"
# GB a die at tp 1, 2, 4, 8, in 16 bits.
WEIGHTS_GB = {
    "qwen-1.5b": (3.6, 1.8, 0.9, 0.4),
    "qwen-7b": (15.2, 7.6, 3.8, 1.9),
    "qwen-14b": (29.5, 14.8, 7.4, 3.7),
    "qwen-32b": (65.5, 32.8, 16.4, 8.2),
    "llama-8b": (16.1, 8.0, 4.0, 2.0),
    "llama-70b": (141.1, 70.6, 35.3, 17.6),
}
KV_TOKEN = {
    f"{D}qwen-1.5b": 28_672,
    f"{D}qwen-7b": 57_344,
    f"{D}qwen-14b": 196_608,
    f"{D}qwen-32b": 262_144,
    f"{D}llama-8b": 131_072,
    f"{D}llama-70b": 327_680,
    "deepseek-r1": 70_272,
    "deepseek-r1-0528": 70_272,
}


def share(name, *, tp, tokens=0, precision="bf16", **more):
    return fit(SHIPPED[name], tp=tp, tokens=tokens, precision=precision, **more)


@pytest.mark.parametrize("name", WEIGHTS_GB)
def test_weights_are_shared_by_all_dies_of_a_group(name):
    sizes = [share(D + name, tp=tp).weights_bytes / 1e9 for tp in (1, 2, 4, 8)]

    assert sizes == pytest.approx(WEIGHTS_GB[name], abs=0.06)


@pytest.mark.parametrize("name", KV_TOKEN)
def test_a_token_takes_this_much_of_the_cache(name):
    assert share(name, tp=1, tokens=1).kv_bytes == KV_TOKEN[name]


def test_the_full_model_takes_two_thirds_of_a_die_at_tp_32():
    whole = share("deepseek-r1", tp=32, precision="fp8")

    assert whole.weights_bytes / 1e9 == pytest.approx(21.5, abs=0.05)
    assert whole.fits
    assert share("deepseek-r1", tp=32, pp=2, precision="fp8").weights_bytes == pytest.approx(
        whole.weights_bytes / 2
    )


def test_a_group_shares_the_cache_up_to_its_kv_heads():
    at = {tp: share(f"{D}qwen-7b", tp=tp, tokens=1000).kv_bytes for tp in (1, 2, 4, 8)}

    assert at == {1: 57_344_000, 2: 28_672_000, 4: 14_336_000, 8: 14_336_000}


def test_with_mla_every_die_keeps_the_whole_cache_of_its_layers():
    at = {tp: share("deepseek-r1", tp=tp, tokens=1000, precision="fp8").kv_bytes for tp in (1, 32)}

    assert at == {1: 70_272_000, 32: 70_272_000}
    assert share("deepseek-r1", tp=32, pp=2, tokens=1000, precision="fp8").kv_bytes == 35_136_000


def test_a_quantised_model_takes_a_byte_per_parameter():
    small = share(f"{D}qwen-7b", tp=4, tokens=4096, precision="int8")
    large = share(f"{D}qwen-7b", tp=4, tokens=4096, precision="fp16")

    assert 2 * small.weights_bytes == large.weights_bytes == 15_231_233_024 // 4
    assert small.kv_bytes == large.kv_bytes == 57_344 * 4096 // 4


@pytest.mark.parametrize(
    ("name", "tp", "precision", "holds"),
    [
        ("qwen-14b", 1, "fp16", True),
        ("qwen-32b", 2, "fp16", False),  # 32.8 of 32 GB
        ("qwen-32b", 2, "int8", True),
        ("llama-70b", 4, "fp16", False),  # 35.3
        ("llama-70b", 4, "int8", True),
        ("llama-70b", 8, "fp16", True),
    ],
)
def test_what_does_not_go_into_32_gb_does_not_fit(name, tp, precision, holds):
    assert share(D + name, tp=tp, precision=precision).fits is holds


def test_a_cache_can_be_what_does_not_fit():
    over = share(f"{D}qwen-14b", tp=1, tokens=20_000)

    assert (over.weights_bytes <= DIE_BYTES, over.fits) == (True, False)
    assert over.free_bytes == DIE_BYTES - 2 * 14_770_033_664 - 196_608 * 20_000


def test_the_table_has_every_precision_at_every_tp():
    rows = fits(SHIPPED[f"{D}qwen-7b"], tokens=1, tps=(1, 2), precisions=("fp16", "int8"))

    assert [(row.precision, row.tp) for row in rows] == [
        ("fp16", 1),
        ("fp16", 2),
        ("int8", 1),
        ("int8", 2),
    ]


def test_the_formulas_come_out_at_the_figures():
    for one in (
        share(f"{D}qwen-7b", tp=8, tokens=32_768),
        share("deepseek-r1", tp=32, pp=2, tokens=131_072, precision="fp8"),
    ):
        for formula, figure in (
            (one.weights_formula, one.weights_bytes),
            (one.kv_formula, one.kv_bytes),
        ):
            sum_ = formula.replace(",", "").replace("B", "").replace("×", "*").replace("÷", "/")
            assert eval(sum_) == figure  # our own text: digits and signs

    assert share(f"{D}qwen-7b", tp=8, tokens=32_768).kv_formula == "57,344 B × 32,768 ÷ 4"
    assert share("deepseek-r1", tp=32, precision="fp8").kv_token_formula == "61 × (512 + 64) × 2 B"
    assert share(f"{D}qwen-7b", tp=8).kv_token_formula == "2 × 28 × 4 × 128 × 2 B"


def test_published_weights_count_as_they_are_published():
    assert share("deepseek-r1", tp=1, precision="fp8").weights_bytes == 688_600_000_000
    assert share("deepseek-r1", tp=1, precision="bf16").weights_bytes == 2 * 671_026_419_200
