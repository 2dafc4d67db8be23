"""Benchmarks of one host, and evaluations of what one measures, do not run together unasked."""

import pytest
from django.utils.timezone import now

from dashboard.text.messages import message
from jobs.models import Job
from jobs.plans import Step
from jobs.schedule import dispatch
from jobs.schedule.capacity import capacity_of, queued_job_of, startable_jobs
from jobs.schedule.forecast import forecasts
from tests.factories import make_deployment, make_host, make_job, make_plan

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

PLAN = make_plan(steps=(Step("only", ("true",)),))
MAY = {"overlap": True}


@pytest.fixture
def host():
    return make_host("va16-01", slots=9, facts={"dies": [{"id": n} for n in range(4)]})


@pytest.fixture
def served(host):
    return make_deployment(job=make_job(host=host, state="succeeded"))


def benchmark(deployment, kind="benchmark-online", **fields):
    inputs = {"deployment": {"id": deployment.pk}}
    return make_job(
        **{"host": deployment.host, "kind": kind, "plan": PLAN, "inputs": inputs, **fields}
    )


def offline(host, kind="benchmark-throughput", **fields):
    return make_job(**{"host": host, "kind": kind, "plan": PLAN, **fields})


def started():
    return set(Job.objects.filter(state="starting").values_list("pk", flat=True))


def why(job):
    return dispatch.why_waiting(Job.objects.select_related("host").get(pk=job.pk))


def test_benchmarks_of_one_deployment_run_one_after_the_other(served):
    first, *others = (benchmark(served) for _ in range(4))

    dispatch.run()

    assert started() == {first.pk}
    reason = why(others[0])
    assert (reason.id, reason.args["job"]) == ("wait:benchmark", first.pk)
    assert f"Benchmark {first.pk} (" in message(reason.id, reason.args)
    Job.objects.filter(pk=first.pk).update(state="succeeded", finished_at=now())
    dispatch.run()
    assert started() == {others[0].pk}


def test_both_tools_count(served):
    first, second = benchmark(served, kind="benchmark"), benchmark(served)

    dispatch.run()

    assert started() == {first.pk}
    assert why(second).id == "wait:benchmark"


def test_benchmarks_of_two_deployments_run_in_sequence(host, served):
    other = make_deployment(job=make_job(host=host, state="succeeded"))
    first, second = benchmark(served), benchmark(other)

    dispatch.run()

    assert started() == {first.pk}
    assert why(second).id == "wait:benchmark_host"


EVALUATIONS = ["evaluate", "evaluate-evalscope", "evaluate-opencompass"]


@pytest.mark.parametrize("kind", EVALUATIONS)
def test_an_evaluation_waits_for_a_benchmark_of_its_deployment(served, kind):
    first, second = benchmark(served), benchmark(served, kind=kind)

    dispatch.run()

    assert started() == {first.pk}
    assert why(second).id == "wait:benchmark"


@pytest.mark.parametrize("kind", EVALUATIONS)
def test_a_benchmark_waits_for_the_evaluation_of_its_deployment(served, kind):
    benchmark(served, kind=kind, state="running")
    job = benchmark(served)

    dispatch.run()

    assert started() == set()
    reason = why(job)
    assert reason.id == "wait:evaluation"
    assert "is using the same deployment" in message(reason.id, reason.args)


def test_a_benchmark_that_may_overlap_runs_beside_an_evaluation(served):
    benchmark(served, kind="evaluate", state="running")
    job, behind = benchmark(served, params=MAY), benchmark(served, kind="evaluate")

    dispatch.run()

    assert started() == {job.pk, behind.pk}


def test_evaluations_run_alongside_other_loads(host, served):
    other = make_deployment(job=make_job(host=host, state="succeeded"))
    asked = [benchmark(served, kind="evaluate") for _ in range(2)]
    measured = benchmark(other)

    dispatch.run()

    assert started() == {*(job.pk for job in asked), measured.pk}


@pytest.mark.parametrize(
    ("runs", "waits", "starts"), [(MAY, MAY, True), (MAY, {}, False), ({}, MAY, False)]
)
def test_two_overlap_where_both_may(served, runs, waits, starts):
    benchmark(served, state="running", params=runs)
    job = benchmark(served, params=waits)

    dispatch.run()

    assert (job.pk in started()) is starts


def test_a_deployment_is_one_by_whichever_number_it_is_named(served):
    benchmark(served, state="running")
    job = benchmark(served, inputs={"deployment": {"job": served.job_id}})

    dispatch.run()

    assert started() == set()
    assert why(job).id == "wait:benchmark"


def test_offline_benchmarks_of_one_host_run_one_after_the_other(host):
    first, second = offline(host), offline(host, kind="benchmark-latency")
    elsewhere = offline(make_host())

    dispatch.run()

    assert started() == {first.pk, elsewhere.pk}
    assert why(second).id == "wait:benchmark_host"


def test_a_benchmark_that_waits_blocks_no_other_job(host, served):
    offline(host, state="running")
    blocked = offline(host, plan=make_plan(steps=PLAN.steps, dies=4))
    behind = make_job(host=host, plan=make_plan(steps=PLAN.steps, dies=4))

    dispatch.run()

    assert started() == {behind.pk}
    assert why(blocked).id == "wait:benchmark_host"


def test_an_exclusive_benchmark_is_not_passed(host, served):
    benchmark(served, state="running")
    exclusive, behind = benchmark(served, exclusive=True), make_job(host=host, plan=PLAN)

    dispatch.run()

    assert started() == set()
    assert (why(exclusive).id, why(behind).id) == ("wait:exclusive_jobs", "wait:exclusive_next")


def test_the_forecast_puts_it_behind_the_other(served):
    benchmark(served, state="succeeded", title="b", duration_s=60.0)
    benchmark(served, state="running", title="b", started_at=now())
    job = benchmark(served, title="b")

    assert forecasts([job])[job.pk].starts_in_s == pytest.approx(60, abs=1)


@pytest.mark.parametrize("params", [{}, MAY])
def test_what_a_job_measures_is_known_however_it_is_read(served, params):
    job = benchmark(served, params=params)

    (of_row,) = startable_jobs(served.host)

    assert of_row.load == queued_job_of(job).load
    assert of_row.load.overlaps is bool(params)
    Job.objects.filter(pk=job.pk).update(state="running")
    assert capacity_of(served.host).running[0].load == of_row.load
