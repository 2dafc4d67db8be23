from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from jobs.launch.launch import launch
from jobs.queries.jobs.jobs import JobFilters, matching, page
from tests.dashboard.lib.query_plan import explained
from tests.factories import make_host, make_job, make_measured, make_user, make_weights


def jobs_of(page):
    return [row.job for row in page.context["rows"]]


@pytest.mark.postgresql
def test_the_filter_offers_everyone_who_has_made_a_job_once(member):
    maker = make_user("maker")
    for _ in range(3):
        make_job(created_by=maker)

    shown = member.get(reverse("job-list")).context["people"]

    assert shown == ["maker"]


def test_lists_of_a_host_or_person_are_sorted_by_an_index():
    """A sort of all jobs of a host would make its list slower with each job."""
    job = make_job(host=make_host("here"), created_by=make_user("lin"))

    for filters in (JobFilters(host="here"), JobFilters(person="lin"), JobFilters(kind=job.kind)):
        with CaptureQueriesContext(connection) as asked:
            assert page(matching(filters))[0] == [job]
        listed = next(query["sql"] for query in asked if 'FROM "jobs_job"' in query["sql"])
        assert "TEMP B-TREE" not in explained(listed)


@pytest.mark.postgresql
def test_the_list_descends_from_end_to_end_and_a_pipeline_is_one_row(member):
    first = uuid4()
    made = [make_job()]
    made += [make_job(chain=first) for _ in range(3)]
    made += [make_job()]

    page = member.get(reverse("job-list"))

    assert jobs_of(page) == [made[4], made[3], made[0]]
    assert page.text.count(reverse("pipeline", args=[first])) == 1
    assert ">5 jobs<" in page.text


def test_other_orders_list_each_run_and_say_so(member):
    made = [make_job(chain=uuid4(), duration_s=duration) for duration in (1.0, 3.0, 2.0)]

    page = member.get(reverse("job-list"), {"order": "-duration"})

    assert jobs_of(page) == [made[1], made[2], made[0]]
    assert "one row a run" in page.text


@pytest.mark.parametrize(
    ("query", "word"),
    [("state", "state"), ("kind", "job type"), ("host", "host"), ("person", "person")],
)
def test_a_filter_of_an_unknown_value_is_dropped_with_a_message(member, query, word):
    job = make_job()

    page = member.get(reverse("job-list"), {query: "bogus"})

    assert jobs_of(page) == [job]
    assert f"Filter ignored: no {word} is called “bogus”." in page.text


def test_a_required_job_is_older_than_its_dependent(member):
    weights = make_weights(host=make_host())
    compiling = launch("compile", {"weights": str(weights.pk)}, host=weights.host, user=None)
    environment = compiling.after.get()

    opened = {"open": str(compiling.chain)}
    (row,) = member.get(reverse("job-list"), opened).context["rows"]

    assert [run.job for run in row.runs] == [environment, compiling]
    assert environment.created_at < compiling.created_at
    assert environment.place <= compiling.place


def test_a_host_or_person_that_is_not_known_has_no_jobs():
    make_job()

    assert page(matching(JobFilters(host="nowhere")))[0] == []
    assert page(matching(JobFilters(person="nobody")))[0] == []


def test_a_measured_job_has_its_result_as_outcome(member, django_assert_num_queries):
    run = make_measured(points=[(4, {"output_tokens_per_s": 61.9})])
    page = member.get(reverse("job-list")).text

    assert f'href="{reverse("result-detail", args=[run.pk])}">res-{run.pk}</a>' in page
    assert "61.9" in page
    with CaptureQueriesContext(connection) as few:
        member.get(reverse("job-list"))
    for _ in range(3):
        make_measured(points=[(4, {"output_tokens_per_s": 9.5})])
    with django_assert_num_queries(len(few)):
        member.get(reverse("job-list"))


def test_lost_jobs_are_counted_apart_from_failed_ones(member):
    for state in ("failed", "lost", "errored"):
        make_job(state=state)

    assert "2 failed today, 1 lost today" in member.get(reverse("job-list")).text
    assert "Failed or lost today" in member.get(reverse("overview")).text


def test_an_open_job_offers_no_retry(member):
    page = reverse("job-detail", args=[make_job(state="running").pk])

    assert "Edit and rerun" in member.get(page).text
    assert "Retry" not in member.get(page).text
