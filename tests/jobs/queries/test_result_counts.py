import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.models import Result
from jobs.queries.results import listing
from jobs.queries.results.listing import count_all
from tests.factories import make_host, make_job, make_result, make_user

pytestmark = pytest.mark.django_db


def total(**fields):
    return listing.result_list(listing.Filters(**fields)).total


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
        counts = listing.facet_counts(listing.Filters(facets={"precision": ["a"]}))

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
    assert total(text="int4") == 1
    assert total(text="int4", facets={"host": ["there"]}) == 0
    assert listing.facet_counts(listing.Filters())["person"] == [("lin", 2)]


def test_a_deleted_person_is_no_facet_after_a_recount():
    make_result(created_by=make_user("lin"))
    assert listing.facet_counts(listing.Filters())["person"] == [("lin", 1)]
    User.objects.filter(username="lin").delete()
    assert Result.objects.get().created_by is None

    caches["process"].clear()  # as its time does

    assert listing.facet_counts(listing.Filters())["person"] == []
