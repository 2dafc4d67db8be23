"""Dates in files of others."""

from datetime import datetime

import pytest

from jobs.tools.imports import time_of_text


@pytest.mark.parametrize(
    "text",
    [
        "outputs/20261124_141114/20261125_101010/x",
        "20261124_141114-20261125_101010",
        "run-20261125-101010",
    ],
)
def test_the_last_stamp_of_a_name_counts(text):
    assert time_of_text(text) == datetime(2026, 11, 25, 10, 10, 10)


def test_half_a_character_is_no_date():
    assert time_of_text("2026-\ud800") is None
