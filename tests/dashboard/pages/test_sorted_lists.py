"""Lists that are sorted by the server: every page of every order, heads, columns of one's own."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from dashboard.pages.shared.columns import JOBS, RESULTS
from jobs.models import Host, Job, Result
from jobs.queries import sorting
from jobs.queries.jobs import jobs
from jobs.queries.results import listing
from jobs.queries.sorting import Order, read_cursor, sorted_page
from tests.dashboard.lib.query_plan import explained
from tests.factories import make_host, make_job, make_measured, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]
RATES = (61.9, 90.0, 61.9, None, 1234.5, None, 61.9)


@pytest.fixture
def results():
    """Results with equal, different and missing numbers, texts and people."""
    hosts, people, moment = [make_host() for _ in range(2)], [make_user(), None], now()
    made = []
    for index, rate in enumerate(RATES):
        metrics = {"requests": index % 3} | ({} if rate is None else {"output_tokens_per_s": rate})
        job = make_job(state="succeeded", kind="benchmark", host=hosts[index % 2])
        made.append(
            make_measured(
                job=job,
                points=[(1, metrics)],
                created_by=people[index % 2],
                created_at=moment - timedelta(hours=index // 3),
                label=f"precision ~{index % 2}",
            )
        )
    return made


@pytest.mark.parametrize("name", ["output_tokens_per_s", "person", "made", "precision", "done"])
@pytest.mark.parametrize("descending", [False, True])
def test_sorted_pages_hold_every_result_once_and_blanks_last(results, name, descending):
    order, column = Order(name, descending), listing.COLUMNS[name]

    rows = all_pages(Result.objects.all(), column, order)

    assert sorted(row.pk for row in rows) == sorted(row.pk for row in results)
    values = [(row.sorted_by, row.pk) for row in rows]
    there = [value for value in values if value[0] is not None]
    assert there == sorted(there, reverse=descending)
    assert values == [*there, *(value for value in values if value[0] is None)]


def test_results_and_jobs_can_be_paged_in_each_order(results):
    for columns, rows in (
        (listing.COLUMNS, Result.objects.all()),
        (jobs.COLUMNS, Job.objects.all()),
    ):
        for name, column in columns.items():
            for descending in (False, True):
                listed = all_pages(rows, column, Order(name, descending))
                assert len(listed) == len({row.pk for row in listed}) == len(results), name


@pytest.mark.parametrize(
    "text",
    ["", "x", "~", "5~nan", "5~inf", "5~x", "-1~5", "9" * 19, f"5~{'1' * 400}", "5~1e999"],
)
def test_a_cursor_that_no_page_gave_begins_at_the_begin(text):
    assert read_cursor(text, listing.COLUMNS["output_tokens_per_s"]) is None


def test_moments_and_whole_numbers_of_a_cursor_are_checked():
    for read in (sorting.read_moment, sorting.read_whole):
        for text in ("", "x", "2026-11-24", "1" * 30, "-5"):
            with pytest.raises(ValueError, match=r".*"):
                read(text)


@pytest.mark.parametrize(
    "order", ["-output_tokens_per_s", "person", "-made", "nonsense", "-", "--"]
)
@pytest.mark.parametrize(
    "after",
    ["", "7~61.9", "7", "garbage~", "7~2026-01-01T00:00:00+00:00", "7~0001-01-01T00:00:00+23:59"],
)
def test_no_address_of_a_list_is_an_error(member, results, order, after):
    for name in ("result-list", "job-list"):
        answer = member.get(reverse(name), {"order": order, "after": after})
        assert answer.status_code == 200


def test_a_sorted_list_asks_no_more_often_than_a_new_one(member, results):
    address = reverse("result-list")
    member.get(address)

    with CaptureQueriesContext(connection) as usual:
        member.get(address)
    with CaptureQueriesContext(connection) as by_rate:
        member.get(address, {"order": "-output_tokens_per_s"})

    assert len(by_rate) == len(usual)


@pytest.mark.parametrize("order", [Order("made", descending=True), Order("made")])
def test_lists_by_age_are_in_the_order_of_an_index(order):
    for _ in range(2):
        make_measured(job=make_job(state="succeeded", host=host()))
    listed = []
    for rows, columns in (
        (Job.objects.filter(host=host()), jobs.COLUMNS),
        (Result.objects.filter(host=host()), listing.COLUMNS),
    ):
        column = columns["made"]
        with CaptureQueriesContext(connection) as asked:
            _first, after = sorted_page(rows, column, order, "", 1)
            second, _after = sorted_page(rows, column, order, after, 1)
        assert len(second) == 1
        listed += [query["sql"] for query in asked if "ORDER BY" in query["sql"]]

    assert len(listed) == 4
    for sql in listed:
        assert "TEMP B-TREE" not in explained(sql)


def test_a_head_sorts_and_a_second_click_turns_it_round(member, results):
    address = reverse("result-list")

    first = head_of(member.get(address, {"type": "benchmark"}), "output_tokens_per_s")
    second = head_of(member.get(f"{address}?{first['query']}"), "output_tokens_per_s")

    assert first["query"] == "type=benchmark&order=-output_tokens_per_s"
    assert (first["sorted"], second["sorted"]) == ("", "descending")
    assert second["query"] == "type=benchmark&order=output_tokens_per_s"
    html = member.get(f"{address}?{first['query']}").content.decode()
    assert 'aria-sort="descending"' in html
    assert html.index("1\u202f234") < html.index("61.9")
    # A filter that is chosen next keeps the order.
    assert '<input type="hidden" name="order" value="-output_tokens_per_s">' in html


@pytest.mark.parametrize(("name", "table"), [("result-list", "results"), ("job-list", "jobs")])
def test_columns_are_each_persons_own(member, results, name, table):
    usual = names(member.get(reverse(name)))

    answer = member.post(
        reverse("columns", args=[table]),
        {"column": ["made", "requests_per_s", "started", "bad"], "next": reverse(name)},
    )

    assert answer.headers["Location"] == reverse(name)
    shown = names(member.get(reverse(name)))
    optional = {"results": ["requests_per_s", "made"], "jobs": ["started", "made"]}[table]
    fixed = [c.name for c in (RESULTS if table == "results" else JOBS) if c.is_fixed]
    assert shown == [*fixed, *optional]
    member.post(reverse("columns", args=[table]), {"usual": "1"})
    assert names(member.get(reverse(name))) == usual


def test_columns_go_back_to_an_address_of_our_own_only(member):

    answer = member.post(reverse("columns", args=["jobs"]), {"next": "https://evil.example/"})

    assert answer.headers["Location"] == reverse("overview")
    assert member.post(reverse("columns", args=["nothing"])).status_code == 404


def test_hiding_all_columns_leaves_the_required_ones(member):

    member.post(reverse("columns", args=["jobs"]))

    assert names(member.get(reverse("job-list"))) == ["job"]


def test_what_a_column_sorts_by_is_known_to_its_list():
    for columns, known in ((RESULTS, listing.COLUMNS), (JOBS, jobs.COLUMNS)):
        assert {name for column in columns for name, _word in column.orders} <= set(known)


def all_pages(rows, column, order):
    """Every row of every page, two a page."""
    listed, after = [], ""
    while True:
        page, after = sorted_page(rows, column, order, after, 2)
        listed += page
        if not after:
            return listed


def head_of(answer, name):
    """The link that sorts by ``name``."""
    links = [link for head in answer.context["heads"] for link in head["links"]]
    wanted = (f"order={name}", f"-{name}")
    return next(link for link in links if any(one in link["query"] for one in wanted))


def names(answer):
    return [column.name for column in answer.context["columns"]]


def host():
    return Host.objects.filter(name="one").first() or make_host("one")
