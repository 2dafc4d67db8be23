"""Matrices side by side: the same cells, their ratio, what a side lacks, what differs."""

import pytest
from django.urls import reverse

from dashboard.pages.jobs.matrix_compare import shown
from jobs.models import Matrix, Result
from jobs.queries.matrices import matrix_page
from jobs.queries.matrices_compared import compare_matrices
from tests.comparing import rows_of
from tests.dashboard.lib.page_text import text_of
from tests.factories import make_cell, make_host
from tests.measuring import measured, served

pytestmark = pytest.mark.django_db


def make_matrix(rates, name="va16-01", **params):
    """A row of cells at concurrency 1, 2, 4 …, each with its rates; none: skipped."""
    host = make_host(name)
    matrix = Matrix.objects.create(title=f"r1 on {name}", host=host, kind="x", spec={})
    deployment = served(host)
    for column, own in enumerate(rates):
        if not own:
            make_cell(matrix, column, None)
        for repeat, rate in enumerate(own, 1):
            points = ((2**column, rate),)
            run = measured(deployment, points=points, input_tokens=1024, **params)
            make_cell(matrix, column, run.job, repeat=repeat)
    return matrix


def against(*matrices):
    (found,) = compare_matrices([matrix_page(one.pk) for one in matrices]).against
    return [(pair.base, pair.other, pair.change) for pair in found.pairs.values()], found.ratio


@pytest.fixture
def both(db):
    base = make_matrix([(50.0, 51.0, 49.0), (90.0,), (120.0,)])
    return base, make_matrix([(100.0, 102.0, 98.0), (99.0,), (), (7.0,)], "va16-02")


def test_cells_of_one_place_have_a_ratio_with_the_interval_of_their_runs(both):
    (first, second, third, fourth), ratio = against(*both)

    change = first[2]
    assert (change.verdict, change.relative) == ("better", pytest.approx(1.0))
    assert change.low < 1.0 < change.high
    change = second[2]  # one run of each
    assert (change.verdict, change.relative) == ("cannot_tell", pytest.approx(0.1))
    assert change.low is None
    assert (third[1].state, third[2]) == ("skipped", None)
    assert (fourth[0], fourth[2]) == (None, None)
    assert ratio == pytest.approx((2.0 * 1.1) ** 0.5 - 1)


def test_cells_of_other_work_have_no_ratio(both):
    other = make_matrix([(100.0,)], "va16-03", output_tokens=64)

    pairs, ratio = against(both[0], other)

    assert (pairs[0][2].verdict, pairs[0][2].relative, ratio) == ("not_comparable", None, None)


def page(client, *matrices, **query):
    fields = {"matrix": [one.pk for one in matrices], **query}
    return client.get(reverse("matrix-compare"), fields)


def test_the_page_says_the_verdict_what_differs_and_what_is_missing(client, lin, both):
    answer = page(client, *both)
    text = text_of(answer)

    assert (
        "r1 on va16-02 vs r1 on va16-01: output tokens/s +48.3 % in the geometric mean of 2 common "
        "cells (least +10.0 %, most +100.0 %), 1 better, 1 with too few runs"
    ) in text
    assert text.index("va16-02 Set as baseline") < text.index("50.0 → 100")
    assert "+10.0 % too few runs 90.0 → 99.0" in text
    assert "– 120 → skipped" in text and "– – → 7.00" in text
    assert "r1 on va16-01: not in this matrix: 1024 → 256 @ 8" in text
    assert "r1 on va16-02: skipped: Max concurrency of the engine is 8" in text
    query = "id={}&amp;id={}&amp;language".format(*(one.pk for one in both))
    assert f"{reverse('report-matrices')}?{query}" in answer.text


@pytest.mark.parametrize(
    ("titles", "names"),
    [
        (("r1 on a", "r1 on b"), ["r1 on a", "r1 on b"]),
        (
            ("DeepSeek-R1-Qwen-32B-int8-tp4-1024-2048", "DeepSeek-R1-Qwen-32B-fp16-tp8-1024-2048"),
            ["int8-tp4", "fp16-tp8"],
        ),
        ((" ".join(["one long title"] * 4),) * 2, ["Matrix {}"] * 2),
        (
            ("DeepSeek-R1-Distill-Qwen-32B-int8-16", "DeepSeek-R1-Distill-Qwen-32B-int8-32"),
            ["DeepSeek-R1-Dist…wen-32B-int8-16", "DeepSeek-R1-Dist…wen-32B-int8-32"],
        ),
    ],
)
def test_long_titles_are_named_by_what_differs(both, titles, names):
    Matrix.objects.filter(pk=both[0].pk).update(title=titles[0])
    Matrix.objects.filter(pk=both[1].pk).update(title=titles[1])

    found = shown([matrix_page(one.pk) for one in both])

    assert found.names == [name.format(one.pk) for name, one in zip(names, both, strict=True)]
    full = [cell.text for cell in found.differences.rows[0][1:]]
    assert (full == [*titles]) == (titles[0] != titles[1] and names != [*titles])


def test_the_title_has_each_matrix_and_a_reason_is_said_once(both):
    third = make_matrix([(50.0, 51.0, 49.0), (90.0,), (), (7.0,)], "va16-03")

    found = shown([matrix_page(one.pk) for one in (*both, third)], ["a", "b", "c"])

    assert found.title == "Output tokens/s vs a: b +48.3 %, c 0.0 %"
    assert [text.partition(":")[0] for text in found.missing] == ["a", "b, c"]


def test_runs_without_intervals_are_said_once(both):
    base, other = (make_matrix([(50.0,), (rate,)], f"h{rate}") for rate in (90.0, 99.0))

    (table,) = shown([matrix_page(one.pk) for one in (base, other)]).tables

    assert [cell.interval for cell in table.rows[0][1:]] == ["", ""]
    assert "Too few runs for intervals: each cell needs three on both sides." in table.notes


def test_the_unit_is_chosen_for_both(client, lin, both):
    for matrix, dies in zip(both, (["0"], ["0", "1", "2", "3"]), strict=True):
        Result.objects.filter(host=matrix.host).update(run_context={"dies": dies})

    text = text_of(page(client, *both, per="die"))

    assert "output tokens/s per die −62.9 % in the geometric mean of 2 common cells" in text
    assert "50.0 → 25.0" in text


def test_matrices_are_chosen_in_the_list(client, lin, both):
    one = client.get(reverse("matrix-detail", args=[both[0].pk])).text
    address = f"{reverse('matrix-list')}?matrix={both[0].pk}"
    assert f'href="{address}"' in one
    assert "<h1>2 matrices</h1>" in client.get(address).text

    for answer in (client.get(address), page(client, both[0])):
        assert (
            f'value="{both[0].pk}" aria-label="Select matrix {both[0].pk}" checked' in answer.text
        )
    assert "Select two to 8 matrices." in answer.text
    assert page(client, both[0], both[1], matrix=[both[0].pk, 10**9]).status_code == 404


def test_the_report_has_the_cells_of_the_page_under_own_names(client, lin, both):
    fields = {"id": [one.pk for one in both], "names": ["VACC", "H800"], "format": "csv"}

    lines = rows_of(client.get(reverse("report-matrices"), fields))

    assert lines[0]["text"].startswith("H800 vs VACC: output tokens/s +48.3 %")
    (cell,) = [one for one in lines if (one["row"], one["column"]) == ("1024 → 256", "1")]
    assert (cell["part"], cell["unit"]) == ("H800 vs VACC", "share of base")
    assert float(cell["value"]) == pytest.approx(1.0)
    assert cell["note"] == "50.0 → 100"
    assert 0 < float(cell["low"]) < 1 < float(cell["high"])
