from pathlib import Path

import pytest

from jobs.queries.parity.entered import ParityError, baseline_of, columns_of
from jobs.queries.parity.statement import of_sides

GUIDE = Path("tests/data/guide/seed.md").read_text()
HEAD = "| dataset | version | metric | mode | {} |\n|---|---|---|---|---|\n"
ROW = "| {} | {} | accuracy | gen | {} |\n"


def table(name, *rows):
    return HEAD.format(name) + "".join(ROW.format(*row) for row in rows)


def notes_of(*tables):
    first, second = columns_of("\n".join(tables))
    return of_sides(first[1], second[1], 1.0, "same")


def test_the_guides_tables_give_the_statement():
    vacc, h800 = columns_of(GUIDE[GUIDE.index("| dataset |") :])

    found = of_sides(h800[1], vacc[1], 1.0, "same")

    assert (vacc[0], h800[0]) == ("DeepSeek-R1-va16-0403-32768", "DeepSeek-R1-h800-32768")
    gap = found.statement.pooled.gap
    assert [round(100 * one, 2) for one in (gap.value, gap.low, gap.high)] == [-0.26, -1.97, 1.44]
    assert round(100 * found.statement.plain, 6) == 0.105
    assert found.notes.names["catalogue"] == ["cluewsc-dev", "cluewsc-test"]


def test_two_columns_of_a_table_are_two_results():
    text = (
        "dataset,version,metric,mode,a,b\n"
        "gsm8k,1d7fe4,accuracy,gen,90.45,90.52\n"
        "math-500,11c4b5,accuracy,gen,-,90.20\n"
    )

    first, second = columns_of(text)
    found = of_sides(first[1], second[1], 1.0, "same")

    assert [one.name for one in found.statement.rows] == ["gsm8k"]
    assert found.notes.names["no_share"] == ["math-500"]


def test_tables_of_one_name_are_one_result_unless_a_set_repeats():
    (one,) = columns_of(table("R1", ("gsm8k", "", 90.45)) + table("R1", ("math-500", "", 90.2)))
    assert one[1].names == ["gsm8k", "math-500"]

    first, second = columns_of("\n".join(table("R1", ("gsm8k", "", x)) for x in (90.45, 90.52)))
    assert (first[0], second[0]) == ("R1", "R1")
    assert second[1].sets["gsm8k"].value == 90.52


def test_a_score_of_another_number_of_questions_is_left_out():
    found = notes_of(
        table("a", ("gsm8k", "1d7fe4", 90.45), ("cluewsc-dev", "5ab83b", 50.0)),
        table("b", ("gsm8k", "1d7fe4", 90.45), ("cluewsc-dev", "5ab83b", 50.0)),
    )

    # No count of 159 questions is 50.00 %.
    assert found.notes.names["unfit"] == ["cluewsc-dev"]
    assert [row.name for row in found.statement.rows] == ["gsm8k"]


def test_an_unknown_set_is_left_out():
    found = notes_of(table("a", ("mine", "", 50.0)), table("b", ("mine", "", 60.0)))

    assert (found.statement, found.notes.names["uncounted"]) == (None, ["mine"])


def test_tables_of_other_prompts_have_no_statement():
    found = notes_of(table("a", ("gsm8k", "1d7fe4", 90.45)), table("b", ("gsm8k", "aaaaaa", 90.45)))

    assert found.notes.names["version"] == ["gsm8k 1d7fe4 / aaaaaa"]
    assert found.statement is None


@pytest.mark.parametrize(
    "text",
    [
        "nothing",
        "| dataset | version | metric | mode | x |",
        HEAD.format("x") + "| avg |  | accuracy | gen | 96.33 |",
        HEAD.format("x") + "| a | b | accuracy | gen | many |",
        HEAD.format("x") + "| a | b |",
    ],
)
def test_another_text_is_no_table(text):
    with pytest.raises(ParityError, match="parity:no_table"):
        columns_of(text)


def test_a_paste_has_a_limit():
    with pytest.raises(ParityError, match="parity:long_table"):
        columns_of("x" * 200_001)


@pytest.mark.parametrize(
    ("first", "second", "index"),
    [
        ("DeepSeek-R1-va16-0403-32768", "DeepSeek-R1-h800-32768", 1),
        ("R1 (H800)", "R1 int8", 0),
        ("R1 int8", "official", 1),
        ("vacc", "fp16", 1),
        ("h800-vacc-tuned", "h800", 1),
        ("R1", "R1", None),
        ("h2048", "R1", None),
        ("H800", "H100", None),
    ],
)
def test_a_baseline_is_told_by_the_name_of_its_column(first, second, index):
    assert baseline_of(first, second) == index
