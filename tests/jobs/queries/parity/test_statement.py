from dataclasses import replace

import pytest

from jobs.queries.parity.entered import ParityError, counts_of, evidence_of_counts
from jobs.queries.parity.sides import Notes
from jobs.queries.parity.statement import Looks, Parity, adjusted, state
from jobs.statistics import from_scores, wilson
from jobs.statistics.paired import BOUNDARY, extended_z, monitored_z


def counted(base, result, margin=0.01, goal="same", **looks):
    evidence = evidence_of_counts(counts_of(base, "base"), counts_of(result, "result"))
    return state(evidence, margin, goal, Looks(**looks))


def points(interval):
    return [round(100 * one, 2) for one in (interval.value, interval.low, interval.high)]


def answered(*scores):
    return {index: [score] for index, score in enumerate(scores)}


def test_the_guides_counts_give_the_guides_statement():
    statement = counted("154/159,933/976", "155/159,929/976")

    assert points(statement.pooled.gap) == [-0.26, -1.97, 1.44]
    assert round(100 * statement.plain, 4) == 0.1095
    assert statement.is_opposed
    assert statement.decision == "cannot_tell"
    assert statement.pooled.rights == (1087, 1084)
    # With a second look: (2.2414 + 1.2816)² · (0.0414 + 0.0438) / 0.01², less the 1135, is 9440.
    assert 9000 < statement.pooled.more < 9500


def test_the_guides_scores_have_the_guides_mean():
    statement = counted("96.86%159, 95.59%976", "97.48%159, 95.18%976")

    assert round(100 * statement.plain, 6) == 0.105
    assert points(statement.pooled.gap) == [-0.26, -1.97, 1.44]


@pytest.mark.parametrize(
    ("base", "result", "said"),
    [
        ("9000/10000", "9001/10000", "equivalent"),
        ("9000/10000", "8700/10000", "worse"),
        ("9000/10000", "9200/10000", "better"),
    ],
)
def test_a_verdict_follows_from_the_interval(base, result, said):
    assert counted(base, result, 0.011).decision == said


def test_an_accuracy_has_the_interval_of_its_own_page():
    of_all = counted("3/20,63/122", "4/20,64/122").pooled.first

    assert points(of_all) == points(wilson(66, 142))


def test_no_difference_of_few_questions_is_no_parity():
    statement = counted("90/100", "90/100")

    assert statement.decision == "cannot_tell"
    assert statement.pooled.more > 10_000


def test_the_question_asked_decides_the_verdict():
    # A gain of 1.41 points, and no loss of 5.
    same = counted("142/213", "145/213", 0.05)
    at_least = counted("142/213", "145/213", 0.08, "at_least")

    assert same.decision == "cannot_tell"
    assert at_least.decision == "not_worse"


def test_each_later_look_needs_a_wider_interval_and_more_questions():
    looks = [counted("900/1000", "900/1000", number=number).pooled for number in (1, 2, 3)]

    assert looks[1].gap.high / looks[0].gap.high == pytest.approx(2.2414 / 1.96, rel=0.01)
    assert looks[2].gap.high > looks[1].gap.high
    assert looks[1].more > looks[0].more > 0


def test_an_extended_early_stop_has_the_quantiles_whose_errors_coverage_shows():
    found = [Looks(500, number).z(asked) for number, asked in ((1, 50), (2, 1000), (3, 2000))]

    assert found == [monitored_z(50, 500), BOUNDARY, extended_z(3)]


def test_an_early_stop_needs_a_wider_interval():
    same = "9000/10000", "9000/10000"
    whole, early = (counted(*same, planned=planned).pooled.gap for planned in (None, 40_000))

    assert early.high / whole.high == pytest.approx(2 * 2.2414 / 1.96, rel=0.01)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "parity:none"),
        (" , ", "parity:none"),
        ("159", "parity:no_counts"),
        ("1.5/3", "parity:no_counts"),
        ("-1/3", "parity:no_counts"),
        ("160/159", "parity:more_right"),
        ("0/0", "parity:no_questions"),
        ("0%0", "parity:no_questions"),
        ("5/99999999", "parity:no_questions"),
        ("96.80%159", "parity:no_count"),
        ("1/2," * 501, "parity:many_sets"),
        ("1" * 30_000, "parity:long"),
    ],
)
def test_bad_counts_say_what_is_wrong(text, reason):
    with pytest.raises(ParityError) as error:
        counts_of(text, "base")

    assert (error.value.reason.id, error.value.field) == (reason, "base")


def test_both_sides_need_the_same_sets():
    with pytest.raises(ParityError, match="parity:unequal"):
        counted("1/2,1/2", "1/2")


def test_counts_may_have_chinese_commas_and_lines():
    assert [one.text for one in counts_of("154/159， 933 / 976\n97.5%40", "base")] == [
        *("154/159", "933/976", "97.5%40")
    ]


@pytest.mark.parametrize(
    ("first", "second", "method", "gap", "p"),
    [
        (
            answered(*[1] * 80, *[0] * 20),
            answered(*[1] * 76, *[0] * 4, *[1] * 10, *[0] * 10),
            *("paired", 0.06, 0.1796),
        ),
        (
            {index: [1, 1, 0, 1] for index in range(50)},
            {index: [1, 0, 0, 1] for index in range(50)},
            *("clustered", -0.25, None),
        ),
        (
            {index: [index % 10 / 10] for index in range(200)},
            {index: [(index + index % 3) % 10 / 10] for index in range(200)},
            *("clustered", -0.0005, None),
        ),
    ],
    ids=["one answer", "several answers", "scores"],
)
def test_the_answers_choose_the_method(first, second, method, gap, p):
    row = state([from_scores("x", "", first, second)], 0.01, "same").pooled

    assert row.method == method
    assert row.gap.value == pytest.approx(gap)
    assert row.gap.low <= row.gap.value <= row.gap.high
    assert row.p == (p and pytest.approx(p, abs=1e-4))
    assert row.flips == ((4, 10) if p else None)
    assert (row.rights is None, row.questions) == (method != "paired", (len(first), len(second)))


def test_only_common_questions_count():
    one = from_scores("x", "", answered(1, 1, 0), answered(1, 0, 1, 1, 1))

    assert (one.first.total, one.cells) == (3, (1, 1, 1, 0))


def test_a_paired_set_and_an_unpaired_one_pool_unpaired():
    paired = from_scores("x", "", answered(1, 1, 0), answered(1, 0, 1))
    counts = evidence_of_counts(counts_of("5/9", "base"), counts_of("6/9", "result"))

    statement = state([paired, *counts], 0.01, "same")

    assert [row.method for row in statement.rows] == ["paired", "unpaired"]
    assert (statement.pooled.method, statement.pooled.p) == ("unpaired", None)


def test_sets_of_one_group_are_pooled_too():
    sets = evidence_of_counts(counts_of("5/9,6/9,7/9", "b"), counts_of("6/9,6/9,7/9", "r"), "abc")
    grouped = [replace(one, group=group) for one, group in zip(sets, "mmn", strict=True)]

    statement = state(grouped, 0.01, "same")

    assert list(statement.groups) == ["m"]
    assert statement.groups["m"].questions == (18, 18)


def candidate(wrong):
    """24 questions, all correct in the baseline, of which this one has ``wrong`` incorrect."""
    scores = {n: [float(n >= wrong)] for n in range(24)}
    evidence = [from_scores("a", "", {n: [1.0] for n in range(24)}, scores)]
    return Parity(state(evidence, 0.01, "same"), Notes(), evidence=evidence)


def test_several_candidates_need_smaller_p_values():
    family = [candidate(12), candidate(4), candidate(5), Parity(None, Notes()), candidate(1)]
    alone = [one.statement and one.statement.decision for one in family]

    said = adjusted(family)

    assert alone == ["worse", "worse", "worse", None, "cannot_tell"]
    assert [one and one.decision for one in said] == [
        *("worse", "cannot_tell", "cannot_tell", None, "cannot_tell")
    ]
    # Of four: the smallest × 4, the next × 3, the third × 2; an undecided one has none.
    ratios = [round(one.adjusted / one.p, 6) for one in said if one and one.p]
    assert (ratios, said[4].p) == ([4, 2, 3], None)
    assert adjusted(family[2:3])[0].decision == "worse"
