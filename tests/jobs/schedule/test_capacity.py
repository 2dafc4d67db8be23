"""Jobs that write one place, and benchmarks of one host, do not run together unasked."""

from functools import partial

import pytest
from django.utils.timezone import now

from dashboard.text.messages import message
from jobs.base.errors import LaunchError
from jobs.launch.launch import launch
from jobs.models import Deployment, Job
from jobs.plans import Step
from jobs.schedule import dispatch
from jobs.schedule.capacity import capacity_of, queued_job_of, startable_jobs
from jobs.schedule.deployments import restart_deployment
from jobs.schedule.forecast import forecast_drafts, forecasts
from jobs.tools.vacc.site import GUIDE_FACTS
from tests.factories import (
    make_artifact,
    make_deployment,
    make_host,
    make_job,
    make_plan,
    make_weights,
)
from tests.jobs.lib.queued import dispatched, wait_of, why

FOLDER = "/nfs/workspace/vacc_deploy/qwen-int8"


@pytest.fixture
def host():
    return make_host("va16-01", facts=dict(GUIDE_FACTS), slots=8)


def artifact_at(path):
    return {"type": "artifact", "path": path}


def job_at(host, path, **fields):
    return make_job(host=host, product=artifact_at(path), **fields)


def server_of(path):
    """The product of a job that deploys from ``path``."""
    return {"type": "deployment", "name": "qwen", "details": {"path": path}}


def live(host, path, state="ready", **fields):
    job = make_job(host=host, state="succeeded", product=server_of(path))
    return make_deployment(job=job, name="qwen", state=state, details={"path": path}, **fields)


def finish(job):
    Job.objects.filter(pk=job.pk).update(state="failed", finished_at=job.created_at)


def test_the_same_compile_launched_twice_runs_twice_in_turn(host):
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

    assert dispatched() == {first.pk, elsewhere.pk}
    reason = wait_of(second)
    assert (reason.id, reason.args["job"]) == ("wait:place", first.pk)
    text = message(reason.id, reason.args)
    assert f"Job {first.pk}" in text
    assert str(first.product["path"]) in text

    finish(first)
    assert second.pk in dispatched()


@pytest.mark.parametrize("there", [partial(job_at, state="running"), live])
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
def test_a_folder_and_its_contents_are_one_place(host, there, other, is_one):
    there(host, FOLDER)
    job = job_at(host, other)

    assert (job.pk not in dispatched()) is is_one


def deploys(host, **fields):
    return make_job(host=host, product=server_of(FOLDER), title="qwen", **fields)


@pytest.mark.parametrize(
    ("there", "job"),
    [
        (lambda _host: job_at(make_host(), FOLDER, state="running"), partial(job_at, path=FOLDER)),
        (lambda _host: live(make_host(), FOLDER), partial(job_at, path=FOLDER)),
        # Servers read a place together, and write none.
        (partial(live, path=FOLDER), deploys),
        (partial(deploys, state="running"), deploys),
    ],
)
def test_other_hosts_and_readers_are_no_conflict(host, there, job):
    there(host)
    starts = job(host)

    assert dispatched() == {starts.pk}


def test_what_a_plan_writes_besides_counts_too(host):
    plan = make_plan(writes=("/nfs/workspace/opencompass",))
    make_job(host=host, plan=plan, state="running")
    job = job_at(host, "/nfs/workspace/opencompass/data")

    dispatch.run()

    assert why(job) == "wait:place"


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("fields", "name", "known"),
    [
        (
            {"plan": make_plan(writes=("/x",)), "product": artifact_at(FOLDER)},
            *("places", (FOLDER, "/x")),
        ),
        ({"product": server_of(FOLDER)}, "reads", (FOLDER,)),
    ],
)
def test_a_job_knows_its_places_however_it_is_read(host, fields, name, known):
    job = make_job(host=host, **fields)
    (of_row,) = startable_jobs(host)
    Job.objects.update(state="running")
    (runs,) = capacity_of(host).running

    assert [getattr(one, name) for one in (of_row, queued_job_of(job), runs)] == [known] * 3


def test_nothing_is_kept_for_a_job_that_waits_for_a_place(host):
    job_at(host, FOLDER, state="running")
    blocked = job_at(host, FOLDER, plan=make_plan(dies=32))
    behind = make_job(host=host, plan=make_plan(dies=1))

    assert dispatched() == {behind.pk}
    assert why(blocked) == "wait:place"


def test_a_forecast_follows_the_writer_of_the_place(host):
    job_at(host, FOLDER, state="running", title="qwen")
    second = job_at(host, FOLDER, title="qwen")

    forecast = forecasts([second])[second.pk]

    assert forecast.starts_in_s is None
    assert forecast.message.id == "forecast:no_end"


@pytest.mark.parametrize("state", ["loading", "ready", "unhealthy", "stopping"])
def test_a_place_in_use_is_not_written(host, state):
    server = live(host, FOLDER, state)
    job = job_at(host, FOLDER, title="qwen")
    behind = make_job(host=host)

    assert dispatched() == {behind.pk}
    reason = wait_of(job)
    text = message(reason.id, reason.args)
    assert reason.id == "wait:place_served"
    assert FOLDER in text
    assert "Stop: qwen (port 20000)." in text

    Deployment.objects.filter(pk=server.pk).update(state="stopped")
    assert job.pk in dispatched()


def test_an_artifact_that_is_a_file_is_read_too(host):
    artifact = make_artifact(host=host, path="/data/artifacts/qwen.gguf")
    make_deployment(host=host, artifact=artifact)
    job = job_at(host, "/data/artifacts/qwen.gguf")

    dispatch.run()

    assert why(job) == "wait:place_served"


def test_what_a_deployment_is_starting_from_is_not_written(host):
    first = deploys(host, state="starting")
    job = job_at(host, FOLDER)

    dispatch.run()

    reason = wait_of(job)
    assert (reason.id, reason.args["job"]) == ("wait:place_starting", first.pk)
    assert f"Job {first.pk}" in message(reason.id, reason.args)


def test_a_place_needed_ahead_is_not_written(host):
    first = deploys(host, plan=make_plan(dies=999))
    job = job_at(host, FOLDER)

    assert dispatched() == set()
    reason = wait_of(job)
    assert (reason.id, reason.args["job"]) == ("wait:place_ahead", first.pk)
    assert "Cancel that job, or move this one ahead" in message(reason.id, reason.args)
    when = forecasts([job])[job.pk]
    assert (when.message.id, when.waits_for_person) == ("forecast:place_ahead", True)

    Job.objects.filter(pk=job.pk).update(priority=0)
    assert dispatched() == {job.pk}


def test_a_later_deployment_does_not_hold_up_a_compile(host):
    compiles = job_at(host, FOLDER)
    later = deploys(host, place=0)
    later.after.add(compiles)

    assert dispatched() == {compiles.pk}


def test_a_deployment_starts_when_its_folder_is_written(host):
    writes = job_at(host, FOLDER, state="running", title="int8")
    job = deploys(host)

    dispatch.run()

    reason = wait_of(job)
    assert (reason.id, reason.args["job"]) == ("wait:place_written", writes.pk)
    finish(writes)
    assert job.pk in dispatched()


def test_a_restart_waits_for_writers_of_its_folder(host):
    server = live(host, FOLDER, "stopped")
    writes = job_at(host, FOLDER, state="running", title="int8")

    with pytest.raises(LaunchError, match=rf"job #{writes.pk} \(int8\) writes {FOLDER}"):
        restart_deployment(server.pk, None)

    finish(writes)
    assert restart_deployment(server.pk, None) == 2


def test_a_form_names_the_deployment_reading_its_folder(host):
    live(host, FOLDER)
    draft = Job(host=host, product=server_of(FOLDER) | {"type": "artifact", "path": FOLDER})

    (forecast,) = forecast_drafts(host, [draft])

    text = message(forecast.message.id, forecast.message.args)
    assert forecast.starts_in_s is None
    assert f"uses {FOLDER}, the folder that this job writes to. Stop: qwen" in text


PLAN = make_plan(steps=(Step("only", ("true",)),))
MAY = {"overlap": True}


@pytest.fixture
def roomy_host():
    return make_host("va16-01", slots=9, facts={"dies": [{"id": n} for n in range(4)]})


@pytest.fixture
def served(roomy_host):
    return make_deployment(job=make_job(host=roomy_host, state="succeeded"))


def benchmark(deployment, kind="benchmark-online", **fields):
    inputs = {"deployment": {"id": deployment.pk}}
    return make_job(
        **{"host": deployment.host, "kind": kind, "plan": PLAN, "inputs": inputs, **fields}
    )


def offline(roomy_host, kind="benchmark-throughput", **fields):
    return make_job(**{"host": roomy_host, "kind": kind, "plan": PLAN, **fields})


def test_benchmarks_of_one_deployment_run_one_after_the_other(served):
    first = benchmark(served, kind="benchmark")  # of another tool
    others = [benchmark(served) for _ in range(3)]

    assert dispatched() == {first.pk}
    reason = wait_of(others[0])
    assert (reason.id, reason.args["job"]) == ("wait:benchmark", first.pk)
    assert f"Benchmark {first.pk} (" in message(reason.id, reason.args)
    Job.objects.filter(pk=first.pk).update(state="succeeded", finished_at=now())
    assert dispatched() == {others[0].pk}


def another(served):
    return make_deployment(job=make_job(host=served.host, state="succeeded"))


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (lambda served: benchmark(another(served)), "wait:benchmark_host"),
        (partial(benchmark, kind="evaluate"), "wait:benchmark"),
        (partial(benchmark, kind="evaluate-evalscope"), "wait:benchmark"),
        (partial(benchmark, kind="evaluate-opencompass"), "wait:benchmark"),
        # By the number of the job that starts the server.
        (
            lambda served: benchmark(served, inputs={"deployment": {"job": served.job_id}}),
            "wait:benchmark",
        ),
    ],
)
def test_a_load_waits_for_the_benchmark_before_it(served, second, reason):
    first, waits = benchmark(served), second(served)

    assert dispatched() == {first.pk}
    assert why(waits) == reason


def test_a_benchmark_waits_for_the_evaluation_of_its_deployment(served):
    benchmark(served, kind="evaluate", state="running")
    job = benchmark(served)

    assert dispatched() == set()
    reason = wait_of(job)
    assert reason.id == "wait:evaluation"
    assert "is using the same deployment" in message(reason.id, reason.args)


def test_a_benchmark_that_may_overlap_runs_beside_an_evaluation(served):
    benchmark(served, kind="evaluate", state="running")
    job, behind = benchmark(served, params=MAY), benchmark(served, kind="evaluate")

    assert dispatched() == {job.pk, behind.pk}


def test_evaluations_run_alongside_other_loads(served):
    asked = [benchmark(served, kind="evaluate") for _ in range(2)]
    measured = benchmark(another(served))

    assert dispatched() == {*(job.pk for job in asked), measured.pk}


@pytest.mark.parametrize(
    ("runs", "waits", "starts"), [(MAY, MAY, True), (MAY, {}, False), ({}, MAY, False)]
)
def test_two_overlap_where_both_may(served, runs, waits, starts):
    benchmark(served, state="running", params=runs)
    job = benchmark(served, params=waits)

    assert (job.pk in dispatched()) is starts


def test_offline_benchmarks_of_one_host_run_one_after_the_other(roomy_host):
    first, second = offline(roomy_host), offline(roomy_host, kind="benchmark-latency")
    elsewhere = offline(make_host())

    assert dispatched() == {first.pk, elsewhere.pk}
    assert why(second) == "wait:benchmark_host"


def test_a_benchmark_that_waits_blocks_no_other_job(roomy_host, served):
    offline(roomy_host, state="running")
    blocked = offline(roomy_host, plan=make_plan(steps=PLAN.steps, dies=4))
    behind = make_job(host=roomy_host, plan=make_plan(steps=PLAN.steps, dies=4))

    assert dispatched() == {behind.pk}
    assert why(blocked) == "wait:benchmark_host"


def test_an_exclusive_benchmark_is_not_passed(roomy_host, served):
    benchmark(served, state="running")
    exclusive, behind = benchmark(served, exclusive=True), make_job(host=roomy_host, plan=PLAN)

    assert dispatched() == set()
    assert (why(exclusive), why(behind)) == (
        "wait:exclusive_jobs",
        "wait:exclusive_next",
    )


def test_the_forecast_puts_it_behind_the_other(served):
    benchmark(served, state="succeeded", title="b", duration_s=60.0)
    benchmark(served, state="running", title="b", started_at=now())
    job = benchmark(served, title="b")

    assert forecasts([job])[job.pk].starts_in_s == pytest.approx(60, abs=1)


@pytest.mark.postgresql
@pytest.mark.parametrize("params", [{}, MAY])
def test_what_a_job_measures_is_known_however_it_is_read(served, params):
    job = benchmark(served, params=params)

    (of_row,) = startable_jobs(served.host)

    assert of_row.load == queued_job_of(job).load
    assert of_row.load.overlaps is bool(params)
    Job.objects.filter(pk=job.pk).update(state="running")
    assert capacity_of(served.host).running[0].load == of_row.load
