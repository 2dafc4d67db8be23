"""Pipelines and matrices over the API: read, launch, cancel, retry."""

import pytest

from jobs.base.messages import Message
from jobs.models import AuditEntry, Job, Matrix
from jobs.schedule import lifecycle
from jobs.tools.vacc.site import GUIDE_FACTS
from tests.factories import make_deployment, make_host, make_job, make_measured, make_result


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

    about = [pipeline[name] for name in ("id", "model", "state", "done")]
    assert about == [str(chain), "deepseek-r1", "running", 1]
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
    assert api.get(f"jobs/{first.pk}").json()["pipeline"] == pipeline["id"]


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


@pytest.mark.postgresql
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

    again = api.post(f"pipelines/{chain}/retry")

    assert (again.status_code, again.json()["error"]) == (422, "launch")


def test_more_jobs_cost_few_more_questions(api, chain, django_assert_max_num_queries):
    make_chain(chain, api.user, "succeeded", "running", *["queued"] * 6)
    api.get(f"pipelines/{chain}")

    with django_assert_max_num_queries(24):
        api.get(f"pipelines/{chain}")


SERVED = {"engine": "vllm", "stack": "guide", "container": "vllm-1", "max_total": 65536}
SERVED["tokenizer"] = "/t"


@pytest.fixture
def body():
    host = make_host(type="vacc", facts=dict(GUIDE_FACTS))
    job = make_job(state="succeeded", host=host, kind="deploy-vllm")
    deployment = make_deployment(job=job, model_id="deepseek-r1", details=SERVED)
    return {
        "host": host.name,
        "kind": "benchmark-online",
        "params": {"deployment": str(deployment.pk), "dataset": "random", "prefix_tokens": 0},
        "input_tokens": [128, 65536],
        "output_tokens": [64],
        "concurrency": [1, 4],
    }


def end(job_id, state="succeeded"):
    lifecycle.finish_job(job_id, state, message=Message("done"))
    if state == "succeeded":
        make_measured(job=Job.objects.get(pk=job_id), points=[(1, {"output_tokens_per_s": 9.5})])


def test_a_preview_has_reasons_and_a_launch_answers_with_its_cells(api, body):
    shown = api.post("matrices/preview", body).json()
    assert [bool(cell["skipped"]) for cell in shown["cells"]] == [False, False, True, True]
    assert (shown["runs"], shown["skipped"], shown["expected_s"]) == (2, 2, None)
    assert shown["script"].startswith("#!/usr/bin/env bash")
    assert Matrix.objects.count() == 0
    answer = api.post("matrices", body | {"title": "Night of fp8"})

    assert answer.status_code == 201
    matrix = answer.json()
    assert matrix["title"] == "Night of fp8"
    states = [cell["state"] for cell in matrix["cells"]]
    assert states == ["queued", "queued", "skipped", "skipped"]
    assert "the deployment has" in matrix["cells"][2]["reason"]
    assert api.get("matrices").json()["matrices"][0]["id"] == matrix["id"]
    assert api.get(f"matrices/{matrix['id']}").json() == matrix
    assert len(api.post(f"matrices/{matrix['id']}/cancel").json()["cancelled"]) == 2
    assert api.post(f"matrices/{matrix['id']}/cancel").status_code == 409


def test_a_failed_cell_has_its_cause_and_is_resumed(api, body):
    matrix = api.post("matrices", body).json()
    first, second = (cell["runs"][0]["job"] for cell in matrix["cells"][:2])
    end(first)
    end(second, "failed")

    shown = api.get(f"matrices/{matrix['id']}").json()
    counts = {name: count for name, count in shown["counts"].items() if count}
    assert counts == {"done": 1, "failed": 1, "skipped": 2}
    assert shown["cells"][0]["output_tokens_per_s"] == 9.5

    again = api.post(f"matrices/{matrix['id']}/resume")
    assert again.status_code == 201
    (started,) = again.json()["started"]
    assert Job.objects.get(pk=started).repeats_id == second
    assert api.post(f"matrices/{matrix['id']}/resume").status_code == 422


def test_one_measured_cell_gets_more_runs(api, body):
    matrix = api.post("matrices", body).json()
    run = matrix["cells"][0]["runs"][0]
    end(run["job"])

    address = f"matrices/{matrix['id']}/runs/{run['id']}/repeat"
    answer = api.post(address, {"count": 2})

    assert len(answer.json()["started"]) == 2
    assert len(answer.json()["cells"][0]["runs"]) == 3
    assert api.post(f"matrices/{matrix['id']}/runs/999/repeat", {}).status_code == 404
    assert api.post(address, {"count": 99}).status_code == 400


def test_repeats_with_one_key_start_nothing_more(api, body):
    def twice(path, asked, key):
        api.headers = {**api.headers, "Idempotency-Key": key}
        first, second = api.post(path, asked), api.post(path, asked)
        assert (first.status_code, second.status_code) == (201, 201)
        assert second.json() == first.json()
        return first.json()

    matrix = twice("matrices", body, "launch")
    done, bad = (cell["runs"][0] for cell in matrix["cells"][:2])
    end(done["job"])
    end(bad["job"], "failed")
    resumed = twice(f"matrices/{matrix['id']}/resume", None, "resume")
    more = twice(f"matrices/{matrix['id']}/runs/{done['id']}/repeat", {"count": 2}, "run")

    assert (len(resumed["started"]), len(more["started"])) == (1, 2)
    assert (Matrix.objects.count(), Job.objects.filter(state="queued").count()) == (1, 3)


@pytest.mark.parametrize(
    ("fields", "status"), [({"concurrency": [1, 1]}, 422), ({"host": "nowhere"}, 400)]
)
def test_a_wrong_matrix_is_refused_at_its_field(api, body, fields, status):
    answer = api.post("matrices", body | fields)

    assert (answer.status_code, [*answer.json()["fields"]]) == (status, [*fields])
    assert Matrix.objects.count() == 0
