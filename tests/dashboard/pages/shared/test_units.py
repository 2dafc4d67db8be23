"""Unit of throughput: the last choice of a person, and the address that says it."""

import pytest
from django.urls import reverse

from tests.measuring import measured, served

pytestmark = pytest.mark.django_db
HERE = {"headers": {"referer": "http://testserver/results/"}}


@pytest.fixture
def address(host):
    return reverse("result-detail", args=[measured(served(host)).pk])


def test_a_chosen_unit_stands_in_the_address_and_in_those_of_later_pages(member, address):
    chosen = member.get(address, {"unit": "card", "subjects": "name"})
    assert chosen["Location"] == "?subjects=name&per=card"

    for name in ("result-fleet", "result-tradeoff", "matrix-compare"):
        later = member.get(reverse(name), {"a": "1"}, **HERE)
        assert (later.status_code, later["Location"]) == (302, "?a=1&per=card")
    assert member.get(address, **HERE)["Location"] == "?per=card"
    assert member.get(address, {"per": "watt"}, **HERE).context["units"].unit == "watt"

    member.get(address, {"unit": "total"})
    assert member.get(address, **HERE).context["units"].unit == "total"
    # The usual unit of this page depends on what it shows.
    assert member.get(reverse("result-tradeoff"), **HERE)["Location"] == "?per=total"


@pytest.mark.parametrize(
    "referer", ["", "http://chat.example/r/1", "http://testserver{}?others=on"]
)
def test_an_address_from_elsewhere_and_links_of_a_page_keep_their_unit(member, address, referer):
    member.get(address, {"unit": "card"})

    page = member.get(address, headers={"referer": referer.format(address)})

    assert page.context["units"].unit == "total"


def test_an_unknown_unit_is_not_remembered(member, address):
    assert member.get(address, {"unit": "rack"}).context["units"].unit == "total"

    assert member.get(address, **HERE).status_code == 200
