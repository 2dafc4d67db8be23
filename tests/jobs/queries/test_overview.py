"""Trend of a result: only its repeats."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from jobs.models import Result
from jobs.queries.overview import results
from tests.measuring import make_measuring_host, measured, served

pytestmark = pytest.mark.django_db


def trend(result):
    return next(tuple(row.history) for row in results(None) if row.result == result)


def earlier(result, minutes):
    Result.objects.filter(pk=result.pk).update(created_at=now() - timedelta(minutes=minutes))
    return result


@pytest.fixture
def server():
    return served(make_measuring_host())


@pytest.mark.postgresql
def test_a_trend_has_repeats_at_the_concurrency_shown(server):
    earlier(measured(server, points=[(1, 40.0), (4, 90.0)]), 9)
    earlier(measured(server, points=[(1, 30.0), (8, 120.0)]), 8)  # not at 4

    last = measured(server, points=[(1, 41.0), (4, 95.0)])

    assert trend(last) == (90.0, 95.0)


def test_a_trend_has_only_counted_repeats(server):
    earlier(measured(server, output_tokens=512), 9)
    earlier(measured(server, more={"requests": 1}), 8)
    for number, flag in enumerate(Result.UNCOUNTED):
        run = earlier(measured(server, points=[(1, 7.0)]), 5 + number)
        Result.objects.filter(pk=run.pk).update(**{flag: True})

    last = measured(server, points=[(1, 51.0)])

    assert trend(last) == (50.0, 51.0)


def test_a_run_that_does_not_count_has_no_trend(server):
    earlier(measured(server), 5)
    last = measured(server)
    Result.objects.filter(pk=last.pk).update(disturbed=True)

    assert trend(last) == ()
