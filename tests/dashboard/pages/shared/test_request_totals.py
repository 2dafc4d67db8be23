"""Requests of one concurrency and of all concurrencies are separate numbers."""

import json
from importlib import import_module

import pytest
from django.urls import reverse

from tests.dashboard.lib.points import SOME_FAILED, point
from tests.factories import make_measured, make_user
from tests.past import models_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client):
    client.force_login(make_user("lin"))
    return lambda address: client.get(address).content.decode()


def test_samples_and_times_in_the_list_are_of_one_point(page):
    result = make_measured(**SOME_FAILED)

    html = page(reverse("result-list"))
    answer = json.loads(page(reverse("api-result", args=[result.pk])))

    assert '<td class="r sub"><span class="num">12</span></td>' in html
    assert (answer["metrics"]["requests"], answer["metrics"]["failed_requests"]) == (12, 0)
    assert answer["totals"] == {"requests": 34, "failed_requests": 2}
    assert not [name for name in answer["metrics"] if name.endswith("_all")]


def test_requests_of_older_results_are_separated():
    old = make_measured(
        points=SOME_FAILED["points"],
        metrics=point(4, 90.0, requests=34, failed_requests=2, duration_s=9.0)[1],
    )
    offline = make_measured(metrics={"batch_latency_mean_s": 2.0})
    migration = import_module("jobs.migrations.0025_requests_apart")

    migration.tell_apart(models_of("0025_requests_apart"), None)
    old.refresh_from_db()
    offline.refresh_from_db()
    assert old.metrics == {
        **SOME_FAILED["metrics"],
        "duration_s": 9.0,
    }
    assert offline.metrics == {"batch_latency_mean_s": 2.0}
    migration.put_back(models_of("0025_requests_apart"), None)
    old.refresh_from_db()
    assert (old.metrics["requests"], old.metrics["failed_requests"]) == (34, 2)
    assert "requests_all" not in old.metrics
