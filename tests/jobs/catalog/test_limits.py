"""Launch requests against limits of model, stack and card: blocked or confirmed."""

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dashboard.text.messages import MESSAGES, message
from jobs.catalog import SHIPPED, STACKS, limits
from jobs.catalog.limits import DIE_BYTES, Wish, fit, fits

SMALL = Wish(
    path="build_in",
    tp=4,
    precision="fp16",
    max_input=1024,
    max_length=2048,
    concurrency=4,
    compiles=True,
)
FULL = Wish(path="vllm", tp=32, precision="fp8", max_input=1024, max_length=32768, concurrency=4)
CUT = ("max_length", "amber", "limit:reasoning_is_cut")


def findings_of(model, wish, stack="current", **changes):
    names = [name for name in SHIPPED if name.endswith(model)]
    findings = limits.limits(SHIPPED[names[0]], STACKS[stack], replace(wish, **changes))
    for finding in findings:
        text = message(finding.message_id, finding.args)
        assert finding.message_id in MESSAGES
        assert "?" not in text, text
    return [(finding.field, finding.level, finding.message_id) for finding in findings]


@pytest.mark.parametrize("stack", ["guide", "current"])
def test_the_vendors_own_compile_asks_only_about_long_reasoning(stack):
    assert findings_of("qwen-7b", SMALL, stack) == [CUT]


@pytest.mark.parametrize("stack", ["guide", "current"])
def test_the_guides_own_server_has_nothing_against_it(stack):
    assert findings_of("deepseek-r1", FULL, stack) == []


@pytest.mark.parametrize("field", ["max_input", "max_length"])
def test_lengths_of_compiled_models_are_multiples_of_16(field):
    assert (field, "red", "limit:multiple") in findings_of("qwen-7b", SMALL, **{field: 1032})
    assert (field, "red", "limit:multiple") not in findings_of("qwen-7b", SMALL, **{field: 1040})


def test_vllm_takes_any_length():
    assert findings_of("deepseek-r1", FULL, max_input=1001, max_length=32769) == []


def test_an_input_is_not_longer_than_the_whole():
    above = ("max_input", "red", "limit:input_above_length")

    assert above in findings_of("qwen-7b", SMALL, max_input=2064)
    assert above not in findings_of("qwen-7b", SMALL, max_input=2048)


def test_no_length_is_beyond_what_the_model_was_made_for():
    assert ("max_length", "red", "limit:context") in findings_of(
        "qwen-7b", SMALL, max_length=131088
    )


@pytest.mark.parametrize(
    ("model", "tp", "asks"),
    [("qwen-1.5b", 2, False), ("qwen-1.5b", 4, True), ("qwen-7b", 4, False), ("qwen-7b", 8, True)],
)
def test_kv_heads_that_cannot_be_shared_evenly_need_align_qkv(model, tp, asks):
    needed = ("align_qkv", "red", "limit:align_qkv")

    assert (needed in findings_of(model, SMALL, tp=tp)) is asks
    assert needed not in findings_of(model, SMALL, tp=tp, align_qkv=True)
    assert needed not in findings_of(model, SMALL, tp=tp, compiles=False)


@pytest.mark.parametrize(
    ("model", "asks"), [("qwen-14b", False), ("qwen-32b", True), ("llama-70b", True)]
)
def test_large_models_are_compiled_with_a_larger_stack(model, asks):
    needed = ("stack_size", "amber", "limit:stack_size")

    assert (needed in findings_of(model, SMALL, tp=8)) is asks
    assert needed not in findings_of(model, SMALL, tp=8, stack_size=256)
    assert needed not in findings_of(model, SMALL, tp=8, compiles=False)


def test_the_largest_distill_does_not_fit_at_the_samples_tp_4():
    assert ("tp", "red", "limit:weights_do_not_fit") in findings_of(
        "llama-70b", SMALL, stack_size=256
    )
    assert findings_of("llama-70b", SMALL, stack_size=256, precision="int8") == [CUT]
    assert findings_of("llama-70b", SMALL, stack_size=256, tp=8) == [CUT]


def test_dies_too_small_for_every_tp_have_their_own_message(monkeypatch):
    monkeypatch.setattr(limits, "DIE_BYTES", 8 * 10**9)

    assert ("tp", "red", "limit:weights_fit_nowhere") in findings_of("llama-70b", SMALL)


def test_a_cache_that_is_too_large_asks():
    asked = findings_of("qwen-14b", SMALL, tp=2, max_length=131072, concurrency=2)

    assert ("max_length", "amber", "limit:cache_does_not_fit") in asked
    assert ("max_length", "amber", "limit:cache_does_not_fit") not in findings_of(
        "qwen-14b", SMALL, tp=2
    )


def test_a_shape_for_the_reasoning_is_unpublished():
    assert findings_of("qwen-7b", SMALL, max_length=32768) == [
        ("max_length", "amber", "limit:shape_not_shown")
    ]
    assert findings_of("qwen-7b", SMALL, max_length=32768, compiles=False) == []
    assert findings_of("qwen-7b", SMALL, max_input=2048, max_length=4096) == [CUT]


def test_a_model_that_does_not_reason_is_not_cut_off():
    assert limits.reasoning_tokens(SHIPPED["smollm2-135m-instruct"]) == 0
    assert limits.reasoning_tokens(SHIPPED["deepseek-r1-0528"]) == 65536


def test_a_tp_that_no_published_file_uses_asks():
    assert findings_of("qwen-7b", SMALL, tp=2) == [CUT, ("tp", "amber", "limit:tp_not_shown")]


def test_a_tp_or_a_precision_that_is_not_offered_stops():
    assert ("tp", "red", "limit:tp") in findings_of("qwen-7b", SMALL, tp=3)
    assert ("precision", "red", "limit:precision") in findings_of("qwen-7b", SMALL, precision="fp8")


@pytest.mark.parametrize("tp", [8, 16, 64])
def test_the_full_model_runs_at_tp_32_only(tp):
    assert ("tp", "red", "limit:tp") in findings_of("deepseek-r1", FULL, tp=tp)


def test_lengths_above_one_stages_limits_are_sent_to_two():
    assert findings_of("deepseek-r1", FULL, max_input=57344, max_length=65536, mtp=True) == []
    assert findings_of("deepseek-r1", FULL, max_input=57345, max_length=65537) == [
        ("max_input", "red", "limit:max_input_of_pp"),
        ("max_length", "red", "limit:max_length_of_pp"),
    ]
    assert findings_of("deepseek-r1", FULL, max_input=102400, max_length=131072, pp=2) == []
    assert findings_of("deepseek-r1", FULL, max_input=102401, max_length=131072, pp=2) == [
        ("max_input", "red", "limit:max_input")
    ]


def test_the_guides_stack_has_neither_stages_nor_mtp():
    assert findings_of("deepseek-r1", FULL, "guide", pp=2) == [("pp", "red", "limit:pp")]
    assert findings_of("deepseek-r1", FULL, "guide", mtp=True) == [
        ("mtp", "red", "limit:mtp_stack")
    ]
    assert findings_of("deepseek-r1", FULL, "guide", max_length=131072) == [
        ("max_length", "red", "limit:max_length")
    ]


def test_mtp_does_not_go_with_two_stages():
    assert findings_of("deepseek-r1", FULL, pp=2, mtp=True) == [("mtp", "red", "limit:mtp_pp")]


def test_more_than_four_requests_at_the_same_time_ask():
    assert findings_of("deepseek-r1", FULL, concurrency=5) == [
        ("concurrency", "amber", "limit:concurrency")
    ]


def test_more_requests_than_the_servers_batch_ask():
    many = ("concurrency", "amber", "limit:batch_size")

    assert many in findings_of("qwen-7b", SMALL, concurrency=17)
    assert many not in findings_of("qwen-7b", SMALL, concurrency=16)
    assert many not in findings_of("qwen-7b", SMALL, "guide", concurrency=17)


def test_a_model_has_only_the_listed_paths():
    assert findings_of("qwen-7b", FULL) == [("path", "red", "limit:path")]
    assert findings_of("deepseek-r1", SMALL) == [("path", "red", "limit:path")]


def test_a_stack_serves_only_what_it_can():
    small = replace(FULL, tp=1, precision="bf16", max_length=2048)

    assert findings_of("smollm2-135m-instruct", small, "vllm-cpu") == []
    assert findings_of("smollm2-135m-instruct", small) == [("path", "red", "limit:stack_path")]
    assert findings_of("deepseek-r1", FULL, "vllm-cpu") == [("path", "red", "limit:stack_path")]
    assert findings_of("qwen-7b", SMALL, "vllm-cpu") == [("path", "red", "limit:stack_path")]


def test_a_computer_without_cards_has_no_dies_to_fill(monkeypatch):
    monkeypatch.setattr(limits, "DIE_BYTES", 1)
    small = replace(FULL, tp=1, precision="bf16", max_length=2048)

    assert findings_of("smollm2-135m-instruct", small, "vllm-cpu") == []


def test_what_stops_comes_before_what_asks():
    levels = [level for _, level, _ in findings_of("qwen-1.5b", SMALL, max_input=1000)]

    assert levels == ["red", "red", "amber"]


def test_every_finding_has_its_words():
    tree = ast.parse(Path(limits.__file__).read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    ids = {text for text in texts if isinstance(text, str) and re.fullmatch(r"limit:\w+", text)}
    of_fields = {
        f"limit:{field}{end}" for field in ("max_input", "max_length") for end in ("", "_of_pp")
    }

    assert ids | of_fields == {name for name in MESSAGES if name.startswith("limit:")}


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
