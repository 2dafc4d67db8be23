"""Parity over the API: two results, bare counts, errors by field."""

import pytest
from django.urls import reverse

from tests.factories import make_evaluation, make_measured, make_user
from tests.jobs.lib import answering

pytestmark = pytest.mark.django_db

COUNTS = {"base_counts": "154/159,933/976", "counts": "155/159,929/976", "margin": "1"}


@pytest.fixture
def reader(client):
    client.force_login(make_user("vi", role="viewer"))
    return client


def post(client, body):
    return client.post(reverse("api-parity"), body, content_type="application/json")


def evaluation(*scores):
    return f"res-{make_evaluation(scores).pk}"


def test_counts_have_a_statement(reader):
    data = post(reader, COUNTS).json()

    assert data["verdict"] == "cannot_tell"
    assert round(data["pooled"]["difference_points"], 2) == -0.26
    assert data["means_disagree"] is True


def test_two_results_have_a_statement(reader):
    query = {"base": evaluation(1, 1, 1, 0), "id": evaluation(1, 0, 0, 0)}

    data = reader.get(reverse("api-parity"), query).json()

    assert data["base"]["results"] == [query["base"]]
    assert (data["pooled"]["regressed"], data["pooled"]["fixed"]) == (2, 0)
    assert data["pooled"]["result"]["accuracy"] == 0.25


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"base_counts": "1/2"}, "counts"),
        ({"base_counts": "1/2", "counts": "3/2"}, "counts"),
        ({"base_counts": "x", "counts": "1/2"}, "base_counts"),
        ({**COUNTS, "margin": "x"}, "margin"),
        ({**COUNTS, "sets": "a"}, "sets"),
        ({**COUNTS, "planned": "3"}, "planned"),
    ],
)
def test_wrong_counts_are_named(reader, body, field):
    answer = post(reader, body)

    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == [field]


def test_a_missing_result_is_404(reader):
    answer = reader.get(reverse("api-parity"), {"base": "res-999998", "id": "res-999999"})

    assert answer.status_code == 404


def test_a_result_is_not_compared_with_itself(reader):
    one = evaluation(1, 0)

    answer = reader.get(reverse("api-parity"), {"base": one, "id": one})

    assert answer.status_code == 400
    assert "is on both sides" in answer.json()["fields"]["id"]


def test_a_benchmark_has_no_accuracy(reader):
    benchmark = f"res-{make_measured(points=[(1, {'output_tokens_per_s': 5.0})]).pk}"

    answer = reader.get(reverse("api-parity"), {"base": evaluation(1, 0), "id": benchmark})

    assert answer.status_code == 400
    assert "is a benchmark" in answer.json()["fields"]["id"]


def test_a_set_has_name_version_and_checksum(reader):
    sides = [
        answering.evaluation(answering.answers(wrong={n}), questions="ours@0123456789ab")
        for n in (1, 3)
    ]

    query = {"base": f"res-{sides[0].pk}", "id": f"res-{sides[1].pk}"}
    rows = reader.get(reverse("api-parity"), query).json()["sets"]

    assert [row["name"] for row in rows] == [
        f"ours@0123456789ab/short_{language}" for language in ("en", "zh")
    ]
    assert {row["version"] for row in rows} == {"0123456789ab"}
    assert len({row["questions_sha256"] for row in rows}) == 2
