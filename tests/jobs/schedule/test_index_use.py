"""Launches, heartbeats and pages read the open jobs of a host by an index of states."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from jobs.models import Host, Job
from jobs.queries import overview
from jobs.queries.catalogue import model_page
from jobs.queries.hosts import held_names, host_page, leased_dies
from jobs.queries.jobs.jobs import OPEN, JobFilters, grouped_page, matching, page
from jobs.schedule.capacity import capacity_of
from jobs.schedule.targets import target_of
from jobs.services.upkeep import retention
from tests.dashboard.lib.query_plan import explained
from tests.factories import make_host, make_job, make_user

pytestmark = pytest.mark.django_db

ASKED = {
    "capacity": capacity_of,
    "target": target_of,
    "held dies": lambda host: held_names([host]),
    "leased dies": leased_dies,
    "open jobs": lambda host: list(Job.on([host], Job.OPEN_STATES)),
    "host page": lambda host: list(host_page(host.name).recent[:10]),
}


@pytest.mark.parametrize("name", ASKED)
def test_no_question_about_a_host_walks_all_its_jobs(name):
    host = make_host(facts={"dies": [{"id": "0"}]})
    make_job(host=host)
    with CaptureQueriesContext(connection) as asked:
        ASKED[name](host)

    plans = [explained(query["sql"]) for query in asked if query["sql"].startswith("SELECT")]
    walks = ("job_by_host (", "jobs_job_host_id", "SCAN jobs_job")
    assert not [plan for plan in plans if any(walk in plan for walk in walks)]


def test_no_list_of_jobs_starts_at_the_hosts():
    job = make_job()
    with CaptureQueriesContext(connection) as asked:
        assert grouped_page(matching(JobFilters()), Host.objects.all)[0] == [job]

    assert not [query["sql"] for query in asked if "JOIN" in query["sql"]]


def test_open_jobs_are_found_and_counted_by_their_index():
    host, person = make_host(), make_user("lin")
    fields = {"host": host, "kind": "benchmark", "created_by": person, "plan": {}}
    ended = [Job(state=Job.State.SUCCEEDED, finished_at=now(), **fields) for _ in range(300)]
    queued = [Job(state=Job.State.QUEUED, needs_confirmation=asks, **fields) for asks in ([], [{}])]
    there = [Job(state=state, **fields) for state in Job.ON_HOST_STATES]
    Job.objects.bulk_create([*ended, *queued, *there])
    retention.count_rows()  # as each installation does: the planner knows that few states are used

    with CaptureQueriesContext(connection) as asked:
        for who in (None, person):
            found = {"running": 2, "away": 0, "waiting": 2, "needs_confirmation": 1}
            none = {"failed_today": 0, "lost_today": 0}
            assert overview.counts(who, now()) == found | none
            assert overview.running(who)[1].count() == 2
        assert len(page(matching(JobFilters(state=OPEN)))[0]) == 4
        model_page("deepseek-r1")

    plans = [explained(query["sql"]) for query in asked if query["sql"].startswith("SELECT")]
    assert not [plan for plan in plans if "SCAN jobs_job" in plan or "job_by_person" in plan]


@pytest.mark.postgresql
def test_the_planner_of_sqlite_knows_how_many_rows_share_a_value():
    make_job()

    retention.count_rows()

    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("SELECT idx FROM sqlite_stat1 WHERE tbl = 'jobs_job'")
            assert "job_by_state" in {name for (name,) in cursor.fetchall()}
