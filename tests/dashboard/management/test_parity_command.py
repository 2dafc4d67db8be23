"""``manage.py parity``: results, bare counts, and what is refused."""

import json

import pytest
from django.core.management import CommandError, execute_from_command_line

from jobs.base.numbers import result_pk
from jobs.models import Answer, AnswerRow
from tests.dashboard.lib import commands
from tests.factories import make_evaluation

GUIDE = ("--base-counts", "154/159,933/976", "--counts", "155/159,929/976", "--margin", "1")


def run(*arguments):
    return commands.run("parity", *arguments)


def evaluation(*scores):
    return f"res-{make_evaluation(scores).pk}"


def test_bare_counts_need_no_database():
    data = json.loads(run(*GUIDE, "--json"))

    pooled = data["pooled"]
    assert data["verdict"] == "cannot_tell"
    assert [round(pooled[f"{name}_points"], 2) for name in ("difference", "low", "high")] == [
        *(-0.26, -1.97, 1.44)
    ]
    assert round(data["plain_mean_points"], 2) == 0.11
    assert data["means_disagree"]
    assert [one["id"] for one in data["warnings"]] == ["means_disagree", "declared"]


def test_a_terminal_gets_sentences():
    text = run(*GUIDE, "--sets", "dev,test")

    assert text.startswith("Cannot tell within 1 point\n")
    assert "accuracy −0.26 points, 95 % interval [−1.97, +1.44]." in text
    assert "\ndev: 96.86 % (154 / 159)" in text


@pytest.mark.parametrize(
    ("base", "result", "goal", "code"),
    [
        ("900/1000", "990/1000", "same", 0),
        ("9000/10000", "9000/10000", "at_least", 0),
        ("990/1000", "900/1000", "at_least", 2),
        ("90/100", "90/100", "same", 3),
    ],
)
def test_a_gate_ends_with_the_code_of_its_verdict(base, result, goal, code):
    counts = ("--base-counts", base, "--counts", result, "--margin", "2", "--goal", goal)
    with pytest.raises(SystemExit) as ended:
        run(*counts, "--gate")

    assert ended.value.code == code
    assert json.loads(run(*counts, "--json"))["exit_code"] == code


@pytest.mark.django_db
def test_a_gate_tells_what_is_not_comparable_from_an_error():
    base, other = evaluation(1, 1), evaluation(1, 0)
    for rows in (AnswerRow, Answer):
        rows.objects.filter(result=result_pk(other)).update(subset="another")

    with pytest.raises(SystemExit) as ended:
        run(base, other, "--gate")
    assert ended.value.code == 4
    with pytest.raises(CommandError) as error:
        run(base, "res-12345", "--gate")
    assert error.value.returncode == 1


def test_a_wrong_call_ends_with_the_code_of_an_error():
    for wrong in (("--gate", "--nosuch"), ("--counts",)):
        with pytest.raises(SystemExit) as ended:
            execute_from_command_line(["manage.py", "parity", "res-1", "res-2", *wrong])

        assert ended.value.code == 1


@pytest.mark.django_db
def test_two_results_are_compared():
    data = json.loads(run(evaluation(1, 1, 0, 0), evaluation(1, 0, 1, 1), "--json"))

    assert (data["pooled"]["regressed"], data["pooled"]["fixed"]) == (1, 2)
    assert data["pooled"]["mcnemar_p"] == 1.0


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "Name two results, or --base-counts and --counts."),
        (("1",), "Name two results: BASE RESULT."),
        (("res-1", "res-2"), "BASE: res-1 does not exist or was removed."),
        (("1", "res-2"), "BASE: “1” is no result. Results are written as res-15."),
        (("--counts", "1/2"), "--base-counts: Enter counts such as"),
        ((*GUIDE[:4], "--margin", "x"), "--margin: Enter a margin from 0.01 to 50 points."),
        ((*GUIDE, "--goal", "greener"), "--goal: Choose one of: at_least, same"),
    ],
)
def test_what_is_wrong_is_named_at_its_option(arguments, problem):
    with pytest.raises(CommandError, match=problem):
        run(*arguments)


@pytest.mark.django_db
def test_verdicts_on_several_results_are_corrected_for_their_number():
    base, *others = (evaluation(*[0] * n, *[1] * (24 - n)) for n in (0, 12, 5, 4))

    text = run(base, *others)

    assert ": 2 cannot tell, 1 worse" in text.splitlines()[0]
    assert text.count("p of all 0.0") == 3
    with pytest.raises(SystemExit) as ended:
        run(base, *others, "--gate")
    assert ended.value.code == 2


@pytest.mark.django_db
@pytest.mark.parametrize(("named", "code"), [(("like", "again"), 3), (("like", "other"), 4)])
def test_the_gate_of_several_results_ends_with_the_code_of_the_worst(named, code):
    base, other = evaluation(1, 0), evaluation(1, 1)
    for rows in (AnswerRow, Answer):
        rows.objects.filter(result=result_pk(other)).update(subset="another")
    results = {"like": evaluation(0, 1), "again": evaluation(0, 1), "other": other}

    with pytest.raises(SystemExit) as ended:
        run(base, *(results[name] for name in named), "--gate")

    assert ended.value.code == code
