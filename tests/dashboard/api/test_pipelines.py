"""Pipelines over the API: list, cancel the rest, retry."""

import pytest

from jobs.models import AuditEntry, Job
from tests.factories import make_deployment, make_host, make_job, make_result, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


def make_chain(chain, by, *states):
    """Jobs of one pipeline, each after the one before."""
    host, jobs = make_host(), []
    for state in states:
        fields = {"kind": "prepare", "created_by": by, "model_id": "deepseek-r1"}
        job = make_job(host=host, chain=chain, state=state, **fields)
        job.after.set(jobs[-1:])
        jobs.append(job)
    return jobs


def test_a_pipeline_has_its_jobs_with_states_and_waits(api, chain):
    first, second, third = make_chain(chain, api.user, "succeeded", "running", "queued")
    deployment, result = make_deployment(job=first), make_result(job=first)

    pipeline = api.get(f"pipelines/{chain}").json()

    assert (pipeline["id"], pipeline["model"], pipeline["state"]) == (
        str(chain),
        "deepseek-r1",
        "running",
    )
    assert pipeline["done"] == 1
    assert [(job["id"], job["state"], job["after"]) for job in pipeline["jobs"]] == [
        (first.pk, "succeeded", []),
        (second.pk, "running", [first.pk]),
        (third.pk, "queued", [second.pk]),
    ]
    waits = [job["waits"] for job in pipeline["jobs"]]
    assert waits[:2] == [None, None]
    assert waits[2]["message_id"] == "wait:after"
    assert f"job {second.pk}" in waits[2]["message"]
    assert pipeline["jobs"][0]["deployment"] == deployment.pk
    assert pipeline["jobs"][0]["result"] == f"res-{result.pk}"
    assert api.get(f"jobs/{first.pk}").json()["chain"] == pipeline["id"]


@pytest.mark.parametrize(
    ("states", "state"),
    [
        (("succeeded", "succeeded"), "succeeded"),
        (("succeeded", "queued"), "running"),
        (("failed", "cancelled"), "failed"),
        (("lost", "cancelled"), "lost"),
        (("succeeded", "cancelled"), "cancelled"),
    ],
)
def test_its_state_is_that_of_the_whole(api, chain, states, state):
    make_chain(chain, api.user, *states)

    assert api.get(f"pipelines/{chain}").json()["state"] == state


def test_the_rest_is_cancelled(api, chain):
    jobs = make_chain(chain, api.user, "succeeded", "running", "queued")

    answer = api.post(f"pipelines/{chain}/cancel")

    assert answer.status_code == 200
    assert answer.json()["cancelled"] == [jobs[1].pk, jobs[2].pk]
    assert [job["state"] for job in answer.json()["jobs"]] == ["succeeded", "running", "cancelled"]
    assert Job.objects.get(pk=jobs[1].pk).cancelled_by == api.user
    entries = AuditEntry.objects.filter(action="job.cancel", detail__pipeline=str(chain))
    assert {entry.subject for entry in entries} == {f"job {jobs[1].pk}", f"job {jobs[2].pk}"}

    again = api.post(f"pipelines/{chain}/cancel")

    assert (again.status_code, again.json()["error"]) == (409, "finished")


def test_jobs_of_others_are_not_cancelled_and_then_none_is(api, chain):
    mine, other = make_chain(chain, api.user, "queued", "queued")
    Job.objects.filter(pk=other.pk).update(created_by=make_user("lin"))

    answer = api.post(f"pipelines/{chain}/cancel")

    assert (answer.status_code, answer.json()["error"]) == (403, "forbidden")
    assert set(Job.objects.values_list("state", flat=True)) == {"queued"}
    assert mine.state == "queued"


def test_it_is_started_again_from_where_it_broke(api, chain):
    done, failed, waited = make_chain(chain, api.user, "succeeded", "failed", "cancelled")

    answer = api.post(f"pipelines/{chain}/retry")

    assert answer.status_code == 201
    pipeline = answer.json()
    new = list(Job.objects.filter(repeats__in=[failed, waited]).order_by("pk"))
    assert pipeline["started"] == [job.pk for job in new]
    assert [job["id"] for job in pipeline["jobs"]] == [done.pk, *pipeline["started"]]
    assert pipeline["jobs"][1]["earlier"] == [failed.pk]
    assert AuditEntry.objects.filter(action="job.repeat").count() == 2


def test_what_cannot_be_started_again_says_why(api, chain):
    make_chain(chain, api.user, "succeeded")

    answer = api.post(f"pipelines/{chain}/retry")

    assert (answer.status_code, answer.json()["error"]) == (422, "launch")
    assert answer.json()["message"] == "No job of the pipeline failed or was cancelled."


@pytest.mark.parametrize("more", ["", "/cancel", "/retry"])
def test_an_unknown_pipeline_is_missing(api, chain, more):
    address = f"pipelines/{chain}{more}"
    answer = api.post(address) if more else api.get(address)

    assert (answer.status_code, answer.json()["error"]) == (404, "missing")


def test_more_jobs_cost_few_more_questions(api, chain, django_assert_max_num_queries):
    make_chain(chain, api.user, "succeeded", "running", *["queued"] * 6)
    api.get(f"pipelines/{chain}")

    with django_assert_max_num_queries(24):
        api.get(f"pipelines/{chain}")
