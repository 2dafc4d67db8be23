"""Intervals of accuracies are over the questions: not over equal runs, nor over several answers."""

import pytest

from jobs.models import Answer, AnswerRow
from jobs.queries.comparison.accuracy import pair, paired_gap
from jobs.queries.comparison.comparison import compare
from jobs.queries.parity.statement import parity
from jobs.queries.results.listing import ResultFilters, identity_list
from jobs.queries.results.results import accuracy
from jobs.services.outcomes import answer_rows, identity
from jobs.statistics import wilson
from tests.factories import make_evaluation, make_measured

pytestmark = pytest.mark.django_db

TWENTY = [1.0] * 15 + [0.0] * 5


def repeats(*runs, identity="one", **fields):
    """Runs of one identity, with the scores of each."""
    fields |= {"fingerprint": identity, "identity": {}}
    return [make_evaluation(scores, **fields) for scores in runs]


def row_of(base, other, metric="accuracy"):
    rows = {row.metric: row for row in compare([base, other]).rows}
    return rows[metric]


def bounds(interval):
    return interval.low, interval.high


@pytest.mark.parametrize(("first", "second"), [(3, 3), (2, 1)])
def test_equal_runs_have_the_interval_of_their_questions(first, second):
    row = row_of(repeats(*[TWENTY] * first), repeats(*[TWENTY] * second, identity="two"))

    for cell, runs in zip(row.cells, (first, second), strict=True):
        assert (cell.value, cell.runs) == (0.75, runs)
        assert bounds(cell.interval) == pytest.approx(bounds(wilson(15, 20)))


def test_independent_answers_narrow_the_interval():
    half = [1.0, 0.0] * 10
    alternating = [half, half[::-1]]

    row = row_of(repeats(*alternating), repeats(*[half] * 2, identity="two"))

    spread, equal = row.cells
    assert bounds(spread.interval) == pytest.approx(bounds(wilson(20, 40)))
    assert bounds(equal.interval) == pytest.approx(bounds(wilson(10, 20)))


def test_a_part_of_the_questions_has_its_own_interval():
    base, other = repeats(*[TWENTY] * 3), repeats(*[TWENTY] * 3, identity="two")
    AnswerRow.objects.filter(index__lt=10).update(subset="short_zh")
    for run in (*base, *other):
        run.metrics |= {"accuracy_en": 0.5, "accuracy_zh": 1.0}

    row = row_of(base, other, "accuracy_en")

    assert bounds(row.cells[0].interval) == pytest.approx(bounds(wilson(5, 10)))


def test_the_difference_is_that_of_the_parity_statement():
    less = [1.0] * 13 + [0.0] * 7
    base, other = repeats(*[TWENTY] * 3), repeats(*[less] * 3, identity="two")

    change = row_of(base, other).changes[0]

    gap = parity(base, other, 1.0, "same").statement.pooled.gap
    assert (change.absolute, change.verdict) == (pytest.approx(-0.1), "cannot_tell")
    assert (change.low, change.high) == pytest.approx(bounds(gap))


def test_single_runs_beside_a_group_keep_their_paired_difference():
    less = [1.0] * 13 + [0.0] * 7
    (base,), (other,) = repeats(TWENTY), repeats(less, identity="two")
    group = repeats(*[TWENTY] * 2, identity="three")

    alone = compare([[base], [other]]).rows[0].changes[0]
    beside = compare([[base], [other], group]).rows[0].changes[0]

    assert (beside.low, beside.high) == (alone.low, alone.high)


def test_a_large_difference_of_equal_runs_is_significant():
    base, other = repeats(*[TWENTY] * 3), repeats(*[[0.0] * 20] * 3, identity="two")

    change = row_of(base, other).changes[0]

    assert (change.verdict, change.low < change.absolute < change.high) == ("worse", True)


def test_without_answers_the_number_of_questions_counts():
    base, other = repeats(*[TWENTY] * 3), repeats(*[TWENTY] * 3, identity="two")
    AnswerRow.objects.all().delete()
    for run in (*base, *other):
        run.answers.all().delete()

    row = row_of(base, other)

    assert bounds(row.cells[0].interval) == pytest.approx(bounds(wilson(15, 20)))
    change = row.changes[0]
    assert (change.verdict, change.low < 0 < change.high) == ("cannot_tell", True)


def test_equal_token_counts_have_no_interval():
    base, other = repeats(*[TWENTY] * 3), repeats(*[TWENTY] * 3, identity="two")
    for run in base:
        run.metrics["tokens_per_correct"] = 900.0
    for run in other:
        run.metrics["tokens_per_correct"] = 990.0

    row = row_of(base, other, "tokens_per_correct")

    assert [cell.interval for cell in row.cells] == [None, None]
    change = row.changes[0]
    assert (change.relative, change.low, change.verdict) == (pytest.approx(0.1), None, "")


def test_a_list_of_identities_has_the_interval_of_the_questions():
    repeats(*[TWENTY] * 3)

    (row,) = identity_list(ResultFilters()).rows

    assert bounds(row.mean.interval) == pytest.approx(bounds(wilson(15, 20)))


# Correct answers of eight to each of 12 questions.
RIGHT_BEFORE = (8, 8, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0)
RIGHT = (8, 8, 6, 8, 4, 5, 6, 1, 0, 3, 0, 1)


def sampled(right, samples=8, easy=0):
    """An evaluation with so many correct answers to each question; the last ``easy`` questions are
    a set of their own."""
    scores = [float(sample < n) for n in right for sample in range(samples)]
    result = make_measured(scores=scores)
    result.metrics["questions"] = len(right)
    result.save()
    answers = list(result.answers.all())
    for answer in answers:
        number, answer.sample = divmod(answer.index, samples)
        answer.question, answer.question_id = f"question {number}", f"q{number}"
        answer.subset = "easy" if number >= len(right) - easy else "hard"
    Answer.objects.bulk_update(answers, ["sample", "question", "question_id", "subset"])
    answer_rows.keep(result)
    identity.keep(result)
    return result


def test_comparison_baseline_page_and_statement_have_one_interval():
    base, other = sampled(RIGHT_BEFORE), sampled(RIGHT)

    row = parity([base], [other], 1.0, "same").statement.pooled
    change = compare([[base], [other]]).rows[0].changes[0]

    assert row.method == "clustered"
    assert (change.low, change.high) == pytest.approx((row.gap.low, row.gap.high))
    assert paired_gap(base, other).low == pytest.approx(row.gap.low)
    assert accuracy(base) == row.first
    paired = pair(base, other)
    assert (paired.answers, paired.p) == (96, None)


def test_an_accuracy_over_several_sets_has_one_interval():
    base, other = (sampled([*right, *[8] * 30], easy=30) for right in (RIGHT_BEFORE, RIGHT))
    # With a group, a comparison reads the answers.
    group = repeats(*[TWENTY] * 2, identity="three")

    cell = compare([[base], [other], group]).rows[0].cells[0]
    statement = parity([base], [other], 1.0, "same").statement

    assert len(statement.rows) == 2
    assert bounds(cell.interval) == pytest.approx(bounds(accuracy(base)))
    assert bounds(statement.pooled.first) == pytest.approx(bounds(accuracy(base)))


def test_verdicts_of_samples_and_of_graded_answers_are_not_stored():
    graded = make_measured(scores=[0.5, 1.0, 0.0])

    assert sampled(RIGHT_BEFORE).verdicts == graded.verdicts == ""
    assert make_measured(scores=[1, 0]).verdicts


def test_graded_answers_are_compared_by_their_scores():
    base = make_measured(scores=[0.9] * 40)
    other = make_measured(scores=[0.6] * 40)

    assert paired_gap(base, other).value == pytest.approx(-0.3)
    assert pair(base, other).gap.value == pytest.approx(-0.3)


def test_a_failed_request_leaves_one_difference():
    base, other = make_measured(scores=[1, 1, 0, 0, 1, 0]), make_measured(scores=[1, 0, 1, 0, 1, 1])
    Answer.objects.filter(result=other, index=0).update(status="failed", score=0)
    other.metrics |= {"accuracy": 3 / 5, "questions": 5}
    other.save()
    answer_rows.keep(other)
    identity.keep(other)

    row = parity([base], [other], 1.0, "same").statement.pooled
    change = compare([[base], [other]]).rows[0].changes[0]

    assert change.absolute == pytest.approx(row.gap.value)
    assert (change.low, change.high) == pytest.approx((row.gap.low, row.gap.high))
