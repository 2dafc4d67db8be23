"""Saved addresses of a form keep their meaning after a field is renamed."""

from __future__ import annotations

import pytest
from django.http import QueryDict

from dashboard.pages.launch.launch_form import typed_values
from jobs.kinds import KINDS


@pytest.mark.parametrize(
    ("query", "exclusive"),
    [("quiet=1", "1"), ("exclusive=1", "1"), ("quiet=1&exclusive=0", "0"), ("seed=3", None)],
)
def test_a_saved_address_says_whether_a_benchmark_is_exclusive(query, exclusive):
    typed = typed_values(KINDS["benchmark-online"], QueryDict(query))

    assert typed.get("exclusive") == exclusive
    assert "quiet" not in typed


def test_a_value_without_a_name_fills_no_field():
    assert typed_values(KINDS["benchmark-online"], QueryDict("=1&seed=3")) == {"seed": "3"}
