"""Several answers to a question are no independent pairs, wherever two evaluations are compared."""

import pytest

from jobs.models import Answer
from jobs.queries.comparison.accuracy import pair, paired_gap
from jobs.queries.comparison.comparison import compare
from jobs.queries.parity.statement import parity
from jobs.queries.results.results import accuracy
from jobs.services.outcomes import answer_rows, identity
from tests.factories import make_measured

pytestmark = pytest.mark.django_db

# Correct answers of eight to each of 12 questions.
BASE = (8, 8, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0)
OTHER = (8, 8, 6, 8, 4, 5, 6, 1, 0, 3, 0, 1)


def sampled(right, samples=8):
    """An evaluation with so many correct answers to each question."""
    scores = [float(sample < n) for n in right for sample in range(samples)]
    result = make_measured(scores=scores)
    result.metrics["questions"] = len(right)
    result.save()
    answers = list(result.answers.all())
    for answer in answers:
        number, answer.sample = divmod(answer.index, samples)
        answer.question, answer.question_id = f"question {number}", f"q{number}"
    Answer.objects.bulk_update(answers, ["sample", "question", "question_id"])
    answer_rows.keep(result)
    identity.keep(result)
    return result


def test_comparison_baseline_page_and_statement_have_one_interval():
    base, other = sampled(BASE), sampled(OTHER)

    row = parity([base], [other], 1.0, "same").statement.pooled
    change = compare([[base], [other]]).rows[0].changes[0]

    assert row.method == "clustered"
    assert (change.low, change.high) == pytest.approx((row.gap.low, row.gap.high))
    assert paired_gap(base, other).low == pytest.approx(row.gap.low)
    assert accuracy(base) == row.first
    paired = pair(base, other)
    assert (paired.answers, paired.p) == (96, None)


def test_verdicts_of_samples_and_of_graded_answers_are_not_stored():
    graded = make_measured(scores=[0.5, 1.0, 0.0])

    assert sampled(BASE).verdicts == graded.verdicts == ""
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
