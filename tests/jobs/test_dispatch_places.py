"""Two jobs that write one place never run together; the second says which one it waits for."""

import pytest

from dashboard.sentences import sentence
from jobs import dispatch, hostqueue
from jobs.launch import launch
from jobs.models import Job
from jobs.plans import from_json
from jobs.queries.forecast import forecasts
from jobs.queries.room import line_of, room_of, waiter_of
from jobs.toolchains.vacc_site import GUIDE_FACTS
from tests.factories import make_deployment, make_host, make_job, make_plan, make_weights

pytestmark = pytest.mark.django_db

FOLDER = "/nfs/workspace/vacc_deploy/qwen-int8"


@pytest.fixture(autouse=True)
def sent(monkeypatch):
    monkeypatch.setattr(hostqueue, "send_start", lambda host, job: None)


@pytest.fixture
def host():
    return make_host("va16-01", facts=dict(GUIDE_FACTS), slots=8)


def artifact_at(path):
    return {"type": "artifact", "path": path}


def job_at(host, path, **fields):
    return make_job(host=host, product=artifact_at(path), **fields)


def started():
    return set(Job.objects.filter(state="starting").values_list("pk", flat=True))


def why(job):
    return dispatch.why_waiting(Job.objects.select_related("host").get(pk=job.pk))


def finish(job):
    Job.objects.filter(pk=job.pk).update(state="failed", finished_at=job.created_at)


def test_the_same_compile_launched_twice_runs_once_after_the_other(host):
    weights = make_weights(
        host=host,
        model_id="deepseek-r1-distill-llama-8b",
        path="/nfs/workspace/weights/llama",
        precision="bf16",
    )
    raw = {"weights": str(weights.pk), "precision": "int8"}
    first = launch("compile-vacc", raw, host=host, user=None)
    second = launch("compile-vacc", raw, host=host, user=None)
    elsewhere = launch("compile-vacc", {**raw, "name": "other"}, host=host, user=None)
    Job.objects.update(plan=make_plan().to_json())  # nothing to look for beforehand

    dispatch.look()

    assert started() == {first.pk, elsewhere.pk}
    told = why(second)
    assert (told.id, told.args["job"]) == ("wait:place", first.pk)
    words = sentence(told.id, told.args)
    assert f"Job {first.pk}" in words
    assert str(first.product["path"]) in words

    finish(first)
    dispatch.look()

    assert second.pk in started()


@pytest.mark.parametrize(
    ("other", "is_one"),
    [
        (FOLDER, True),
        (f"{FOLDER}/tokenizer", True),
        ("/nfs/workspace/vacc_deploy", True),
        (f"{FOLDER}-2", False),
        ("/nfs/workspace/weights", False),
    ],
)
def test_a_folder_and_what_lies_in_it_are_one_place(host, other, is_one):
    job_at(host, FOLDER, state="running")
    job = job_at(host, other)

    dispatch.look()

    assert (job.pk not in started()) is is_one


def test_the_same_place_on_two_hosts_is_two_places(host):
    job_at(host, FOLDER, state="running")
    job = job_at(make_host(), FOLDER)

    dispatch.look()

    assert started() == {job.pk}


def test_what_a_plan_writes_besides_counts_too(host):
    plan = make_plan(writes=("/nfs/workspace/opencompass",))
    make_job(host=host, plan=plan, state="running")
    job = job_at(host, "/nfs/workspace/opencompass/data")

    dispatch.look()

    assert why(job).id == "wait:place"
    assert from_json(plan.to_json()) == plan
    assert plan.to_json()["schema"] == 1  # an older host runs it as well


def test_a_waiting_job_knows_its_places_however_it_is_read(host):
    job = make_job(host=host, plan=make_plan(writes=("/x",)), product=artifact_at(FOLDER))

    (of_row,) = line_of(host)

    assert of_row.places == waiter_of(job).places == (FOLDER, "/x")
    Job.objects.update(state="running")
    assert room_of(host).guests[0].places == (FOLDER, "/x")


def test_nothing_is_kept_for_a_job_that_waits_for_a_place(host):
    job_at(host, FOLDER, state="running")
    blocked = job_at(host, FOLDER, plan=make_plan(dies=32))
    behind = make_job(host=host, plan=make_plan(dies=1))

    dispatch.look()

    assert started() == {behind.pk}
    assert why(blocked).id == "wait:place"


def test_a_job_that_waits_for_a_place_is_forecast_behind_the_one_that_writes_it(host):
    job_at(host, FOLDER, state="running", title="qwen")
    second = job_at(host, FOLDER, title="qwen")

    told = forecasts([second])[second.pk]

    assert told.starts_in_s is None
    assert told.remark.id == "forecast:no_end"


def test_servers_write_no_place(host):
    served = {"type": "deployment", "name": "qwen", "details": {"path": FOLDER}}
    make_deployment(job=make_job(host=host, state="succeeded", product=served))
    make_job(host=host, product=served, state="running")
    job = make_job(host=host, product=served)

    dispatch.look()

    assert started() == {job.pk}
