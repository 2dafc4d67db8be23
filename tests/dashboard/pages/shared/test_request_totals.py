"""Requests of one concurrency and of all concurrencies are separate numbers."""

import json

import pytest
from django.urls import reverse

from tests.dashboard.lib.points import SOME_FAILED
from tests.factories import make_measured, make_user

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
