"""Engine metrics and energy of each point of a benchmark; run context of a result."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from django.utils.timezone import now

from jobs.base.messages import Message
from jobs.metrics.measured import Measurement, RequestTimes
from jobs.models import (
    Conversation,
    DeploymentEvent,
    Environment,
    GatewayBesideJob,
    JobStep,
    PointBlock,
    PointRequests,
    Turn,
)
from jobs.plans import Plan, Step
from jobs.services.intake.heartbeats import load_remarks
from jobs.services.outcomes import outcomes, stored_results
from jobs.services.outcomes.engine_and_energy import windows_of, with_energy, with_engine
from jobs.tools.lib.engine_counters import WarmUp
from tests.factories import make_deployment, make_host, make_job, make_plan, make_user

pytestmark = pytest.mark.django_db

HITS, QUERIES = "vllm:prefix_cache_hits_total", "vllm:prefix_cache_queries_total"
KV = "vllm:kv_cache_usage_perc"
GAUGE = "vllm:gpu_prefix_cache_hit_rate"  # of 0.7.2, since its start
COLD = {"seed": None, "dataset": "random", "prefix_tokens": 0, "input_tokens": 1024}
MEASURED = Measurement(
    type="benchmark",
    what="random 1024 → 64 tok",
    tool="vLLM",
    metrics={"output_tokens_per_s": 90.0, "requests": 40.0},
    points=[
        (1, {"output_tokens_per_s": 30.0, "requests": 20.0}),
        (4, {"output_tokens_per_s": 90.0, "requests": 20.0}),
    ],
)


def measured_job(*, steps, params=COLD, skew_s=0.0):
    """Return a job with steps of ten seconds each, from 1000, by the dashboard's clock."""
    plan = make_plan(kind="benchmark-online", steps=tuple(Step(name, ("x",)) for name in steps))
    job = make_job(plan=plan, params=params, host=make_host(clock_skew_s=skew_s))
    for index in range(len(steps)):
        at = datetime.fromtimestamp(1000 + 10 * index, tz=UTC)
        JobStep.objects.filter(job=job, index=index).update(started_at=at, duration_s=10.0)
    return job


def scraped(job, *rows, watch="engine", from_s=1000.0, every_s=10.0):
    samples = [[from_s + every_s * index, values] for index, values in enumerate(rows)]
    PointBlock.objects.create(job=job, offset=0, watch=watch, rows=samples)


def hit(*counts):
    """Readings of hits and queries so far."""
    return [{HITS: float(hits), QUERIES: float(asked)} for hits, asked in counts]


@pytest.mark.postgresql
def test_each_point_has_what_the_engine_did_meanwhile():
    job = measured_job(steps=("measure-1", "measure-4"))
    scraped(
        job,
        {HITS: 0.0, QUERIES: 0.0, KV: 0.0},
        {HITS: 0.0, QUERIES: 100.0, KV: 0.2},
        {HITS: 80.0, QUERIES: 200.0, KV: 0.7},
    )

    measured = with_engine(job, MEASURED)

    (_, first), (_, second) = measured.points
    assert (first["engine_prefix_hits"], first["engine_kv_cache_peak"]) == (0.0, 0.2)
    assert (second["engine_prefix_hits"], second["engine_kv_cache_peak"]) == (0.8, 0.7)
    assert measured.metrics["engine_prefix_hits"] == 0.8  # of the best point
    assert measured.metrics["requests"] == 40.0


def test_steps_have_the_dashboard_s_clock_and_points_the_host_s():
    job = measured_job(steps=("measure-1", "measure-4"), skew_s=500.0)
    scraped(job, *hit((0, 0), (0, 100), (80, 200)), from_s=1500.0)

    assert [m["engine_prefix_hits"] for _, m in with_engine(job, MEASURED).points] == [0.0, 0.8]


def test_one_step_records_the_start_of_each_point():
    job = measured_job(steps=("measure",))
    scraped(job, *hit((0, 0), (0, 100), (60, 200)), every_s=5.0)

    measured = with_engine(job, replace(MEASURED, began={1: 1000.0, 4: 1005.0}))

    assert [m["engine_prefix_hits"] for _, m in measured.points] == [0.0, 0.6]
    assert not any("engine_prefix_hits" in m for _, m in with_engine(job, MEASURED).points)


def test_a_recorded_start_narrows_the_window_of_its_step():
    job = measured_job(steps=("measure-1", "measure-4"))
    scraped(job, *hit((0, 0), (50, 50), (50, 100), (130, 200)), every_s=5.0)
    whole = with_engine(job, MEASURED).points
    by_start = with_engine(job, replace(MEASURED, began={1: 1005.0, 4: 1010.0})).points

    assert [m["engine_prefix_hits"] for _, m in whole] == [0.5, 0.8]
    assert [m["engine_prefix_hits"] for _, m in by_start] == [0.0, 0.8]


def test_the_engine_s_tokens_leave_warm_ups_out():
    tokens = "vllm:generation_tokens_total"
    job = measured_job(steps=("measure",))
    counts = (0.0, 256.0, 1024.0, 1280.0, 2048.0)
    scraped(job, *({tokens: count, KV: 0.1} for count in counts), every_s=2.5)
    points = [(1, {"output_tokens": 768.0}), (4, {"output_tokens": 768.0})]
    warm_ups = {1: WarmUp(4, 256.0, 1002.5), 4: WarmUp(4, 256.0, 1007.5)}
    began = {1: 1000.0, 4: 1005.0}

    with_them = with_engine(job, replace(MEASURED, points=points, began=began))
    without = with_engine(job, replace(MEASURED, points=points, began=began, warm_ups=warm_ups))

    assert [m["engine_output_tokens"] for _, m in with_them.points] == [1024, 1024]
    assert [m["engine_output_tokens"] for _, m in without.points] == [768, 768]
    windows = windows_of(job, replace(MEASURED, began=began, warm_ups=warm_ups))
    assert windows == {1: (1002.5, 1005.0), 4: (1007.5, 1010.0)}


def test_other_watches_are_none_of_the_engine_s():
    job = measured_job(steps=("measure-1", "measure-4"))
    scraped(job, *hit((0, 0), (9, 10)), watch="client")

    assert with_engine(job, MEASURED).points == MEASURED.points


def test_figures_of_the_tool_itself_stay():
    job = measured_job(steps=("measure",))
    scraped(job, *hit((0, 0), (9, 10)))
    metrics = {"output_tokens_per_s": 90.0, "engine_prefix_hits": 0.5}
    by_tool = replace(MEASURED, points=[(4, metrics)])

    assert with_engine(job, by_tool).points[0][1]["engine_prefix_hits"] == 0.5


@pytest.mark.parametrize(
    ("params", "hits", "message"),
    [
        (COLD, 0.01, None),
        (COLD, 0.011, "benchmark:hits"),
        (COLD | {"seed": 0}, 0.5, "benchmark:hits_seed"),
        (COLD | {"as_in_guide": True}, 0.5, "benchmark:hits_guide"),
        (COLD | {"prefix_tokens": 32}, 0.031, "benchmark:hits_prefix"),
        (COLD | {"prefix_tokens": 32}, 0.3, "benchmark:hits"),
        ({}, 0.3, "benchmark:hits"),
    ],
)
def test_over_one_per_cent_of_hits_is_a_remark(params, hits, message):
    job = measured_job(steps=("measure-1", "measure-4"), params=params)
    scraped(job, *hit((0, 0), (0, 1000), (1000 * hits, 2000)))

    remarks = with_engine(job, MEASURED).remarks

    assert [remark.id for remark in remarks] == ([message] if message else [])
    for remark in remarks:
        assert remark.args["concurrency"] == 4
        assert remark.args["share"] == f"{100 * hits:.2f}"


@pytest.mark.parametrize(
    ("shares", "kept", "remarks"),
    [
        ((0.8, 0.6, 0.4), 0.4, ["benchmark:hits_since_start"]),  # only earlier runs were warm
        ((0.0, 0.0, 0.004), 0.004, []),
        ((0.0, 0.0, 0.0), 0.0, []),
        ((-1.0, -1.0, -1.0), None, []),  # no cache
    ],
)
def test_a_share_since_start_belongs_to_no_point(shares, kept, remarks):
    job = measured_job(steps=("measure-1", "measure-4"), params=COLD | {"seed": 0})
    scraped(job, *({GAUGE: share, KV: 0.2} for share in shares))

    measured = with_engine(job, MEASURED)

    assert [set(m) for _, m in measured.points] == [
        {"output_tokens_per_s", "requests", "engine_kv_cache_peak"}
    ] * 2
    assert "engine_prefix_hits" not in measured.metrics
    assert measured.metrics.get("engine_prefix_hits_since_start") == kept
    assert [remark.id for remark in measured.remarks] == remarks
    if remarks:
        assert measured.remarks[0].args == {"share": "40.00"}


def test_a_tool_that_counts_hits_needs_no_share_since_the_start():
    job = measured_job(steps=("measure",), params=COLD)
    scraped(job, {GAUGE: 0.9}, {GAUGE: 0.9})
    metrics = {"output_tokens_per_s": 90.0, "engine_prefix_hits": 0.5}
    by_tool = replace(MEASURED, points=[(4, metrics)])

    measured = with_engine(job, by_tool)

    assert "engine_prefix_hits_since_start" not in measured.metrics
    assert [remark.id for remark in measured.remarks] == ["benchmark:hits"]


@pytest.mark.parametrize(("running", "expected"), [(1.0, []), (3.0, ["result:other_clients"])])
def test_more_requests_than_sent_mean_other_clients(running, expected):
    job = measured_job(steps=("measure-1", "measure-4"))
    gauge = "vllm:num_requests_running"
    # At 1010 the next concurrency starts: its requests do not count for the first.
    scraped(job, {gauge: running}, {gauge: 4.0}, {gauge: 4.0}, from_s=1005.0, every_s=5.0)

    remarks = with_engine(job, MEASURED).remarks

    assert [remark.id for remark in remarks] == expected
    assert all(remark.args == {"running": 3, "concurrency": 1} for remark in remarks)


TOKENS = "vllm:generation_tokens_total"


# A reading after 1010 and before the next tool has loaded has the last tokens of the first; a
# recorded start ends the readings of the point before.
@pytest.mark.parametrize(
    ("steps", "began", "third", "expected"),
    [
        (("measure-1", "measure-4"), {}, (1010.5, 640.0), [640, 1280]),
        (("measure",), {1: 1000.0, 4: 1010.0}, (1010.5, 700.0), [600, 1320]),
    ],
)
def test_each_point_has_the_engines_tokens(steps, began, third, expected):
    job = measured_job(steps=steps)
    counted = ((1000.0, 0.0), (1009.5, 600.0), third, (1020.0 + 0.5 * (not began), 1920.0))
    samples = [[at, {TOKENS: tokens}] for at, tokens in counted]
    PointBlock.objects.create(job=job, offset=0, watch="engine", rows=samples)
    if began:
        JobStep.objects.filter(job=job).update(duration_s=20.0)

    points = with_engine(job, replace(MEASURED, began=began)).points

    assert [m["engine_output_tokens"] for _, m in points] == expected


def powered_job(*watts):
    """A job with a step of 20 s from 1000 and a reading every five seconds."""
    job = measured_job(steps=("measure-4",))
    JobStep.objects.filter(job=job).update(duration_s=20.0)
    scraped(job, *({"power_w": power} for power in watts), watch="dies", every_s=5.0)
    return job


def measurement(**metrics):
    values = {"output_tokens_per_s": 50.0, **metrics}
    return Measurement(type="benchmark", what="", tool="", metrics=values, points=[(4, values)])


def test_energy_is_mean_power_over_the_rate():
    measured = with_energy(powered_job(100.0, 200.0, 300.0, 200.0, 200.0), measurement())

    assert measured.points[0][1]["power_mean_w"] == 200.0
    assert measured.points[0][1]["energy_per_token_j"] == 4.0
    assert measured.metrics["energy_per_token_j"] == 4.0


def test_the_start_of_the_tool_is_left_out():
    idle_first = powered_job(10.0, 10.0, 300.0, 300.0, 300.0)

    measured = with_energy(idle_first, measurement(duration_s=10.0))

    assert measured.points[0][1]["power_mean_w"] == 300.0


def test_one_reading_gives_no_energy():
    measured = with_energy(powered_job(100.0), measurement())

    assert "energy_per_token_j" not in measured.points[0][1]


def test_a_host_without_power_changes_nothing():
    given = measurement()

    assert with_energy(make_job(), given) is given


def test_requests_of_a_point_are_kept():
    rows = [RequestTimes(100.0, 20.0, 2.0), RequestTimes(110.0, None, float("nan"))]
    job = make_job(state="running", kind="benchmark")
    measured = replace(measurement(), requests={4: rows})

    ended = {"log_bytes": 0, "log_sha256": "", "duration_s": 1.0}
    outcomes.apply(job, ended, outcomes.JobVerdict("succeeded", Message("x"), measured=measured))

    (kept,) = PointRequests.objects.filter(point__concurrency=4)
    assert kept.rows == [[100.0, 20.0, 2.0], [110.0, None, None]]


# Run context stored with a result.


def plan_with(command):
    return Plan(kind="benchmark", steps=(Step("measure", (command, "perf")),))


def test_a_result_stores_only_its_own_environments():
    host = make_host(facts={"os": "Debian 13", "kernel": "6.1", "roots": {}})
    for name in ("used", "used-not"):
        Environment.objects.create(
            host=host, name=name, fingerprint=name, path=f"/envs/{name}", versions={"it": "1"}
        )
    job = make_job(host=host, plan=plan_with("/envs/used/bin/evalscope"))

    kept = stored_results.context_of(job)

    assert kept == {
        "host": {"os": "Debian 13", "kernel": "6.1"},
        "environments": [{"name": "used", "fingerprint": "used", "versions": {"it": "1"}}],
        "images": {},
        "programs": {},
        "dies": [],
        "load": {},
    }


def test_the_environment_of_the_server_under_test_is_kept_too():
    host = make_host()
    Environment.objects.create(host=host, name="engine", fingerprint="e", path="/envs/engine")
    server = make_job(host=host, plan=plan_with("/envs/engine/bin/python"))

    kept = stored_results.context_of(make_job(host=host, plan=plan_with("true")), [server])

    assert [made["name"] for made in kept["environments"]] == ["engine"]


def concurrent_load(job, **fields):
    return stored_results.concurrent_load(job, **{"under_test": None, "duration_s": 60.0, **fields})


@pytest.fixture
def measured():
    """Return a job that ran for a minute, ten minutes ago."""
    return make_job(state="running", started_at=now() - timedelta(minutes=10))


def test_work_before_or_after_a_run_does_not_disturb(measured):
    start = measured.started_at
    before = {"started_at": start - timedelta(minutes=5), "duration_s": 300.0}
    # The log arrived long after the end.
    make_job(host=measured.host, state="succeeded", **before)
    make_job(host=measured.host, state="running", started_at=start + timedelta(seconds=61))
    make_job(host=measured.host)
    make_job(state="running", started_at=start)

    nothing = {"jobs": [], "deployments": [], "chats": 0, "keys": []}
    assert concurrent_load(measured) == nothing


def test_jobs_that_ran_meanwhile_are_named(measured):
    late = measured.started_at + timedelta(seconds=50)
    other = make_job(host=measured.host, state="running", started_at=late)

    assert concurrent_load(measured)["jobs"] == [other.pk]


def test_other_running_deployments_are_named(measured):
    own, other, gone = (make_deployment(host=measured.host) for _ in range(3))
    for server in (own, other, gone):
        at = measured.started_at - timedelta(minutes=5)
        DeploymentEvent.objects.create(deployment=server, run=1, state="ready", at=at)
    gone.state, gone.stopped_at = "stopped", measured.started_at - timedelta(minutes=1)
    gone.save()

    assert concurrent_load(measured, under_test=own)["deployments"] == [other.name]


def test_keys_of_the_gateway_that_asked_meanwhile_are_named_and_disturb(measured):
    lin = make_user("lin")
    GatewayBesideJob.objects.create(job=measured, user=lin, token_name="webui", requests=3)
    GatewayBesideJob.objects.create(job=make_job(), user=lin, token_name="other", requests=1)

    others = concurrent_load(measured)

    assert others["keys"] == ["webui (lin)"]
    (remark,) = stored_results._disturbed(others)
    assert remark == Message("result:beside_keys", {"keys": "webui (lin)"})


def test_a_job_that_never_started_says_nothing():
    assert concurrent_load(make_job()) is None


def answered(deployment, at, *, state=Turn.State.DONE, seconds=10.0):
    chat = Conversation.objects.create(user=make_user())
    return Turn.objects.create(
        conversation=chat,
        index=0,
        deployment=deployment,
        prompt="?",
        state=state,
        stats={"total_ms": 1000 * seconds},
        created_at=at,
    )


@pytest.mark.postgresql
def test_chat_answers_during_the_run_are_counted(measured):
    own, start = make_deployment(host=measured.host), measured.started_at
    elsewhere = make_deployment()
    answered(own, start - timedelta(seconds=5))  # continued into the run
    answered(own, start + timedelta(seconds=20))
    answered(own, start - timedelta(seconds=30))  # ended before
    answered(own, start + timedelta(seconds=61))
    answered(elsewhere, start + timedelta(seconds=20))

    assert concurrent_load(measured, under_test=own)["chats"] == 2


def test_an_answer_that_is_still_written_counts(measured):
    server = make_deployment(host=measured.host)
    answered(server, measured.started_at - timedelta(minutes=2), state=Turn.State.STREAMING)

    assert concurrent_load(measured)["chats"] == 1


@pytest.mark.parametrize(
    ("mean", "cores", "ids"),
    [(6.5, 2, ["result:host_loaded"]), (3.0, 2, []), (6.5, 64, []), (6.5, None, [])],
)
def test_a_load_above_that_of_the_run_is_remarked(mean, cores, ids):
    load = {"load_1m": {"samples": 4, "mean": mean, "min": 0.1, "max": 9.0}}
    facts = {"cpu": {"cores": cores}} if cores else {}

    assert [remark.id for remark in load_remarks(load, facts)] == ids
    assert load_remarks({}, facts) == []  # an unreported load
