"""The result list: counts of its filters; one row an identity; main metric of a result."""

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.models import Result, ResultPoint
from jobs.queries.results import listing
from jobs.queries.results.listing import ResultFilters, count_all, identity_list
from jobs.queries.results.repeats import SECONDARY, best_concurrencies, headline
from jobs.queries.results.results import Mean
from tests.comparing import OTHER
from tests.factories import make_host, make_job, make_measured, make_result, make_user
from tests.measuring import measured, runs, served

pytestmark = pytest.mark.django_db


def total(**fields):
    return listing.result_list(listing.ResultFilters(**fields)).total


@pytest.mark.postgresql
def test_new_results_are_added_to_the_cached_counts():
    make_result(label="a")
    assert total() == 1
    make_result(label="b")

    with CaptureQueriesContext(connection) as asked:
        counts = count_all()

    assert counts.total() == 2
    assert any("id > " in query["sql"] or '"id" > ' in query["sql"] for query in asked)


def test_more_facets_need_no_more_queries():
    make_result(label="a")
    total()

    with CaptureQueriesContext(connection) as asked:
        counts = listing.facet_counts(listing.ResultFilters(facets={"precision": ["a"]}))

    assert counts["precision"] == [("a", 1)]
    assert len(asked) == 1  # for the newest number alone


@pytest.mark.postgresql
def test_every_filter_counts_what_it_lets_through():
    here, there = make_host("here"), make_host("there")
    lin = make_user("lin")
    for host, label, by, failed in (
        (here, "int8", lin, 0),
        (here, "int4", lin, 2),
        (there, "int8", None, 0),
    ):
        job = make_job(host=host, state="succeeded")
        make_result(job=job, label=label, created_by=by, incomplete=bool(failed))

    assert total(facets={"host": ["here"]}) == 2
    assert total(facets={"host": ["here", "there"], "precision": ["int8"]}) == 2
    assert total(facets={"person": ["lin"]}, stamps=["incomplete"]) == 1
    assert total(stamps=["incomplete", "quiet"]) == 3
    assert total(words=listing.Words("int4")) == 1
    assert total(words=listing.Words("int4"), facets={"host": ["there"]}) == 0
    assert listing.facet_counts(listing.ResultFilters())["person"] == [("lin", 2)]


def test_a_deleted_person_is_no_facet_after_a_recount():
    make_result(created_by=make_user("lin"))
    assert listing.facet_counts(listing.ResultFilters())["person"] == [("lin", 1)]
    User.objects.filter(username="lin").delete()
    assert Result.objects.get().created_by is None

    caches["process"].clear()  # as its time does

    assert listing.facet_counts(listing.ResultFilters())["person"] == []


@pytest.mark.postgresql
def test_runs_of_one_measurement_are_one_row(host):
    deployment = served(host)
    runs = [measured(deployment, points=((1, rate), (4, 3 * rate))) for rate in (98, 100, 102)]
    alone = measured(served(host, OTHER), points=((1, 50.0),))

    page = identity_list(ResultFilters())

    first, second = page.rows
    assert (page.total, page.repeated, page.after) == (2, 1, "")
    assert (first.latest, first.mean) == (alone, Mean(50.0, 1))
    assert (second.latest, second.mean.runs, second.concurrency) == (runs[2], 3, 4)
    assert second.mean.value == pytest.approx(300)
    assert second.mean.interval.low < 300 < second.mean.interval.high
    assert list(second.history) == [294, 300, 306]


@pytest.mark.postgresql
def test_the_best_concurrency_has_the_main_value(host):
    points = ((1, 50.0), (4, 90.1), (8, 90.1), (16, 80.0))
    best = measured(served(host), points=points)
    other = measured(served(host, OTHER), points=((2, 90.1),))
    Result.objects.filter(pk=other.pk).update(metrics={"output_tokens_per_s": 70.5})
    accuracy = make_measured(scores=[1, 0])

    assert best_concurrencies(Result.objects.all()) == {best.pk: 4}
    assert accuracy.metrics["accuracy"] == 0.5


def test_a_result_without_a_main_value_has_no_best_concurrency(host):
    measured(served(host), points=((2, 90.0),))
    for metrics in ({}, {"output_tokens_per_s": None}):
        Result.objects.update(metrics=metrics)
        ResultPoint.objects.update(metrics=metrics)

        assert best_concurrencies(Result.objects.all()) == {}


def test_the_latest_counted_run_stands_for_the_identity(host):
    one, *others = runs(served(host), *[50.0] * (1 + len(Result.UNCOUNTED)))
    for flag, other in zip(Result.UNCOUNTED, others, strict=True):
        Result.objects.filter(pk=other.pk).update(**{flag: True})
    (row,) = identity_list(ResultFilters()).rows
    assert (row.latest, row.mean.runs, row.uncounted) == (one, 1, len(others))

    Result.objects.update(incomplete=True)

    (row,) = identity_list(ResultFilters()).rows
    assert (row.latest, row.mean, row.uncounted) == (others[-1], Mean(None, 0), 1 + len(others))


def test_runs_without_an_identity_stand_alone():
    rows = [make_measured(scores=[1, 1, 0]) for _ in range(2)]
    Result.objects.update(fingerprint="")

    page = identity_list(ResultFilters())

    assert [row.latest for row in page.rows] == rows[::-1]
    assert all(row.mean.runs == 1 and row.mean.interval is not None for row in page.rows)


def test_filters_choose_identities(host):
    measured(served(host, stack="guide"))
    wanted = measured(served(host, stack="current"))

    page = identity_list(ResultFilters(facets={"stack": ["current"]}))

    assert [row.latest for row in page.rows] == [wanted]
    assert page.total == 1


@pytest.mark.postgresql
def test_pages_by_identity_miss_and_repeat_nothing(host, monkeypatch):
    monkeypatch.setattr(listing, "PAGE", 2)
    wanted = {measured(served(host, (*OTHER, str(n)))).pk for n in range(5)}
    found, after = [], ""

    while after or not found:
        page = identity_list(ResultFilters(), after)
        found, after = [*found, *(row.latest.pk for row in page.rows)], page.after

    assert len(found) == 5 and set(found) == wanted


@pytest.mark.parametrize("after", ["x", "5", "5~yesterday", "~", "9" * 40])
def test_a_wrong_cursor_is_the_first_page(host, after):
    measured(served(host))

    assert len(identity_list(ResultFilters(), after).rows) == 1


@pytest.mark.parametrize(
    ("result_type", "metrics", "expected"),
    [
        (
            "benchmark",
            {"output_tokens_per_s": 1, "total_tokens_per_s": 2, "ttft_p50_ms": 3},
            ("output_tokens_per_s", "ttft_p50_ms"),
        ),
        (
            "benchmark",
            {"total_tokens_per_s": 2, "requests_per_s": 1},
            ("total_tokens_per_s", "requests_per_s"),
        ),
        (
            "benchmark",
            {"batch_latency_mean_s": 2, "batch_latency_p99_s": 1},
            ("batch_latency_mean_s", "batch_latency_p99_s"),
        ),
        ("benchmark", {}, ("output_tokens_per_s", "ttft_p50_ms")),
        ("evaluation", {"accuracy": 1, "questions": 2}, ("accuracy", "questions")),
    ],
)
def test_a_result_is_shown_by_what_was_measured(result_type, metrics, expected):
    second = headline(result_type, metrics, SECONDARY)
    assert (headline(result_type, metrics), second) == expected
