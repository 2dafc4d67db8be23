"""Concurrency in the list of results: a number, offline, or none reported."""

import html
import re

import pytest
from django.urls import reverse

from tests.factories import make_job, make_measured, make_user

pytestmark = pytest.mark.django_db
RATE = {"output_tokens_per_s": 50.0}


def column(client):
    client.force_login(make_user())
    page = client.get(reverse("result-list"), {"type": "benchmark"}).text
    return re.findall(r'<span class="dim" title="([^"]+)">([^<]+)</span>', html.unescape(page))


def test_an_offline_benchmark_says_so(client):
    for kind in ("benchmark-throughput", "benchmark-latency"):
        make_measured(job=make_job(kind=kind, state="succeeded"), points=[(0, RATE)])

    why = "Measured without a server: all requests at once, or one batch."
    assert column(client) == [(why, "offline")] * 2


def test_a_tool_without_a_concurrency_has_a_dash(client):
    make_measured(job=make_job(kind="benchmark", state="succeeded"), points=[(0, RATE)])

    assert column(client) == [("The tool reports no concurrency.", "–")]
