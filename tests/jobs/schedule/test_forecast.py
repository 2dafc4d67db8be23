"""When a waiting job is likely to start."""

from copy import deepcopy
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from jobs.kinds import work_of
from jobs.models import Host, Job
from jobs.plans import Step
from jobs.queries.jobs.durations import Past, durations, pasts, typical
from jobs.queries.jobs.job_page import left_s
from jobs.schedule import forecast as forecast_module
from jobs.schedule.capacity import HostCapacity, HostJob, Server
from jobs.schedule.forecast import Ahead, forecast, forecast_drafts, forecasts
from tests.factories import make_deployment, make_host, make_job, make_plan, make_user


def capacity(*running, slots=9, free=0, servers=()):
    return HostCapacity("va16", slots, free, list(running), list(servers))


def ahead(number, length_s=100.0, after=(), **fields):
    return Ahead(HostJob(number, f"work {number}", **fields), length_s, frozenset(after))


def times(by_job):
    return {pk: one.starts_in_s for pk, one in by_job.items()}


def test_what_has_room_starts_next_and_nothing_behind_a_running_job():
    running = capacity(HostJob(1, "a"), slots=2)

    by_job = forecast(running, [ahead(2, 2.0), ahead(3, 2.0, after=[2]), ahead(4)], {1: 0.0})

    assert times(by_job) == {2: 0.0, 3: 2.0, 4: 0.0}
    assert [by_job[pk].message.id for pk in (2, 3, 4)] == [
        *("forecast:now", "forecast:usual", "forecast:usual"),
    ]


@pytest.mark.parametrize(
    ("there", "line", "left", "starts"),
    [
        (capacity(HostJob(1, "a"), slots=1), [ahead(2, 60), ahead(3)], {1: 40}, {2: 40, 3: 100}),
        # Dies are kept for the first, as dispatch keeps them.
        (
            capacity(HostJob(1, "a", dies=6), free=2),
            [ahead(2, 50, dies=8), ahead(3, dies=1)],
            {1: 30},
            {2: 30, 3: 80},
        ),
        # A chain waits for each of its links.
        (
            capacity(),
            [ahead(1, 10), ahead(2, 20, after=[1]), ahead(3, after=[2])],
            {},
            {1: 0, 2: 10, 3: 30},
        ),
        (
            capacity(HostJob(1, "a")),
            [ahead(2, 60, exclusive=True), ahead(3)],
            {1: 15},
            {2: 15, 3: 75},
        ),
        # Ended, and started, while the queue was read.
        (HostCapacity("h", 1, 0), [ahead(5, 20), ahead(6, 3)], {9: 12}, {5: 0, 6: 20}),
        (capacity(HostJob(1, "a"), slots=1), [ahead(1), ahead(2)], {1: 5}, {2: 5}),
    ],
)
def test_jobs_start_when_those_before_them_end(there, line, left, starts):
    by_job = forecast(deepcopy(there), line, left)

    assert times(by_job) == starts


@pytest.mark.parametrize(
    ("there", "line", "left", "why"),
    [
        (capacity(HostJob(1, "a"), slots=1), [ahead(9)], {1: None}, "forecast:no_end"),
        (capacity(slots=1), [ahead(1, None), ahead(9)], {}, "forecast:no_history"),
        (capacity(servers=[Server(7, 3, "qwen", 6)]), [ahead(9, dies=4)], {}, "forecast:dies_held"),
        (
            capacity(servers=[Server(7, 3, "qwen")]),
            [ahead(9, exclusive=True)],
            {},
            "forecast:servers",
        ),
        (capacity(free=2), [ahead(9, dies=4)], {}, "forecast:never"),
        (capacity(), [ahead(9, after=[1])], {}, "forecast:elsewhere"),
    ],
)
def test_an_unknown_start_has_its_reason(there, line, left, why):
    answer = forecast(there, line, left)[9]

    assert (answer.starts_in_s, answer.message.id) == (None, why)


def test_the_dies_of_a_job_that_serves_do_not_come_back():
    running = capacity(HostJob(1, "deploy", dies=8, serves=True))

    by_job = forecast(running, [ahead(2, dies=8)], {1: 5.0})

    assert by_job[2].message.id == "forecast:dies_held"
    assert [(one["job"], one["name"]) for one in by_job[2].message.args["servers"]] == [
        (1, "deploy")
    ]


def test_durations_prefer_same_job_then_model_then_kind():
    rows = [
        *(Past("int8", "qwen", 10.0), Past("fp16", "qwen", 30.0), Past("int8", "llama", 500.0)),
    ]

    assert typical(rows, "fp16", "qwen").typical_s == 30.0
    assert typical(rows, "fp8", "qwen").typical_s == 20.0
    assert typical(rows, "fp8", "gemma").typical_s == 30.0
    assert typical([], "fp8", "gemma") is None


def test_a_verbatim_command_differs_from_a_corrected_one():
    rows = [Past("fp8", "qwen", 11.9)]

    assert typical(rows, "fp8", "qwen").same
    assert not typical(rows, "fp8", "qwen", exact=True).same
    assert typical([Past("fp8", "qwen", 3.0, exact=True), *rows], "fp8", "qwen").typical_s == 11.9


def test_times_of_smaller_runs_are_scaled_and_marked():
    rows = [Past("r1 @ 4", "r1", 30.0, 100.0), Past("r1 @ 4", "r1", 60.0, 200.0)]

    more, as_much = typical(rows, "r1 @ 4", "r1", 3000.0), typical(rows, "r1 @ 4", "r1", 200.0)

    assert (more.typical_s, more.count, more.same, more.scaled) == (900.0, 2, False, True)
    assert (as_much.typical_s, as_much.count, as_much.same, as_much.scaled) == (
        *(60.0, 1, True, False),
    )


def test_only_the_time_of_the_requests_is_scaled():
    """12 of 142 questions in 33.6 s, of which 30 are the start of the tool."""
    counts = {"answered": 12, "errors": 0, "base": 2, "since": 100.0, "at": 103.0}
    row = ("evaluate", "small", "r1", 33.6, {"questions": "basics", "limit": 12, "batch": 1})
    past = pasts([(*row, {"questions": 12.0}, counts)])

    estimate = typical(past, "small", "r1", 142.0)

    assert estimate.scaled
    assert estimate.typical_s == pytest.approx(30.0 + 142 * 0.3)


def test_an_installation_is_expected_from_installations_of_the_same():
    rows = [Past("EvalScope", "", seconds) for seconds in (4.8, 190.0, 5.1, 208.0)]
    others = [Past("SmolLM2", "", 4.8), Past("llama.cpp", "", 30.0)]

    known = typical([*others, *rows], "EvalScope", "", only_same=True)

    assert (known.typical_s, known.count) == (199.0, 2)
    assert typical(others, "EvalScope", "", only_same=True) is None
    one = [Past("EvalScope", "", seconds) for seconds in (5.0, 5.0, 5.0, 208.0, 5.0)]
    longest = typical(one, "EvalScope", "", only_same=True)
    assert (longest.typical_s, longest.count) == (208.0, 1)


@pytest.mark.parametrize(
    ("runs", "amount", "holds"),
    [
        # What a run takes whatever it does is not scaled.
        (
            [(30.0, 100.0), (40.0, 200.0), (60.0, 400.0)],
            *(3000.0, lambda one: one.typical_s == pytest.approx(320.0)),
        ),
        ([(60.0, 100.0), (30.0, 200.0)], 10.0, lambda one: one.shortest_s >= 0.0),
        ([(30.0, None)], 3000.0, lambda one: (one.typical_s, one.same, one.scaled) == (30, 0, 0)),
        # Every run is scaled, the shortest too.
        (
            [(52.4, 700.0), (54.0, 800.0), (3000.0, 300_000.0)],
            *(40_000_000.0, lambda one: one.shortest_s > 100_000.0),
        ),
        # Equal durations are scaled by amounts.
        (
            [(60.0, 100.0), (60.0, 200.0)],
            *(1000.0, lambda one: (one.shortest_s, one.longest_s) == (300.0, 600.0)),
        ),
    ],
)
def test_durations_are_scaled_by_amounts(runs, amount, holds):
    estimate = typical([Past("r1 @ 4", "r1", *run) for run in runs], "r1 @ 4", "r1", amount)

    assert holds(estimate), estimate


@pytest.mark.parametrize(
    ("kind", "more", "times"),
    [
        ("benchmark-online", {"requests": 300}, 3),
        ("benchmark-online", {"output_tokens": 2048, "input_tokens": 2048}, 2),
        ("benchmark-online", {"concurrency": [2]}, 2),
        ("benchmark-online", {"concurrency": [4, 4]}, 2),
        ("benchmark-online", {"concurrency": [1000]}, 0.04),
        ("benchmark", {"requests": 200}, 2),
        ("benchmark-throughput", {"requests": 1000}, 10),
        ("benchmark-latency", {"iterations": 30}, 2),
        ("evaluate", {"batch": 2}, 2),
        ("evaluate", {"limit": 20}, 2),
        ("evaluate-evalscope", {"limit": 2}, 2),
        ("evaluate-opencompass", {"limit": 0, "datasets": ["mmlu"], "mmlu": "all"}, 14042 / 10),
    ],
)
def test_work_grows_with_requests_and_lengths(kind, more, times):
    params = {
        **{"requests": 100, "output_tokens": 1024, "input_tokens": 1024, "concurrency": [4]},
        **{"iterations": 10, "questions": "basics", "limit": 10, "batch": 4},
        "datasets": ["mmlu"],
    }
    if kind.startswith("evaluate-"):
        params |= {"limit": 1, "mmlu": "ten"}

    assert work_of(kind, params | more) == pytest.approx(times * work_of(kind, params))


@pytest.mark.parametrize(("concurrency", "left"), [([4], 100.0), ([1, 4], None)])
def test_the_pace_of_one_concurrency_says_nothing_of_others(concurrency, left):
    job = Job(
        host=Host(heartbeat_at=now()),
        kind="benchmark-online",
        params={"concurrency": concurrency},
        progress={"done": 50, "total": 100},
    )

    assert left_s(job, 100.0, None) == left


def test_the_work_of_an_older_job_or_another_kind_is_unknown():
    assert work_of("benchmark-online", {}) is None
    assert work_of("benchmark", {"requests": 0, "output_tokens": 1, "concurrency": [1]}) is None
    assert work_of("prepare", {"requests": 1}) is None


# From records.


def test_running_jobs_use_their_own_pace():
    host = make_host(slots=1)
    make_job(host=host, title="it", state="succeeded", duration_s=90.0)
    begun = now() - timedelta(seconds=60)
    done = {"done": 20.0, "total": 100.0, "unit": "%"}
    make_job(host=host, state="running", started_at=begun, progress=done)
    first, second = make_job(host=host, title="it"), make_job(host=host)

    by_job = forecasts([first, second])

    assert by_job[first.pk].starts_in_s == pytest.approx(240, abs=5)
    assert by_job[second.pk].starts_in_s == pytest.approx(330, abs=5)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"draining": True}, "forecast:draining"),
        ({"heartbeat_at": None}, "forecast:away"),
        ({"load": {"disk_free_bytes": 1, "disk_reserve_bytes": 2}}, "forecast:disk"),
    ],
)
def test_a_host_that_takes_nothing_has_no_times(fields, why):
    job = make_job(host=make_host(**fields))

    assert forecasts([job])[job.pk].message.id == why


def test_a_benchmark_of_a_server_that_loads_again_has_no_time():
    server = make_deployment(state="loading")
    job = make_job(host=server.host, inputs={"deployment": {"id": server.pk}})

    assert forecasts([job])[job.pk].message.id == "forecast:deployment"


def test_what_is_far_behind_is_not_guessed_at():
    host = make_host()
    plan = make_plan(steps=(Step("only", ("true",)),)).to_json()
    Job.objects.bulk_create(Job(kind="x", title=f"{n}", host=host, plan=plan) for n in range(101))
    last = Job.objects.order_by("-pk").first()

    assert forecasts([last])[last.pk].message.id == "forecast:far"


def test_a_job_that_ends_during_reads_breaks_no_forecast(monkeypatch):
    host = make_host(slots=1)
    make_job(host=host, title="it", state="succeeded", duration_s=90.0)
    runs = make_job(host=host, title="it", state="running", started_at=now())
    first, second = make_job(host=host), make_job(host=host)
    look = forecast_module.capacity_of

    def slow_look(host):
        Job.objects.filter(pk=runs.pk).update(state="succeeded", finished_at=now())
        return look(host)

    monkeypatch.setattr(forecast_module, "capacity_of", slow_look)

    assert forecasts([first, second])[first.pk].starts_in_s == 0.0


def test_an_unconfirmed_job_has_no_time_and_blocks_no_other():
    host = make_host(slots=1)
    make_job(host=host, title="it", state="succeeded", duration_s=90.0)
    asks = make_job(host=host, title="it", needs_confirmation=[{"check": "shm"}])
    follows, other = make_job(host=host, title="it"), make_job(host=host, title="it")
    follows.after.add(asks)

    by_job = forecasts([asks, follows, other])

    assert by_job[asks.pk].message.id == by_job[follows.pk].message.id == "forecast:confirm"
    assert by_job[follows.pk].message.args == {"job": asks.pk}
    assert by_job[other.pk].starts_in_s == 0.0


def test_drafts_are_forecast_alone_in_one_read(monkeypatch):
    moment = now()
    monkeypatch.setattr(forecast_module, "now", lambda: moment)
    host = make_host(slots=9, facts={"dies": [{"id": number} for number in range(4)]})
    running = {"state": "running", "started_at": moment, "values": {"dies": "0,1,2"}}
    make_job(host=host, title="t", state="succeeded", duration_s=60.0)
    make_job(host=host, title="t", **running)
    plans = [make_plan(dies=dies) for dies in (2, 1, 1)]
    drafts = [Job(kind="prepare", title="t", host=host, plan=plan.to_json()) for plan in plans]

    def queries(count):
        with CaptureQueriesContext(connection) as asked:
            answers = forecast_drafts(host, drafts[:count])
        return len(asked), [one.starts_in_s for one in answers]

    one, three = queries(1), queries(3)

    assert three[0] == one[0] + 2  # how long such jobs take, for each
    assert one[1] == [60.0]
    assert three[1] == [60.0, 0.0, 0.0]


def test_a_draft_is_forecast_in_its_person_s_turn():
    host, person, colleague = make_host(slots=1), make_user(), make_user()
    make_job(host=host, title="t", state="succeeded", duration_s=60.0)
    make_job(host=host, title="t", state="running", started_at=now())
    for _ in range(3):
        make_job(host=host, title="t", created_by=person, chain=UUID(int=1))
    draft = {"kind": "prepare", "title": "t", "host": host, "plan": make_plan().to_json()}

    starts = forecast_drafts(host, [Job(**draft, created_by=one) for one in (colleague, person)])

    # After the one that runs and the first in the queue: a colleague by turn, a single job of the
    # person beside the pipeline.
    assert [round(one.starts_in_s) for one in starts] == [120, 120]


BENCHMARK = {"requests": 100, "concurrency": (1, 4), "output_tokens": 5000}


@pytest.mark.parametrize(
    ("measured", "works"),
    [
        ({"requests": 20.0, "failed_requests": 180.0}, []),
        ({"requests": 20.0, "failed_requests": 0.0}, []),
        ({"requests": 200.0, "output_tokens_mean": 462.0}, [125 * 462.0]),
        ({"requests": 200.0}, [125 * 5000.0]),
        (None, [125 * 5000.0]),
    ],
)
def test_runs_with_failed_requests_do_not_count(measured, works):
    runs = pasts([("benchmark", "r1 @ 1, 4", "r1", 60.0, BENCHMARK, measured, None)])

    assert [one.work for one in runs] == works


@pytest.mark.parametrize(("asked", "count"), [(115.0, 0), (142.0, 1)])
def test_an_evaluation_that_stopped_early_does_not_count(asked, count):
    params = {"questions": "basics", "limit": 0, "batch": 2}
    measured = {"questions": asked, "planned_questions": 142.0}

    assert len(pasts([("evaluate", "small, basics", "r1", 60.0, params, measured, None)])) == count


def test_runs_with_cut_answers_do_not_count_elsewhere():
    cut = [Past("small @ 4", "r1", 60.0, 500.0, 5000.0)]

    again, other = (typical(cut, title, "r1", 5000.0) for title in ("small @ 4", "large @ 4"))

    assert (again.typical_s, again.scaled) == (60.0, False)
    assert (other.typical_s, other.scaled) == (600.0, True)


@pytest.mark.postgresql
def test_counts_of_an_evaluation_tell_how_long_its_questions_took():
    params = {"questions": "basics", "limit": 12, "batch": 1}
    counts = {"answered": 12, "errors": 0, "base": 2, "since": 100.0, "at": 103.0}
    about = {"kind": "evaluate", "title": "small", "host": make_host(), "params": params}
    for scores in (None, {"": counts, "short_en": counts}):
        make_job(**about, state="succeeded", duration_s=33.6, scores=scores)
    draft = Job(kind="evaluate", title="small", params={**params, "limit": 0})

    usual = durations(draft, about["host"])

    assert usual.shortest_s == usual.longest_s
    assert usual.typical_s == pytest.approx(30.0 + 142 * 0.3)
