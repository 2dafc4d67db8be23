"""Words of a statement's numbers."""

import re

from dashboard.pages.parity.words import is_weighted, right_text
from jobs.queries.parity.statement import state
from jobs.statistics import Evidence, Share

EQUAL = [
    Evidence("dev", "", Share(154, 159), Share(155, 159)),
    Evidence("test", "", Share(933, 976), Share(929, 976)),
]
# Of the second side some questions have no score.
UNEQUAL = [
    Evidence("dev", "", Share(154, 159), Share(97, 100)),
    Evidence("test", "", Share(933, 976), Share(100, 200)),
]


def test_a_weighted_share_says_so():
    row = state(UNEQUAL, 0.01, "same").pooled

    texts = [re.sub(r"\s", " ", right_text(row, side)) for side in (0, 1)]

    assert texts == ["weighted; 1 087 / 1 135 = 95.77 %", "weighted; 197 / 300 = 65.67 %"]


def test_equal_numbers_of_questions_are_not_weighted():
    row = state(EQUAL, 0.01, "same").pooled

    assert not any(is_weighted(row, side) for side in (0, 1))
