"""Limits at a launch: refused at their fields, or noted."""

import pytest

from jobs.base.errors import LaunchError
from jobs.catalog import MODELS, STACKS
from jobs.catalog.limits import Wish
from jobs.kinds.lib.vacc import limit_notes, refuse_limits

QWEN_7B, GUIDE = MODELS["deepseek-r1-distill-qwen-7b"], STACKS["guide"]
WISH = {"path": "build_in", "tp": 4, "precision": "fp16", "concurrency": 1}


def wish(**fields):
    return Wish(**{**WISH, "max_input": 1024, "max_length": 2048, **fields})


def noted(*, exact=False, **fields):
    return [one.id for one in limit_notes(QWEN_7B, GUIDE, wish(**fields), exact=exact)]


def test_red_is_refused_at_the_field_of_the_form():
    with pytest.raises(LaunchError, match="multiples of 16 tokens; 2040") as caught:
        refuse_limits(QWEN_7B, GUIDE, wish(max_length=2040), {"max_length": "context"})

    assert caught.value.field == "context"


def test_a_warning_is_noted_and_not_refused():
    refuse_limits(QWEN_7B, GUIDE, wish(), {})

    assert noted() == ["limit:reasoning_is_cut"]


def test_verbatim_notes_errors_too():
    assert noted(exact=True, max_length=2040)[0] == "limit:multiple"
    assert "limit:multiple" not in noted(max_length=2040)


@pytest.mark.parametrize("fields", [{"tp": 3}, {"path": "vllm"}, {"max_input": 4096}])
def test_a_refusal_has_all_its_words(fields):
    with pytest.raises(LaunchError) as caught:
        refuse_limits(QWEN_7B, GUIDE, wish(**fields), {})

    assert "%(" not in str(caught.value)


def test_a_stack_is_called_by_its_name():
    with pytest.raises(LaunchError, match="Stack Deployment guide does not support MTP"):
        refuse_limits(
            MODELS["deepseek-r1"],
            GUIDE,
            wish(path="vllm", tp=32, precision="fp8", max_length=32768, mtp=True),
            {},
        )
