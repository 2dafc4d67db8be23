import pytest

from jobs.models import Answer
from jobs.queries.parity.runs import looks_at
from jobs.queries.parity.statement import parity, usual_goal
from jobs.services.outcomes import answer_rows
from tests.factories import make_evaluation
from tests.jobs.lib import answering

pytestmark = pytest.mark.django_db


def without_score(result, *indexes):
    Answer.objects.filter(result=result, index__in=indexes).update(status="failed", score=0)
    answer_rows.keep(result)
    return result


def scored(scores, **metrics):
    """An evaluation without answers, of one set."""
    result = make_evaluation([1.0])
    result.answers.all().delete()
    about = {"version": "", "metric": "accuracy", "mode": "gen"}
    sets = [
        {**about, "dataset": name, "value": value, "questions": questions, "group": name}
        for name, value, questions in scores
    ]
    result.run_context = {"sets": sets}
    result.metrics = metrics
    result.save()
    return result


def compared(base, result, **options):
    return parity([base], [result], 1.0, "same", **options)


def test_answers_of_two_results_are_paired():
    base, result = make_evaluation([1, 1, 0, 0]), make_evaluation([1, 0, 1, 0])

    found = compared(base, result)

    assert found.statement.pooled.method == "paired"
    assert found.statement.pooled.flips == (1, 1)
    assert (found.unequal.tools, found.unequal.unscored) == ([], None)


def test_repeats_are_several_answers_to_a_question():
    base = [make_evaluation([1, 1, 0, 0]), make_evaluation([1, 1, 1, 0])]
    result = [make_evaluation([1, 0, 0, 0])]

    row = parity(base, result, 1.0, "same").statement.pooled

    assert (row.method, row.questions) == ("clustered", (4, 4))
    assert row.gap.value == pytest.approx(0.25 - 0.625)


@pytest.mark.parametrize("failed", [(), (0,)], ids=["one side", "equal numbers"])
def test_an_answer_without_a_score_is_not_incorrect(failed):
    base = without_score(make_evaluation([1, 1, 1, 0]), *failed)
    result = without_score(make_evaluation([1, 1, 0, 0]), 2)

    found = compared(base, result)

    left = 3 - len(failed)
    assert found.statement.pooled.questions == (left, left)
    assert found.statement.pooled.gap.value == 0
    assert found.unequal.unscored == (len(failed), 1)
    assert found.notes.names["partly"] == [f"short_en {left} / 4"]


def test_sets_without_answers_are_counted():
    base = scored([("cluewsc-dev", 100 * 154 / 159, 159), ("other", 50.0, 10)])
    result = scored([("cluewsc-dev", 97.48, None)])

    found = compared(base, result)

    (row,) = found.statement.rows
    assert (row.method, row.rights) == ("unpaired", (154, 155))
    assert found.notes.names["catalogue"] == ["cluewsc-dev"]
    assert found.notes.names["only_base"] == ["other"]


def test_one_of_several_runs_without_answers_counts():
    base = [scored([("gsm8k", 90.0, 100)]), scored([("gsm8k", 91.0, 100)])]

    found = parity(base, [scored([("gsm8k", 92.0, 100)])], 1.0, "same")

    assert found.statement.pooled.questions == (100, 100)
    assert found.notes.names["alone"] == ["gsm8k"]


def test_results_without_a_common_set_have_no_statement():
    assert compared(scored([("a", 90.0, 100)]), scored([("b", 90.0, 100)])).statement is None


def test_other_tools_and_work_are_named():
    base, result = make_evaluation([1, 0]), make_evaluation([1, 0], tool="OpenCompass 0.4.1")
    result.job.params = {"max_tokens": 99}
    result.identity["parts"]["workload"]["max_tokens"] = 99
    base.identity["parts"]["workload"]["max_tokens"] = 512

    unequal = compared(base, result).unequal

    assert list(unequal.tools) == ["evalscope 1.14.1", "OpenCompass 0.4.1"]
    assert [(one.name, list(one.values)) for one in unequal.work] == [("max_tokens", [512, 99])]


@pytest.mark.parametrize(
    ("counts", "flags"),
    [
        ({"answers_total": 1000, "answers_cut": 40, "answers_empty": 1}, ["answers_cut"]),
        ({}, []),  # a side that lacks the counts says nothing
    ],
)
def test_hygiene_that_differs_is_named(counts, flags):
    base, result = make_evaluation([1, 0]), make_evaluation([1, 0])
    base.metrics |= {"answers_total": 1000, "answers_cut": 2, "answers_empty": 0}
    result.metrics |= counts

    assert [flag for flag, *_shares in compared(base, result).unequal.hygiene] == flags


@pytest.mark.parametrize(
    ("name", "subsets", "rows"),
    [
        ("gsm8k", ("gsm8k/main", "gsm8k/main"), ["gsm8k"]),
        ("x" * 70, ("x" * 64, "x" * 64), ["x" * 70]),
        ("mmlu", ("mmlu/law", "mmlu/virology"), ["mmlu/law", "mmlu/virology"]),
    ],
    ids=["part", "cut", "several parts"],
)
def test_a_set_and_its_answers_count_once(name, subsets, rows):
    sides = []
    for scores in ([1, 1, 0, 0], [1, 0, 0, 0]):
        one = make_evaluation(scores)
        one.run_context = scored([(name, 50.0, 4)]).run_context
        for half, subset in enumerate(subsets):
            one.answers.filter(index__in=(2 * half, 2 * half + 1)).update(subset=subset)
        answer_rows.keep(one)
        sides.append(one)

    statement = compared(*sides).statement

    assert [row.name for row in statement.rows] == rows
    assert (statement.pooled.questions, statement.pooled.method) == ((4, 4), "paired")


def test_a_rule_for_an_early_stop_is_no_difference_of_settings():
    base = answering.evaluation(answering.answers(wrong={1}))
    rule = {"stop_early": True, "baseline": f"res-{base.pk}", "margin": 5.0}
    early = answering.evaluation(answering.answers(wrong={1})[:12], **rule)
    against_another = answering.evaluation(
        answering.answers()[:12], **{**rule, "baseline": "res-999"}
    )

    assert not {one.name for one in compared(base, early).unequal.work}
    other = compared(base, against_another).unequal.work
    assert {one.name for one in other} == {"questions_sha256"}


def test_a_later_run_with_more_questions_is_another_look():
    first, again, more = (
        make_evaluation([1, 0]),
        make_evaluation([1, 1]),
        make_evaluation([1, 0, 1, 1]),
    )
    other = make_evaluation([1, 1, 1, 1])

    assert looks_at([first]) == 1
    assert looks_at([first, again]) == 1  # repeats ask nothing new
    assert looks_at([more, first]) == 2  # in the order of time
    looked = parity([other], [first, again, more], 1.0, "same").statement
    assert looked.looks.number == 2
    assert looked.pooled.p is None
    once = compared(other, more).statement
    assert looked.looks.z(4) > once.looks.z(4)


def test_ours_against_an_external_baseline_is_asked_whether_it_is_at_least_as_accurate():
    ours, external = make_evaluation([1]), make_evaluation([1])
    external.endpoint_id = 1  # whose device nobody stated

    assert usual_goal([external], [ours]) == "at_least"
    assert usual_goal([ours], [external]) == "same"
    assert usual_goal([ours], [ours]) == "same"


def test_a_result_that_could_stop_early_has_a_wider_interval():
    base, result = make_evaluation([1, 1, 0, 0]), make_evaluation([1, 0, 1, 0])
    usual = compared(base, result).statement
    result.metrics["planned_questions"] = 16

    early = compared(base, result).statement

    assert (usual.looks.planned, early.looks.planned) == (None, 16)
    assert early.pooled.gap.low < usual.pooled.gap.low
    assert compared(result, base).statement.looks.planned == 16
    assert compared(base, result, planned=20).statement.looks.planned == 20


@pytest.mark.parametrize("other", [("gsm8k", 85.0, 1319), ("gsm8k", 85.0, 39)])
def test_sets_of_other_numbers_of_questions_have_no_verdict(other):
    base, result = scored([other]), scored([("gsm8k", 20.0, 40)])

    found = compared(base, result)

    assert found.statement is None
    assert found.notes.names["unequal"] == [f"gsm8k {other[2]} / 40"]


def test_results_without_answers_and_with_other_checksums_have_no_verdict():
    sides = [scored([("gsm8k", share, 40)]) for share in (60.0, 20.0)]
    for number, side in enumerate(sides):
        side.identity = {"parts": {"workload": {"questions_sha256": f"{number}" * 64}}}

    found = compared(*sides)

    assert found.statement is None
    assert found.notes.names["apart"] == ["gsm8k"]


def test_only_a_run_that_scores_a_new_question_is_a_look():
    failed, first, again = (make_evaluation([1, 1, 0, 0]) for _run in range(3))
    assert looks_at([without_score(failed, 2, 3), first]) == 2  # failed requests are asked again

    Answer.objects.filter(result=again, index=2).update(question="", expected="")
    assert looks_at([first, without_score(again, 2)]) == 1
