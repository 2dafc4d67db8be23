"""Groups in lists: which job stands for one, what it knows of its runs."""

from importlib import import_module
from uuid import UUID

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.models import Host, Job, Matrix
from jobs.queries.jobs.groups import firsts, groups_of
from jobs.queries.jobs.jobs import GROUPED, JobFilters, grouped_page, matching, page
from jobs.queries.sorting import Order
from tests.factories import make_cell, make_host, make_job

pytestmark = pytest.mark.django_db
ONE, OTHER = UUID(int=1), UUID(int=2)


def make_matrix(states, host=None, **fields):
    """A matrix with a run in each of ``states``."""
    host = host or make_host()
    matrix = Matrix.objects.create(title="served", kind="benchmark", host=host, spec={})
    for column, state in enumerate(states):
        job = make_job(host=host, state=state, chain=matrix.chain, **fields)
        make_cell(matrix, column, job)
    return matrix


def states_of(chain):
    (group,) = groups_of(Job.objects.filter(chain=chain)).values()
    return list(group.states)


@pytest.mark.postgresql
def test_the_newest_job_of_a_group_stands_for_it():
    single = make_job()
    group = [make_job(chain=ONE) for _ in range(3)]
    last = make_job()

    assert grouped_page(matching(JobFilters()), Host.objects.all)[0] == [last, group[2], single]
    assert len(page(matching(JobFilters()))[0]) == 5


@pytest.mark.postgresql
def test_a_group_is_of_the_model_of_its_first_job_with_one():
    for model_id in ("", "deepseek-r1", "smollm2-135m-instruct", "deepseek-r1"):
        job = make_job(chain=ONE, model_id=model_id)

    assert groups_of([job])[ONE].model_id == "deepseek-r1"


@pytest.mark.postgresql
def test_a_filter_finds_a_group_by_its_older_jobs():
    failed = make_job(chain=ONE, state="failed", title="oddity")
    make_job(chain=ONE)

    assert grouped_page(matching(JobFilters(state="failed")), Host.objects.all)[0] == [failed]
    assert grouped_page(matching(JobFilters(text="oddity")), Host.objects.all)[0] == [failed]
    (group,) = groups_of([failed], Job.objects.filter(state="failed")).values()
    assert ([run.id for run in group.matching], group.jobs) == ([failed.pk], 2)


@pytest.mark.postgresql
@pytest.mark.parametrize("name", GROUPED)
def test_pages_of_groups_hold_each_once(name):
    hosts = [make_host() for _ in range(2)]
    for number in range(12):
        make_job(host=hosts[number % 2], chain=(ONE, OTHER, None)[number % 3])

    for descending in (False, True):
        listed, after = [], ""
        while True:
            order = Order(name, descending)
            jobs, after = grouped_page(
                matching(JobFilters()), Host.objects.all, order, after=after, limit=2
            )
            listed += jobs
            if not after:
                break
        assert len({job.pk for job in listed}) == len(listed) == 6
        assert {job.chain for job in listed} == {ONE, OTHER, None}


def test_a_job_of_a_host_that_is_made_meanwhile_is_listed():
    job = make_job()

    ((listed,), _) = grouped_page(matching(JobFilters()), list)

    assert listed.host == job.host


def test_jobs_of_a_group_are_not_grouped_in_an_order_in_which_they_differ():
    for _ in range(2):
        make_job(chain=ONE)

    assert len(grouped_page(matching(JobFilters()), Host.objects.all, Order("duration"))[0]) == 2


def test_the_first_jobs_keep_the_order_of_the_list():
    jobs = [make_job(chain=chain) for chain in (ONE, None, ONE, OTHER)]

    assert firsts(Job.objects.order_by("pk"), 2) == jobs[:2]
    assert firsts(Job.objects.order_by("-pk"), 9) == [jobs[3], jobs[2], jobs[1]]


def test_a_group_is_open_while_a_run_is_and_then_has_its_worst_state():
    make_job(chain=ONE, state="succeeded")
    for state in ("cancelled", "lost", "failed", "queued", "running"):
        last = make_job(chain=ONE, state=state)
        (group,) = groups_of(Job.objects.filter(chain=ONE)).values()
        assert group.state == state
    assert list(group.counts) == ["failed", "lost", "running", "queued", "cancelled", "succeeded"]
    Job.objects.filter(pk__in=(last.pk, last.pk - 1)).delete()
    (group,) = groups_of(Job.objects.filter(chain=ONE)).values()
    assert group.state == "failed"


def test_a_run_that_asks_is_worse_than_a_running_one():
    make_job(chain=ONE, state="running")
    make_job(chain=ONE, needs_confirmation=[{"check": "shm"}])

    assert states_of(ONE) == ["running", "needs_confirmation"]


def test_a_retry_stands_where_its_first_attempt_stood():
    old = make_job(chain=ONE, state="failed")
    make_job(chain=ONE, state="succeeded")
    again = make_job(chain=ONE, state="failed", repeats=old)
    make_job(chain=ONE, state="running", repeats=again)

    assert states_of(ONE) == ["running", "succeeded"]


def test_a_further_run_of_a_cell_is_one_more():
    matrix = make_matrix(["succeeded", "failed"])
    measured, failed = Job.objects.order_by("pk")
    more = make_job(host=matrix.host, chain=matrix.chain, state="running", repeats=measured)
    make_cell(matrix, 0, more, repeat=2, place=9)
    again = make_job(host=matrix.host, chain=matrix.chain, repeats=failed)
    matrix.cells.filter(job=failed).update(job=again)

    assert states_of(matrix.chain) == ["succeeded", "queued", "running"]
    (group,) = groups_of([again]).values()
    assert (group.jobs, group.matrix) == (4, matrix)


def test_a_job_alone_is_no_group():
    assert groups_of([make_job(chain=ONE), make_job()]) == {}


def test_groups_are_read_at_once():
    matrices = [make_matrix(["succeeded"] * 3) for _ in range(2)]
    jobs = list(Job.objects.filter(chain=matrices[0].chain))
    with CaptureQueriesContext(connection) as for_one:
        groups_of(jobs)
    with CaptureQueriesContext(connection) as for_two:
        assert len(groups_of(Job.objects.all())) == 2

    assert len(for_two) == len(for_one) + 1  # that of the jobs themselves


def test_matrices_of_before_become_groups():
    matrix = make_matrix(["succeeded", "lost"])
    Job.objects.update(chain=None)
    environment = make_job(host=matrix.host, chain=ONE)
    first, lost = Job.objects.filter(cell__matrix=matrix).order_by("pk")
    Job.objects.filter(pk=first.pk).update(chain=ONE)
    again = make_job(host=matrix.host, repeats=lost)
    matrix.cells.filter(job=lost).update(job=again)
    other = make_job(chain=OTHER)

    import_module("jobs.migrations.0003_groups").name_groups(apps, None)

    matrix.refresh_from_db()
    named = set(Job.objects.filter(chain=matrix.chain))
    assert named == {first, lost, again, environment}
    assert Job.objects.get(pk=other.pk).chain == OTHER
