"""Two results of different questions under one short name, at every place that compares them."""

import json
import re

import pytest
from django.urls import reverse

from tests.dashboard.lib.streams import content_of
from tests.factories import make_user
from tests.jobs.lib import answering

pytestmark = pytest.mark.django_db
VERDICT = re.compile(r"\b(Better|Worse|Equivalent|Not worse|Cannot tell)\b")


@pytest.fixture
def sides():
    """Numbers of both."""
    return [f"res-{result.pk}" for result in answering.make_sets_of_one_name()]


@pytest.fixture
def ask(client, sides):
    """A function that opens the address of this name with both sides; the text of its answer."""
    client.force_login(make_user("vi", role="viewer"))

    def open_it(name, **more):
        of_two = {"base": sides[0], "id": sides[1]}
        query = of_two if "parity" in name else {"id": sides}
        answer = client.get(reverse(name), {**query, **more})
        assert answer.status_code == 200
        return content_of(answer).decode()

    return open_it


def test_the_api_has_no_verdict_and_no_number(ask):
    answer = json.loads(ask("api-parity"))

    assert (answer["verdict"], answer["exit_code"]) == ("not_comparable", 4)
    assert (answer["pooled"], answer["sets"]) == (None, [])
    assert answer["action"].startswith("Evaluate both with the same version")


def test_of_several_results_it_alone_has_no_verdict(ask, sides):
    again = answering.evaluation(answering.answers(wrong={1}), questions="basics")

    first, second = json.loads(ask("api-parity-candidates", id=f"{sides[1]};res-{again.pk}"))[
        "candidates"
    ]

    assert (first["verdict"], first["p"]) == ("not_comparable", None)
    assert second["verdict"] == "better"


@pytest.mark.parametrize("format", ["html", "md", "csv"])
def test_the_report_of_parity_says_so(ask, format):
    text = ask("report-parity", format=format)

    assert ": not comparable" in text
    assert not VERDICT.search(text)


@pytest.mark.parametrize("name", ["result-compare", "report-comparison"])
def test_a_comparison_has_no_difference_of_accuracies(ask, name):
    text = ask(name)

    assert "Not comparable" in text
    assert not re.search(r"[+−]\d+\.\d+ pt", text)
    assert not VERDICT.search(text)
