"""Parity over the API: two results, bare counts, errors by field."""

import pytest
from django.urls import reverse

from tests.factories import make_job, make_measured, make_user
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
    job = make_job(kind="evaluate", state="succeeded")
    return f"res-{make_measured(scores=scores, job=job).pk}"


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


def test_sets_of_one_name_without_common_questions_have_no_verdict(reader):
    base, result = answering.make_sets_of_one_name()

    data = reader.get(
        reverse("api-parity"), {"base": f"res-{base.pk}", "id": f"res-{result.pk}"}
    ).json()

    assert (data["verdict"], data["exit_code"]) == ("not_comparable", 4)
    assert data["text"] == "Not comparable"
    assert data["action"] == "Evaluate both with the same version of the same question set."
    assert (data["pooled"], data["sets"], data["plain_mean_points"]) == (None, [], None)
    assert [one["id"] for one in data["warnings"]][-1] == "apart"


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


def test_a_group_of_two_models_is_refused(reader):
    job = make_job(kind="evaluate", state="succeeded")
    other = make_measured(scores=[1, 0], job=job, model_id="r1").pk

    query = {"base": f"{evaluation(1, 0)},res-{other}", "id": evaluation(1, 1)}
    answer = reader.get(reverse("api-parity"), query)

    assert answer.status_code == 400
    assert "are not repeats of one evaluation" in answer.json()["fields"]["base"]
