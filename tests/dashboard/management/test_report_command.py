"""``manage.py report``: a result, a comparison, groups, and what is refused."""

import pytest
from django.core.management import CommandError

from tests.dashboard.lib import commands
from tests.factories import make_evaluation, make_measured

pytestmark = pytest.mark.django_db


def run(*arguments):
    return commands.run("report", *arguments)


@pytest.fixture
def results():
    made = (make_measured(points=[(1, {"output_tokens_per_s": rate})]) for rate in (50.5, 60.5))
    return [f"res-{one.pk}" for one in made]


def test_a_result_is_written_to_standard_output(results):
    text = run(results[0], "--format", "md", "--language", "zh")

    assert text.startswith("# ")
    assert "## 结论" in text


def test_two_results_are_a_comparison_in_a_file(results, tmp_path):
    file = tmp_path / "report.html"

    assert run(*results, "--output", file) == f"{file}\n"

    assert "Comparison report" in file.read_text("utf-8")


def test_a_parity_statement_is_a_report():
    base, result = (f"res-{make_evaluation([1] * n + [0] * (10 - n)).pk}" for n in (9, 8))

    stated = run("--parity", base, result, "--margin", "2", "--format", "md")
    compared = run(base, result, "--margin", "3", "--format", "md")
    asked = run(base, result, "--margin", "50", "--goal", "at_least", "--format", "md")

    assert "not worse by more than 50 points" in asked.partition("\n")[0]
    assert stated.partition("\n")[0].endswith(": cannot tell within 2 points")
    assert "cannot tell within 3 points" in compared.partition("\n")[0]


def test_a_parity_statement_on_several_results_is_a_report():
    names = [f"res-{make_evaluation([0] * n + [1] * (24 - n)).pk}" for n in (0, 12, 4)]

    text = run("--parity", *names, "--format", "md")

    assert "2 worse" in text.partition("\n")[0]
    assert "corrected for 2 results" in text


def test_bare_counts_are_a_parity_report():
    counts = ("--base-counts", "154/159,933/976", "--counts", "155/159,929/976")

    text = run(*counts, "--sets", "dev,test", "--format", "md", "--language", "zh")

    assert "154 / 159" in text
    assert "## 结论" in text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--parity",), "Name two results, or --base-counts and --counts."),
        (("--parity", "res-1", "res-2"), "Not found: res-1 does not exist or was removed."),
        (("--parity", "1", "res-2"), "BASE: “1” is no result. Results are written as res-15."),
        (("--counts", "5/9", "--matrix", "1"), "Name a parity statement, or --matrix ID."),
        (("--base-counts", "5/9", "--counts", "x"), "--counts: "),
        ((), "Name results, or --matrix ID."),
        (("1", "--matrix", "1"), "Name results, or --matrix ID."),
        (("res-999999",), "Not found: result: res-999999."),
        (("999999",), "id: “999999” is no result. Results are written as res-15."),
        (("--matrix", "999999"), "Not found: matrix: 999999."),
        (("--matrix", "999999,999998"), "Not found: matrix: 999998, 999999."),
        (("--matrix", "9" * 30), "id: Enter less than"),
        (("res-1,res-2",), "Not found: results: res-1, res-2."),
    ],
)
def test_a_wrong_report_says_what_is_wrong(arguments, problem):
    with pytest.raises(CommandError, match=problem):
        run(*arguments)


def test_one_result_twice_is_no_comparison(results):
    with pytest.raises(CommandError, match="Select at least two results"):
        run(results[0], results[0])


def test_a_file_that_cannot_be_written_says_why(results, tmp_path):
    with pytest.raises(CommandError, match=r"Cannot write .*: No such file or directory"):
        run(results[0], "--output", tmp_path / "none" / "report.html")
