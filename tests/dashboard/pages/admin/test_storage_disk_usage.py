"""Disk usage of jobs' shared outputs on hosts, on the page about storage."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils.timezone import now

from tests.factories import make_host, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


@pytest.fixture
def shown(client):
    client.force_login(make_user("ada", is_staff=True))

    def read():
        text = client.get(reverse("storage")).text
        table = text.partition('id="disk-usage-title"')[2].partition("</tbody>")[0]
        rows = table.split("<tr")[2:]
        return {row.partition("<b>")[2].partition("</b>")[0]: row for row in rows}

    return read


def measured(*, minutes_ago=5, **sizes):
    at = (now() - timedelta(minutes=minutes_ago)).timestamp()
    return {name: {"bytes": count, "at": at} for name, count in sizes.items()}


def test_each_host_shows_its_usage_and_measuring_time(shown):
    made = measured(environments=1_300_000_000, weights=98_000_000, artifacts=0)
    make_host("va16-01", type="vacc", load={"disk_usage": made})

    row = shown()["va16-01"]

    text = " ".join(re.sub("<[^>]+>", " ", row).split())
    assert "1.30 GB" in text
    assert "98.0 MB" in text
    assert "0 B" in text
    assert "5 min ago" in row


def test_an_unreported_usage_is_not_measured_and_never_zero(shown):
    make_host("older", type="vacc")
    make_host("part", type="vacc", load={"disk_usage": measured(weights=98_000_000)})
    make_host(
        "odd", type="vacc", load={"disk_usage": {"weights": {"bytes": "much", "at": None}, "x": 3}}
    )
    make_host("far", type="vacc", load={"disk_usage": {"weights": {"bytes": 1, "at": 1e300}}})

    shown_rows = shown()

    assert shown_rows["older"].count("not measured") == 4
    assert shown_rows["part"].count("not measured") == 3
    assert [shown_rows[name].count("not measured") for name in ("odd", "far")] == [4, 4]


def test_the_measuring_time_is_of_the_dashboard_s_clock(shown):
    make_host(
        "ahead",
        type="vacc",
        clock_skew_s=3600.0,
        load={"disk_usage": measured(minutes_ago=-30, weights=1)},
    )

    assert "30 min ago" in shown()["ahead"]
