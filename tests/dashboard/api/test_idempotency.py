"""Header Idempotency-Key of the operations that create jobs."""

import uuid

import pytest

from dashboard.api.app import document
from jobs.models import IdempotencyKey, Job
from tests.dashboard.lib.caller import Caller
from tests.factories import make_host, make_job, make_user

WORK = {"kind": "prepare", "params": {"what": "weights"}}
BODY = {**WORK, "host": "this-computer"}


@pytest.fixture
def api():
    make_host("this-computer")
    return Caller(make_user("ada"))


def keyed(api, path, body=None, key="k-1"):
    api.headers = {**api.headers, "Idempotency-Key": key}
    return api.post(path, body)


@pytest.mark.postgresql
def test_a_repeat_gets_the_first_job_as_it_is_now(api):
    """The body is drawn outside of the key's transaction, which holds SQLite's only writer."""
    first, second = keyed(api, "jobs", BODY), keyed(api, "jobs", BODY)

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert IdempotencyKey.objects.get().answer == Job.objects.get().pk
    Job.objects.update(title="another")
    assert keyed(api, "jobs", BODY).json()["title"] == "another"


def test_another_body_or_operation_with_the_same_key_is_refused(api):
    job = keyed(api, "jobs", BODY).json()["id"]

    body = keyed(api, "jobs", {**BODY, "priority": "low"})
    operation = keyed(api, f"jobs/{job}/retry")

    for other in (body, operation):
        assert (other.status_code, other.json()["error"]) == (409, "other_request")
    assert Job.objects.count() == 1


def test_a_refused_launch_leaves_its_key(api):
    refused = keyed(api, "jobs", {**BODY, "params": {"what": "nothing"}})

    assert refused.status_code == 422
    assert keyed(api, "jobs", BODY).status_code == 201


def test_without_a_key_each_request_launches(api):
    assert api.post("jobs", BODY).json()["id"] != api.post("jobs", BODY).json()["id"]


def test_a_long_key_is_refused(api):
    assert keyed(api, "jobs", BODY, key="k" * 256).json()["fields"] == {
        "Idempotency-Key": "At most 255 characters."
    }


@pytest.mark.parametrize("is_pipeline", [False, True])
def test_a_repeated_retry_creates_no_job(api, is_pipeline):
    old = make_job(state="failed", chain=uuid.uuid4(), **WORK)
    path = f"pipelines/{old.chain}/retry" if is_pipeline else f"jobs/{old.pk}/retry"

    first, second = keyed(api, path), keyed(api, path)

    assert (first.status_code, second.json()) == (201, first.json())
    assert Job.objects.filter(repeats=old).count() == 1


def test_every_operation_that_creates_jobs_has_the_header():
    created = {
        one["operationId"]: {each["name"] for each in one.get("parameters", ())}
        for path in document()["paths"].values()
        for one in path.values()
        if {"Jobs", "Pipelines", "Matrices"} & {*one["tags"]}
        and "201" in map(str, one["responses"])
    }

    assert len(created) == 8
    assert all("Idempotency-Key" in names for names in created.values()), created
