"""Comparison of evaluations, paired by question."""

import re

import pytest

from dashboard.pages.shared.comparison import paired_words
from jobs.models import Answer, Result
from jobs.queries.comparison.accuracy import Paired, pair
from jobs.statistics import Interval
from tests.comparing import ids, numbers, text_of
from tests.factories import make_measured
from tests.jobs.lib import answering


def test_significance_of_changed_answers_names_its_measure(page):
    """Five of five changes: the interval excludes 0, the exact test gives p = 0.062."""
    base = make_measured(scores=[0, 0, 0, 0, 0, 1], label="a")
    other = make_measured(scores=[1, 1, 1, 1, 1, 1], label="b")
    far = make_measured(scores=[1] * 40, label="c")
    low = make_measured(scores=[0] * 40, label="d")

    assert re.search(
        r"Significant difference \(95 % interval excludes 0\): \[[^]]*\], p = 0.062",
        text_of(page(ids(base, other))),
    )
    assert "p &lt; 0.001" in page(ids(low, far))


def test_many_changed_answers_are_read_in_the_reader(page):
    base = make_measured(scores=[0] * 21, label="a")
    other = make_measured(scores=[1] * 21, label="b")

    html = page(ids(base, other))

    assert html.count("fixed</span>") == 20
    assert "The first 20 of 21 changed answers." in text_of(html)
    assert f"show=changed&amp;base=res-{base.pk}" in html


def test_different_questions_have_counts_of_changed_answers_and_no_difference(page):
    base = make_measured(scores=[1, 0] * 20, label="a")
    other = make_measured(scores=[1, 1, 1, 0] * 3, label="b")

    html = page(ids(base, other))

    row, text = numbers(html)[0], text_of(html)
    assert "50.00" in row
    assert row.endswith("–")
    assert " pt" not in row
    assert "different question sets" in html  # 12 of 40 questions have equal texts
    assert "Not comparable" in text and "Different question sets" in text
    assert "regressed" in text
    assert "p = " not in text
    assert "significance needs" not in text


def test_equal_accuracies_are_shown_with_their_intervals(page):
    sides = [make_measured(scores=[1, 0] * 20, label=label) for label in "ab"]

    row = numbers(page(ids(*sides)))[0]

    assert row.startswith("Accuracy % 50.00 [35.20, 64.80] 50.00 [35.20, 64.80] 0.00 pt ")


def test_a_page_has_one_number_of_missing_questions_with_its_goal(page):
    base = make_measured(scores=[1, 1, 1, 0] * 60, label="a")
    other = make_measured(scores=[1, 1, 1, 0] * 59 + [0, 0, 1, 1], label="b")

    text = text_of(page(ids(base, other)))

    counts = re.findall("[Aa]bout ([0-9 ]+) more question", text)
    assert len(set(counts)) == 1
    assert re.search(rf"If [^.]*, about {counts[0]} more questions [^.]* power of 80 %", text)


def test_questions_of_one_id_and_other_texts_are_not_paired():
    base, result = answering.make_sets_of_one_name()

    assert pair(base, result) is None
    assert base.verdicts.split(":")[0] != result.verdicts.split(":")[0]


def test_an_unscored_question_keeps_values_consistent(page):
    base = make_measured(scores=[1, 0, 0, 0, 0], label="a")
    other = make_measured(scores=[1, 1, 1, 1, 0], label="b")
    Answer.objects.filter(result=other, index=4).update(status="no answer")
    Result.objects.filter(pk=other.pk).update(
        metrics={"accuracy": 1.0, "correct": 4, "questions": 4}
    )

    assert "+80.00 pt" in numbers(page(ids(base, other)))[0]


def test_parts_of_the_questions_are_paired_as_the_whole_is(page):
    base = make_measured(scores=[0] * 12, label="a")
    other = make_measured(scores=[1] * 12, label="b")
    for one, value in ((base, 0.0), (other, 1.0)):
        Result.objects.filter(pk=one.pk).update(
            metrics=one.metrics | {"accuracy_short": value, "accuracy_en": value}
        )

    text = [row for row in numbers(page(ids(base, other))) if "short" in row or "English" in row]

    assert len(text) == 2
    assert all("+100.00 pt [" in row and "better" in row for row in text)


def test_tables_of_several_columns_are_read_when_opened(page):
    base = make_measured(scores=[1, 0, 1], label="a")
    others = [make_measured(scores=[0, 1, 1], label=label) for label in ("b", "c")]

    folded, table = page(ids(base, *others)), page(ids(base, others[1]))

    assert "question 1" not in folded
    assert f'hx-get="/results/compare/?id=res-{base.pk}&amp;id=res-{others[1].pk}"' in folded
    assert text_of(folded).count("1 fixed, 1 regressed") == 2
    assert "question 1" in table and 'id="flips"' in table


def test_stored_verdicts_pair_as_the_answers_do():
    base = make_measured(scores=[1, 0, 1, 0, 1, 1, 0])
    other = make_measured(scores=[0, 1, 1, 0, 0, 1, 1])
    stored = pair(base, other)

    other.verdicts = ""  # as of a result of before they were stored

    assert pair(base, other) == stored
    assert (stored.both, stored.only_base, stored.only_other, stored.neither) == (2, 2, 2, 1)
    assert [(flip.index, flip.gained) for flip in stored.flips] == [
        *((0, False), (1, True), (4, False), (6, True))
    ]
    assert set(stored.parts) == {"accuracy_short", "accuracy_en"}


@pytest.mark.parametrize(
    ("p", "words"),
    [(None, "Mean scores differ significantly"), (0.5, "Significant difference")],
)
def test_scores_between_0_and_1_are_called_mean_scores(p, words):
    gap = Interval(-0.3, -0.4, -0.2)
    paired = Paired(40, 30, 0, 0, 10, gap, p, (), is_whole=True, parts={})

    said = paired_words(paired, is_barred=False)

    assert said.changed == "0 fixed, 0 regressed."
    assert said.verdict.startswith(words)
