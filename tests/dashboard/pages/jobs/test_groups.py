"""A group of jobs is one row of every list, and unfolds to its runs."""

import re
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from dashboard.pages.shared.run_strip import run_strip
from jobs.models import Job, Matrix
from tests.dashboard.lib.page_text import text_of
from tests.factories import make_cell, make_host, make_job

RUNS = 50


@pytest.fixture
def matrix(lin):
    """Of 50 runs 20 succeeded, two failed, one runs, the others are queued."""
    host = make_host("va16-01", slots=1)
    row = Matrix.objects.create(
        title="R1-int8", kind="benchmark", host=host, created_by=lin, spec={}
    )
    states = ["succeeded"] * 20 + ["failed"] * 2 + ["running"] + ["queued"] * 27
    for place, state in enumerate(states):
        job = make_job(
            **{"host": host, "kind": "benchmark", "state": state, "created_by": lin},
            **{"chain": row.chain, "model_id": "deepseek-r1", "title": f"cell {place}"},
            started_at=None if state == "queued" else now(),
        )
        make_cell(row, place, job, concurrency=1)
    return row


def row_of(matrix):
    return f'href="{reverse("matrix-detail", args=[matrix.pk])}"'


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("address", "lists"),
    [
        ("/jobs/", 1),
        ("/", 1),  # failed, with those that run
        ("/hosts/va16-01/queue/", 1),
        ("/hosts/va16-01/", 2),  # queued, recent
        ("/models/deepseek-r1/", 1),
    ],
)
def test_a_matrix_of_50_runs_is_one_row_of_a_list(admin, matrix, address, lists):
    page = admin.get(address)

    assert page.text.count(row_of(matrix)) == lists
    assert text_of(page).count("2 failed, 1 running, 27 queued, 20 succeeded") == lists
    assert "cell 40" not in page.text


def test_a_pipeline_whose_first_job_is_starting_has_not_begun(admin):
    chain, host = uuid4(), make_host()
    for state in ("starting", "queued"):
        make_job(state=state, chain=chain, host=host, started_at=None)

    page = admin.get("/")

    assert "not yet" in text_of(page)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("/jobs/", RUNS),
        ("/jobs/?state=failed", 2),
        ("/hosts/va16-01/queue/", 27),
        ("/", 2),
    ],
)
def test_an_address_remembers_an_unfolded_group(admin, matrix, address, shown):
    opened = f"{address}{'&' if '?' in address else '?'}open={matrix.chain}"

    page = admin.get(opened).text

    assert len(re.findall(r">cell \d+", page)) == shown
    fold = re.search(r'class="unfold on" data-unfold href="\?([^"]*)" aria-expanded="true"', page)
    assert str(matrix.chain) not in fold[1]
    assert ("state=failed" in fold[1]) == ("state=failed" in address)


def test_a_filter_reaches_into_groups_and_names_few_that_match(admin, matrix):
    failed = Job.objects.filter(state="failed").values_list("pk", flat=True)

    page = admin.get("/jobs/?state=failed")

    assert "2 jobs match" in text_of(page)
    assert [f'href="/jobs/{pk}/"' in page.text for pk in failed] == [True, True]
    assert row_of(matrix) in admin.get("/jobs/?q=cell+7").text
    assert row_of(matrix) not in admin.get("/jobs/?state=lost").text


def test_a_queue_says_its_reason_once(admin, matrix):
    make_job(host=matrix.host)
    reason = "is at its job limit"

    for address in ("/", "/hosts/va16-01/", "/hosts/va16-01/queue/"):
        assert text_of(admin.get(address)).count(reason) == 1, address
    opened = admin.get(f"/hosts/va16-01/queue/?open={matrix.chain}")
    assert text_of(opened).count(reason) == 1


def test_the_time_left_is_that_until_the_last_run_ends(admin, lin):
    host, chain = make_host(slots=1), uuid4()
    of = {"host": host, "title": "llama.cpp"}
    make_job(**of, state="succeeded", duration_s=600.0)
    for state in ("running", "queued", "queued"):
        started = now() if state == "running" else None
        make_job(**of, chain=chain, state=state, started_at=started, created_by=lin)

    page = text_of(admin.get("/jobs/"))

    assert "1 running, 2 queued remaining 30 min" in page


def test_a_list_asks_as_often_for_many_groups(admin):
    host = make_host()

    def asked():
        with CaptureQueriesContext(connection) as queries:
            admin.get("/jobs/")
        return len(queries)

    def groups(count):
        for _ in range(count):
            chain = uuid4()
            for state in ("succeeded", "queued"):
                make_job(host=host, chain=chain, state=state)

    groups(1)
    admin.get("/jobs/")
    first = asked()
    groups(3)

    assert asked() == first


def test_a_group_moves_in_the_queue_of_its_page(admin, matrix, ada):
    other = make_job(host=matrix.host, created_by=ada)
    first = Job.objects.filter(state="queued", chain=matrix.chain).earliest("place")

    answer = admin.post(
        reverse("job-move", args=[first.pk]), {"to": "last", "whole": "1", "from": "queue"}
    )

    assert answer["Location"] == f"/hosts/va16-01/queue/#queue-{first.pk}-all"
    queued = Job.objects.filter(state="queued").order_by(*Job.QUEUE_ORDER)
    assert queued.first() == other
    admin.post(reverse("job-priority", args=[first.pk]), {"priority": "low", "whole": "1"})
    assert Job.objects.filter(state="queued", priority=Job.Priority.LOW).count() == 27


def test_the_address_of_a_pipeline_that_is_a_matrix_leads_to_the_matrix(member, matrix):
    answer = member.get(reverse("pipeline", args=[matrix.chain]))

    assert answer["Location"] == reverse("matrix-detail", args=[matrix.pk])
    assert member.post(reverse("pipeline-retry", args=[matrix.chain])).status_code == 404


@pytest.mark.parametrize(("count", "lines"), [(8, 1), (33, 1), (66, 2), (400, 7)])
def test_cells_of_many_runs_stand_in_lines(count, lines):
    drawn = run_strip(["succeeded"] * count)

    heights = {y for _x, y in re.findall(r"M([\d.]+) ([\d.]+)h", drawn)}
    assert len(heights) == lines
    assert drawn.count("M") == count
    assert int(re.search(r'width="(\d+)"', drawn)[1]) <= 198


def test_each_state_has_a_colour_and_a_shape():
    states = ("succeeded", "failed", "running", "queued", "cancelled", "lost")

    drawn = run_strip(states)

    paths = re.findall(r'<path class="(\w+)" d="M[\d.]+ ([^"]+)"', drawn)
    assert len({css for css, _path in paths}) == len(states)
    assert len({re.sub(r"M[\d.]+ ", "M", path) for _css, path in paths}) == len(states)
