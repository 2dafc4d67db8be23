"""Matrices over the API: preview, launch, read, resume, cancel, one cell again."""

import pytest

from jobs.base.messages import Message
from jobs.models import Job, Matrix
from jobs.schedule import lifecycle
from jobs.tools.vacc.site import GUIDE_FACTS
from tests.factories import make_deployment, make_host, make_job, make_measured

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]
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


def test_a_preview_has_reasons_and_a_script_and_runs_nothing(api, body):
    answer = api.post("matrices/preview", body).json()

    assert [bool(cell["skipped"]) for cell in answer["cells"]] == [False, False, True, True]
    assert (answer["runs"], answer["skipped"], answer["expected_s"]) == (2, 2, None)
    assert answer["script"].startswith("#!/usr/bin/env bash")
    assert Matrix.objects.count() == 0


def test_a_launch_answers_with_its_cells(api, body):
    answer = api.post("matrices", body)

    assert answer.status_code == 201
    matrix = answer.json()
    assert [cell["state"] for cell in matrix["cells"]] == [
        *("queued", "queued", "skipped", "skipped"),
    ]
    assert "the deployment has" in matrix["cells"][2]["reason"]
    assert api.get("matrices").json()["matrices"][0]["id"] == matrix["id"]
    assert api.get(f"matrices/{matrix['id']}").json() == matrix


def test_a_failed_cell_has_its_cause_and_is_resumed(api, body):
    matrix = api.post("matrices", body).json()
    first, second = (cell["runs"][0]["job"] for cell in matrix["cells"][:2])
    end(first)
    end(second, "failed")

    shown = api.get(f"matrices/{matrix['id']}").json()
    assert shown["counts"] == {
        **{"done": 1, "running": 0, "queued": 0},
        **{"failed": 1, "cancelled": 0, "skipped": 2},
    }
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

    answer = api.post(f"matrices/{matrix['id']}/runs/{run['id']}/repeat", {"count": 2})

    assert len(answer.json()["started"]) == 2
    assert len(answer.json()["cells"][0]["runs"]) == 3
    assert api.post(f"matrices/{matrix['id']}/runs/999/repeat", {}).status_code == 404
    assert api.post(
        f"matrices/{matrix['id']}/runs/{run['id']}/repeat", {"count": 99}
    ).status_code in (
        400,
        422,
    )


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


def test_all_open_jobs_are_cancelled_at_once(api, body):
    matrix = api.post("matrices", body).json()

    answer = api.post(f"matrices/{matrix['id']}/cancel")

    assert len(answer.json()["cancelled"]) == 2
    assert api.post(f"matrices/{matrix['id']}/cancel").status_code == 409


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "prepare"}, "kind"),
        ({"concurrency": [1, 1]}, "concurrency"),
        ({"params": {"deployment": "77"}}, "deployment"),
        ({"host": "nowhere"}, "host"),
    ],
)
def test_a_wrong_matrix_is_refused_at_its_field(api, body, fields, field):
    answer = api.post("matrices", body | fields)

    assert answer.status_code in (400, 422)
    assert field in answer.json()["fields"]
    assert Matrix.objects.count() == 0
