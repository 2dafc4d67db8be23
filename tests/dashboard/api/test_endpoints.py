"""The API of endpoints."""

import pytest

from jobs.models import Endpoint
from tests.factories import make_endpoint, make_result, permit_source
from tests.jobs.lib.scripted_engine import MODEL, engine

pytestmark = pytest.mark.django_db


def test_an_endpoint_is_added_read_listed_and_checked(lin):
    with engine() as running:
        permit_source(running.url, "endpoint")
        made = lin.post("endpoints", {"name": "H800", "url": running.url, "devices": None})
        row = Endpoint.objects.get()
        checked = lin.post(f"endpoints/{row.pk}/check", {})

    assert made.status_code == 201
    shown = made.json()
    assert (shown["model"], shown["engine"], shown["engine_version"]) == (MODEL, "vllm", "0.9.1")
    assert (shown["answers"], shown["checked_from"], shown["created_by"]) == (
        True,
        "dashboard",
        "lin",
    )
    assert checked.json()["answers"] is True
    assert lin.get(f"endpoints/{row.pk}").json()["id"] == row.pk
    assert [one["id"] for one in lin.get("endpoints").json()["endpoints"]] == [row.pk]


@pytest.mark.parametrize(
    ("change", "field"),
    [({"url": "nowhere"}, "url"), ({"devices": -1}, "devices"), ({"name": ""}, "name")],
)
def test_an_error_is_at_its_field(lin, change, field):
    permit_source("http://10.0.0.5:8000", "endpoint")
    typed = {"name": "H800", "url": "http://10.0.0.5:8000", "model": "m", "device": "d"}

    answer = lin.post("endpoints", {**typed, **change})

    assert answer.status_code == 422
    assert list(answer.json()["fields"]) == [field]


def test_archived_endpoints_are_listed_on_request(lin):
    row = make_endpoint()
    Endpoint.objects.update(archived_at=row.created_at)

    assert lin.get("endpoints").json()["endpoints"] == []
    assert lin.get("endpoints?all=1").json()["endpoints"][0]["archived"] is True


def test_an_unknown_endpoint_is_missing(lin):
    assert lin.get("endpoints/9").status_code == 404
    assert lin.post("endpoints/9/check", {}).status_code == 404


def test_a_result_names_its_endpoint_and_device(lin):
    row = make_endpoint()
    make_result(endpoint=row, run_context={"device": {"text": "8 × H800", "count": 8}})
    make_result()

    found = lin.get(f"results?endpoint={row.pk}").json()["results"]

    assert [(one["endpoint"], one["device"]) for one in found] == [(row.pk, "8 × H800")]
