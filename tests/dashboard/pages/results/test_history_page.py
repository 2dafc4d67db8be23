"""History page: periods in words, chart, CSV, and the ways to it."""

import csv
import io

import pytest
from django.urls import reverse

from dashboard.charts import history as chart
from jobs.models import Result
from jobs.queries.comparison.history import history
from tests.comparing import OTHER, text_of
from tests.factories import make_user
from tests.measuring import measured, served

pytestmark = pytest.mark.django_db


@pytest.fixture
def moved(host):
    """Three runs, then three slower ones with another argument."""
    for rate in (100, 101, 99):
        measured(served(host), points=((1, rate),))
    for rate in (80, 81, 79):
        last = measured(served(host, OTHER), points=((1, rate),))
    return last


def get(client, result, query=""):
    client.force_login(make_user("reader"))
    response = client.get(reverse("result-history", args=[result.pk]) + query)
    assert response.status_code == 200
    return response.content.decode("utf-8-sig")


def test_a_period_says_what_changed_and_by_how_much(client, moved):
    text = text_of(get(client, moved))

    assert "--flash-attention : not recorded → yes" in text
    assert "−20.0 %" in text and "worse vs period 1" in text


def test_the_csv_has_a_line_a_run_with_its_period(client, moved):
    rows = list(csv.DictReader(io.StringIO(get(client, moved, "?format=csv"))))

    assert [row["period"] for row in rows] == ["1"] * 3 + ["2"] * 3
    assert [float(row["value"]) for row in rows] == [100, 101, 99, 80, 81, 79]
    # With the mark of a text that a spreadsheet would read as a formula.
    assert rows[-1]["changed"] == "'--flash-attention: not recorded -> yes"
    assert float(rows[-1]["change"]) == pytest.approx(-0.2, abs=0.001)
    assert rows[-1]["job"] == str(moved.job_id)


def test_marks_of_the_chart_are_numbered_as_the_table(moved):
    figure = chart.figure(history(moved.pk)).checked()

    (mark,) = figure.layout.annotations
    assert (mark.text, mark.font.color) == ("2", "var(--bad)")
    assert figure.layout.shapes[0].x0 == figure.data[0].x[3]
    assert figure.data[1].y == (100, 80)


def test_dots_that_do_not_count_are_hollow(moved):
    Result.objects.filter(pk=moved.pk).update(disturbed=True)

    assert chart.figure(history(moved.pk)).checked().data[0].marker.symbol[-1] == "circle-open"


def test_dots_open_their_point(moved):
    address = reverse("result-point", args=[moved.pk, 1])

    assert chart.figure(history(moved.pk)).checked().data[0].customdata[-1] == address


def test_result_and_identities_link_to_the_history(client, moved):
    address = reverse("result-history", args=[moved.pk])
    client.force_login(make_user("reader"))

    for page in (reverse("result-detail", args=[moved.pk]), "/results/?group=identity"):
        assert address in client.get(page).content.decode()


def test_an_unknown_metric_or_concurrency_is_no_error(client, moved):
    assert "concurrency 1" in get(client, moved, "?metric=x&concurrency=99999999999999999999")


def test_a_missing_result_has_no_history(client):
    client.force_login(make_user("reader"))

    assert client.get(reverse("result-history", args=[99])).status_code == 404
