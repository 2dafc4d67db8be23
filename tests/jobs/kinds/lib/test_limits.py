"""Limits at a launch: every finding has its words."""

import re
from pathlib import Path

import pytest

from jobs.base.errors import LaunchError
from jobs.catalog import MODELS, STACKS, limits
from jobs.catalog.limits import Wish
from jobs.kinds.lib import limits as lib_limits

QWEN_7B, GUIDE = MODELS["deepseek-r1-distill-qwen-7b"], STACKS["guide"]
WISH = {"path": "build_in", "tp": 4, "precision": "fp16", "concurrency": 1}


def wish(**fields):
    return Wish(**{**WISH, "max_input": 1024, "max_length": 2048, **fields})


def test_every_finding_of_the_catalogue_has_words():
    text = Path(limits.__file__).read_text(encoding="utf-8")
    written = set(re.findall(r'"(limit:[a-z_]+)"', text))
    made = {f"limit:{name}{end}" for name in ("max_input", "max_length") for end in ("", "_of_pp")}

    assert set(lib_limits.WORDS) == written | made


def test_red_is_refused_at_the_field_of_the_form():
    with pytest.raises(LaunchError, match="multiples of 16 tokens; 2040") as caught:
        lib_limits.refuse(QWEN_7B, GUIDE, wish(max_length=2040), {"max_length": "context"})

    assert caught.value.field == "context"


def test_a_warning_is_noted_and_not_refused():
    lib_limits.refuse(QWEN_7B, GUIDE, wish(), {})

    assert [remark.id for remark in lib_limits.asked(QWEN_7B, GUIDE, wish())] == [
        "limit:reasoning_is_cut"
    ]


def test_verbatim_notes_errors_too():
    odd = wish(max_length=2040)

    assert lib_limits.violated(QWEN_7B, GUIDE, odd)[0].id == "limit:multiple"
    assert "limit:multiple" not in [one.id for one in lib_limits.asked(QWEN_7B, GUIDE, odd)]


@pytest.mark.parametrize("fields", [{"tp": 3}, {"path": "vllm"}, {"max_input": 4096}])
def test_a_refusal_has_all_its_words(fields):
    with pytest.raises(LaunchError) as caught:
        lib_limits.refuse(QWEN_7B, GUIDE, wish(**fields), {})

    assert "%(" not in str(caught.value)


def test_a_stack_is_called_by_its_name():
    with pytest.raises(LaunchError, match="Stack Deployment guide does not support MTP"):
        lib_limits.refuse(
            MODELS["deepseek-r1"],
            GUIDE,
            wish(path="vllm", tp=32, precision="fp8", max_length=32768, mtp=True),
            {},
        )
