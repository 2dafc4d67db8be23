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
CUT = "amber max_length reasoning_is_cut"
UNSHOWN = "amber max_length shape_not_shown"


def findings_of(model, wish, stack="current", **changes):
    names = [name for name in SHIPPED if name.endswith(model)]
    findings = limits.limits(SHIPPED[names[0]], STACKS[stack], replace(wish, **changes))
    for finding in findings:
        text = message(finding.message_id, finding.args)
        assert finding.message_id in MESSAGES
        assert "?" not in text, text
    return [f"{one.level} {one.field} {one.message_id.removeprefix('limit:')}" for one in findings]


@pytest.mark.parametrize(
    "row",
    [
        # The vendor's own compile asks only about long reasoning.
        ("qwen-7b", {}, CUT),
        ("qwen-7b", {"stack": "guide"}, CUT),
        # Lengths are multiples of 16.
        ("qwen-7b", {"max_input": 1032}, "red max_input multiple", CUT),
        ("qwen-7b", {"max_input": 1040}, CUT),
        ("qwen-7b", {"max_length": 1032}, "red max_length multiple", CUT),
        ("qwen-7b", {"max_length": 1040}, CUT),
        ("qwen-7b", {"max_input": 2048}, CUT),
        ("qwen-7b", {"max_input": 2064}, "red max_input input_above_length", CUT, UNSHOWN),
        ("qwen-7b", {"max_length": 131088}, "red max_length context", UNSHOWN),
        # KV heads that cannot be shared evenly need align_qkv.
        ("qwen-1.5b", {"tp": 2}, CUT, "amber tp tp_not_shown"),
        ("qwen-1.5b", {}, "red align_qkv align_qkv", CUT),
        ("qwen-1.5b", {"align_qkv": True}, CUT),
        ("qwen-1.5b", {"compiles": False}, CUT),
        ("qwen-7b", {"tp": 8}, "red align_qkv align_qkv", CUT),
        # Large models are compiled with a larger stack.
        ("qwen-14b", {"tp": 8}, CUT),
        ("qwen-32b", {"tp": 8}, CUT, "amber stack_size stack_size"),
        ("qwen-32b", {"tp": 8, "stack_size": 256}, CUT),
        ("qwen-32b", {"tp": 8, "compiles": False}, CUT),
        ("llama-70b", {"tp": 8}, CUT, "amber stack_size stack_size"),
        # The largest distill does not fit at the sample's tp 4.
        ("llama-70b", {"stack_size": 256}, "red tp weights_do_not_fit", CUT),
        ("llama-70b", {"stack_size": 256, "precision": "int8"}, CUT),
        ("llama-70b", {"stack_size": 256, "tp": 8}, CUT),
        (
            *("qwen-14b", {"tp": 2, "max_length": 131072, "concurrency": 2}),
            *("amber max_length cache_does_not_fit", "amber tp tp_not_shown", UNSHOWN),
        ),
        # A shape for the whole reasoning is unpublished.
        ("qwen-7b", {"max_length": 32768}, UNSHOWN),
        ("qwen-7b", {"max_length": 32768, "compiles": False}),
        ("qwen-7b", {"max_input": 2048, "max_length": 4096}, CUT),
        ("qwen-7b", {"tp": 2}, CUT, "amber tp tp_not_shown"),
        (
            *("qwen-7b", {"tp": 3}, "red tp tp", "red align_qkv align_qkv", CUT),
            "amber tp tp_not_shown",
        ),
        ("qwen-7b", {"precision": "fp8"}, "red precision precision", CUT),
        # More requests than the server's batch; the guide's server has no published one.
        ("qwen-7b", {"concurrency": 17}, CUT, "amber concurrency batch_size"),
        ("qwen-7b", {"concurrency": 16}, CUT),
        ("qwen-7b", {"concurrency": 17, "stack": "guide"}, CUT),
        # What stops comes before what asks.
        (
            "qwen-1.5b",
            {"max_input": 1000},
            "red max_input multiple",
            "red align_qkv align_qkv",
            CUT,
        ),
        ("deepseek-r1", {}, "red path path"),
        ("qwen-7b", {"stack": "vllm-cpu"}, "red path stack_path"),
    ],
    ids=str,
)
def test_a_compile_has_these_findings(row):
    model, changes, *found = row

    assert findings_of(model, SMALL, **changes) == found


ONE_DIE = {"tp": 1, "precision": "bf16", "max_length": 2048}
SMALL_MODEL = "smollm2-135m-instruct"


@pytest.mark.parametrize(
    "row",
    [
        # The guide's own server; any length.
        ("deepseek-r1", {}),
        ("deepseek-r1", {"stack": "guide"}),
        ("deepseek-r1", {"max_input": 1001, "max_length": 32769}),
        # The full model runs at tp 32 only.
        ("deepseek-r1", {"tp": 8}, "red tp tp", "red tp weights_do_not_fit"),
        ("deepseek-r1", {"tp": 64}, "red tp tp"),
        # Lengths above one stage's limits are sent to two.
        ("deepseek-r1", {"max_input": 57344, "max_length": 65536, "mtp": True}),
        (
            *("deepseek-r1", {"max_input": 57345, "max_length": 65537}),
            *("red max_input max_input_of_pp", "red max_length max_length_of_pp"),
        ),
        ("deepseek-r1", {"max_input": 102400, "max_length": 131072, "pp": 2}),
        (
            *("deepseek-r1", {"max_input": 102401, "max_length": 131072, "pp": 2}),
            "red max_input max_input",
        ),
        # The guide's stack has neither stages nor MTP.
        ("deepseek-r1", {"stack": "guide", "pp": 2}, "red pp pp"),
        ("deepseek-r1", {"stack": "guide", "mtp": True}, "red mtp mtp_stack"),
        ("deepseek-r1", {"stack": "guide", "max_length": 131072}, "red max_length max_length"),
        ("deepseek-r1", {"pp": 2, "mtp": True}, "red mtp mtp_pp"),
        ("deepseek-r1", {"concurrency": 5}, "amber concurrency concurrency"),
        ("qwen-7b", {}, "red path path"),
        (SMALL_MODEL, {**ONE_DIE, "stack": "vllm-cpu"}),
        (SMALL_MODEL, ONE_DIE, "red path stack_path"),
        ("deepseek-r1", {"stack": "vllm-cpu"}, "red path stack_path"),
    ],
    ids=str,
)
def test_a_server_of_vllm_has_these_findings(row):
    model, changes, *found = row

    assert findings_of(model, FULL, **changes) == found


def test_dies_too_small_for_every_tp_have_their_own_message(monkeypatch):
    monkeypatch.setattr(limits, "DIE_BYTES", 8 * 10**9)

    assert "red tp weights_fit_nowhere" in findings_of("llama-70b", SMALL)


def test_a_computer_without_cards_has_no_dies_to_fill(monkeypatch):
    monkeypatch.setattr(limits, "DIE_BYTES", 1)

    assert findings_of(SMALL_MODEL, FULL, "vllm-cpu", **ONE_DIE) == []


def test_a_model_that_does_not_reason_is_not_cut_off():
    assert limits.reasoning_tokens(SHIPPED["smollm2-135m-instruct"]) == 0
    assert limits.reasoning_tokens(SHIPPED["deepseek-r1-0528"]) == 65536


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


def share(name, *, tp, tokens=0, precision="bf16", **more):
    return fit(SHIPPED[name], tp=tp, tokens=tokens, precision=precision, **more)


@pytest.mark.parametrize("name", WEIGHTS_GB)
def test_weights_are_shared_by_all_dies_of_a_group(name):
    sizes = [share(D + name, tp=tp).weights_bytes / 1e9 for tp in (1, 2, 4, 8)]

    assert sizes == pytest.approx(WEIGHTS_GB[name], abs=0.06)


@pytest.mark.parametrize(
    ("name", "tp", "pp", "precision", "size"),
    [
        # Published weights count as they are published: two thirds of a die at tp 32.
        ("deepseek-r1", 1, 1, "fp8", 688_600_000_000),
        ("deepseek-r1", 1, 1, "bf16", 2 * 671_026_419_200),
        ("deepseek-r1", 32, 1, "fp8", 21_518_750_000),
        ("deepseek-r1", 32, 2, "fp8", 10_759_375_000),
        (f"{D}qwen-7b", 4, 1, "fp16", 15_231_233_024 // 4),
        (f"{D}qwen-7b", 4, 1, "int8", 15_231_233_024 // 8),
    ],
)
def test_a_die_has_its_share_of_the_weights(name, tp, pp, precision, size):
    assert share(name, tp=tp, pp=pp, precision=precision).weights_bytes == size


@pytest.mark.parametrize(
    ("name", "tp", "pp", "tokens", "size"),
    [
        (f"{D}qwen-1.5b", 1, 1, 1, 28_672),
        (f"{D}qwen-14b", 1, 1, 1, 196_608),
        (f"{D}qwen-32b", 1, 1, 1, 262_144),
        (f"{D}llama-8b", 1, 1, 1, 131_072),
        (f"{D}llama-70b", 1, 1, 1, 327_680),
        # A group shares the cache up to its KV heads.
        *((f"{D}qwen-7b", tp, 1, 1000, 57_344_000 // min(tp, 4)) for tp in (1, 2, 4, 8)),
        # With MLA every die keeps the whole cache of its layers.
        ("deepseek-r1", 1, 1, 1000, 70_272_000),
        ("deepseek-r1", 32, 1, 1000, 70_272_000),
        ("deepseek-r1", 32, 2, 1000, 35_136_000),
        ("deepseek-r1-0528", 1, 1, 1, 70_272),
    ],
)
@pytest.mark.parametrize("precision", ["bf16", "fp8"])
def test_a_die_has_its_share_of_the_cache_in_16_bits(name, tp, pp, tokens, size, precision):
    assert share(name, tp=tp, pp=pp, tokens=tokens, precision=precision).kv_bytes == size


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
        *(("fp16", 1), ("fp16", 2), ("int8", 1), ("int8", 2)),
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
