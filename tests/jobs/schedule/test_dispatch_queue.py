"""Which job of a host's line starts: priorities, dies that are kept, quiet hosts, long lines."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from dashboard.text.messages import message
from jobs.models import Deployment, Host, Job
from jobs.schedule import capacity, dispatch, queue
from jobs.schedule.capacity import startable_jobs
from tests.factories import make_endpoint, make_host, make_job, make_plan
from tests.jobs.lib.dies import DEPLOYMENT, DIES, serving
from tests.jobs.lib.queued import dispatched, job_of, running, started, wait_of, why
from tests.threads import together
from tests.waiting import PATIENCE_S, until

URGENT, NORMAL, LOW = Job.Priority.values


@pytest.mark.postgresql
def test_the_queue_is_read_in_parts_and_only_as_far_as_needed(host, monkeypatch):
    monkeypatch.setattr(capacity, "_FIRST", 3)
    monkeypatch.setattr(capacity, "_AT_ONCE", 2)
    levels = (NORMAL, LOW, NORMAL, URGENT, NORMAL, LOW, NORMAL)
    jobs = [job_of(host, priority=level, place=n // 2) for n, level in enumerate(levels)]
    in_order = sorted(jobs, key=lambda job: (job.priority, job.place, job.pk))
    assert [one.id for one in startable_jobs(host)] == [job.pk for job in in_order]

    with CaptureQueriesContext(connection) as queries:
        walk = startable_jobs(host)
        assert [next(walk).id for _ in range(3)] == [job.pk for job in in_order[:3]]
    assert len(queries) == 1


@pytest.mark.postgresql
def test_what_a_host_has_left_is_asked_in_two_queries(host, django_assert_num_queries):
    running(host, "0,1"), running(host, "2"), serving(host, "3,4")

    with django_assert_num_queries(2):
        there = capacity.capacity_of(host)

    assert (there.free, [other.dies for other in there.running]) == (3, [2, 1])
    assert [server.dies for server in there.servers] == [2]


@pytest.mark.postgresql
def test_priority_then_place_then_age_say_who_starts():
    host = make_host()
    make_job(host=host, priority=LOW)
    late = make_job(host=host)
    early = make_job(host=host, place=late.place - 5)
    urgent = make_job(host=host, priority=URGENT)

    starts = []
    for _ in range(3):
        dispatch.run()
        starts += started()
        Job.objects.filter(state="starting").update(state="succeeded", finished_at=now())

    assert starts == [urgent.pk, early.pk, late.pk]


def test_free_dies_are_kept_for_the_first_in_line(host):
    running(host, "0,1,2,3")
    big, small, other = job_of(host, 6), job_of(host, 2), job_of(host)

    assert dispatched() == {other.pk}
    assert why(big) == "wait:dies_kept"
    message = dispatch.why_waiting(small)
    assert (message.id, message.args["job"], message.args["first"]) == ("wait:kept", big.pk, 6)


def test_a_big_job_starts_however_many_small_ones_follow(host):
    before = running(host, "0")
    big = job_of(host, 8)
    for _ in range(5):
        job_of(host, 1)
        dispatch.run()
    assert started() == set()
    Job.objects.filter(pk=before.pk).update(state="succeeded", finished_at=now())

    assert dispatched() == {big.pk}


def test_nothing_is_reserved_that_only_a_stop_can_free(host):
    server = serving(host, "0,1,2,3", name="qwen32b")
    big, small = job_of(host, 6), job_of(host, 2)

    assert dispatched() == {small.pk}
    message = dispatch.why_waiting(big)
    assert (message.id, message.args["every"]) == ("wait:dies_held", True)
    assert [one["id"] for one in message.args["servers"]] == [server.pk]


def test_a_job_of_all_dies_names_servers_to_stop(host):
    first = serving(host, "0,1", name="qwen", host_url="http://127.0.0.1:7863")
    second = serving(host, "2,3", name="qwen", host_url="http://127.0.0.1:21000")
    big, exclusive, half = job_of(host, 8), job_of(host, 8, exclusive=True), job_of(host, 6)

    for job, every in [(big, True), (exclusive, True), (half, False)]:
        message = wait_of(job)
        assert (message.id, message.args["every"]) == ("wait:dies_held", every)
        named = [(one["id"], one["port"], one["dies"]) for one in message.args["servers"]]
        assert named == [(first.pk, 7863, 2), (second.pk, 21000, 2)]
        assert (message.args["wanted"], message.args["free"]) == (8 if every else 6, 4)


def test_small_servers_need_no_stop_if_others_suffice(host):
    large = serving(host, "0,1,2,3,4", name="qwen32b")
    serving(host, "5", name="qwen")
    big = job_of(host, 7)

    message = wait_of(big)

    assert message.args["every"] is True
    assert [one["id"] for one in message.args["servers"]] == [large.pk]


def test_advice_counts_dies_taken_by_jobs_ahead(host):
    servers = [serving(host, "0,1,2,3", name="qwen"), serving(host, "4,5,6,7", name="r1")]
    first, second = job_of(host, 4), job_of(host, 4)

    args = {pk: message.args for pk, message in dispatch.reasons([first, second]).items()}

    assert (args[first.pk]["lack"], args[first.pk]["first"]) == (4, [])
    assert args[second.pk]["lack"] == 8
    assert args[second.pk]["first"] == [{"job": first.pk, "dies": 4}]
    assert [one["id"] for one in args[second.pk]["servers"]] == [one.pk for one in servers]
    text = message("wait:dies_held", args[second.pk])
    assert f"Job #{first.pk} is ahead and takes 4 of these dies." in text


def test_a_job_ahead_that_needs_more_than_comes_free_is_passed(host):
    serving(host, "0,1,2,3", name="qwen")
    serving(host, "4,5,6,7", name="r1")
    job_of(host, 8)
    small = job_of(host, 4)

    message = wait_of(small)

    assert (message.args["lack"], message.args["first"]) == (4, [])


def test_an_exclusive_job_names_every_server_that_disturbs_it(host):
    servers = [serving(host, "0", name="qwen"), serving(host, "1", name="qwen")]
    job = job_of(host, exclusive=True)

    message = wait_of(job)

    assert message.id == "wait:exclusive_servers"
    assert [one["id"] for one in message.args["servers"]] == [one.pk for one in servers]


def test_what_no_stop_can_give_is_not_waited_for_from_servers(host):
    serving(host, "0,1")
    big = job_of(host, 9)

    message = wait_of(big)

    assert (message.id, message.args["free"]) == ("wait:dies_few", 8)


def beside_a_starting_server(host):
    running(host, "0,1,2,3", product=DEPLOYMENT)
    return job_of(host, 6)


def beside_a_loading_server(host):
    running(host, "0,1,2,3")
    server = serving(host, "", state="loading")
    return job_of(host, 6, inputs={"deployment": {"id": server.pk}})


@pytest.mark.parametrize(
    ("big", "reason"),
    [
        # A server that starts counts as one that stays.
        (beside_a_starting_server, "dies_held"),
        (lambda host: job_of(host, 32), "dies_few"),
        (lambda host: running(host) and job_of(host, 32, exclusive=True), "exclusive_jobs"),
        (beside_a_loading_server, "deployment"),
    ],
)
def test_a_job_that_waits_for_more_than_others_ends_blocks_no_other(host, big, reason):
    job, small = big(host), job_of(host, 2)

    assert dispatched() == {small.pk}
    assert why(job) == f"wait:{reason}"


# Exclusive use of a host.


def test_an_exclusive_job_waits_for_running_ones_and_keeps_the_host(host):
    before = running(host)
    exclusive, other = job_of(host, exclusive=True), job_of(host)

    assert dispatched() == set()
    assert (why(exclusive), why(other)) == ("wait:exclusive_jobs", "wait:exclusive_next")

    Job.objects.filter(pk=before.pk).update(state="succeeded", finished_at=now())
    assert dispatched() == {exclusive.pk}
    assert why(other) == "wait:exclusive_running"


def test_an_exclusive_job_runs_beside_its_own_deployment(host):
    server = serving(host, "0,1")
    exclusive = job_of(host, exclusive=True, inputs={"deployment": {"id": server.pk}})

    assert dispatched() == {exclusive.pk}


def test_an_exclusive_job_on_an_endpoint_waits_for_jobs_and_no_deployments(host):
    serving(host, "0,1")
    before = running(host)
    inputs = {"deployment": {"endpoint": make_endpoint().pk}}
    exclusive = job_of(host, exclusive=True, inputs=inputs)

    assert (dispatched(), why(exclusive)) == (set(), "wait:exclusive_jobs")

    Job.objects.filter(pk=before.pk).update(state="succeeded", finished_at=now())
    assert dispatched() == {exclusive.pk}


def test_an_exclusive_job_waits_for_a_deployment(host):
    server = serving(host, "0,1", name="other")
    exclusive, small = job_of(host, exclusive=True), job_of(host)

    assert dispatched() == {small.pk}
    message = dispatch.why_waiting(exclusive)
    assert (message.id, message.args["name"]) == ("wait:exclusive_server", server.name)


def test_a_job_made_exclusive_late_waits_for_others(host, monkeypatch):
    running(host)
    job = job_of(host)

    def as_it_was(host):
        jobs = list(startable_jobs(host))
        queue.set_exclusive(job.pk, exclusive=True)
        return jobs

    monkeypatch.setattr(dispatch, "startable_jobs", as_it_was)

    assert dispatch.run() == 0
    assert started() == set()


def outrun(monkeypatch, meanwhile):
    """The next look is outrun at its first start; the numbers of the jobs that it tries."""
    start, tried = dispatch._start, []

    def first(host_id, one, room):
        if not tried:
            meanwhile()
        tried.append(one.id)
        return start(host_id, one, room)

    monkeypatch.setattr(dispatch, "_start", first)
    return tried


def filled(host):
    for _ in range(host.slots):
        running(host)


def drained(host):
    Host.objects.update(draining=True)


def stopped(host):
    Deployment.objects.update(state="stopped")


@pytest.mark.parametrize("meanwhile", [filled, drained, stopped])
def test_an_outrun_dispatch_stops_early(host, monkeypatch, meanwhile):
    server = serving(host, "")
    jobs = [job_of(host, inputs={"deployment": {"id": server.pk}}) for _ in range(20)]
    tried = outrun(monkeypatch, partial(meanwhile, host))

    assert dispatch.run() == 0
    assert tried == [jobs[0].pk]


@pytest.mark.parametrize(("dies", "waits"), [((4, 2), "dies_kept"), (None, "exclusive_jobs")])
def test_a_job_that_was_outrun_keeps_its_place(host, monkeypatch, dies, waits):
    if dies:
        running(host, "0,1,2,3")
        first, _smaller = (job_of(host, count) for count in dies)
    else:
        first, _other = job_of(host, exclusive=True), job_of(host)
    outrun(monkeypatch, partial(running, host, "4,5" if dies else ""))

    assert dispatched() == set()
    assert why(first) == f"wait:{waits}"


def test_an_exclusive_job_does_not_pass_an_earlier_one(host):
    running(host, "0,1,2,3")
    big, exclusive = job_of(host, 6), job_of(host, exclusive=True)

    assert dispatched() == set()
    assert (why(big), why(exclusive)) == ("wait:dies_kept", "wait:before")


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_fifty_concurrent_dispatches_keep_the_order(settings):
    settings.HOST_AWAY_AFTER_S = 3600  # on a busy machine fifty take their time
    host = make_host(facts={"dies": [{"id": n} for n in range(32)]}, slots=100)
    low = [job_of(host, 8, priority=LOW) for _ in range(4)]
    normal = [job_of(host, 8) for _ in range(3)]
    urgent = job_of(host, 16, priority=URGENT)

    together(*[dispatch._look] * 50)  # as several processes do
    assert started() == {urgent.pk, normal[0].pk, normal[1].pk}
    held = [job.values["dies"].split(",") for job in Job.objects.filter(state="starting")]
    assert sorted(map(int, chain(*held))) == [*range(32)]  # no die is leased twice

    Job.objects.filter(state="starting").update(state="succeeded", finished_at=now())
    exclusive = job_of(host, priority=URGENT, exclusive=True)
    together(*[dispatch.run] * 10)
    assert started() == {exclusive.pk}
    assert {why(job) for job in [*low, normal[2]]} == {"wait:exclusive_running"}


def test_looks_of_one_process_follow_each_other_and_stand_for_those_that_wait(monkeypatch):
    looks, may_end = [], threading.Event()

    def look():
        looks.append(time.monotonic())
        may_end.wait(PATIENCE_S)
        return 1

    monkeypatch.setattr(dispatch, "_look", look)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(dispatch.run)
        until(lambda: looks)
        others = [pool.submit(dispatch.run) for _ in range(8)]
        until(lambda: sum(one.done() for one in others) == 7)
        assert len(looks) == 1
        may_end.set()

    assert first.result() + sum(one.result() for one in others) == len(looks) == 2


def test_dispatch_of_a_long_queue_asks_once_more_for_each_part(host):
    def queries(count):
        Job.objects.all().delete()
        running(host, "0,1,2,3")
        plan = make_plan(steps=DIES.steps, dies=6).to_json()
        rows = [Job(kind="x", title="x", host=host, plan=plan) for _ in range(count)]
        Job.objects.bulk_create(rows)
        with CaptureQueriesContext(connection) as asked:
            dispatch.run()
        return len(asked)

    first, more = capacity._FIRST, capacity._AT_ONCE
    assert queries(10) == queries(first - 1) == queries(first + more - 1) - 1
