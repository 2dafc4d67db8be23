"""Words on two evaluations by question."""

from dashboard.pages.shared.comparison import paired_words
from jobs.queries.comparison.accuracy import Paired
from jobs.statistics import Interval


def paired(p):
    gap = Interval(-0.3, -0.4, -0.2)
    return Paired(40, 30, 0, 0, 10, gap, p, (), is_whole=True, parts={})


def test_scores_between_0_and_1_are_called_mean_scores():
    said = paired_words(paired(None), is_barred=False)

    assert said.changed == "0 fixed, 0 regressed."
    assert said.verdict.startswith("Mean scores differ significantly")


def test_verdicts_of_correct_or_not_are_called_a_difference():
    assert paired_words(paired(0.5), is_barred=False).verdict.startswith("Significant difference")
